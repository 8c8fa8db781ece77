//! What a read asks for and what comes back, and the guarantee that both sides keep.
//!
//! # The guarantee
//!
//! 1. **Units.** Rows between two checkpoints are one unit. A host may merge units, never split one: after a
//!    crash it restarts from the last stored offset and sees the unit again.
//! 2. **Offsets follow rows.** An offset is only sent when *every* row it covers has been sent. A failure never
//!    advances an offset. A stream that ends without an error means: caught up.
//! 3. **Offsets are opaque.** An offset is a small JSON object with a version inside, stable across releases and
//!    bounded in size. A source that can no longer honour one fails with
//!    [`OffsetExpired`](crate::ErrorKind::OffsetExpired); it never guesses and never restarts silently.
//! 4. **Bounded reads repeat.** With `until` given, what is read depends on (`start`, `until`] alone: for append
//!    tables, reading it again gives the same rows; for cdc tables it gives every change in that range that has
//!    not been superseded since. The upper bound is frozen at the start of a run, so a run against a live source ends.
//! 5. **Memory is bounded** by pages in flight, not by the table. Back-pressure is the poll.
//! 6. **Ties are whole.** Equal cursor values never lose or repeat a row, whatever the page size; a unit never ends
//!    inside a tie.
//! 7. **Unknown names are errors** from every method, with near matches; all option problems are reported at once.
//! 8. **Structure is kept.** Nothing flattened, absent is null (never `{}`), integers are Long. Sources never
//!    cast: [`decode`](crate::decode) casts JSON to the schema, once.
//! 9. **No silent null.** A value that does not fit its column is an error naming table, column, expected type and the
//!    columns of the key, or a quarantined row, with its key, when the request asks for it. Neither the value nor the key,
//!    which may name a patient, is ever printed.
//! 10. **Deletions begin first.** A read of deletions without a start begins them. A host makes it before it asks for the
//!     first row, and stores its offset before the first row: every deletion made after its first poll is told by it or by
//!     reads that start at its offset. Earlier deletions need not be told, since nothing was read yet. A source that finds
//!     deletions while it reads rows sends no offset before the first one; a read without a start then tells all of them.
//!     In every later run rows are read before deletions, on the same connection. The cursor of a deletion is not older
//!     than the row that was deleted, and older than a row of the same key that was made afterwards.
//!
//! Each rule has a check in `testkit` named after it: `units`, `offsets_follow_rows`, `offsets_are_opaque`,
//! `bounded_reads_repeat`, `memory_is_bounded`, `ties_are_whole`, `unknown_names_are_errors`, `structure_is_kept`,
//! `no_silent_null` and `deletions_begin_first`. Run it on a source of your own as on those of this crate.

use std::fmt;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    connector::TableRef,
    error::{Error, ErrorKind, Result},
};

/// A lazy stream of rows and checkpoints. Nothing is requested until it is polled; dropping it cancels.
pub type ReadStream = BoxStream<'static, Result<ReadEvent>>;

/// What a source sends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReadEvent {
    /// Rows.
    Records(Records),
    /// Rows that do not fit the schema, when the request asked for [`BadRows::Quarantine`].
    Quarantined(Vec<QuarantinedRow>),
    /// Every row sent so far is covered by this offset.
    Checkpoint(Offset),
}

/// Rows in one of two forms. `Debug` counts them: rows are patient or plant data.
#[derive(Clone)]
#[non_exhaustive]
pub enum Records {
    /// One JSON object per line, not yet cast to the table's schema.
    Json(JsonLines),
    /// Already in the table's schema.
    Arrow(RecordBatch),
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if matches!(self, Self::Json(_)) { "Json" } else { "Arrow" };
        f.debug_struct(form).field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl Records {
    /// How many rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Json(lines) => lines.rows,
            Self::Arrow(batch) => batch.num_rows(),
        }
    }
}

/// Newline-separated JSON objects. `Debug` counts them.
#[derive(Clone)]
pub struct JsonLines {
    /// The text, UTF-8.
    pub bytes: Bytes,
    /// How many objects it holds.
    pub rows: usize,
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("rows", &self.rows).field("bytes", &self.bytes.len()).finish()
    }
}

/// A row that could not be put into its table. The record is patient or plant data: store it, never log it.
#[derive(Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// The row's primary key as JSON text, where it could be read.
    pub key: Option<String>,
    /// The column that did not fit, dotted for nested fields.
    pub column: String,
    /// What the column expects, and what kind of thing came instead. Never the value.
    pub reason: String,
    /// The record as it came.
    pub record: Bytes,
}

impl fmt::Debug for QuarantinedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuarantinedRow")
            .field("column", &self.column)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// What to do with a row that does not fit its table's schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// End the read with a [`Data`](ErrorKind::Data) error; the offset stays where it was.
    #[default]
    Fail,
    /// Send it as [`ReadEvent::Quarantined`] and go on.
    Quarantine,
}

/// How far a table has been read: a JSON object that only its source understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(Map<String, Value>);

impl Offset {
    /// The largest offset a host must store, in bytes of JSON.
    pub const MAX_BYTES: usize = 4 * 1024 * 1024;

