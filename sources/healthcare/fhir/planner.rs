//! Cuts a range of time into windows of about equal numbers of resources, by asking the server for counts.

use std::sync::Arc;

use super::{learned::LastUpdated, server::Server, walk::Count, window::Window, wire::Wire};
use crate::error::Result;

/// A range being cut up, from its beginning on.
pub(super) struct Planner<W> {
    server: Arc<Server<W>>,
    most: u64,
    /// What is left, the earliest last.
    rest: Vec<Part>,
}

/// A window and what is known of the number of resources in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) window: Window,
    /// What the server says, when it was asked about exactly this window.
    pub(super) count: Option<Count>,
    estimate: Option<u64>,
}

impl Part {
    fn new(window: Window) -> Self {
        Self { window, count: None, estimate: None }
    }

    fn rows(&self) -> Option<u64> {
        self.count.map(|count| count.rows).or(self.estimate)
    }
}

impl<W: Wire> Planner<W> {
    /// Windows of at most `most` resources each, where the server counts and time can be cut so finely.
    pub(super) fn new(server: Arc<Server<W>>, range: Window, most: u64) -> Self {
        let rest = if range.is_empty() { Vec::new() } else { vec![Part::new(range)] };
        Self { server, most: most.max(1), rest }
    }

    /// The next window; `None` when the range is used up. The windows follow on each other without a gap.
    pub(super) async fn next(&mut self) -> Result<Option<Part>> {
        let Some(mut part) = self.rest.pop() else { return Ok(None) };
        if self.server.learned.last_updated() != LastUpdated::Honoured {
            // Every search brings everything: read the rest at once.
            let hi = self.rest.first().map_or(part.window.hi, |last| last.window.hi);
            self.rest.clear();
            return Ok(Some(Part::new(Window::new(part.window.lo, hi))));
        }
        loop {
            let Some(rows) = self.count(&mut part).await? else { return Ok(Some(part)) };
            if rows > self.most {
                match self.halves(&part, rows).await? {
                    Some((left, right)) => {
                        self.rest.push(right);
                        part = left;
                        continue;
                    }
                    None => return Ok(Some(part)),
                }
            }
            let Some(next) = self.rest.pop() else { return Ok(Some(part)) };
            match next.rows() {
                Some(more) if rows + more <= self.most => part = joined(&part, &next),
                // Too little to be worth a window of its own: fill it up from the next.
                Some(more) if rows * 4 < self.most => match self.halves(&next, more).await? {
                    Some((left, right)) => self.rest.extend([right, left]),
                    None => {
                        self.rest.push(next);
                        return Ok(Some(part));
                    }
                },
                _ => {
                    self.rest.push(next);
                    return Ok(Some(part));
                }
            }
        }
    }

    async fn count(&self, part: &mut Part) -> Result<Option<u64>> {
        if part.rows().is_none() {
            let span = self.server.span(&part.window);
            part.count = self.server.count(span).await?.map(|rows| Count { span, rows });
        }
        Ok(part.rows())
    }

    /// Both halves, the left one counted, the right one with what should be left for it.
    async fn halves(&self, part: &Part, rows: u64) -> Result<Option<(Part, Part)>> {
        let step = self.server.step_for(&part.window).await?;
        let Some((left, right)) = part.window.halves(step) else { return Ok(None) };
        let (mut left, mut right) = (Part::new(left), Part::new(right));
        right.estimate = self.count(&mut left).await?.map(|left| rows.saturating_sub(left));
        Ok(Some((left, right)))
    }
}

fn joined(left: &Part, right: &Part) -> Part {
    let estimate = left.rows().zip(right.rows()).map(|(l, r)| l + r);
    Part { window: Window::new(left.window.lo, right.window.hi), count: None, estimate }
}
