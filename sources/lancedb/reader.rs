//! Reads of a table as a whole.

use futures::TryStreamExt;

use super::{config::TableOptions, offset::State, snapshot::Snapshot};
use crate::{
    error::{Error, ErrorKind, Result},
    read::{ReadEvent, Records},
    stream::Events,
};

/// Sends every row of a version, then that version's offset.
///
/// # Errors
/// Those of the client; [`Protocol`](ErrorKind::Protocol) when other rows came than were counted.
pub(super) async fn whole(snapshot: Snapshot, options: &TableOptions, events: &Events) -> Result<()> {
    let total = snapshot.count(None).await?;
    let mut pages = snapshot.pages(None, 0, total);
    let mut sent = 0;
    while let Some(page) = pages.try_next().await? {
        sent += page.rows();
        for batch in page.batches {
            events.send(ReadEvent::Records(Records::Arrow(batch))).await?;
        }
    }
    if sent != total {
        return Err(Error::new(ErrorKind::Internal, "a scan ended before its last row")
            .with("table", &snapshot.table)
            .with("rows", total)
            .with("sent", sent));
    }
    let state = State::new(&snapshot.table, options, &snapshot.version, total);
    events.send(ReadEvent::Checkpoint(state.encode()?)).await
}
