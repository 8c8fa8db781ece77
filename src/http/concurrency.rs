//! How many requests are under way at a time: less when the server is busy, more when it is not.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An answer this much slower than usual, and slower than [`SLOW`], is a sign of a busy server.
const SLOW_FACTOR: u32 = 4;
const SLOW: Duration = Duration::from_secs(2);

/// Additive increase, multiplicative decrease, between one and a maximum, at which it starts.
#[derive(Debug)]
pub(super) struct Concurrency {
    max: usize,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: f64,
    /// Permits in existence, free or held.
    permits: usize,
    /// Counts decreases, so that the failures of one burst count once.
    round: u64,
    usual: Option<Duration>,
}

/// How a request went, as far as the server's load goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    Fine(Duration),
    Overload,
    Unknown,
}

/// The right to have one request under way; given back on drop.
#[derive(Debug)]
pub(super) struct Slot {
    of: Arc<Concurrency>,
    permit: Option<OwnedSemaphorePermit>,
    round: u64,
    load: Load,
}

impl Concurrency {
    pub(super) fn new(max: usize) -> Arc<Self> {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { limit: max as f64, permits: max, round: 0, usual: None };
        Arc::new(Self { max, permits: Arc::new(Semaphore::new(max)), state: Mutex::new(state) })
    }

    pub(super) async fn slot(self: &Arc<Self>) -> Slot {
        // The semaphore is never closed; without a permit the request would only go unlimited.
        let permit = self.permits.clone().acquire_owned().await.ok();
        Slot { of: self.clone(), permit, round: self.state().round, load: Load::Unknown }
    }

    /// The round that a later [`Concurrency::overloaded`] counts for.
    pub(super) fn round(&self) -> u64 {
        self.state().round
    }

    /// Halves the limit at once, unless that happened since `round`.
    pub(super) fn overloaded(&self, round: u64) {
        let mut state = self.state();
        state.learn(Load::Overload, round, self.max);
        let over = state.permits.saturating_sub(state.limit as usize);
        // Those under way are taken back when they end.
        state.permits -= self.permits.forget_permits(over);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn learn(&mut self, load: Load, round: u64, max: usize) {
        let slow = match (load, self.usual) {
            (Load::Fine(took), Some(usual)) => took > SLOW && took > usual * SLOW_FACTOR,
            _ => false,
        };
        match load {
            Load::Overload if round == self.round => {
                self.limit = (self.limit / 2.0).max(1.0);
                self.round += 1;
            }
            Load::Fine(_) if slow && round == self.round => {
                self.limit = (self.limit * 0.8).max(1.0);
                self.round += 1;
            }
            Load::Fine(_) if !slow => self.limit = (self.limit + 1.0 / self.limit).min(max as f64),
            _ => {}
        }
        if let Load::Fine(took) = load {
            self.usual = Some(self.usual.map_or(took, |usual| usual.mul_f64(0.9) + took.mul_f64(0.1)));
        }
    }
}

impl Slot {
    /// Says how the request went; the slot is still held.
    pub(super) fn report(&mut self, load: Load) {
        self.load = load;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.of.state();
        state.learn(self.load, self.round, self.of.max);
        let wanted = state.limit as usize;
        if state.permits > wanted {
            if let Some(permit) = self.permit.take() {
                permit.forget();
                state.permits -= 1;
            }
        } else if state.permits < wanted {
            self.of.permits.add_permits(wanted - state.permits);
            state.permits = wanted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn finish(c: &Arc<Concurrency>, load: Load) {
        c.slot().await.report(load);
    }

    fn available(c: &Concurrency) -> usize {
        c.permits.available_permits()
    }

    #[tokio::test]
    async fn a_burst_of_refusals_halves_once_and_success_grows_back_to_the_maximum() {
        let c = Concurrency::new(8);
        let mut slots = Vec::new();
        for _ in 0..8 {
            slots.push(c.slot().await);
        }
        assert_eq!(available(&c), 0);
        for slot in &mut slots {
            slot.report(Load::Overload);
        }
        drop(slots);
        assert_eq!(available(&c), 4);
        for _ in 0..3 {
            finish(&c, Load::Overload).await;
        }
        assert_eq!(available(&c), 1, "one after the other: down to one, never to none");
        for _ in 0..200 {
            finish(&c, Load::Fine(Duration::from_millis(10))).await;
        }
        assert_eq!(available(&c), 8);
    }

    #[tokio::test]
    async fn a_refusal_inside_an_answer_halves_once_for_all_that_were_under_way() {
        let c = Concurrency::new(8);
        let round = c.round();
        let held = [c.slot().await, c.slot().await, c.slot().await, c.slot().await, c.slot().await];
        c.overloaded(round);
        c.overloaded(round);
        assert_eq!(available(&c), 0, "of four that are allowed five are under way");
        drop(held);
        assert_eq!(available(&c), 4);
        c.overloaded(c.round());
        assert_eq!(available(&c), 2);
    }

    #[tokio::test]
    async fn answers_much_slower_than_usual_lower_it_and_cancelled_requests_teach_nothing() {
        let c = Concurrency::new(10);
        for _ in 0..5 {
            finish(&c, Load::Fine(Duration::from_millis(100))).await;
        }
        finish(&c, Load::Fine(Duration::from_secs(9))).await;
        assert_eq!(c.state().limit, 8.0);
        for _ in 0..3 {
            drop(c.slot().await);
        }
        assert_eq!(c.state().limit, 8.0);
        for _ in 0..2 {
            finish(&c, Load::Unknown).await;
        }
        assert_eq!(available(&c), 8);
    }
}
