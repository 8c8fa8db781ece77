//! Reads a search in order of time, page by page, without losing or repeating a frame.
//!
//! Pages by number shift when a frame is added or removed between two of them. So the next page begins at the time where
//! the last one ended; frames of that very time are held back until a page shows all of them.

use crate::error::{Error, ErrorKind, Result};

/// 100 nanoseconds since 1970 in UTC.
pub(crate) type Ticks = i64;

/// AF stores times to about 3.33 ms, so a bound may be moved by that much on its way.
pub(crate) const GUARD: Ticks = 50_000;

/// An instant with more frames than the largest page is read by numbered pages, together with what follows so closely
/// that the guard would bring it again.
const CROWD: Ticks = 2 * GUARD;

/// One page to ask for; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) from: Ticks,
    pub(crate) to: Ticks,
    pub(crate) start_index: u64,
    pub(crate) max_count: u64,
}

/// Which frames of a page are wanted: those with `from <= time < to`, and at a crowded instant only from place `skip` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) from: Ticks,
    pub(crate) to: Ticks,
    pub(crate) skip: usize,
}

/// A search over `[from, to)`, by the time that it is sorted by.
#[derive(Clone, Debug)]
pub(crate) struct Keyset {
    /// Everything before this was kept.
    at: Ticks,
    to: Ticks,
    page: u64,
    /// The largest page that the server allows.
    cap: u64,
    /// Inside an instant that has more frames than the largest page: the next place, and the frame before it.
    crowd: Option<Crowd>,
    done: bool,
}

#[derive(Clone, Debug)]
struct Crowd {
    start_index: u64,
    last: String,
}

impl Keyset {
    /// `page` frames at a time, and up to `cap` where many have one time.
    pub(crate) fn new(from: Ticks, to: Ticks, page: u64, cap: u64) -> Self {
        let page = page.clamp(2, cap.max(2));
        Self { at: from, to, page, cap: cap.max(2), crowd: None, done: from >= to }
    }

    /// Everything before this was kept; nothing at or after it, unless the search has ended or is inside a crowd.
    pub(crate) fn at(&self) -> Ticks {
        self.at
    }

    /// Whether a read may stop here and go on from [`Keyset::at`].
    pub(crate) fn may_stop(&self) -> bool {
        self.crowd.is_none()
    }

    /// The next page; `None` at the end.
    pub(crate) fn ask(&self) -> Option<Ask> {
        if self.done {
            return None;
        }
        let from = self.at.saturating_sub(GUARD);
        Some(match &self.crowd {
            None => Ask { from, to: self.to.saturating_add(GUARD), start_index: 0, max_count: self.page },
            Some(crowd) => Ask {
                from,
                to: self.crowd_end().saturating_add(GUARD),
                // One frame again, to see that nothing has moved.
                start_index: crowd.start_index.saturating_sub(1),
                max_count: self.page,
            },
        })
    }

    /// The server has a lower limit than was thought.
    pub(crate) fn lower_cap(&mut self, cap: u64) {
        self.cap = cap.max(2);
        self.page = self.page.min(self.cap);
    }

    /// Takes in the times and WebIDs of a page as it came; says which of its frames to keep.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the page is not in order.
    pub(crate) fn take(&mut self, frames: &[(Ticks, &str)]) -> Result<Keep> {
        if !frames.is_sorted_by_key(|(time, _)| *time) {
            return Err(Error::new(ErrorKind::Protocol, "the server does not sort event frames by the time asked for")
                .help("report it: the release of the PI Web API matters"));
        }
        let is_whole = (frames.len() as u64) < self.page;
        if self.crowd.is_some() {
            return Ok(self.take_crowd(frames, is_whole));
        }
        let from = self.at;
        let Some((last, _)) = frames.last().filter(|_| !is_whole) else {
            return Ok(self.end(from));
        };
        let last = *last;
        if last >= self.to {
            return Ok(self.end(from));
        }
        if last > self.at {
            self.at = last;
            return Ok(Keep { from, to: last, skip: 0 });
        }
        // One instant, with what the guard lets in before it, fills the page.
        if self.page < self.cap {
            self.page = self.page.saturating_mul(2).min(self.cap);
        } else {
            self.crowd = Some(Crowd { start_index: 0, last: String::new() });
        }
        Ok(Keep { from, to: from, skip: 0 })
    }

    /// Ends the search: what is left of it was in the last page.
    fn end(&mut self, from: Ticks) -> Keep {
        self.done = true;
        self.at = self.to.max(from);
        Keep { from, to: self.to, skip: 0 }
    }

