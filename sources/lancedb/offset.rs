//! Where a read has got to.

use serde::{Deserialize, Serialize};

use super::{client::Version, config::TableOptions};
use crate::{
    error::{Error, ErrorKind, Result},
    read::Offset,
};

/// The format of the offsets.
const FORMAT: u32 = 1;

/// A version of a table that was read, and of which table and choice of rows it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The table's id.
    table: String,
    /// The choice of rows: an offset of another choice says nothing of this one.
    filter: Option<String>,
    pub(super) version: u64,
    fingerprint: String,
    /// Rows of that version, for the user's eye.
    pub(super) rows: u64,
}

impl State {
    pub(super) fn new(table: &str, options: &TableOptions, version: &Version, rows: u64) -> Self {
        Self {
            table: table.to_owned(),
            filter: options.filter.clone(),
            version: version.number,
            fingerprint: version.fingerprint(),
            rows,
        }
    }

    pub(super) fn encode(&self) -> Result<Offset> {
        Offset::encode(FORMAT, self)
    }

    /// Reads an offset of this table and choice of rows.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) for one of another.
    pub(super) fn decode(offset: &Offset, table: &str, options: &TableOptions) -> Result<Self> {
        let state: Self = offset.decode(FORMAT)?;
        if state.table == table && state.filter == options.filter {
            return Ok(state);
        }
        Err(Error::new(ErrorKind::OffsetExpired, "the offset belongs to another table or another filter")
            .with("table", table)
            .help("reset the table's state to read it in full again"))
    }

    /// Whether a version is the one that was read, and not one of the same number of another table.
    pub(super) fn is(&self, version: &Version) -> bool {
        self.version == version.number && self.fingerprint == version.fingerprint()
    }
}
