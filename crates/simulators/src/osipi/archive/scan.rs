//! Walking the events of one point in a window, up or down.

use std::collections::{BTreeMap, btree_map};

use super::{super::ticks::Ticks, made::Made, sample::Stored};

/// What the journal says about instants: all events there, which replace the generated ones.
pub(crate) type Overlay = BTreeMap<Ticks, Vec<Stored>>;

/// The direction of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Up,
    Down,
}

/// One event of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) at: Ticks,
    pub(crate) what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    /// A generated event, by its ordinal.
    Made(i64),
    Stored(&'a Stored),
}

impl<'a> Item<'a> {
    /// The value as a number; nothing when it is bad or has none.
    pub(crate) fn number(&self, made: Option<&Made<'_>>) -> Option<f64> {
        match (self.what, made) {
            (What::Made(event), Some(made)) => made.number(event, self.at),
            (What::Stored(stored), _) if stored.good => stored.number,
            _ => None,
        }
    }

    /// Whether the event is good.
    pub(crate) fn is_good(&self, made: Option<&Made<'_>>) -> bool {
        match (self.what, made) {
            (What::Made(event), Some(made)) => {
                let nature = made.nature(event);
                nature.bad.is_none() && !nature.error
            }
            (What::Stored(stored), _) => stored.good,
            _ => false,
        }
    }
}

/// A walk over `[from, to]` of a stream and its overlay.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    made: Option<Made<'a>>,
    /// Generated events not walked yet: `next..end`.
    next: i64,
    end: i64,
    /// The newest generated event, which compression has not judged yet.
    newest: i64,
    overlay: Option<btree_map::Range<'a, Ticks, Vec<Stored>>>,
    /// The overlay's group that is at hand, and what is left of it.
    group: Option<(Ticks, &'a [Stored])>,
    whole: Option<&'a Overlay>,
    order: Order,
}

impl<'a> Scan<'a> {
    /// `limit` is the last instant at which generated events exist by now.
    pub(crate) fn new(
        made: Option<Made<'a>>,
        overlay: Option<&'a Overlay>,
        (from, to): (Ticks, Ticks),
        limit: Ticks,
        order: Order,
    ) -> Self {
        let (mut next, mut end, mut newest) = (0, 0, -1);
        if let Some(made) = &made {
            let visible = made.first_after(limit);
            newest = visible - 1;
            // A journal event behind the newest generated one has superseded it.
            if let Some((last, _)) =
                overlay.and_then(|overlay| overlay.iter().rev().find(|(_, group)| !group.is_empty()))
                && newest >= 0
                && *last > made.time(newest)
            {
                newest = -1;
            }
            if from <= to {
                next = made.first_from(from.min(limit));
                end = made.first_after(to.min(limit));
            }
        }
        let overlay = overlay.filter(|overlay| !overlay.is_empty());
        let range = overlay.filter(|_| from <= to).map(|overlay| overlay.range(from..=to));
        Self { made, next, end, newest, overlay: range, group: None, whole: overlay, order }
    }

    fn made_event(&mut self) -> Option<(Ticks, i64)> {
        let made = self.made?;
        while self.next < self.end {
            let event = match self.order {
                Order::Up => self.next,
                Order::Down => self.end - 1,
            };
            let at = made.time(event);
            let gone = made.is_discarded(event) && event != self.newest;
            if !gone && self.whole.is_none_or(|overlay| !overlay.contains_key(&at)) {
                return Some((at, event));
            }
            self.skip();
        }
        None
    }

    fn skip(&mut self) {
        match self.order {
            Order::Up => self.next += 1,
            Order::Down => self.end -= 1,
        }
    }

    fn stored_event(&mut self) -> Option<Ticks> {
        while self.group.is_none_or(|(_, rest)| rest.is_empty()) {
            let range = self.overlay.as_mut()?;
            let (at, group) = match self.order {
                Order::Up => range.next()?,
                Order::Down => range.next_back()?,
            };
            self.group = Some((*at, group));
        }
        self.group.map(|(at, _)| at)
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.whole.is_none() {
            let (at, event) = self.made_event()?;
            self.skip();
            return Some(Item { at, what: What::Made(event) });
        }
        let (made, stored) = (self.made_event(), self.stored_event());
        let take_made = match (made, stored) {
            (Some((made, _)), Some(stored)) => match self.order {
                Order::Up => made < stored,
                Order::Down => made > stored,
            },
            (made, _) => made.is_some(),
        };
        if take_made {
            let (at, event) = made?;
            self.skip();
            return Some(Item { at, what: What::Made(event) });
        }
        let (at, rest) = self.group?;
        let (item, rest) = match self.order {
            Order::Up => rest.split_first()?,
            Order::Down => rest.split_last()?,
        };
        self.group = Some((at, rest));
        Some(Item { at, what: What::Stored(item) })
    }
}
