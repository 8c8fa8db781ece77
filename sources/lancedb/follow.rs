//! How a table is followed from one read to the next.

use arrow::datatypes::{DataType, Schema, TimeUnit};

use super::{
    changes::CHANGED_AT,
    config::{DeleteDetection, IngestionChoice, ScanMode, TableOptions},
    keys::primary_keys,
    pages::ROW_ID,
};
use crate::{
    connector::{IngestionType, TableMetadata},
    error::{Error, ErrorKind, Result},
};

/// What tells changes apart from what was read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing: each read is the whole table.
    Whole,
    /// The version of each row's last change.
    Versions,
    /// The fragment that a row is in.
    Fragments,
    /// A column that grows.
    Column(String),
}

/// How a table is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) way: Way,
    pub(super) keys: Vec<String>,
    pub(super) ingestion: IngestionType,
}

impl Followed {
    /// What the options ask for, and the best that the table allows when they leave it open.
    ///
    /// `keeps_ids` tells whether rows keep their ids and versions; `None` when nothing tells yet.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a wish that the table cannot fulfil, [`NotFound`](ErrorKind::NotFound) for a column that
    /// there is not.
    pub(super) fn of(table: &str, schema: &Schema, options: &TableOptions, keeps_ids: Option<bool>) -> Result<Self> {
        let keys = read_keys(table, schema, options)?;
        let wish = options.ingestion_type;
        let is_part = is_part(options);
        if is_part && !matches!(wish, IngestionChoice::Auto | IngestionChoice::Snapshot) {
            return Err(refused(
                table,
                "one version, a branch or a search is a snapshot",
                "leave 'ingestion_type' out",
            ));
        }
        let cursor = options.cursor_field.clone();
        if let Some(cursor) = &cursor
            && schema.fields().find(cursor).is_none()
        {
            let known = schema.fields().iter().map(|field| field.name().as_str());
            return Err(Error::unknown("column", cursor, known).with("option", "cursor_field").with("table", table));
        }
        if cursor.as_ref().is_some_and(|cursor| !is_read(options, cursor)) {
            return Err(refused(table, "'cursor_field' is not read", "add it to 'columns'"));
        }
        let whole = |keys| Self { way: Way::Whole, keys, ingestion: IngestionType::Snapshot };
        let by_versions = |keys: Vec<String>| {
            let keys = if keys.is_empty() { vec![ROW_ID.to_owned()] } else { keys };
            let ingestion = match (wish, options.delete_detection) {
                (IngestionChoice::Cdc, _) | (_, DeleteDetection::Off) => IngestionType::Cdc,
                _ => IngestionType::CdcWithDeletes,
            };
            Self { way: Way::Versions, keys, ingestion }
        };
        Ok(match (wish, cursor) {
            _ if is_part => whole(keys),
            (IngestionChoice::Snapshot, _) => whole(keys),
            (IngestionChoice::Auto, _) if keeps_ids == Some(true) => by_versions(keys),
            (IngestionChoice::Auto, None) => whole(keys),
            (IngestionChoice::Append, Some(name)) => {
                Self { way: Way::Column(name), keys, ingestion: IngestionType::Append }
            }
            (IngestionChoice::Append, None) => Self { way: Way::Fragments, keys, ingestion: IngestionType::Append },
            (IngestionChoice::Auto, Some(name)) => {
                let ingestion = if keys.is_empty() { IngestionType::Append } else { IngestionType::Cdc };
                Self { way: Way::Column(name), keys, ingestion }
            }
            (IngestionChoice::Cdc, Some(name)) if keeps_ids != Some(true) => {
                if keys.is_empty() {
                    return Err(refused(table, "changes of rows need a key", "set 'primary_keys'"));
                }
                Self { way: Way::Column(name), keys, ingestion: IngestionType::Cdc }
            }
            (IngestionChoice::Cdc | IngestionChoice::CdcWithDeletes, _) if keeps_ids != Some(false) => {
                by_versions(keys)
            }
            (IngestionChoice::Cdc | IngestionChoice::CdcWithDeletes, _) => {
                return Err(refused(
                    table,
                    "the table's rows do not keep their ids, so changes and deletions cannot be told",
                    "leave 'ingestion_type' out, set 'cursor_field', or write the table anew with stable row ids",
                ));
            }
        })
    }

    /// Whether the options leave a choice that depends on whether rows keep their ids.
    pub(super) fn depends_on_ids(options: &TableOptions) -> bool {
        !is_part(options) && !matches!(options.ingestion_type, IngestionChoice::Snapshot | IngestionChoice::Append)
    }

