//! A server as one table's reader sees it: how it likes to be asked, and how far its answers can be trusted.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use url::Url;

use super::{
    bundle::{Header, Mode, Page},
    instant::{Instant, Step},
    outcome,
    window::{Span, Window},
    wire::{Reply, Search, Wire},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result, Retry},
};

/// A server, asked about one table.
pub(super) struct Server<W> {
    pub(super) wire: W,
    pub(super) table: String,
    pub(super) filter: Vec<(String, String)>,
    pub(super) page_size: u32,
    pub(super) strict_mode: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) learned: Learned,
}

/// What has been learned of a server; shared by all reads of a table in one connection.
#[derive(Clone, Default)]
pub(super) struct Learned(Arc<Mutex<Facts>>);

#[derive(Clone, Copy, Default)]
struct Facts {
    dialect: Option<Dialect>,
    filter: LastUpdated,
    step: Option<Step>,
    totals: Totals,
    no_total_parameter: bool,
    largest_page: u64,
    rows_without_stamp: Option<bool>,
}

/// Which way of asking a server accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dialect {
    strict: bool,
    sort: bool,
    step: Step,
}

/// What a server makes of `_lastUpdated`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LastUpdated {
    /// It filters.
    #[default]
    Honoured,
    /// It answers as if the parameter was not there; rows are filtered here.
    Ignored,
    /// It says that it does not support it.
    Refused,
}

/// How far a server's totals can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Totals {
    /// Nothing speaks against them yet.
    #[default]
    Unproven,
    /// They have agreed with what was read.
    Proven,
    /// There are none, or they are wrong.
    Distrusted,
}

/// What was found to learn a server's precision from.
enum Sample {
    Nothing,
    /// Only stamps that a coarser clock could have made.
    Coarse,
    Fine(String, Instant),
}

/// An answer: a Bundle as far as its first entry, or a refusal.
pub(super) struct Answer {
    status: u16,
    date: Option<DateTime<Utc>>,
    /// Where it came from; links are relative to this.
    pub(super) url: Url,
    pub(super) text: String,
    /// The link to the next page, as the server wrote it.
    pub(super) next: Option<String>,
    total: Option<u64>,
}

impl Answer {
    fn is_refused(&self) -> bool {
        Reply::REFUSED.contains(&self.status)
    }

    /// Whether it is JSON to its end.
    pub(super) fn is_whole(&self) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.text).is_ok()
    }
}

/// Where a page comes from.
#[derive(Clone, Debug)]
pub(super) enum Target {
    First(Span),
    Link(Url),
}

/// How often a body that is cut or broken is asked for.
pub(super) const BODY_TRIES: u32 = 3;

impl Learned {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_updated(&self) -> LastUpdated {
        self.facts().filter
    }

    pub(super) fn totals(&self) -> Totals {
        self.facts().totals
    }

    pub(super) fn prove_totals(&self) {
        let mut facts = self.facts();
        if facts.totals == Totals::Unproven {
            facts.totals = Totals::Proven;
        }
    }

    pub(super) fn distrust_totals(&self) {
        self.facts().totals = Totals::Distrusted;
    }

    pub(super) fn largest_page(&self) -> u64 {
        self.facts().largest_page
    }

    pub(super) fn saw_page(&self, rows: u64) {
        let mut facts = self.facts();
        facts.largest_page = facts.largest_page.max(rows);
    }

    pub(super) fn filter_ignored(&self) {
        self.facts().filter = LastUpdated::Ignored;
    }

    /// Whether there are rows without `lastUpdated`, once somebody has found out.
    pub(super) fn rows_without_stamp(&self) -> Option<bool> {
        self.facts().rows_without_stamp
    }

    pub(super) fn set_rows_without_stamp(&self, there_are: bool) {
        self.facts().rows_without_stamp = Some(there_are);
    }

    /// How finely bounds are cut: whole seconds until finer ones have proved themselves.
    pub(super) fn step(&self) -> Step {
        self.facts().step.unwrap_or(Step::Second)
    }
}

impl Dialect {
    /// Ways of asking, the best first.
    fn all() -> impl Iterator<Item = Self> {
        [true, false].into_iter().flat_map(|strict| {
            [true, false].into_iter().flat_map(move |sort| {
                [Step::Millisecond, Step::Second].into_iter().map(move |step| Self { strict, sort, step })
            })
        })
    }
}

