//! What was asked of a source, told apart by who asked.
//!
//! A connection counts all its requests ([`LakeflowConnect::activity`](crate::LakeflowConnect::activity)). A host that reads several tables of
//! one connection at a time gives each a [`Meter`] to know the share of each.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::connector::Activity;

tokio::task_local! {
    static METER: Meter;
}

/// Counts the requests that the SDK's HTTP client sends for some work, and for tasks that this work starts with
/// [`Metered::in_current_meter`]. Clones share their counts.
///
/// ```
/// # use lakeflow_connect::{Activity, meter::Meter};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let meter = Meter::default();
/// meter.measure(async { /* read a table */ }).await;
/// assert_eq!(meter.activity(), Activity::default());
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counters>);

impl Meter {
    /// Runs work whose requests are counted; a meter inside of another one counts for itself alone.
    pub async fn measure<F: Future>(&self, work: F) -> F::Output {
        METER.scope(self.clone(), work).await
    }

    /// What was counted so far.
    pub fn activity(&self) -> Activity {
        self.0.read()
    }
}

/// For work that becomes a task of its own.
pub trait Metered: Future + Sized {
    /// The work, counted by the meter of the task that starts it.
    fn in_current_meter(self) -> impl Future<Output = Self::Output> {
        let meter = METER.try_with(Meter::clone).ok();
        async move {
            match meter {
                Some(meter) => meter.measure(self).await,
                None => self.await,
            }
        }
    }
}

impl<F: Future> Metered for F {}

/// Counts of one client, or of one meter.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    answers: AtomicU64,
    retries: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn request(&self) {
        self.and_meter(|c| c.requests.fetch_add(1, Relaxed));
    }

    pub(crate) fn answer(&self) {
        self.and_meter(|c| c.answers.fetch_add(1, Relaxed));
    }

    pub(crate) fn retry(&self) {
        self.and_meter(|c| c.retries.fetch_add(1, Relaxed));
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.and_meter(|c| c.bytes.fetch_add(bytes as u64, Relaxed));
    }

    pub(crate) fn read(&self) -> Activity {
        Activity {
            requests: self.requests.load(Relaxed),
            answers: self.answers.load(Relaxed),
            retries: self.retries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }

    fn and_meter(&self, count: impl Fn(&Self) -> u64) {
        count(self);
        // Outside of any meter there is only the client.
        let _ = METER.try_with(|meter| count(&meter.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_meter_counts_its_own_work_wherever_it_runs() {
        let client = Arc::new(Counters::default());
        let meters = [Meter::default(), Meter::default()];
        let work = |requests: u64| {
            let client = Arc::clone(&client);
            async move {
                client.request();
                let inner = async move { (1..requests).for_each(|_| client.request()) };
                tokio::spawn(inner.in_current_meter()).await.unwrap();
            }
        };
        tokio::join!(meters[0].measure(work(3)), meters[1].measure(work(5)), work(2));
        assert_eq!([0, 1].map(|i: usize| meters[i].activity().requests), [3, 5]);
        assert_eq!(client.read().requests, 10);
    }
}