    fn take_crowd(&mut self, frames: &[(Ticks, &str)], is_whole: bool) -> Keep {
        let (at, end) = (self.at, self.crowd_end());
        let nothing = Keep { from: at, to: at, skip: 0 };
        let Some(crowd) = &mut self.crowd else { return nothing };
        let again = usize::from(crowd.start_index > 0);
        if again == 1 && frames.first().is_none_or(|(_, webid)| *webid != crowd.last) {
            // Something was added or removed before this place: from the first again. Keyed tables bear a repeated row.
            *crowd = Crowd { start_index: 0, last: String::new() };
            return nothing;
        }
        let is_past = frames.last().is_some_and(|(time, _)| *time >= end);
        if is_whole || is_past {
            self.crowd = None;
            self.at = end;
            self.done = end >= self.to;
        } else {
            crowd.start_index += (frames.len() - again) as u64;
            crowd.last = frames.last().map(|(_, webid)| (*webid).to_owned()).unwrap_or_default();
        }
        Keep { from: at, to: end, skip: again }
    }

    fn crowd_end(&self) -> Ticks {
        self.at.saturating_add(CROWD).min(self.to)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server that rounds its bounds as AF does.
    fn page(frames: &[(Ticks, String)], ask: Ask, drift: Ticks) -> Vec<(Ticks, &str)> {
        let found = frames.iter().filter(|(time, _)| *time >= ask.from + drift && *time <= ask.to + drift);
        let page = found.skip(ask.start_index as usize).take(ask.max_count as usize);
        page.map(|(time, webid)| (*time, webid.as_str())).collect()
    }

    fn frames(times: &[Ticks]) -> Vec<(Ticks, String)> {
        let mut frames: Vec<_> = times.iter().enumerate().map(|(i, t)| (*t, format!("f{i:05}"))).collect();
        frames.sort();
        frames
    }

    fn read(frames: &[(Ticks, String)], mut keyset: Keyset, drift: Ticks, stops: bool) -> (Vec<String>, usize) {
        let (mut kept, mut requests) = (Vec::new(), 0);
        while let Some(ask) = keyset.ask() {
            requests += 1;
            assert!(requests < 10_000, "it does not end");
            let page = page(frames, ask, drift);
            let keep = keyset.take(&page).unwrap();
            let wanted = page.iter().skip(keep.skip).filter(|(t, _)| keep.from <= *t && *t < keep.to);
            kept.extend(wanted.map(|(_, webid)| (*webid).to_owned()));
            if stops && keyset.may_stop() && keep.from < keep.to {
                keyset = Keyset::new(keyset.at(), keyset.to, 2, keyset.cap);
            }
        }
        (kept, requests)
    }

    #[test]
    fn a_page_out_of_order_is_refused() {
        let mut keyset = Keyset::new(0, 100, 10, 10);
        assert_eq!(keyset.take(&[(5, "a"), (4, "b")]).unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn an_empty_range_asks_nothing() {
        assert_eq!(Keyset::new(5, 5, 10, 10).ask(), None);
    }

    #[test]
    fn more_frames_at_one_instant_than_the_server_sends_are_all_read() {
        let times: Vec<Ticks> = std::iter::repeat_n(1_000_000, 1000).chain([2_000_000, 3_000_000]).collect();
        let frames = frames(&times);
        let (kept, _) = read(&frames, Keyset::new(0, 10_000_000, 10, 64), 0, false);
        assert_eq!(kept.len(), frames.len());
    }

    #[test]
    fn ten_thousand_frames_take_about_one_request_a_page() {
        let times: Vec<Ticks> = (0..10_000).map(|i| i * 10_000_000).collect();
        let (kept, requests) = read(&frames(&times), Keyset::new(0, Ticks::MAX / 2, 1000, 150_000), 0, false);
        assert_eq!(kept.len(), 10_000);
        assert!(requests <= 12, "{requests}");
    }

    proptest! {
        #[test]
        fn every_frame_comes_once(
            times in proptest::collection::vec(prop_oneof![0i64..20, 0i64..2_000_000, (0i64..6).prop_map(|n| n * 300_000)], 0..200),
            page in 2u64..20, cap in 2u64..40, drift in -33_300i64..33_300, range in (0i64..400_000, 500_000i64..3_000_000), stops: bool,
        ) {
            let frames = frames(&times);
            let (from, to) = range;
            let (kept, _) = read(&frames, Keyset::new(from, to, page, cap), drift, stops);
            let wanted: Vec<String> = frames.iter().filter(|(t, _)| from <= *t && *t < to).map(|(_, w)| w.clone()).collect();
            prop_assert_eq!(kept, wanted);
        }
    }
}