impl<W: Wire> Server<W> {
    /// Asks for resources of the far future: finds out the server's time, how it likes to be asked and whether it
    /// filters at all.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the server ignores `_lastUpdated` and `strict_mode` is on.
    pub(super) async fn begin(&self) -> Result<Instant> {
        let far = Instant::FAR_FUTURE;
        let known = self.learned.facts().dialect;
        for dialect in known.into_iter().chain(Dialect::all().filter(|d| Some(*d) != known)) {
            let reply = self.send(&self.page_search(Span::From(far), 1, dialect)).await?;
            if reply.status == 404 {
                return Err(self.no_such_type(&reply));
            }
            if reply.is_refused() {
                continue;
            }
            let strays = self.rows_before(&reply, far)?;
            let filter = match (strays, dialect.strict) {
                (false, _) => LastUpdated::Honoured,
                (true, true) => LastUpdated::Ignored,
                // A lenient search only comes after strict ones were refused: the server was honest.
                (true, false) => LastUpdated::Refused,
            };
            return self.conclude(dialect, filter, &reply);
        }
        let plain = Dialect { strict: false, sort: false, step: Step::Second };
        let reply = self.send(&self.page_search(Span::All, 1, plain)).await?;
        if reply.is_refused() {
            return Err(self.refused(&reply));
        }
        self.conclude(plain, LastUpdated::Refused, &reply)
    }

    fn conclude(&self, dialect: Dialect, filter: LastUpdated, reply: &Answer) -> Result<Instant> {
        if filter == LastUpdated::Ignored && self.strict_mode {
            return Err(self.ignores_filter());
        }
        let mut facts = self.learned.facts();
        facts.dialect = Some(dialect);
        if facts.filter == LastUpdated::Honoured {
            facts.filter = filter;
        }
        if dialect.step == Step::Second {
            facts.step = Some(Step::Second);
        }
        Ok(self.now_at(reply))
    }

    /// The server's time when it answered.
    fn now_at(&self, reply: &Answer) -> Instant {
        let local = || self.clock.now() - chrono::TimeDelta::seconds(5);
        Instant::from(reply.date.unwrap_or_else(local))
    }

    /// What to ask for a window.
    pub(super) fn span(&self, window: &Window) -> Span {
        match self.learned.last_updated() {
            LastUpdated::Honoured => window.span(self.learned.step()),
            LastUpdated::Ignored | LastUpdated::Refused => Span::All,
        }
    }

    /// How finely a window may be cut. The first narrow window makes it find out whether the server tells milliseconds apart.
    pub(super) async fn step_for(&self, window: &Window) -> Result<Step> {
        let wide = window.lo.is_none_or(|lo| lo.plus_seconds(100.0) < window.hi);
        if wide || self.learned.facts().step.is_some() {
            return Ok(self.learned.step());
        }
        let step = match self.sample(window).await? {
            Sample::Nothing => return Ok(Step::Second),
            Sample::Coarse => Step::Second,
            Sample::Fine(id, stamp) if self.tells_milliseconds(&id, stamp).await? => Step::Millisecond,
            Sample::Fine(..) => Step::Second,
        };
        self.learned.facts().step = Some(step);
        Ok(step)
    }

    /// A resource in a window whose stamp can show whether the server tells milliseconds apart.
    async fn sample(&self, window: &Window) -> Result<Sample> {
        const ROWS: u32 = 20;
        let reply = self.send(&self.page_search(self.span(window), ROWS, self.dialect())).await?;
        let mut sample = Sample::Nothing;
        if !reply.is_refused() {
            self.each_header(&reply, |header| match (&header.id, header.instant()) {
                (Some(id), Ok(Some(stamp))) if stamp.has_telling_millisecond() => {
                    sample = Sample::Fine(id.to_string(), stamp);
                }
                _ if matches!(sample, Sample::Nothing) => sample = Sample::Coarse,
                _ => {}
            })?;
        }
        Ok(sample)
    }

    /// Whether a search for one millisecond finds the resource stamped in it.
    async fn tells_milliseconds(&self, id: &str, stamp: Instant) -> Result<bool> {
        let lo = stamp.floor(Step::Millisecond);
        let span = Span::Between { lo: Some(lo), hi: lo.plus(Step::Millisecond) };
        let mut search = self.page_search(span, 1, Dialect { step: Step::Millisecond, ..self.dialect() });
        search.query.push(("_id".to_owned(), id.to_owned()));
        let reply = self.send(&search).await?;
        let mut found = false;
        if !reply.is_refused() {
            self.each_header(&reply, |header| found |= header.id.as_deref() == Some(id))?;
        }
        Ok(found)
    }

