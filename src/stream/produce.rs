//! A stream out of a future that sends as it goes.

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    error::{Error, ErrorKind, Result},
    read::{ReadEvent, ReadStream},
};

/// Where a [`produce`]d read sends its events.
#[derive(Clone, Debug)]
pub struct Events(Sender<ReadEvent>);

impl Events {
    /// Sends an event; waits while the consumer is behind.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when the stream is gone, which also drops the future that sends.
    pub async fn send(&self, event: ReadEvent) -> Result<()> {
        self.0.send(event).await.map_err(|_| Error::new(ErrorKind::Internal, "nobody reads the rows any more"))
    }
}

/// Runs a future that sends events, as a stream: for reads whose course is easier told as one function than as pages.
///
/// Lazy, in order; at most one event waits. Nothing runs unless the stream is polled, and dropping it drops the future.
/// The future's error ends the stream, after what was sent before it.
///
/// ```
/// use futures::TryStreamExt;
/// use lakeflow_connect::{Offset, ReadEvent, Result, stream::produce};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let stream = produce(|events| async move {
///     for page in 1..=3 {
///         events.send(ReadEvent::Checkpoint(Offset::encode(1, &serde_json::json!({"page": page}))?)).await?;
///     }
///     Ok(())
/// });
/// assert_eq!(stream.try_collect::<Vec<_>>().await?.len(), 3);
/// # Ok(()) }
/// ```
pub fn produce<W, F>(work: W) -> ReadStream
where
    W: FnOnce(Events) -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let work = async move { work(Events(sender)).await }.boxed();
    let running = Running { work: Some(work), receiver, failed: None };
    stream::unfold(running, |mut running| async move { running.next().await.map(|event| (event, running)) })
        .fuse()
        .boxed()
}

struct Running {
    work: Option<BoxFuture<'static, Result<()>>>,
    receiver: Receiver<ReadEvent>,
    failed: Option<Error>,
}

impl Running {
    async fn next(&mut self) -> Option<Result<ReadEvent>> {
        while let Some(work) = &mut self.work {
            tokio::select! {
                biased;
                Some(event) = self.receiver.recv() => return Some(Ok(event)),
                ended = work => {
                    self.work = None;
                    self.failed = ended.err();
                }
            }
        }
        match self.receiver.recv().await {
            Some(event) => Some(Ok(event)),
            None => self.failed.take().map(Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::read::Offset;

    fn checkpoint(n: u32) -> ReadEvent {
        ReadEvent::Checkpoint(Offset::encode(1, &serde_json::json!({ "n": n })).unwrap())
    }

    #[tokio::test]
    async fn what_was_sent_before_a_failure_comes_first() {
        let mut stream = produce(|events| async move {
            events.send(checkpoint(1)).await?;
            events.send(checkpoint(2)).await?;
            Err(Error::new(ErrorKind::Data, "after two"))
        });
        for _ in 0..2 {
            assert!(stream.try_next().await.unwrap().is_some());
        }
        assert_eq!(stream.try_next().await.unwrap_err().message(), "after two");
        assert!(stream.try_next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_future_works_no_further_ahead_than_one_event() {
        let (done, mut seen) = mpsc::unbounded_channel();
        let mut stream = produce(|events| async move {
            for n in 0..10 {
                events.send(checkpoint(n)).await?;
                done.send(n).ok();
            }
            Ok(())
        });
        assert!(seen.try_recv().is_err());
        stream.try_next().await.unwrap();
        let mut ahead = 0;
        while seen.try_recv().is_ok() {
            ahead += 1;
        }
        assert!(ahead <= 2, "{ahead}");
    }
}
