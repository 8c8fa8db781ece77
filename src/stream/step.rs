//! Reads one unit at a time, in the manner of connectors that return rows and the next offset.

use futures::TryStreamExt;

use crate::{
    error::Result,
    read::{Offset, QuarantinedRow, ReadEvent, ReadStream, Records},
};

/// Rows and where to go on.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The rows, in the source's order.
    pub records: Vec<Records>,
    /// Rows that do not fit the schema, when the request asked for them.
    pub quarantined: Vec<QuarantinedRow>,
    /// The offset to start the next step from. The one this step started from means: caught up.
    pub next_offset: Option<Offset>,
}

impl Step {
    /// How many rows, without quarantined ones.
    pub fn rows(&self) -> usize {
        self.records.iter().map(Records::rows).sum()
    }
}

/// Drains a stream that was started from `start` to its first checkpoint past `start`, or to its end.
///
/// Call it with `None` first, then with each step's `next_offset` until that is what the step started from. Rows after the
/// last checkpoint, as a snapshot without checkpoints sends them, come with the offset the step started from.
/// The step's rows are held in memory.
///
/// ```
/// # use std::sync::Arc;
/// # use lakeflow_connect::{LakeflowConnect, ReadRequest, Result, TableRef, stream::read_step};
/// # async fn demo(connector: Arc<dyn LakeflowConnect>, table: TableRef) -> Result<()> {
/// let mut offset = None;
/// loop {
///     let request = ReadRequest::new(table.clone()).start(offset.clone());
///     let step = read_step(connector.read_table(request), offset.as_ref()).await?;
///     // store step.records and step.next_offset together
///     if step.next_offset == offset {
///         break;
///     }
///     offset = step.next_offset;
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// Those of the stream; what came before the error is dropped, so that no offset is stored without its rows.
pub async fn read_step(mut events: ReadStream, start: Option<&Offset>) -> Result<Step> {
    let mut step = Step { next_offset: start.cloned(), ..Step::default() };
    while let Some(event) = events.try_next().await? {
        match event {
            ReadEvent::Records(records) => step.records.push(records),
            ReadEvent::Quarantined(rows) => step.quarantined.extend(rows),
            ReadEvent::Checkpoint(offset) if Some(&offset) == start => {}
            ReadEvent::Checkpoint(offset) => {
                step.next_offset = Some(offset);
                break;
            }
        }
    }
    Ok(step)
}
