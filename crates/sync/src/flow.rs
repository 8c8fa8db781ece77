//! What rows and deletions have in common on their way into a table.

use std::future::Future;

use arrow::array::RecordBatch;
use lakeflow_connect::{Offset, Result, arrow};

use crate::{flow_id::FlowKind, receipt::Counts, staging::Staging};

/// One stream of a table: units are pushed, then committed with the offset that covers them.
pub(crate) trait Flow: Send {
    /// Rows or deletions.
    fn kind(&self) -> FlowKind;

    /// Takes rows of the current unit.
    fn push(&mut self, batch: &RecordBatch) -> impl Future<Output = Result<()>> + Send;

    /// The unit is whole.
    fn end_unit(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Commits all whole units with an offset; nothing when there is nothing new to say.
    fn commit(&mut self, offset: Option<Offset>) -> impl Future<Output = Result<()>> + Send;

    /// The offset of what is committed.
    fn offset(&self) -> Option<&Offset>;

    /// What waits for the next commit.
    fn staging(&self) -> &Staging;

    /// What was moved so far.
    fn counts(&mut self) -> &mut Counts;

    /// The table's version.
    fn version(&self) -> Option<u64>;
}
