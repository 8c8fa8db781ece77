//! Ending a run early without losing what is complete.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// A request to end: rows up to the last checkpoint are committed, then the run returns.
///
/// Clones share one request. Dropping the future of a run instead ends it at once, without a commit; either way the
/// table is consistent and the next run continues.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    notify: Notify,
}

impl Stop {
    /// Asks for the end; can be called from any thread, more than once.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        self.0.notify.notify_waiters();
    }

    /// Whether the end was asked for.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// Returns when the end is asked for.
    pub async fn stopped(&self) {
        let mut notified = std::pin::pin!(self.0.notify.notified());
        notified.as_mut().enable();
        if !self.is_stopped() {
            notified.await;
        }
    }
}