    /// Columns of the server that are read beside the table's own.
    pub(super) fn added(&self) -> Vec<&'static str> {
        match self.way {
            Way::Versions if self.keys == [ROW_ID] => vec![ROW_ID, CHANGED_AT],
            Way::Versions => vec![CHANGED_AT],
            _ => Vec::new(),
        }
    }

    /// The column that orders versions of a row.
    pub(super) fn cursor(&self) -> Option<&str> {
        match &self.way {
            Way::Versions => Some(CHANGED_AT),
            Way::Column(name) => Some(name),
            Way::Whole | Way::Fragments => None,
        }
    }

    pub(super) fn metadata(&self) -> TableMetadata {
        TableMetadata {
            primary_keys: self.keys.clone(),
            cursor_field: self.cursor().map(str::to_owned),
            ingestion_type: self.ingestion,
        }
    }
}

/// Whether what is read is not the table as it goes on.
fn is_part(options: &TableOptions) -> bool {
    options.version.is_some()
        || options.tag.is_some()
        || options.branch.is_some()
        || options.query.is_search()
        || options.scan_mode == ScanMode::DummyVector
}

fn is_read(options: &TableOptions, column: &String) -> bool {
    options.columns.is_empty() || options.columns.contains(column)
}

/// The keys, when they are among the columns that are read. Keys that nobody named may be left out.
fn read_keys(table: &str, schema: &Schema, options: &TableOptions) -> Result<Vec<String>> {
    let keys = primary_keys(table, schema, options)?;
    let is_cut = |key: &String| {
        schema.field_with_name(key).is_ok_and(|f| matches!(f.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)))
    };
    if keys.iter().any(is_cut) {
        return Err(refused(
            table,
            "a key of nanoseconds tells no rows apart in Spark, which has microseconds",
            "name other columns in 'primary_keys'",
        ));
    }
    match keys.iter().all(|key| is_read(options, key)) {
        true => Ok(keys),
        false if options.primary_keys.is_empty() => Ok(Vec::new()),
        false => Err(refused(table, "a column of 'primary_keys' is not read", "add it to 'columns'")),
    }
}

fn refused(table: &str, why: &'static str, help: &'static str) -> Error {
    Error::new(ErrorKind::Config, why).with("table", table).help(help)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::options::Options;

    fn follow(options: &[(&str, &str)], keeps_ids: Option<bool>) -> Result<Followed> {
        let fields = ["id", "at"].map(|name| Field::new(name, DataType::Int64, true));
        let mut given = Options::new();
        options.iter().chain(&[("primary_keys", "id")]).for_each(|(name, value)| given.insert(*name, *value));
        Followed::of("people", &Schema::new(fields.to_vec()), &TableOptions::parse(&given)?, keeps_ids)
    }

    #[test]
    fn tables_are_followed_as_well_as_they_allow() {
        use IngestionType as T;
        let column = || Way::Column("at".to_owned());
        for (options, keeps_ids, way, ingestion) in [
            (&[][..], Some(true), Way::Versions, T::CdcWithDeletes),
            (&[("delete_detection", "off")], Some(true), Way::Versions, T::Cdc),
            (&[], Some(false), Way::Whole, T::Snapshot),
            (&[], None, Way::Whole, T::Snapshot),
            (&[("ingestion_type", "cdc_with_deletes")], None, Way::Versions, T::CdcWithDeletes),
            (&[("ingestion_type", "snapshot")], Some(true), Way::Whole, T::Snapshot),
            (&[("version", "3")], Some(true), Way::Whole, T::Snapshot),
            (&[("cursor_field", "at")], Some(false), column(), T::Cdc),
            (&[("cursor_field", "at"), ("ingestion_type", "append")], Some(true), column(), T::Append),
            (&[("cursor_field", "at"), ("ingestion_type", "cdc")], Some(false), column(), T::Cdc),
            (&[("ingestion_type", "append")], Some(false), Way::Fragments, T::Append),
        ] {
            let found = follow(options, keeps_ids).unwrap();
            assert_eq!(
                (found.way, found.ingestion, found.keys),
                (way, ingestion, vec!["id".to_owned()]),
                "{options:?}"
            );
        }
    }

    #[test]
    fn what_a_table_cannot_do_is_refused() {
        for (options, keeps_ids, part) in [
            (&[("ingestion_type", "cdc_with_deletes")][..], Some(false), "do not keep their ids"),
            (&[("ingestion_type", "cdc")], Some(false), "do not keep their ids"),
            (&[("ingestion_type", "cdc"), ("version", "1")], Some(true), "search is a snapshot"),
            (&[("cursor_field", "att")], Some(false), "did you mean 'at'?"),
        ] {
            let error = follow(options, keeps_ids).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_table_without_a_key_has_its_row_ids() {
        let schema = Schema::new(vec![Field::new("x", DataType::Utf8, true)]);
        let options = TableOptions::parse(&Options::new()).unwrap();
        let found = Followed::of("t", &schema, &options, Some(true)).unwrap();
        assert_eq!((found.keys.clone(), found.added()), (vec![ROW_ID.to_owned()], vec![ROW_ID, CHANGED_AT]));
    }
}
