//! The AF databases to read, and the time at their servers.

use super::{
    super::{reading::Reading, time::Ticks},
    frame::canonical,
};
use crate::error::{Error, ErrorKind, Result};

/// The databases that a read is about.
#[derive(Clone, Debug)]
pub(super) struct Databases {
    pub(super) webids: Vec<String>,
    /// The earliest clock of the AF servers, else of the data servers; our own when none tells its time.
    pub(super) now: Ticks,
}

impl Databases {
    /// Asks which there are; those that the options name, else all.
    ///
    /// # Errors
    /// Those of the client; [`NotFound`](ErrorKind::NotFound) when there is no AF server at all, or not one that is named.
    pub(super) async fn find(reading: &Reading) -> Result<Self> {
        let databases = reading.databases().await?;
        if databases.is_empty() && reading.client().asset_servers().await?.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "the PI Web API shows no AF server")
                .help("add one on the PI Web API server, or grant this login the right to see it"));
        }
        let mut webids: Vec<String> = databases.iter().map(|database| canonical(&database.web_id)).collect();
        webids.sort_unstable();
        webids.dedup();
        // AF servers of older releases do not tell their time; the Data Archive beside them does.
        let (now, _) = reading.clocks(&["assetservers", "dataservers"]).await?;
        Ok(Self { webids, now })
    }
}
