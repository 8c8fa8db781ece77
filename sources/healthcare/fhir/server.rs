//! A server as one table's reader sees it: how it likes to be asked, and how far its answers can be trusted.

use std::sync::Arc;

use url::{Url, form_urlencoded};

use super::{
    answer::{Answer, Unusable},
    bundle::{Envelope, Header, Mode, Page},
    instant::{Instant, Step},
    learned::{Dialect, LastUpdated, Learned, Totals},
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

/// What was found to learn a server's precision from.
enum Sample {
    Nothing,
    /// Only stamps that a coarser clock could have made.
    Coarse,
    Fine(String, Instant),
}

/// Where a page comes from.
#[derive(Clone, Debug)]
pub(super) enum Target {
    First(Span),
    Link(Url),
}

/// How often a body that is cut or broken is asked for.
pub(super) const BODY_TRIES: u32 = 3;

impl<W: Wire> Server<W> {
    /// Asks for resources of the far future: finds out the server's time, how it likes to be asked and whether it
    /// filters at all.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the server ignores `_lastUpdated` and `strict_mode` is on.
    pub(super) async fn begin(&self) -> Result<Instant> {
        let far = Instant::FAR_FUTURE;
        let known = self.learned.facts().dialect;
        let others = Dialect::all().filter(|d| Some(*d) != known && (d.strict || self.may_be_lenient()));
        for dialect in known.into_iter().chain(others) {
            let reply = self.send(&self.page_search(Span::From(far), 1, dialect)).await?;
            if reply.status == 404 {
                return Err(self.no_such_type(&reply));
            }
            if reply.is_refused() {
                continue;
            }
            let strays = self.finds_rows_before(&reply, far).await?;
            let filter = match (strays, dialect.strict) {
                (false, _) => LastUpdated::Honoured,
                (true, true) => LastUpdated::Ignored,
                // A lenient search only comes after strict ones were refused: the server was honest.
                (true, false) => LastUpdated::Refused,
            };
            return self.conclude(dialect, filter, &reply);
        }
        let plain = Dialect { strict: !self.may_be_lenient(), sort: false, step: Step::Second };
        let reply = self.send(&self.page_search(Span::All, 1, plain)).await?;
        if reply.is_refused() {
            return Err(self.refused(&reply));
        }
        self.conclude(plain, LastUpdated::Refused, &reply)
    }

    /// Whether a server may be asked in a way in which it would leave out what it does not support: not where that could be
    /// the user's own criteria.
    fn may_be_lenient(&self) -> bool {
        self.filter.is_empty() || !self.strict_mode
    }

    /// Compares the user's criteria with those that the server says it has used.
    fn check_criteria(&self, reply: &Answer) -> Result<()> {
        let Some(own) = reply.own.as_deref().filter(|_| !self.may_be_lenient()) else { return Ok(()) };
        let base = |name: &str| name.split([':', '.']).next().unwrap_or_default().to_owned();
        let query = own.split_once('?').map_or("", |(_, query)| query);
        let used: Vec<String> = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| base(&name)).collect();
        match self.filter.iter().map(|(name, _)| base(name)).find(|name| !used.contains(name)) {
            Some(name) => Err(Error::new(ErrorKind::Protocol, "the server leaves out a criterion of 'search_filter'")
                .with("table", &self.table)
                .with("criterion", name)
                .help(
                    "take the criterion out if the server does not support it; strict_mode=false reads on without it",
                )),
            None => Ok(()),
        }
    }

    fn conclude(&self, dialect: Dialect, filter: LastUpdated, reply: &Answer) -> Result<Instant> {
        if filter == LastUpdated::Ignored && self.strict_mode {
            return Err(self.ignores_filter());
        }
        self.check_criteria(reply)?;
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

    /// Whether the totals may be estimates: the server does not take the parameter that asks for exact ones.
    pub(super) fn may_estimate(&self) -> bool {
        self.learned.facts().no_total_parameter
    }

    /// Whether a search for resources without a stamp shows one. What else it shows proves nothing.
    pub(super) async fn shows_row_without_stamp(&self) -> Result<bool> {
        let mut search = self.page_search(Span::All, 1, self.dialect());
        search.query.push(("_lastUpdated:missing".to_owned(), "true".to_owned()));
        let reply = self.send(&search).await?;
        let mut found = false;
        if !reply.is_refused() {
            self.each_header(&reply, |header| found |= matches!(header.instant(), Ok(None)))?;
        }
        Ok(found)
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
            let error = match Answer::open(reply) {
                Ok(answer) if answer.is_refused() || tries == BODY_TRIES || is_whole(&answer) => return Ok(answer),
                Ok(_) => None,
                Err(Unusable::Cut(error)) => Some(error),
                Err(Unusable::Whole(error)) => return Err(error.with("table", &self.table)),
            };
            if let Some(error) = error.filter(|_| tries == BODY_TRIES) {
                return Err(error.with("table", &self.table));
            }
            tries += 1;
        }
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

    /// Whether a search brings rows of this table that are stamped before `bound`, or not at all. Its first pages may be
    /// empty and lead on.
    async fn finds_rows_before(&self, first: &Answer, bound: Instant) -> Result<bool> {
        const PAGES: u32 = 10;
        let (mut rows, mut found) = (0, false);
        let mut look = |page: &Answer| {
            self.each_header(page, |header| {
                rows += 1;
                found |= header.instant().map_or(true, |stamp| stamp.is_none_or(|t| t < bound));
            })?;
            Ok::<_, Error>((rows > 0).then_some(found))
        };
        let mut verdict = look(first)?;
        let mut link = self.next_link(first)?;
        for _ in 0..PAGES {
            let (None, Some(url)) = (verdict, &link) else { break };
            let Some(page) = self.fetch(&Target::Link(url.clone())).await? else { break };
            verdict = look(&page)?;
            link = self.next_link(&page)?;
        }
        Ok(verdict.unwrap_or(false))
    }

    /// Where a page's link to the next one leads.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when it must not be followed.
    pub(super) fn next_link(&self, page: &Answer) -> Result<Option<Url>> {
        let resolve = |link: &str| self.wire.resolve(&page.url, link).map_err(|e| e.with("table", &self.table));
        page.next.as_deref().map(resolve).transpose()
    }

    /// The headers of the table's own rows on a page.
    pub(super) fn each_header(&self, reply: &Answer, mut each: impl FnMut(&Header<'_>)) -> Result<()> {
        let page = Page::open(reply.text()?)?;
        let envelope = Envelope::new();
        page.each_entry(
            &envelope,
            &mut (),
            |_, scanner| {
                let start = scanner.mark();
                let header = Header::peek(scanner, &envelope).unwrap_or_default();
                scanner.reset(start);
                scanner.pass_over()?;
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
            .help("if 'search_filter' is set, check that the server supports its criteria; strict_mode=false lets it leave out others")
    }

    fn with_issues(&self, error: Error, reply: &Answer) -> Error {
        let error = error.with("table", &self.table).with("status", reply.status);
        match outcome::summary(&reply.body) {
            Some(issues) => error.with("issues", issues),
            None => error,
        }
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
