//! Reading one range of time whole: page by page, held against counts and against a second look.

use std::{collections::HashSet, sync::Arc};

use arrow::record_batch::RecordBatch;

use super::{
    answer::Answer,
    instant::Instant,
    learned::{LastUpdated, Learned, Totals},
    row_id::Hash,
    rows::Rows,
    scope::{Scope, Walk},
    server::{BODY_TRIES, Server, Target},
    task::{Output, Task},
    window::{Span, Window},
    wire::Wire,
};
use crate::{
    decode::Decoder,
    error::{Error, ErrorKind, Result},
    read::QuarantinedRow,
};

/// What a walker sends.
pub(super) enum Piece {
    Rows(RecordBatch),
    Quarantined(Vec<QuarantinedRow>),
    /// Everything before this instant has been sent; the versions are those that the next run will meet again.
    Complete {
        hi: Instant,
        noted: Vec<(Instant, Hash)>,
    },
    /// What the window was decoded with. The next one is decoded with it, too: its buffers have the size of batches, and it
    /// knows the order of members.
    Decoder(Box<Decoder>),
}

/// How often a range is walked before it is halved.
const WALKS: u32 = 4;

/// Pages in a row without a resource that was not seen before.
const IDLE_PAGES: u32 = 1000;

/// Walks the pages of ranges.
pub(super) struct Walker<W> {
    server: Arc<Server<W>>,
    rows: Rows,
    out: Output<Piece>,
}

/// How many resources a server says are in a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) span: Span,
    pub(super) rows: u64,
}

/// What became of a range.
enum Verdict {
    /// Every row of it has been sent.
    Whole,
    /// Read its parts; a good place to cut, where one is known.
    Cut(Option<Instant>),
    /// Each walk was refused after so many resources: read its parts.
    OutOfReach(u64),
}

/// What a look at counts says of a walk.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Whole,
    Again,
    Cut,
    /// The server counts rows that it does not show.
    CutOff,
}

impl<W: Wire> Walker<W> {
    pub(super) fn new(server: Arc<Server<W>>, rows: Rows, out: Output<Piece>) -> Self {
        Self { server, rows, out }
    }

    /// Reads a window, in parts when it does not stand still or cannot be counted. `count` is what the server says is
    /// there, where that was asked.
    pub(super) async fn read_window(&mut self, window: Window, count: Option<Count>) -> Result<()> {
        let mut parts = vec![(window, count)];
        while let Some((part, count)) = parts.pop() {
            match self.read_scope(Scope::Window(part), count).await? {
                Verdict::Whole => {
                    self.send_rows().await?;
                    self.out.send(Piece::Complete { hi: part.hi, noted: self.rows.take_noted() }).await?;
                }
                verdict => {
                    self.rows.discard();
                    let at = if let Verdict::Cut(at) = verdict { at } else { None };
                    let halves = self.cut(&part, at).await?;
                    let (left, right) = halves.ok_or_else(|| self.cannot_be_read(&verdict))?;
                    parts.extend([(right, None), (left, None)]);
                }
            }
        }
        Ok(())
    }

    /// Ends, and sends the decoder.
    pub(super) async fn hand_over(self) -> Result<()> {
        self.out.send(Piece::Decoder(Box::new(self.rows.into_decoder()))).await
    }

    /// Reads what no window can: everything, or what has no stamp. Returns how many rows without a stamp there were.
    pub(super) async fn read_unfiltered(&mut self, scope: Scope) -> Result<u64> {
        match self.read_scope(scope, None).await? {
            Verdict::Whole => self.send_rows().await?,
            verdict => return Err(self.cannot_be_read(&verdict)),
        }
        Ok(self.rows.without_stamp())
    }

    async fn cut(&self, window: &Window, at: Option<Instant>) -> Result<Option<(Window, Window)>> {
        if self.server.learned.last_updated() != LastUpdated::Honoured {
            return Ok(None);
        }
        let step = self.server.step_for(window).await?;
        Ok(at.and_then(|at| window.cut(at, step)).or_else(|| window.halves(step)))
    }