    /// How many resources the server says there are; `None` when it does not say or is not to be believed.
    pub(super) async fn count(&self, span: Span) -> Result<Option<u64>> {
        loop {
            let facts = *self.learned.facts();
            if facts.totals == Totals::Distrusted {
                return Ok(None);
            }
            let mut search = self.base_search(span, self.dialect());
            search.query.push(("_summary".to_owned(), "count".to_owned()));
            if !facts.no_total_parameter {
                search.query.push(("_total".to_owned(), "accurate".to_owned()));
            }
            let reply = self.send(&search).await?;
            if !reply.is_refused() {
                let total = reply.total;
                if total.is_none() {
                    self.learned.distrust_totals();
                }
                return Ok(total);
            }
            if facts.no_total_parameter {
                self.learned.distrust_totals();
            } else {
                self.learned.facts().no_total_parameter = true;
            }
        }
    }

    /// A page; `None` when a link is not good any more.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the answer is not a page.
    pub(super) async fn fetch(&self, target: &Target) -> Result<Option<Answer>> {
        match target {
            Target::First(span) => {
                let search = self.page_search(*span, self.page_size, self.dialect());
                let reply = self.whole_page(|| self.wire.search(&search), |_| true).await?;
                if reply.is_refused() { Err(self.refused(&reply)) } else { Ok(Some(reply)) }
            }
            Target::Link(link) => {
                let reply = self.whole_page(|| self.wire.follow(link), |_| true).await?;
                Ok((!reply.is_refused()).then_some(reply))
            }
        }
    }

    /// A small answer, whole.
    async fn send(&self, search: &Search) -> Result<Answer> {
        self.whole_page(|| self.wire.search(search), Answer::is_whole).await
    }

    /// Asks again when a page is cut off: a body can break behind the transport's back. What lies behind the first entry is
    /// only looked at by `is_whole`.
    async fn whole_page<F: Future<Output = Result<Reply>>>(
        &self,
        ask: impl Fn() -> F,
        is_whole: impl Fn(&Answer) -> bool,
    ) -> Result<Answer> {
        let mut tries = 1;
        loop {
            let reply = ask().await.map_err(|e| e.with("table", &self.table))?;
            let error = match self.opened(reply) {
                Ok(answer) if answer.is_refused() || tries == BODY_TRIES || is_whole(&answer) => return Ok(answer),
                Ok(_) => None,
                Err(Unusable::Cut(error)) => Some(error),
                Err(Unusable::Whole(error)) => return Err(error),
            };
            if let Some(error) = error.filter(|_| tries == BODY_TRIES) {
                return Err(error.with("table", &self.table));
            }
            tries += 1;
        }
    }

