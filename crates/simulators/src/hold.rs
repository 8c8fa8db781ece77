//! Replies that are held back until the program that runs the server lets them go.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Semaphore, watch};

use crate::server::Request;

type Which = dyn Fn(&Request) -> bool + Send + Sync;

/// All that holds replies of a server back.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<Vec<Arc<Hold>>>);

struct Hold {
    which: Box<Which>,
    /// Requests that wait for their replies.
    waiting: watch::Sender<usize>,
    /// Grants in the order in which they were asked for; closed, everything passes.
    turns: Semaphore,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("waiting", &*self.waiting.borrow()).finish_non_exhaustive()
    }
}

impl Holds {
    pub(crate) fn add(&self, which: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Held {
        let hold = Arc::new(Hold { which: Box::new(which), waiting: watch::Sender::new(0), turns: Semaphore::new(0) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&hold));
        Held(hold)
    }

    /// Waits until a reply may go.
    pub(crate) async fn wait(&self, request: &Request) {
        let holds = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for hold in holds.into_iter().filter(|hold| !hold.turns.is_closed() && (hold.which)(request)) {
            hold.waiting.send_modify(|waiting| *waiting += 1);
            if let Ok(turn) = hold.turns.acquire().await {
                turn.forget();
            }
        }
    }
}

/// Replies that a server holds back, in the order in which their requests came; dropped, all go.
#[derive(Debug)]
pub struct Held(Arc<Hold>);

impl Held {
    /// Waits until at least so many requests wait for their replies; how many do.
    pub async fn reached(&self, requests: usize) -> usize {
        let mut waiting = self.0.waiting.subscribe();
        // The sender is in our own hands.
        waiting.wait_for(|waiting| *waiting >= requests).await.map_or(0, |waiting| *waiting)
    }

    /// Lets the reply go that waits longest; the next one to wait, when none does.
    pub fn release(&self) {
        self.0.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
        self.0.turns.add_permits(1);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.turns.close();
    }
}
