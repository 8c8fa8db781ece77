//! Ends a read at a checkpoint.

use futures::{StreamExt, stream};

use crate::read::{ReadEvent, ReadStream};

/// Ends a stream at the first checkpoint after `max_records` rows, as [`ReadRequest::max_records`] asks; rows that went
/// to quarantine count. `None` changes nothing. What comes after that checkpoint is never asked for.
///
/// [`ReadRequest::max_records`]: crate::ReadRequest::max_records
pub fn limit_records(events: ReadStream, max_records: Option<u64>) -> ReadStream {
    if max_records.is_none() {
        return events;
    }
    let state = Some((events, Limit::new(max_records)));
    let limited = stream::unfold(state, |state| async move {
        let (mut events, mut limit) = state?;
        let event = events.next().await?;
        let ends = event.as_ref().is_ok_and(|event| limit.ends_at(event));
        Some((event, (!ends).then_some((events, limit))))
    });
    Box::pin(limited.fuse())
}

/// Counts rows up to the checkpoint that ends a read.
pub(super) struct Limit {
    max: Option<u64>,
    rows: u64,
}

impl Limit {
    pub(super) fn new(max: Option<u64>) -> Self {
        Self { max, rows: 0 }
    }

    /// Whether the read ends with this event.
    pub(super) fn ends_at(&mut self, event: &ReadEvent) -> bool {
        match event {
            ReadEvent::Records(records) => self.count(records.rows()),
            ReadEvent::Quarantined(rows) => self.count(rows.len()),
            ReadEvent::Checkpoint(_) => return self.max.is_some_and(|max| self.rows >= max),
        }
        false
    }

    fn count(&mut self, rows: usize) {
        self.rows = self.rows.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
    }
}