    fn opened(&self, reply: Reply) -> Result<Answer, Unusable> {
        let Reply { status, date, url, content_type, body } = reply;
        let refused = Reply::REFUSED.contains(&status);
        let first = body.iter().find(|b| !b.is_ascii_whitespace()).copied();
        if !refused && !matches!(first, Some(b'{' | 0xef)) {
            return Err(Unusable::Whole(self.not_fhir(status, content_type.as_deref(), body.len())));
        }
        let text = String::from_utf8(Vec::from(body)).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Unusable::Whole(
                Error::new(ErrorKind::Protocol, "the answer is not UTF-8").with("table", &self.table).with("byte", at),
            )
        });
        let mut answer = Answer { status, date, url, text: String::new(), next: None, total: None };
        match text {
            Ok(text) => answer.text = text,
            Err(_) if refused => {}
            Err(unusable) => return Err(unusable),
        }
        if !refused {
            let page = Page::open(&answer.text).map(|page| (page.next.map(Cow::into_owned), page.total));
            match page {
                Ok((next, total)) => (answer.next, answer.total) = (next, total),
                Err(error) if answer.is_whole() => return Err(Unusable::Whole(error.with("table", &self.table))),
                Err(error) => return Err(Unusable::Cut(error)),
            }
        }
        Ok(answer)
    }

    fn dialect(&self) -> Dialect {
        let best = Dialect { strict: true, sort: true, step: Step::Millisecond };
        self.learned.facts().dialect.unwrap_or(best)
    }

    fn base_search(&self, span: Span, dialect: Dialect) -> Search {
        let mut query = self.filter.clone();
        let mut bound = |prefix: &str, at: Instant| {
            query.push(("_lastUpdated".to_owned(), format!("{prefix}{}", at.search_value(dialect.step))));
        };
        match span {
            Span::All => {}
            Span::From(lo) => bound("ge", lo),
            Span::Between { lo, hi } => {
                if let Some(lo) = lo {
                    bound("ge", lo);
                }
                bound("lt", hi);
            }
        }
        Search { query, strict: dialect.strict }
    }

    fn page_search(&self, span: Span, rows: u32, dialect: Dialect) -> Search {
        let mut search = self.base_search(span, dialect);
        search.query.push(("_count".to_owned(), rows.to_string()));
        // Some servers leave out what has no sort key, so a search for everything is not sorted.
        if dialect.sort && span != Span::All {
            search.query.push(("_sort".to_owned(), "_lastUpdated".to_owned()));
        }
        search
    }

    /// Whether a page holds rows of this table that are stamped before `bound`, or not at all.
    fn rows_before(&self, reply: &Answer, bound: Instant) -> Result<bool> {
        let mut found = false;
        self.each_header(reply, |header| match header.instant() {
            Ok(stamp) => found |= stamp.is_none_or(|t| t < bound),
            Err(_) => found = true,
        })?;
        Ok(found)
    }

    /// The headers of the table's own rows on a page.
    pub(super) fn each_header(&self, reply: &Answer, mut each: impl FnMut(&Header<'_>)) -> Result<()> {
        let page = Page::open(&reply.text)?;
        page.each_entry(
            &mut (),
            |_, scanner| {
                let header = Header::peek(scanner)?;
                scanner.skip()?;
                Ok(header)
            },
            |_, header, mode| {
                if let Some(header) = header.filter(|h| mode == Mode::Match && h.resource_type == self.table) {
                    each(&header);
                }
                Ok(())
            },
        )
    }

    fn no_such_type(&self, reply: &Answer) -> Error {
        self.with_issues(Error::new(ErrorKind::NotFound, "the server does not offer this resource type"), reply)
            .help("check 'base_url', and leave the type out of 'resource_types' if the server does not have it")
    }

    fn refused(&self, reply: &Answer) -> Error {
        self.with_issues(Error::new(ErrorKind::Protocol, "the server refuses to search this table"), reply)
            .help("if 'search_filter' is set, check that the server supports its criteria")
    }

    fn with_issues(&self, error: Error, reply: &Answer) -> Error {
        let error = error.with("table", &self.table).with("status", reply.status);
        match outcome::summary(reply.text.as_bytes()) {
            Some(issues) => error.with("issues", issues),
            None => error,
        }
    }

    fn not_fhir(&self, status: u16, content_type: Option<&str>, bytes: usize) -> Error {
        Error::new(ErrorKind::Protocol, "the answer is not FHIR JSON")
            .with("table", &self.table)
            .with("status", status)
            .with("content_type", shown_content_type(content_type))
            .with("bytes", bytes)
            .help("check that 'base_url' is the root of a FHIR R4 server and that no login page or proxy answers in its place")
    }

    pub(super) fn ignores_filter(&self) -> Error {
        Error::new(ErrorKind::Protocol, "the server ignores the search parameter _lastUpdated")
            .with("table", &self.table)
            .help("set strict_mode=false to read the table in full each time and filter it here")
    }

    pub(super) fn unsettled(&self) -> Error {
        Error::new(ErrorKind::Unavailable, "the table kept changing while it was read, or its pages expired too soon")
            .with("table", &self.table)
            .retryable(Retry::Later(None))
            .help("run again; if it stays so set a larger page_size or a longer safety_lag_seconds")
    }
}

/// Why an answer is no page.
enum Unusable {
    /// It is cut off or broken, and may be whole the next time.
    Cut(Error),
    /// It is something else.
    Whole(Error),
}

/// A content type as far as it is one; anything else stays unsaid.
fn shown_content_type(content_type: Option<&str>) -> &str {
    let plain =
        |text: &&str| text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/+-.;= ".contains(&b));
    content_type.filter(plain).unwrap_or("none")
}
