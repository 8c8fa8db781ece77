//! Any stream as JSON rows.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    decode::arrow_to_json,
    read::{ReadEvent, ReadStream, Records},
};

/// The same events with all rows as [`Records::Json`]: batches are written out, JSON stays as the source sent it.
///
/// For JSON in the table's schema, put [`ArrowTable::events`](super::ArrowTable::events) before it.
///
/// # Errors
/// Those of the stream, and those of [`arrow_to_json`].
pub fn json_events(events: ReadStream) -> ReadStream {
    let converted = stream::try_unfold(events, |mut events| async move {
        let event = match events.try_next().await? {
            Some(ReadEvent::Records(Records::Arrow(batch))) => {
                ReadEvent::Records(Records::Json(arrow_to_json(&batch)?))
            }
            Some(other) => other,
            None => return Ok(None),
        };
        Ok(Some((event, events)))
    });
    converted.boxed()
}
