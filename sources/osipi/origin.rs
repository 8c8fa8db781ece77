//! Which server, table and options an offset belongs to.

use super::tags::hash64;
use crate::error::{Error, ErrorKind, Result};

/// Which table of which server an offset is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// A hash, as addresses are nobody's business.
    hash: Box<str>,
    table: &'static str,
}

impl Origin {
    /// `meaning` is what of the options decides which rows there are.
    pub(super) fn new(base: &str, table: &'static str, meaning: &str) -> Self {
        let text = format!("{}\n{table}\n{meaning}", base.trim_end_matches('/'));
        Self { hash: format!("{:016x}", hash64(&text)).into(), table }
    }

    /// What an offset names its origin.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn table(&self) -> &'static str {
        self.table
    }

    /// Refuses an offset that names another origin.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when it is of another table, server or selection of rows.
    pub(super) fn check(&self, named: &str) -> Result<()> {
        if *named == *self.hash {
            return Ok(());
        }
        Err(self.expired("the offset is of another server or table, or of other options such as filter or interval"))
    }

    /// Why an offset cannot be used, and what to do.
    pub(super) fn expired(&self, why: &'static str) -> Error {
        Error::new(ErrorKind::OffsetExpired, why)
            .with("table", self.table)
            .help("use the offset's own connection and options, or reset the table's state to read it in full again")
    }

    /// There are more tags than an offset can hold.
    pub(super) fn too_many(&self, tags: usize) -> Error {
        Error::new(ErrorKind::Config, "there are more tags than the state of one table can hold")
            .with("table", self.table)
            .with("tags", tags)
            .help("spread them over several tables, for example by 'nameFilter'")
    }
}
