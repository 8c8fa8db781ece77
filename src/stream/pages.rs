//! One page function to a stream of events.

use futures::{StreamExt, TryStreamExt, stream};

use super::{limit::Limit, prefetch};
use crate::{
    error::Result,
    read::{ReadEvent, ReadStream},
};

/// What one request brought, and where the next one starts.
#[derive(Clone, Debug)]
pub struct Page<S> {
    /// Rows and checkpoints in order; may be empty.
    pub events: Vec<ReadEvent>,
    /// The state that the next page is fetched with; `None` after the last page.
    pub next: Option<S>,
}

/// Turns a function that fetches one page into a stream; see [`Pages`].
///
/// ```
/// use futures::TryStreamExt;
/// use lakeflow_connect::{JsonLines, Offset, ReadEvent, Records, Result, stream::{Page, pages}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let stream = pages(1, |page: u32| async move {
///     let rows = JsonLines { bytes: format!("{{\"page\":{page}}}\n").into(), rows: 1 };
///     let offset = Offset::encode(1, &serde_json::json!({"page": page}))?;
///     let events = vec![ReadEvent::Records(Records::Json(rows)), ReadEvent::Checkpoint(offset)];
///     Ok(Page { events, next: (page < 3).then_some(page + 1) })
/// });
/// let events: Vec<ReadEvent> = stream.into_stream().try_collect().await?;
/// assert_eq!(events.len(), 6);
/// # Ok(()) }
/// ```
pub fn pages<S, F, Fut>(first: S, fetch: F) -> Pages<S, F>
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<S>>> + Send + 'static,
{
    Pages { state: first, fetch, ahead: 1, max_records: None }
}

/// A read that goes page by page: lazy, in order, working ahead of the consumer, ending on `next: None`.
///
/// The first error ends it; a page's events are only sent when the whole page is there. Dropping the stream drops the
/// request under way. At most `ahead` + 1 pages are in memory.
#[must_use = "nothing is read before into_stream is polled"]
pub struct Pages<S, F> {
    state: S,
    fetch: F,
    ahead: usize,
    max_records: Option<u64>,
}

impl<S, F, Fut> Pages<S, F>
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<S>>> + Send + 'static,
{
    /// How many pages may be fetched while the consumer works on one; 1 when not called, 0 fetches only when polled.
    pub fn ahead(mut self, pages: usize) -> Self {
        self.ahead = pages;
        self
    }

    /// Ends at the first checkpoint after this many rows, without fetching a page beyond it.
    pub fn max_records(mut self, rows: impl Into<Option<u64>>) -> Self {
        self.max_records = rows.into();
        self
    }

    /// The stream. No page is fetched before it is polled.
    pub fn into_stream(self) -> ReadStream {
        let Self { state, fetch, ahead, max_records } = self;
        let first = Some((state, fetch, Limit::new(max_records)));
        let pages = stream::try_unfold(first, |run| async move {
            let Some((state, mut fetch, mut limit)) = run else { return Ok(None) };
            let Page { mut events, next } = fetch(state).await?;
            let end = events.iter().position(|event| limit.ends_at(event));
            if let Some(end) = end {
                events.truncate(end + 1);
            }
            let run = next.filter(|_| end.is_none()).map(|state| (state, fetch, limit));
            Ok(Some((events, run)))
        });
        prefetch(pages, ahead).map_ok(|events| stream::iter(events).map(Ok)).try_flatten().boxed()
    }
}
