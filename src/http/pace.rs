//! At most so many requests a second, evenly spaced.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::clock::Clock;

/// A token bucket that holds one token: a server's limit is not exceeded by a burst either.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<Option<DateTime<Utc>>>,
}

impl Pace {
    pub(super) fn new(requests_per_second: f64) -> Option<Self> {
        let interval = Duration::try_from_secs_f64(1.0 / requests_per_second).ok()?;
        Some(Self { interval, next: Mutex::new(None) })
    }

    /// Returns when the next request may be sent; requests are let go in the order of their calls.
    pub(super) async fn wait(&self, clock: &dyn Clock) {
        let now = clock.now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.interval);
            turn
        };
        if let Ok(wait) = (turn - now).to_std()
            && !wait.is_zero()
        {
            clock.sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn ten_requests_at_four_a_second_take_nine_quarters() {
        let start = DateTime::UNIX_EPOCH;
        let clock = ManualClock::new(start);
        let pace = Pace::new(4.0).unwrap();
        for n in 0..10 {
            pace.wait(&clock).await;
            assert_eq!((clock.now() - start).num_milliseconds(), n * 250);
        }
        clock.advance(Duration::from_secs(60));
        pace.wait(&clock).await;
        pace.wait(&clock).await;
        assert_eq!((clock.now() - start).num_milliseconds(), 9 * 250 + 60_000 + 250, "idle time is not saved up");
    }

    #[test]
    fn a_rate_of_nothing_is_no_pace() {
        assert!(Pace::new(0.0).is_none() && Pace::new(-1.0).is_none() && Pace::new(f64::NAN).is_none());
    }
}