    /// Wraps a source's own state, writing the version of its format as `v`.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when the state is not a JSON object, has a member `v` of its own, holds a number with
    /// a fraction (its last digit may change on the way through JSON text: write it as text), or is larger than
    /// [`Offset::MAX_BYTES`].
    pub fn encode<T: Serialize>(version: u32, state: &T) -> Result<Self> {
        let broken = |why| Error::new(ErrorKind::Internal, why);
        let value = serde_json::to_value(state).map_err(|e| broken("the offset could not be written").caused_by(e))?;
        let Value::Object(fields) = value else {
            return Err(broken("an offset must be a JSON object"));
        };
        if fields.contains_key("v") {
            return Err(broken("an offset's member 'v' is its version, and its state has one too"));
        }
        if fields.values().any(has_fraction) {
            return Err(broken("an offset cannot hold a number with a fraction: write it as text"));
        }
        let mut map = Map::with_capacity(fields.len() + 1);
        map.insert("v".to_owned(), Value::from(version));
        map.extend(fields);
        let offset = Self(map);
        if offset.to_json().len() > Self::MAX_BYTES {
            return Err(broken("the offset is larger than a host must store"));
        }
        Ok(offset)
    }

    /// Reads back what [`Offset::encode`] wrote.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when the version differs or the shape is not ours.
    pub fn decode<T: DeserializeOwned>(&self, version: u32) -> Result<T> {
        let found = self.version();
        if found != Some(u64::from(version)) {
            let found = found.map_or_else(|| "none".to_owned(), |v| v.to_string());
            return Err(self
                .expired("the offset has another format version")
                .with("found", found)
                .with("expected", version));
        }
        let mut fields = self.0.clone();
        fields.remove("v");
        serde_json::from_value(Value::Object(fields))
            .map_err(|_| self.expired("the offset does not have the shape this source writes"))
    }

    /// The format version inside, where there is one.
    pub fn version(&self) -> Option<u64> {
        self.0.get("v").and_then(Value::as_u64)
    }

    /// Parses an offset from JSON text.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when the text is not a JSON object.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|_| Error::new(ErrorKind::OffsetExpired, "the offset is not a JSON object"))
    }

    /// The offset as compact JSON text.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    fn expired(&self, why: &'static str) -> Error {
        Error::new(ErrorKind::OffsetExpired, why).help("reset the table's state to read it in full again")
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        _ => false,
    }
}

/// One read of one table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadRequest {
    /// The table and its options.
    pub table: TableRef,
    /// Read what came after this; all when absent.
    pub start: Option<Offset>,
    /// Read no further than this; "now" as fixed at the first poll when absent.
    pub until: Option<Offset>,
    /// Only these columns, where the source can; hosts must still expect all of them.
    pub columns: Option<Vec<String>>,
    /// End at the first checkpoint after this many rows.
    pub max_records: Option<u64>,
    /// What to do with rows that do not fit the schema.
    pub bad_rows: BadRows,
}

impl ReadRequest {
    /// Everything in the table, up to now.
    pub fn new(table: TableRef) -> Self {
        Self { table, start: None, until: None, columns: None, max_records: None, bad_rows: BadRows::default() }
    }

    /// Reads on from an offset.
    #[must_use]
    pub fn start(mut self, offset: impl Into<Option<Offset>>) -> Self {
        self.start = offset.into();
        self
    }

    /// Reads no further than an offset.
    #[must_use]
    pub fn until(mut self, offset: impl Into<Option<Offset>>) -> Self {
        self.until = offset.into();
        self
    }

    /// Asks for only these columns.
    #[must_use]
    pub fn columns(mut self, columns: impl Into<Option<Vec<String>>>) -> Self {
        self.columns = columns.into();
        self
    }

    /// Ends at the first checkpoint after this many rows.
    #[must_use]
    pub fn max_records(mut self, rows: impl Into<Option<u64>>) -> Self {
        self.max_records = rows.into();
        self
    }

    /// Chooses what happens to rows that do not fit the schema.
    #[must_use]
    pub fn bad_rows(mut self, bad_rows: BadRows) -> Self {
        self.bad_rows = bad_rows;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct State {
        wm: String,
    }

    #[test]
    fn an_offset_comes_back_as_it_was() {
        let offset = Offset::encode(1, &State { wm: "2024".into() }).unwrap();
        assert_eq!(offset.to_json(), r#"{"v":1,"wm":"2024"}"#);
        let again = Offset::from_json(&offset.to_json()).unwrap();
        assert_eq!(again.decode::<State>(1).unwrap(), State { wm: "2024".into() });
    }

    #[test]
    fn a_state_cannot_overwrite_the_version() {
        let error = Offset::encode(1, &serde_json::json!({"v": 2})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }

    #[test]
    fn debug_shows_no_row() {
        let lines = JsonLines { bytes: Bytes::from_static(b"{\"name\":\"Jane\"}\n"), rows: 1 };
        let shown = format!("{:?} {lines:?}", ReadEvent::Records(Records::Json(lines.clone())));
        assert!(shown.contains("rows: 1") && !shown.contains("Jane"), "{shown}");
    }

    #[test]
    fn another_version_or_shape_is_expired() {
        let offset = Offset::encode(1, &State { wm: "2024".into() }).unwrap();
        assert_eq!(offset.decode::<State>(2).unwrap_err().kind(), ErrorKind::OffsetExpired);
        let other = Offset::from_json(r#"{"v":1}"#).unwrap();
        assert_eq!(other.decode::<State>(1).unwrap_err().kind(), ErrorKind::OffsetExpired);
        assert_eq!(Offset::from_json("[]").unwrap_err().kind(), ErrorKind::OffsetExpired);
    }
}
