//! How far the event frames of a table have been followed, as an offset holds it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{super::time::Ticks, keyset};
use crate::{
    error::{Error, ErrorKind, Result},
    read::Offset,
};

const VERSION: u32 = 1;

/// Which frames of which system an offset is about: one of another selection is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    table: &'static str,
    selection: String,
}

impl Origin {
    /// `parts` are what the selection depends on: the address, the filters.
    pub(super) fn new(table: &'static str, parts: &[String]) -> Self {
        let hash = digest(&SHA256, parts.join("\n").as_bytes());
        let selection = URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default());
        Self { table, selection }
    }

    /// Names the selection among those of a connection.
    pub(super) fn selection(&self) -> &str {
        &self.selection
    }

    /// Writes a state as an offset.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when it is too large, which bounds keep from happening.
    pub(super) fn write<T: Serialize>(&self, flow: Flow, at: Ticks, state: T) -> Result<Offset> {
        let selection = self.selection.clone();
        Offset::encode(VERSION, &Envelope { table: self.table.to_owned(), selection, flow, at: at.0, state })
    }

    /// Reads an offset back: when its run was frozen, and the state.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when it is not of this table, server and selection.
    pub(super) fn read<T: DeserializeOwned>(&self, flow: Flow, offset: &Offset) -> Result<(Ticks, T)> {
        let envelope: Envelope<T> = offset.decode(VERSION).map_err(|e| e.with("table", self.table))?;
        let expired = |why: &'static str| {
            Error::new(ErrorKind::OffsetExpired, why).with("table", self.table).help(
                "use the offset's own connection and options, or reset the table's state to read it in full again",
            )
        };
        if envelope.table != self.table {
            return Err(expired("the offset is of another table"));
        }
        if envelope.flow != flow {
            return Err(expired("an offset of rows is none of deletions"));
        }
        if envelope.selection != self.selection {
            return Err(expired("the offset is of another server, or of other filters"));
        }
        Ok((Ticks(envelope.at), envelope.state))
    }
}

/// Rows and deletions are followed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Flow {
    Rows,
    Deletes,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    table: String,
    selection: String,
    flow: Flow,
    /// When the run was frozen.
    at: keyset::Ticks,
    state: T,
}
