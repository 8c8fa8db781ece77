//! A table, and how to find one.

use super::{
    additional::ADDITIONAL, af::AF, applies::Names, column::Column, discovery::DISCOVERY, event_frames::EVENT_FRAMES,
    reader::Reader, streams::STREAMS,
};
use crate::{
    connector::{IngestionType, TableMetadata},
    error::{Error, Result},
    types::StructType,
};

/// A table of the catalogue.
#[derive(Debug)]
pub(in super::super) struct Table {
    pub(in super::super) name: &'static str,
    /// The public connector's columns first, in its order, then ours.
    pub(super) columns: &'static [&'static [Column]],
    pub(super) key: &'static [&'static str],
    pub(super) cursor: Option<&'static str>,
    pub(super) ingestion: IngestionType,
    /// What the public connector says; `None` for tables of ours.
    pub(super) upstream: Option<Upstream>,
    pub(super) options: &'static [Names],
    pub(in super::super) reader: Reader,
}

/// How the public connector wants a table to be stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upstream {
    pub(super) key: &'static [&'static str],
    pub(super) cursor: Option<&'static str>,
}

impl Table {
    /// A snapshot table of the public connector, with its key.
    pub(super) const fn snapshot(
        name: &'static str,
        key: &'static [&'static str],
        columns: &'static [&'static [Column]],
        options: &'static [Names],
        reader: Reader,
    ) -> Self {
        let upstream = Some(Upstream { key, cursor: None });
        Self { name, columns, key, cursor: None, ingestion: IngestionType::Snapshot, upstream, options, reader }
    }

    /// A table that the public connector does not have.
    pub(super) const fn ours(self) -> Self {
        Self { upstream: None, ..self }
    }

    /// Sets how the public connector has it, where that differs.
    pub(super) const fn upstream(self, key: &'static [&'static str], cursor: Option<&'static str>) -> Self {
        Self { upstream: Some(Upstream { key, cursor }), ..self }
    }

    /// Sets how it is taken in.
    pub(super) const fn taken(self, ingestion: IngestionType, cursor: &'static str) -> Self {
        Self { ingestion, cursor: Some(cursor), ..self }
    }

    /// Its columns in order: all, or only the public connector's.
    pub(in super::super) fn columns(&self, upstream: bool) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().copied().flatten().filter(move |column| column.upstream || !upstream)
    }

    /// Its schema: ours, or the public connector's.
    pub(in super::super) fn schema(&self, upstream: bool) -> StructType {
        StructType::new(self.columns(upstream).map(|column| column.field(upstream)))
    }

    /// How it is stored: our way, or the public connector's.
    pub(in super::super) fn metadata(&self, upstream: bool) -> TableMetadata {
        let (key, cursor, ingestion_type) = match self.upstream {
            Some(Upstream { key, cursor }) if upstream => {
                let append = cursor.is_some();
                (key, cursor, if append { IngestionType::Append } else { IngestionType::Snapshot })
            }
            _ => (self.key, self.cursor, self.ingestion),
        };
        TableMetadata {
            primary_keys: key.iter().map(|&name| name.to_owned()).collect(),
            cursor_field: cursor.map(str::to_owned),
            ingestion_type,
        }
    }

    /// Whether the public connector has it.
    pub(in super::super) fn is_upstream(&self) -> bool {
        self.upstream.is_some()
    }

    /// The names of the options that it takes. There is nothing to be compatible with where the public connector has no such
    /// table.
    pub(in super::super) fn options(&self) -> impl Iterator<Item = &'static str> {
        let names = self.options.iter().copied().flatten().copied();
        names.filter(|name| self.is_upstream() || *name != "compat")
    }
}

const GROUPS: [&[Table]; 5] = [DISCOVERY, STREAMS, AF, EVENT_FRAMES, ADDITIONAL];

/// Every table, the public connector's 39 first.
pub(in super::super) fn all() -> impl Iterator<Item = &'static Table> {
    let tables = || GROUPS.into_iter().flatten();
    tables().filter(|table| table.is_upstream()).chain(tables().filter(|table| !table.is_upstream()))
}

/// The table of that name.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) with near matches.
pub(in super::super) fn find(name: &str) -> Result<&'static Table> {
    all().find(|table| table.name == name).ok_or_else(|| {
        let error = Error::unknown("table", name, all().map(|table| table.name)).with("source", "osipi");
        match error.help_text() {
            Some(_) => error,
            None => error.help("list the tables to see their names"),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::options::{Level, OptionDoc};

    #[test]
    fn columns_are_unique_and_the_public_ones_come_first() {
        for table in all() {
            let names: HashSet<&str> = table.columns(false).map(|column| column.name).collect();
            assert_eq!(names.len(), table.columns(false).count(), "{}", table.name);
            let ours_from = table.columns(false).position(|column| !column.upstream);
            let public_to = table.columns(false).filter(|column| column.upstream).count();
            assert!(ours_from.is_none_or(|at| at == public_to || !table.is_upstream()), "{}", table.name);
        }
    }

    #[test]
    fn keys_and_cursors_are_columns_and_are_never_null() {
        for table in all() {
            let (schema, metadata) = (table.schema(false), table.metadata(false));
            for name in &metadata.primary_keys {
                assert!(schema.field(name).is_some_and(|f| !f.nullable), "{} {name}", table.name);
            }
            if let Some(name) = &metadata.cursor_field {
                assert!(schema.field(name).is_some(), "{} {name}", table.name);
            }
        }
    }

    #[test]
    fn every_table_option_applies_to_a_table_and_every_applied_one_exists() {
        let documented: HashSet<&str> = super::super::super::config::OPTIONS
            .iter()
            .filter(|doc: &&OptionDoc| doc.level == Level::Table)
            .map(|doc| doc.name)
            .collect();
        let applied: HashSet<&str> = all().flat_map(Table::options).collect();
        let only: Vec<&&str> = documented.symmetric_difference(&applied).collect();
        assert!(only.is_empty(), "{only:?}");
    }

    #[test]
    fn there_are_39_public_tables_and_ten_of_ours() {
        assert_eq!(all().filter(|table| table.is_upstream()).count(), 39);
        assert_eq!(all().count(), 49);
        let help = find("pi_timeseris").unwrap_err().help_text().map(str::to_owned);
        assert!(help.is_some_and(|help| help.starts_with("did you mean 'pi_timeseries'")));
    }
}
