//! The time of a simulated server, in the hands of the test.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

/// The clock of one simulated server; clones are the same clock.
///
/// Everything a server says about time comes from it: `Date`, `meta.lastUpdated`, token lifetimes, cache ages.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<Mode>>);

#[derive(Clone, Copy, Debug)]
enum Mode {
    Running { offset: TimeDelta },
    Standing(DateTime<Utc>),
}

impl SimClock {
    /// The machine's time.
    pub fn system() -> Self {
        Self::shifted(TimeDelta::zero())
    }

    /// The machine's time plus `offset`: a server whose clock is wrong.
    pub fn shifted(offset: TimeDelta) -> Self {
        Self(Arc::new(Mutex::new(Mode::Running { offset })))
    }

    /// A clock that stands at `now` until it is moved.
    pub fn fixed(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(Mode::Standing(now))))
    }

    /// The server's current time.
    pub fn now(&self) -> DateTime<Utc> {
        match *self.mode() {
            Mode::Running { offset } => Utc::now() + offset,
            Mode::Standing(now) => now,
        }
    }

    /// The server's current time in nanoseconds since 1970.
    pub fn nanos(&self) -> i64 {
        self.now().timestamp_nanos_opt().unwrap_or(i64::MAX)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        match &mut *self.mode() {
            Mode::Running { offset } => *offset += by,
            Mode::Standing(now) => *now += by,
        }
    }

    /// Stops the clock at `now`.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.mode() = Mode::Standing(now);
    }

    fn mode(&self) -> std::sync::MutexGuard<'_, Mode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::system()
    }
}
