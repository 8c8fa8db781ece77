//! Requests that wait for another try, for people who wait too.

use std::sync::{Arc, Mutex, PoisonError};

use crate::connector::Retrying;

/// The waiting requests of a client.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Vec<Retrying>>);

/// One of them, as long as this lives.
pub(super) struct Repeat {
    of: Arc<Repeats>,
    what: Retrying,
}

impl Repeats {
    pub(super) fn begin(self: &Arc<Self>, what: Retrying) -> Repeat {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        Repeat { of: Arc::clone(self), what }
    }

    /// The one tried most often.
    pub(super) fn most(&self) -> Option<Retrying> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().max().copied()
    }
}

impl Drop for Repeat {
    fn drop(&mut self) {
        let mut waiting = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = waiting.iter().position(|other| *other == self.what) {
            waiting.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_tried_most_often_is_told_as_long_as_it_waits() {
        let repeats = Arc::new(Repeats::default());
        let retrying = |next| Retrying { next, most: 6 };
        let second = repeats.begin(retrying(2));
        let third = repeats.begin(retrying(3));
        assert_eq!(repeats.most(), Some(retrying(3)));
        drop(third);
        assert_eq!(repeats.most(), Some(retrying(2)));
        drop(second);
        assert_eq!(repeats.most(), None);
    }
}