    async fn read_scope(&mut self, scope: Scope, count: Option<Count>) -> Result<Verdict> {
        let mut before = None;
        let mut last: Option<Walk> = None;
        let mut repeats = 0;
        let mut refused = Vec::new();
        for walk in 0..WALKS {
            let (span, can_cut, open) = match scope {
                Scope::Window(window) => {
                    let step = self.server.step_for(&window).await?;
                    let can_cut = self.cut(&window, None).await?.is_some();
                    // Where resources may still appear, one that comes can hide in the counts one that was passed over.
                    let open = self.rows.open_from().filter(|at| can_cut && window.cut(*at, step).is_some());
                    (self.server.span(&window), can_cut, open.map(Some))
                }
                Scope::WithoutStamp | Scope::Everything { .. } => (Span::All, false, None),
            };
            if walk == 0 {
                // A count of another span says nothing about this one.
                before = count.filter(|count| count.span == span).map(|count| count.rows);
            }
            if before.is_none() && counts_can_prove(scope, span) {
                before = self.server.count(span).await?;
            }
            let may_cut = can_cut && before.is_none();
            let walk = match self.walk(scope, span, may_cut.then_some(None).or(open)).await? {
                Walked::Through(walk) => walk,
                Walked::TooLong(at) => return Ok(Verdict::Cut(at)),
                Walked::Refused { after } => {
                    refused.push(after);
                    before = None;
                    continue;
                }
            };
            if walk.shows_no_filter() && span != Span::All {
                if self.server.strict_mode {
                    return Err(self.server.ignores_filter());
                }
                self.server.learned.filter_ignored();
                (before, last, repeats) = (None, None, 0);
                continue;
            }
            let after = match before {
                Some(count) if walk.pages == 1 && count == walk.distinct => before,
                Some(_) => self.server.count(span).await?,
                None => None,
            };
            // Without a filter every change anywhere is in the walk: enough that it has brought nothing new for the window.
            let unfiltered = matches!(scope, Scope::Window(_)) && span == Span::All;
            let repeated = |last: Walk| last.saw_the_same_as(&walk) || (unfiltered && walk.new == 0);
            repeats = if last.is_some_and(repeated) { repeats + 1 } else { 0 };
            match judge(&walk, repeats, before, after, can_cut, &self.server.learned) {
                Judgement::Whole => return Ok(Verdict::Whole),
                Judgement::Cut => return Ok(Verdict::Cut(None)),
                Judgement::CutOff => return Err(self.cut_off(&walk, after)),
                Judgement::Again => (before, last) = (after, Some(walk)),
            }
        }
        match refused.as_slice() {
            [first, rest @ ..] if refused.len() == WALKS as usize && rest.iter().all(|after| after == first) => {
                Ok(Verdict::OutOfReach(*first))
            }
            _ => Ok(Verdict::Cut(None)),
        }
    }

    /// `cut`: the window is to be cut when it has more than one page; there, where a place is given.
    async fn walk(&mut self, scope: Scope, span: Span, cut: Option<Option<Instant>>) -> Result<Walked> {
        self.rows.begin_walk();
        let mut target = Target::First(span);
        let mut links = HashSet::new();
        let mut idle = 0;
        let Some(mut reply) = self.server.fetch(&target).await? else {
            return Ok(Walked::Refused { after: 0 });
        };
        loop {
            self.rows.begin_page();
            let next = self.server.next_link(&reply)?.map(Target::Link);
            if let Some(Target::Link(link)) = &next
                && !links.insert(Hash::of(link.as_str()))
            {
                return Err(self.protocol("the server's pages lead round in a circle"));
            }
            if let Some(at) = cut.filter(|_| next.is_some() && links.len() == 1) {
                return Ok(Walked::TooLong(at.or_else(|| self.good_cut(&reply))));
            }
            let mut ahead = next.map(|next| (self.fetch_ahead(next.clone()), next));
            // Decoding does not wait for anything: on a runtime of one thread the request would go out only after it.
            tokio::task::yield_now().await;
            let seen_before = self.rows.walk().distinct;
            self.take_page(&mut reply, &target, scope, span).await?;
            let new = self.rows.walk().distinct - seen_before;
            self.server.learned.saw_page(new);
            idle = if new == 0 { idle + 1 } else { 0 };
            if idle == IDLE_PAGES {
                return Err(self.protocol("the server sends page after page without a new resource"));
            }
            if self.rows.is_full() {
                self.send_rows().await?;
            }
            let Some((task, next)) = &mut ahead else { return Ok(Walked::Through(self.rows.walk())) };
            let Some(page) = task.next().await? else {
                return Ok(Walked::Refused { after: self.rows.walk().distinct });
            };
            (reply, target) = (page, next.clone());
        }
    }

    /// Starts to fetch a page while the last one is being decoded; it sends nothing when the link is not good any more.
    fn fetch_ahead(&self, target: Target) -> Task<Answer> {
        let server = Arc::clone(&self.server);
        Task::spawn(1, |out| async move {
            match server.fetch(&target).await? {
                Some(page) => out.send(page).await,
                None => Ok(()),
            }
        })
    }

