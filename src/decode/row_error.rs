//! A row that does not fit its table.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    error::{Error, ErrorKind},
    read::QuarantinedRow,
};

/// A record that does not fit the schema. Nothing of it was kept.
///
/// It never holds the value that did not fit. It may hold the record's key, which can be a patient's: `Debug`, `Display`
/// and the [`Error`] made from it leave that out.
#[derive(Clone, PartialEq, Eq)]
pub struct RowError {
    /// The column that did not fit, dotted for nested fields; empty when the record itself did not.
    pub column: String,
    /// The type that the column expects.
    pub expected: String,
    /// What kind of thing came instead.
    pub found: &'static str,
    /// The primary key's columns as a JSON object, where they could be read.
    pub key: Option<String>,
    /// Where the record starts in the text that it was read from, in bytes.
    pub byte: usize,
    pub(super) table: Arc<TableNames>,
}

/// The names an error is told with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TableNames {
    pub(super) table: String,
    pub(super) primary_keys: Vec<String>,
}

impl RowError {
    /// The row for a quarantine table.
    pub fn quarantine(self, record: Bytes) -> QuarantinedRow {
        let reason = self.reason();
        QuarantinedRow { key: self.key, column: self.column, reason, record }
    }

    /// What was expected and what came.
    fn reason(&self) -> String {
        format!("expected {}, found {}", self.expected, self.found)
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column '{}': {}", self.column, self.reason())
    }
}

impl fmt::Debug for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<RowError> for Error {
    fn from(row: RowError) -> Self {
        let mut error =
            Self::new(ErrorKind::Data, "a record does not fit the table's schema").with("table", &row.table.table);
        if !row.table.primary_keys.is_empty() {
            error = error.with("key_columns", row.table.primary_keys.join(","));
        }
        error
            .with("column", row.column)
            .with("expected", row.expected)
            .with("found", row.found)
            .with("record_at_byte", row.byte)
            .help("look at the record at the source, or ask for bad rows to be quarantined")
    }
}
