//! How long to wait before the next try. The only file that knows the `backoff` crate.

use std::time::Duration;

use backoff::{ExponentialBackoffBuilder, backoff::Backoff};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Waits that grow exponentially, each drawn evenly from zero to the current bound (full jitter).
pub(super) struct Delays {
    bounds: backoff::ExponentialBackoff,
    jitter: fastrand::Rng,
}

impl Delays {
    pub(super) fn new(jitter: fastrand::Rng) -> Self {
        let bounds = ExponentialBackoffBuilder::new()
            .with_initial_interval(FIRST)
            .with_multiplier(2.0)
            .with_max_interval(LONGEST)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        Self { bounds, jitter }
    }

    /// The next wait, never shorter than what the server asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let bound = self.bounds.next_backoff().unwrap_or(LONGEST);
        let jittered = bound.mul_f64(self.jitter.f64());
        asked.map_or(jittered, |asked| asked.max(jittered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(seed: u64) -> Vec<Duration> {
        let mut delays = Delays::new(fastrand::Rng::with_seed(seed));
        (0..10).map(|_| delays.next(None)).collect()
    }

    #[test]
    fn bounds_double_up_to_a_minute_and_jitter_fills_them() {
        let mut longest = [Duration::ZERO; 10];
        let mut shortest = [Duration::MAX; 10];
        for seed in 0..2000 {
            for (i, delay) in delays(seed).into_iter().enumerate() {
                longest[i] = longest[i].max(delay);
                shortest[i] = shortest[i].min(delay);
            }
        }
        for (i, bound) in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0].into_iter().enumerate() {
            assert!(longest[i].as_secs_f64() <= bound && longest[i].as_secs_f64() > 0.95 * bound, "{longest:?}");
            assert!(shortest[i].as_secs_f64() < 0.05 * bound, "{shortest:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    #[test]
    fn the_servers_wish_is_a_lower_bound() {
        let mut delays = Delays::new(fastrand::Rng::with_seed(1));
        assert_eq!(delays.next(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert!(delays.next(Some(Duration::ZERO)) > Duration::ZERO);
    }
}
