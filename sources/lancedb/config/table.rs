//! Options of a table.

use serde::Deserialize;

use super::{
    super::types::{Nanoseconds, TypeOptions},
    docs::OPTIONS,
};
use crate::{
    error::Result,
    options::{Level, Options, Problems},
};

/// Options of a table.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct TableOptions {
    pub(in super::super) version: Option<u64>,
    pub(in super::super) tag: Option<String>,
    pub(in super::super) branch: Option<String>,
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
    keep_nanos: bool,
    uuid_format: String,
    json_as: String,
    vector_format: String,
    blob_mode: String,
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
    pub(in super::super) query_vector: Option<String>,
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

    /// The same with other columns, and none that the server adds.
    pub(in super::super) fn with_columns(&self, columns: Vec<String>) -> Self {
        Self { columns, with_row_id: false, ..self.clone() }
    }

    pub(in super::super) fn types(&self) -> TypeOptions {
        TypeOptions {
            exact_integers: self.int_mode == "exact",
            keeps_ntz: self.timestamp_ntz == "ntz",
            binary_uuids: self.uuid_format == "binary",
            json_variants: self.json_as == "variant",
            binary_vectors: self.vector_format == "binary",
            nanoseconds: if self.keep_nanos { Nanoseconds::Beside } else { Nanoseconds::Cut },
        }
    }

    /// Whether columns whose bytes lie apart are left out, where columns are not chosen.
    pub(in super::super) fn skips_blobs(&self) -> bool {
        self.blob_mode == "skip" && self.columns.is_empty()
    }

    fn check(&self, problems: &mut Problems) {
        if self.version.is_some() && self.tag.is_some() {
            problems.add("give either 'version' or 'tag'");
        }
        if self.branch.is_some() && self.tag.is_some() {
            problems.add("give either 'branch' or 'tag'");
        }
        if self.branch.is_some() && !matches!(self.ingestion_type, IngestionChoice::Auto | IngestionChoice::Snapshot) {
            problems.add("a branch is read as a snapshot: leave 'ingestion_type' out");
        }
        for (option, names) in [("columns", &self.columns), ("primary_keys", &self.primary_keys)] {
            if let Some(twice) = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|n| n == *name))
            {
                problems.add(format!("'{option}' names '{}' twice", twice.1));
            }
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
        query.check(problems);
        if query.is_search() && self.scan_mode != ScanMode::Auto {
            problems.add("a search is no scan: leave 'scan_mode' out");
        }
        if !query.is_search() && (query.vector_column.is_some() && self.scan_mode != ScanMode::DummyVector) {
            problems.add("'vector_column' needs 'query_vector'");
        }
        if !query.full_text_columns.is_empty() && query.full_text_query.is_none() {
            problems.add("'full_text_columns' needs 'full_text_query'");
        }
    }
}

impl QueryOptions {
    fn check(&self, problems: &mut Problems) {
        if self.fast_search && !self.is_search() {
            problems.add("'fast_search' leaves rows out: it is for searches only");
        }
        if self.offset > 0 && !self.is_search() {
            problems.add("'offset' leaves rows out: it is for searches only");
        }
        if self.nprobes.is_some() && (self.minimum_nprobes.is_some() || self.maximum_nprobes.is_some()) {
            problems.add("give either 'nprobes' or 'minimum_nprobes' and 'maximum_nprobes'");
        }
        if let (Some(least), Some(most @ 1..)) = (self.minimum_nprobes, self.maximum_nprobes)
            && least > most
        {
            problems.add("'minimum_nprobes' must not be above 'maximum_nprobes'");
        }
        let of_vectors = [
            ("distance_type", self.distance_type.is_some()),
            ("nprobes", self.nprobes.is_some()),
            ("minimum_nprobes", self.minimum_nprobes.is_some()),
            ("maximum_nprobes", self.maximum_nprobes.is_some()),
            ("ef", self.ef.is_some()),
            ("refine_factor", self.refine_factor.is_some()),
            ("bypass_vector_index", self.bypass_vector_index),
            ("lower_bound", self.lower_bound.is_some()),
            ("upper_bound", self.upper_bound.is_some()),
        ];
        for (name, _) in of_vectors.into_iter().filter(|(_, given)| *given && self.query_vector.is_none()) {
            problems.add(format!("'{name}' needs 'query_vector'"));
        }
    }

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
    fn options_of_searches_need_a_search() {
        for (pairs, part) in [
            (&[("nprobes", "3")][..], "'nprobes' needs 'query_vector'"),
            (&[("bypass_vector_index", "true")], "'bypass_vector_index' needs"),
            (&[("offset", "1")], "'offset' leaves rows out"),
            (&[("full_text_query", "a"), ("ef", "3")], "'ef' needs"),
            (&[("query_vector", "[1]"), ("scan_mode", "offset")], "a search is no scan"),
            (&[("query_vector", "[1]"), ("ingestion_type", "cdc")], "a search is a snapshot"),
            (&[("query_vector", "[1]"), ("nprobes", "1"), ("maximum_nprobes", "2")], "either 'nprobes' or"),
            (&[("query_vector", "[1]"), ("minimum_nprobes", "3"), ("maximum_nprobes", "2")], "not be above"),
            (&[("query_vector", "[1]"), ("lower_bound", "1"), ("upper_bound", "1")], "must be below"),
            (&[("full_text_columns", "a")], "needs 'full_text_query'"),
            (&[("columns", "id,n,id")], "'columns' names 'id' twice"),
            (&[("primary_keys", "a,a")], "'primary_keys' names 'a' twice"),
            (&[("protect_snapshot", "true")], "'protect_snapshot'"),
            (&[("reconcile_every", "5")], "'reconcile_every'"),
            (&[("json_as", "struct")], "json_as"),
        ] {
            let error = TableOptions::parse(&pairs.iter().copied().collect()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let most_is_all = [("query_vector", "[1]"), ("minimum_nprobes", "3"), ("maximum_nprobes", "0")];
        assert!(TableOptions::parse(&most_is_all.into_iter().collect()).is_ok());
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
