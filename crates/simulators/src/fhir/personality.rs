//! Ways in which servers differ, by name.

use std::time::Duration;

use chrono::TimeDelta;

use super::{
    config::{Config, DateValues, LateCommit, LinkStyle, PagingStyle, Ties, Totals, UnknownParameters},
    instant::StampStyle,
};
use crate::{
    SimError,
    clock::SimClock,
    faults::{Fault, FaultRule, RetryAfter, When},
    personality::{self, Behaves, Personality, fault, personality},
};

impl Config {
    /// Gives the server a named behaviour; several add up.
    ///
    /// # Errors
    /// When there is no such name; the message lists all.
    pub fn add_personality(&mut self, name: &str) -> Result<(), SimError> {
        personality::add(self, name)
    }
}

impl Behaves for Config {
    const PERSONALITIES: &'static [Personality<Self>] = PERSONALITIES;

    fn faults(&mut self) -> &mut Vec<FaultRule> {
        &mut self.faults
    }
}

/// All named behaviours of the FHIR server.
pub const PERSONALITIES: &[Personality<Config>] = &[
    personality("ties", "all initial resources of a type share one stamp", |c| c.stamps.ties = Ties::All),
    personality("tied-pairs", "pairs share a stamp, across the borders of even pages", |c| c.stamps.ties = Ties::Pairs),
    personality("tied-groups", "groups of 50 share a stamp", |c| c.stamps.ties = Ties::Groups(50)),
    personality("seconds", "stamps without a fraction", |c| c.stamps.style = StampStyle::Seconds),
    personality("micros", "stamps with six digits", |c| c.stamps.style = StampStyle::Micros),
    personality("ticks", "stamps with seven digits", |c| {
        c.stamps.style = StampStyle::Ticks;
        c.stamps.step = Duration::from_nanos(1_337_700);
    }),
    personality("nanos", "stamps with nine digits", |c| {
        c.stamps.style = StampStyle::Nanos;
        c.stamps.step = Duration::from_nanos(1_337_773);
    }),
    personality("offset-zone", "stamps in zone +05:30", |c| c.stamps.style = StampStyle::Offset),
    personality("mixed-stamps", "each row spells its stamp in another way", |c| c.stamps.style = StampStyle::Mixed),
    personality("no-stamps", "no resource has lastUpdated", |c| c.stamps.missing_every = Some(1)),
    personality("some-stamps-missing", "every third resource has no lastUpdated", |c| c.stamps.missing_every = Some(3)),
    personality("ignores-sort", "_sort is ignored", |c| c.search.ignores_sort = true),
    personality("ignores-filter", "_lastUpdated is ignored and missing in the self link", |c| {
        c.search.ignores_filter = true
    }),
    personality("ignores-filter-silently", "_lastUpdated is ignored, the self link shows it all the same", |c| {
        c.search.ignores_filter = true;
        c.search.reflects_ignored = true;
    }),
    personality("no-last-updated-search", "_lastUpdated is no known parameter", |c| {
        c.search.unsupported.push("_lastUpdated".to_owned());
    }),
    personality("no-sort", "_sort is no known parameter", |c| c.search.unsupported.push("_sort".to_owned())),
    personality("no-total", "_total is no known parameter", |c| c.search.unsupported.push("_total".to_owned())),
    personality("no-summary", "_summary is no known parameter", |c| c.search.unsupported.push("_summary".to_owned())),
    personality("rejects-unknown", "unknown parameters get 400, even without Prefer", |c| {
        c.search.unknown = UnknownParameters::Reject;
    }),
    personality("ignores-prefer", "unknown parameters are ignored, even under handling=strict", |c| {
        c.search.unknown = UnknownParameters::Ignore;
    }),
    personality("point-dates", "a date search value means its first instant", |c| c.search.values = DateValues::Point),
    personality("cuts-seconds", "date search values are cut to whole seconds", |c| {
        c.search.cuts_values_to_seconds = true
    }),
    personality("search-cache", "identical searches get the same answer for 60 seconds unless no-cache is sent", |c| {
        c.search.cache = Some(Duration::from_secs(60));
    }),
    personality("late-commit", "every second write is seen only 30 seconds after its stamp", |c| {
        c.late_commit = Some(LateCommit { delay: Duration::from_secs(30), every: 2 });
    }),
    personality("includes", "include entries are mixed into every page", |c| c.search.includes = true),
    personality("outcomes", "an outcome entry is in every page", |c| c.search.outcomes = true),
    personality("foreign-type", "every page holds a match entry of another type", |c| c.search.foreign_type = true),
    personality("subsetted", "every third resource comes with parts left out and is tagged SUBSETTED", |c| {
        c.search.subsets_every = Some(3);
    }),
    personality("caps-count", "pages have at most 10 entries", |c| c.paging.max_count = 10),
    personality("estimated-totals", "totals are a tenth too large unless _total=accurate", |c| {
        c.search.totals = Totals::Estimated;
    }),
    personality("wrong-totals", "totals are always a tenth too large", |c| c.search.totals = Totals::Wrong),
    personality("zero-totals", "totals are always 0", |c| c.search.totals = Totals::Zero),
    personality("no-totals", "bundles have no total", |c| c.search.totals = Totals::Absent),
    personality("token-pages", "next links hold an opaque token below the type's path", |c| {
        c.paging.style = PagingStyle::Token;
    }),
    personality("keyset-pages", "next links hold stamp and row, the search runs again", |c| {
        c.paging.style = PagingStyle::Keyset;
    }),
    personality("drifting-pages", "next links hold an offset, pages drift under writes", |c| {
        c.paging.style = PagingStyle::Offset;
    }),
    personality("deep-paging-refused", "next links hold an offset, and beyond 30 rows they answer 400", |c| {
        c.paging.style = PagingStyle::Offset;
        c.paging.deepest_offset = Some(30);
    }),
    personality("long-links", "next links are longer than 2,000 characters", |c| c.paging.long_links = true),
    personality("expiring-links", "a result serves three pages, then its links answer 410", |c| {
        c.paging.expires_after_pages = Some(3);
    }),
    personality("rooted-links", "next links start with / and lack the base path", |c| {
        c.paging.links = LinkStyle::Rooted
    }),
    personality("relative-links", "next links are relative to the base", |c| c.paging.links = LinkStyle::Relative),
    personality("off-origin-links", "next links name this server's other port", |c| {
        c.paging.links = LinkStyle::OtherOrigin
    }),
    personality("internal-links", "all links name a host that only exists inside", |c| {
        c.paging.links = LinkStyle::Authority("fhir.internal.invalid:8080".to_owned());
    }),
    personality("looping-links", "from the second page on the next link names the page itself", |c| {
        c.paging.loops_at = Some(1);
    }),
    personality("blank-pages", "every second page, the first included, is preceded by an empty one", |c| {
        c.paging.blank_every = Some(2);
    }),
    personality("no-type-history", "history of instances and of the server only", |c| c.history.of_type = false),
    personality("no-history", "history of instances only", |c| {
        c.history.of_type = false;
        c.history.of_system = false;
    }),
    personality("repeating-history", "history pages repeat the last entry of the page before", |c| {
        c.history.repeats_entries = true;
    }),
    personality("gzip", "bodies are compressed when the client accepts it", |c| c.gzip = true),
    personality("clock-ahead", "the server's clock is five hours ahead", |c| {
        c.clock = SimClock::shifted(TimeDelta::hours(5))
    }),
    personality("clock-behind", "the server's clock is five hours behind", |c| {
        c.clock = SimClock::shifted(TimeDelta::hours(-5));
    }),
    personality("no-date", "replies have no Date header", |c| c.date_header = false),
    personality("drops-connections", "every fifth body breaks off", |c| fault(c, When::Every(5), Fault::CutOff)),
    personality("truncates", "every fifth body is half of the JSON", |c| fault(c, When::Every(5), Fault::Truncated)),
    personality("closes", "every fifth request gets no answer", |c| fault(c, When::Every(5), Fault::NoAnswer)),
    personality("throttles", "every third request gets 429 with Retry-After: 1", |c| {
        let retry_after = Some(RetryAfter::Seconds(1));
        fault(c, When::Every(3), Fault::Status { status: 429, retry_after });
    }),
    personality("unavailable", "every fourth request gets 503 with an HTTP date in Retry-After", |c| {
        let retry_after = Some(RetryAfter::Date(2));
        fault(c, When::Every(4), Fault::Status { status: 503, retry_after });
    }),
    personality("fails-once", "the first request gets 500", |c| {
        fault(c, When::First(1), Fault::Status { status: 500, retry_after: None });
    }),
    personality("slow", "every reply takes 200 ms", |c| c.latency = Duration::from_millis(200)),
    personality("html", "every fifth reply is a login page with status 200", |c| fault(c, When::Every(5), Fault::Html)),
    personality("empty", "every fifth reply has status 200 and no body", |c| fault(c, When::Every(5), Fault::Empty)),
    personality("outcome-as-success", "every fifth reply is an OperationOutcome with status 200", |c| {
        fault(c, When::Every(5), Fault::ErrorAsSuccess);
    }),
    personality("off-origin-redirect", "every request is redirected to this server's other port", |c| {
        let path = Some(format!("{}/", c.base_path));
        let fault = Fault::Redirect("other-origin".to_owned());
        c.faults.push(FaultRule { when: When::Always, path, fault });
    }),
];