    /// Takes in a page; asks for it again when it turns out to be broken.
    async fn take_page(&mut self, reply: &mut Answer, target: &Target, scope: Scope, span: Span) -> Result<()> {
        let mut tries = 1;
        loop {
            let taken = reply.text().and_then(|text| self.rows.take_page(text, scope, span));
            let Err(error) = taken else { return Ok(()) };
            if tries == BODY_TRIES || reply.is_whole() {
                return Err(error);
            }
            tries += 1;
            if let Some(again) = self.server.fetch(target).await? {
                *reply = again;
            }
        }
    }

    /// Where to cut a window whose first page is this one: before its last stamp when the page is sorted, else at the middle
    /// one. Of a page that is cut off, what is there will do.
    fn good_cut(&self, reply: &Answer) -> Option<Instant> {
        let mut stamps = Vec::new();
        let _ = self.server.each_header(reply, |header| stamps.extend(header.instant().ok().flatten()));
        if stamps.is_sorted() {
            return stamps.last().copied();
        }
        stamps.sort_unstable();
        stamps.get(stamps.len() / 2).copied()
    }

    async fn send_rows(&mut self) -> Result<()> {
        let (batch, quarantined) = self.rows.take()?;
        if !quarantined.is_empty() {
            self.out.send(Piece::Quarantined(quarantined)).await?;
        }
        match batch {
            Some(batch) => self.out.send(Piece::Rows(batch)).await,
            None => Ok(()),
        }
    }

    fn protocol(&self, message: &'static str) -> Error {
        Error::new(ErrorKind::Protocol, message).with("table", &self.server.table)
    }

    /// Why what is no smaller cannot be read.
    fn cannot_be_read(&self, verdict: &Verdict) -> Error {
        let Verdict::OutOfReach(shown) = verdict else { return self.server.unsettled() };
        self.protocol("the server refuses to go on with a search, each time at the same place")
            .with("shown", shown)
            .help("it limits how far a search can be paged, or its pages expire at once; raise that limit, or set a larger page_size")
    }

    fn cut_off(&self, walk: &Walk, count: Option<u64>) -> Error {
        self.protocol("the server shows fewer resources of one instant than it counts")
            .with("counted", count.unwrap_or_default())
            .with("shown", walk.distinct)
            .help("the server limits how far a search can be paged; raise that limit, or set a larger page_size")
    }
}

/// How a walk ended.
enum Walked {
    Through(Walk),
    /// A link was not good, or not any more, after so many resources.
    Refused {
        after: u64,
    },
    /// There is more than one page, and the window should be cut.
    TooLong(Option<Instant>),
}

/// Whether counts can show that a walk has missed nothing: not where a resource that comes makes up for one passed over.
/// Everything is read again the next time; a window is cut where resources may still appear.
fn counts_can_prove(scope: Scope, span: Span) -> bool {
    match scope {
        Scope::Everything { .. } => true,
        Scope::WithoutStamp => false,
        Scope::Window(_) => span != Span::All,
    }
}

/// Decides whether a walk has seen its range whole.
///
/// A single page is of one moment. Several pages are whole when the server's counts before and after agree with what was
/// seen, or, without counts to rely on, when a second walk has seen the same. `repeats` is how many walks in a row before
/// this one have seen the same.
fn judge(
    walk: &Walk,
    repeats: u32,
    before: Option<u64>,
    after: Option<u64>,
    can_cut: bool,
    learned: &Learned,
) -> Judgement {
    let single = walk.pages == 1;
    let counts = before.zip(after).filter(|_| !walk.is_overfull);
    let Some((before, after)) = counts else {
        return if single || repeats > 0 { Judgement::Whole } else { Judgement::Again };
    };
    if after == walk.distinct && (single || before == after) {
        if after > 1 {
            learned.prove_totals();
        }
        return Judgement::Whole;
    }
    if repeats == 0 || (before != after && repeats == 1) {
        return Judgement::Again;
    }
    // The same rows again and again, and another count: one of the two is wrong.
    let count_is_wrong = before != after
        || walk.distinct > after
        || (single && walk.distinct < learned.largest_page())
        || (!can_cut && learned.totals() != Totals::Proven);
    match (count_is_wrong, can_cut) {
        (true, _) => {
            learned.distrust_totals();
            Judgement::Whole
        }
        (false, true) => Judgement::Cut,
        (false, false) => Judgement::CutOff,
    }
}

#[cfg(test)]
#[path = "tests/walk.rs"]
mod tests;
