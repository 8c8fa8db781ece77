//! Options of a table.

use serde::Deserialize;
use serde_json::Value;

use super::{super::types::TypeOptions, docs::OPTIONS};
use crate::{
    error::Result,
    options::{Level, Options, Problems},
};

/// Options of a table.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct TableOptions {
    pub(in super::super) version: Option<u64>,
    pub(in super::super) tag: Option<String>,
    #[serde(default)]
    pub(in super::super) columns: Vec<String>,
    pub(in super::super) filter: Option<String>,
    pub(in super::super) scan_mode: ScanMode,
    pub(in super::super) batch_size: Option<u32>,
    pub(in super::super) target_page_bytes: usize,
    pub(in super::super) verify: Verify,
    #[serde(default)]
    pub(in super::super) primary_keys: Vec<String>,
    pub(in super::super) cursor_field: Option<String>,
    pub(in super::super) ingestion_type: IngestionChoice,
    pub(in super::super) delete_detection: DeleteDetection,
    pub(in super::super) with_row_id: bool,
    int_mode: String,
    timestamp_ntz: String,
    uuid_format: String,
    pub(in super::super) query: QueryOptions,
}

/// How a table is read as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum ScanMode {
    Auto,
    Offset,
    RowRange,
    DummyVector,
}

/// What proves that a scan is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Verify {
    Count,
    Strict,
}

/// How a table is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum IngestionChoice {
    Auto,
    Snapshot,
    Append,
    Cdc,
    CdcWithDeletes,
}

/// How deletions are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum DeleteDetection {
    Auto,
    RowidDiff,
    Off,
}

/// A search for neighbours or words, in place of the table.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct QueryOptions {
    pub(in super::super) query_vector: Option<Value>,
    pub(in super::super) vector_column: Option<String>,
    pub(in super::super) k: u32,
    pub(in super::super) offset: u32,
    pub(in super::super) distance_type: Option<String>,
    pub(in super::super) prefilter: bool,
    pub(in super::super) nprobes: Option<u32>,
    pub(in super::super) minimum_nprobes: Option<u32>,
    pub(in super::super) maximum_nprobes: Option<u32>,
    pub(in super::super) ef: Option<u32>,
    pub(in super::super) refine_factor: Option<u32>,
    pub(in super::super) bypass_vector_index: bool,
    pub(in super::super) fast_search: bool,
    pub(in super::super) lower_bound: Option<f64>,
    pub(in super::super) upper_bound: Option<f64>,
    pub(in super::super) full_text_query: Option<String>,
    #[serde(default)]
    pub(in super::super) full_text_columns: Vec<String>,
}

impl TableOptions {
    /// Reads the options of a table.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) with every problem.
    pub(in super::super) fn parse(options: &Options) -> Result<Self> {
        options.parse_with(Level::Table, OPTIONS, |table: &Self, problems| table.check(problems))
    }

    pub(in super::super) fn types(&self) -> TypeOptions {
        TypeOptions {
            exact_integers: self.int_mode == "exact",
            keeps_ntz: self.timestamp_ntz == "ntz",
            binary_uuids: self.uuid_format == "binary",
        }
    }

    fn check(&self, problems: &mut Problems) {
        if self.version.is_some() && self.tag.is_some() {
            problems.add("give either 'version' or 'tag'");
        }
        let query = &self.query;
        if let (Some(lower), Some(upper)) = (query.lower_bound, query.upper_bound)
            && lower >= upper
        {
            problems.add("'lower_bound' must be below 'upper_bound'");
        }
        if query.is_search() && !matches!(self.ingestion_type, IngestionChoice::Auto | IngestionChoice::Snapshot) {
            problems.add("a search is a snapshot: leave 'ingestion_type' out");
        }
        if !query.is_search() && (query.vector_column.is_some() && self.scan_mode != ScanMode::DummyVector) {
            problems.add("'vector_column' needs 'query_vector'");
        }
        if !query.full_text_columns.is_empty() && query.full_text_query.is_none() {
            problems.add("'full_text_columns' needs 'full_text_query'");
        }
        if query.fast_search && !query.is_search() {
            problems.add("'fast_search' leaves rows out: it is for searches only");
        }
    }
}

impl QueryOptions {
    /// Whether neighbours or words are searched for, and not the table read.
    pub(in super::super) fn is_search(&self) -> bool {
        self.query_vector.is_some() || self.full_text_query.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::assert_documented;

    #[test]
    fn the_list_and_the_struct_are_held_equal() {
        assert_documented::<TableOptions>(Level::Table, OPTIONS);
    }

    #[test]
    fn numbers_have_bounds_and_choices_are_named() {
        for (name, value) in [
            ("batch_size", "0"),
            ("batch_size", "10001"),
            ("k", "0"),
            ("version", "0"),
            ("refine_factor", "1e3"),
            ("scan_mode", "fast"),
            ("upper_bound", "NaN"),
        ] {
            let error = TableOptions::parse(&Options::new().with(name, value)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let both = Options::new().with("version", "1").with("tag", "a").with("fast_search", "true");
        let error = TableOptions::parse(&both).unwrap_err().to_string();
        assert!(error.contains("either 'version' or 'tag'") && error.contains("searches only"), "{error}");
    }
}
