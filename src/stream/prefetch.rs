//! Works ahead of the consumer, by a bounded number of items.

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, Receiver},
    task::JoinHandle,
};
use tracing::{Instrument, instrument::WithSubscriber};

use crate::{
    error::{Error, ErrorKind, Result},
    meter::Metered,
};

/// Runs a stream in a task of its own, at most `ahead` items further than the consumer took.
///
/// While the consumer works on one item, up to `ahead` more are made or being made; 0 gives the stream back as it is.
/// Nothing runs before the first poll. Order is kept, the first error ends the stream, and dropping the result
/// drops what was under way.
///
/// # Errors
/// Besides the stream's own: [`Internal`](ErrorKind::Internal) when polled outside a tokio runtime, and when the task
/// panicked or was stopped with its runtime, so that neither looks like the end of the data.
pub fn prefetch<T: Send + 'static>(
    items: impl Stream<Item = Result<T>> + Send + 'static,
    ahead: usize,
) -> BoxStream<'static, Result<T>> {
    if ahead == 0 {
        return Box::pin(items.fuse());
    }
    let state = State::Idle(Box::pin(items));
    let ahead = stream::unfold(state, move |state| async move {
        let started = match state {
            State::Idle(items) => Ahead::start(items, ahead),
            State::Running(running) => Ok(running),
            State::Ended => return None,
        };
        match started {
            Ok(mut running) => match running.items.recv().await {
                Some(Ok(item)) => {
                    // On a runtime of one thread the next item would else not be begun before the consumer waits again.
                    tokio::task::yield_now().await;
                    Some((Ok(item), State::Running(running)))
                }
                Some(Err(error)) => Some((Err(error), State::Ended)),
                None => running.failure().await.map(|error| (Err(error), State::Ended)),
            },
            Err(error) => Some((Err(error), State::Ended)),
        }
    });
    Box::pin(ahead.fuse())
}

enum State<T> {
    Idle(BoxStream<'static, Result<T>>),
    Running(Ahead<T>),
    Ended,
}

/// The task that works ahead, aborted on drop.
struct Ahead<T> {
    items: Receiver<Result<T>>,
    task: JoinHandle<()>,
}

impl<T: Send + 'static> Ahead<T> {
    fn start(mut items: BoxStream<'static, Result<T>>, ahead: usize) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|e| {
            Error::new(ErrorKind::Internal, "the stream was polled outside a tokio runtime")
                .help("poll it inside a tokio task or block_on")
                .caused_by(e)
        })?;
        let (sender, receiver) = mpsc::channel(ahead);
        let work = async move {
            // The slot is taken before the item is made: what is being made counts as ahead.
            while let Ok(slot) = sender.reserve().await {
                let Some(item) = items.next().await else { break };
                let failed = item.is_err();
                slot.send(item);
                if failed {
                    break;
                }
            }
        };
        Ok(Self {
            items: receiver,
            task: runtime.spawn(work.in_current_meter().in_current_span().with_current_subscriber()),
        })
    }

    /// Why the task ended, unless it came to the end of its items.
    async fn failure(&mut self) -> Option<Error> {
        let error = (&mut self.task).await.err()?;
        let why =
            if error.is_panic() { "the source panicked" } else { "the runtime stopped while the source was read" };
        // Not kept as the cause: a panic's text may quote data.
        Some(Error::new(ErrorKind::Internal, why))
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
