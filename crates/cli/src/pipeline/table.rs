//! One table of a pipeline: where it comes from, where it lands, how.

use std::path::PathBuf;

use lakeflow_connect::{Options, TableRef, options::Problems};

/// How rows land when the user decides instead of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScdType {
    /// One row per key, the newest.
    One,
    /// Every version of a row, with the time it was valid.
    Two,
    /// Every row that was read.
    AppendOnly,
}

impl ScdType {
    const WORDS: [(&'static str, Self); 3] =
        [("SCD_TYPE_1", Self::One), ("SCD_TYPE_2", Self::Two), ("APPEND_ONLY", Self::AppendOnly)];

    fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim())).map(|(_, t)| *t)
    }
}

/// A table to sync.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableSpec {
    /// The source's name.
    pub(crate) source_table: String,
    /// The directory below the destination.
    pub(crate) destination: PathBuf,
    /// What the pipeline says beyond the source's own metadata.
    pub(crate) configuration: TableConfiguration,
}

impl TableSpec {
    /// A table that lands under its own name.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        let source_table = name.into();
        Self { destination: PathBuf::from(&source_table), source_table, configuration: TableConfiguration::default() }
    }

    /// Whether both read the same table in lanes of their own.
    pub(crate) fn is_lane_beside(&self, other: &Self) -> bool {
        self.source_table == other.source_table && self.configuration.lane != other.configuration.lane
    }

    /// What the source needs to know.
    pub(crate) fn table_ref(&self) -> TableRef {
        TableRef { name: self.source_table.clone(), options: self.configuration.options.clone() }
    }
}

/// The host's settings of a table, and the options that go on to the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TableConfiguration {
    pub(crate) scd_type: Option<ScdType>,
    pub(crate) primary_keys: Option<Vec<String>>,
    pub(crate) sequence_by: Option<String>,
    pub(crate) cluster_by: Option<Vec<String>>,
    pub(crate) partition_by: Option<Vec<String>>,
    /// Names the state of one of several jobs that fill one table.
    pub(crate) lane: Option<String>,
    pub(crate) options: Options,
}

impl TableConfiguration {
    /// Takes one `key: value`: the host's own words are kept here, all others are the source's.
    pub(crate) fn set(&mut self, key: &str, value: String, problems: &mut Problems) {
        match key.to_lowercase().as_str() {
            "scd_type" => match ScdType::parse(&value) {
                Some(scd_type) => self.scd_type = Some(scd_type),
                None => problems.add("'scd_type' must be SCD_TYPE_1, SCD_TYPE_2 or APPEND_ONLY"),
            },
            "primary_keys" => self.primary_keys = columns(key, &value, problems),
            "cluster_by" => self.cluster_by = columns(key, &value, problems),
            "partition_by" => self.partition_by = columns(key, &value, problems),
            "lane" => match value.trim() {
                "" => problems.add("'lane' must be a name, such as backfill"),
                lane => self.lane = Some(lane.to_owned()),
            },
            "sequence_by" => match value.trim() {
                "" => problems.add("'sequence_by' must name a column"),
                column => self.sequence_by = Some(column.to_owned()),
            },
            "track_history_column_list" | "track_history_except_column_list" => {
                problems.add(format!("'{key}' is not available: a change in any column is a version (SCD_TYPE_2)"));
            }
            _ => self.options.insert(key, value),
        }
    }
}

/// Column names from `a, b` or `["a", "b"]`.
fn columns(key: &str, value: &str, problems: &mut Problems) -> Option<Vec<String>> {
    let names: Vec<String> = if value.trim_start().starts_with('[') {
        serde_json::from_str(value).unwrap_or_default()
    } else {
        value.split(',').map(|name| name.trim().to_owned()).collect()
    };
    if names.is_empty() || names.iter().any(String::is_empty) {
        problems.add(format!("'{key}' must name columns, such as id or [\"id\", \"version\"]"));
        return None;
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Result<TableConfiguration, String> {
        let mut problems = Problems::default();
        let mut configuration = TableConfiguration::default();
        for (key, value) in pairs {
            configuration.set(key, (*value).to_owned(), &mut problems);
        }
        problems.into_result().map(|()| configuration).map_err(|e| e.to_string())
    }

    #[test]
    fn the_hosts_words_stay_here_and_the_rest_goes_to_the_source() {
        let c = set(&[("SCD_TYPE", "scd_type_1"), ("primary_keys", r#"["id","v"]"#), ("page_size", "5")]).unwrap();
        assert_eq!(c.scd_type, Some(ScdType::One));
        assert_eq!(c.primary_keys.unwrap(), ["id", "v"]);
        assert_eq!(c.options.iter().collect::<Vec<_>>(), [("page_size", "5")]);
        assert_eq!(set(&[("cluster_by", "a, b")]).unwrap().cluster_by.unwrap(), ["a", "b"]);
    }

    #[test]
    fn wrong_words_are_told_all_at_once() {
        let wrong =
            [("scd_type", "3"), ("primary_keys", "[1]"), ("sequence_by", " "), ("track_history_column_list", "a")];
        let text = set(&wrong).unwrap_err();
        for part in [
            "'track_history_column_list' is not available",
            "SCD_TYPE_2",
            "'primary_keys' must name columns",
            "'sequence_by' must name a column",
        ] {
            assert!(text.contains(part), "{part:?} not in {text:?}");
        }
    }
}
