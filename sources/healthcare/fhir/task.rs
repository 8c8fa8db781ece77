//! Work in the background that sends what it makes, ends with its reader, and never ends silently.

use std::future::Future;

use tokio::{sync::mpsc, task::JoinSet};
use tracing::{Instrument, instrument::WithSubscriber};

use crate::{
    error::{Error, ErrorKind, Result},
    meter::Metered,
};

/// A running piece of work. Dropping it stops the work.
pub(super) struct Task<T> {
    pieces: mpsc::Receiver<T>,
    work: JoinSet<Result<()>>,
}

/// Where the work sends what it makes.
#[derive(Clone)]
pub(super) struct Output<T>(mpsc::Sender<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts work that waits when `ahead` pieces were not yet taken.
    pub(super) fn spawn<F>(ahead: usize, work: impl FnOnce(Output<T>) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, pieces) = mpsc::channel(ahead);
        let mut set = JoinSet::new();
        set.spawn(work(Output(sender)).in_current_meter().in_current_span().with_current_subscriber());
        Self { pieces, work: set }
    }

    /// The next piece; `None` when the work has ended well.
    ///
    /// # Errors
    /// What ended the work.
    pub(super) async fn next(&mut self) -> Result<Option<T>> {
        if let Some(piece) = self.pieces.recv().await {
            return Ok(Some(piece));
        }
        match self.work.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(None),
            Some(Ok(Err(error))) => Err(error),
            // Not kept as the cause: a panic's text may quote data.
            Some(Err(_)) => Err(Error::new(ErrorKind::Internal, "a background task broke off")),
        }
    }

    /// Whether [`Task::next`] would answer without waiting for more work.
    pub(super) fn is_ready(&self) -> bool {
        !self.pieces.is_empty() || self.pieces.is_closed()
    }
}

impl<T> Output<T> {
    /// Hands a piece over, waiting for room.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when nobody reads any more; the work is about to be stopped then.
    pub(super) async fn send(&self, piece: T) -> Result<()> {
        self.0.send(piece).await.map_err(|_| Error::new(ErrorKind::Internal, "the reader is gone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_come_in_order_and_then_the_error() {
        let mut task = Task::spawn(1, |out| async move {
            out.send(1).await?;
            out.send(2).await?;
            Err(Error::new(ErrorKind::Data, "x"))
        });
        assert_eq!(task.next().await.unwrap(), Some(1));
        assert_eq!(task.next().await.unwrap(), Some(2));
        assert_eq!(task.next().await.unwrap_err().kind(), ErrorKind::Data);
        assert_eq!(task.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_not_the_end() {
        let mut task: Task<()> = Task::spawn(1, |_| async move { panic!("on purpose") });
        assert_eq!(task.next().await.unwrap_err().kind(), ErrorKind::Internal);
    }
}
