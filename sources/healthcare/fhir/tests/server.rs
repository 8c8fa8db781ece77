//! A FHIR server in memory, with habits.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;
use chrono::DateTime;
use fastrand::Rng;
use url::Url;

use super::{
    super::wire::{Reply, Search, Wire},
    world::{MILLI, Version, World, text},
};
use crate::error::Result;

/// What a server makes of a search's totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Totals {
    Accurate,
    Missing,
    Zero,
    TooHigh,
    Random,
}

/// How pages hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paging {
    /// The list of resources is frozen by the first page; their content is not.
    Frozen,
    /// Each page is cut anew out of what is there now.
    Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    AsAsked,
    NewestFirst,
    ById,
}

/// A server's habits.
#[derive(Debug)]
pub(super) struct Habits {
    totals: Totals,
    paging: Paging,
    order: Order,
    pub(super) ignores_filter: bool,
    refuses_filter: bool,
    refuses_sort: bool,
    refuses_fractions: bool,
    /// Cuts search values to whole seconds.
    cuts_values: bool,
    /// Compares stamps rounded to this.
    index_grain: i128,
    says_date: bool,
    says_versions: bool,
    most_per_page: usize,
    adds_entries: bool,
    empty_pages: bool,
    /// Filters by stamps that it does not show.
    pub(super) hides_stamps: bool,
    /// A page that begins after more rows than this is refused.
    pub(super) deepest: Option<usize>,
    /// Out of a hundred pages: whose link has expired, which come cut in half.
    pub(super) expiring: u8,
    pub(super) breaking: u8,
}

impl Habits {
    pub(super) fn random(rng: &mut Rng) -> Self {
        let mut one_in = |n: u8| rng.u8(0..n) == 0;
        let ignores_filter = one_in(10);
        let refuses_filter = !ignores_filter && one_in(15);
        let (refuses_sort, refuses_fractions, cuts_values) = (one_in(10), one_in(8), one_in(6));
        let (says_date, says_versions) = (!one_in(6), !one_in(6));
        let (adds_entries, empty_pages) = (one_in(4), one_in(6));
        let expiring = if one_in(5) { 10 } else { 0 };
        let breaking = if one_in(8) { 5 } else { 0 };
        Self {
            totals: [
                Totals::Accurate,
                Totals::Accurate,
                Totals::Accurate,
                Totals::Missing,
                Totals::Zero,
                Totals::TooHigh,
                Totals::Random,
            ][rng.usize(0..7)],
            paging: [Paging::Frozen, Paging::Offset][rng.usize(0..2)],
            order: [Order::AsAsked, Order::AsAsked, Order::NewestFirst, Order::ById][rng.usize(0..4)],
            index_grain: [1, 1, 1, MILLI, 1000 * MILLI][rng.usize(0..5)],
            most_per_page: rng.usize(1..30),
            ignores_filter,
            refuses_filter,
            refuses_sort,
            refuses_fractions,
            cuts_values,
            says_date,
            says_versions,
            adds_entries,
            empty_pages,
            hides_stamps: false,
            deepest: None,
            expiring,
            breaking,
        }
    }
}

impl Habits {
    /// Whether the reader learns how many resources there are, and finds those of any time.
    pub(super) fn is_clear(&self) -> bool {
        self.totals == Totals::Accurate && !(self.ignores_filter || self.refuses_filter || self.hides_stamps)
    }

    /// Whether a row can be passed over while others are written.
    pub(super) fn pages_drift(&self) -> bool {
        self.paging == Paging::Offset
    }
}

pub(super) struct Model {
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) world: World,
    pub(super) habits: Habits,
    pub(super) requests: u64,
    /// For being too far into a search.
    pub(super) refused_pages: u64,
    sessions: HashMap<String, Session>,
}

#[derive(Clone)]
struct Session {
    query: Vec<(String, String)>,
    frozen: Option<Vec<String>>,
    offset: usize,
    count: usize,
    /// An empty page came just before.
    paused: bool,
}

impl Model {
    pub(super) fn new(world: World, habits: Habits) -> Self {
        Self { state: Mutex::new(State { world, habits, requests: 0, refused_pages: 0, sessions: HashMap::new() }) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Wire for std::sync::Arc<Model> {
    async fn search(&self, search: &Search) -> Result<Reply> {
        tokio::task::yield_now().await;
        Ok(self.lock().search(search))
    }

    async fn follow(&self, link: &Url) -> Result<Reply> {
        tokio::task::yield_now().await;
        Ok(self.lock().follow(link.query().unwrap_or_default()))
    }

    fn resolve(&self, from: &Url, link: &str) -> Result<Url> {
        Ok(from.join(link).unwrap())
    }
}

impl State {
    fn search(&mut self, search: &Search) -> Reply {
        self.requests += 1;
        self.world.tick();
        let has = |name: &str| search.query.iter().any(|(n, _)| n == name);
        let fraction = search.query.iter().any(|(n, v)| n == "_lastUpdated" && v.contains('.'));
        let habits = &self.habits;
        let unsupported = (habits.refuses_filter && has("_lastUpdated")) || (habits.refuses_sort && has("_sort"));
        if (search.strict && unsupported) || (habits.refuses_fractions && fraction) {
            return self.reply(400, r#"{"resourceType":"OperationOutcome","issue":[]}"#.to_owned());
        }
        if has("_summary") {
            let total = self.total(&search.query);
            return self.reply(200, format!(r#"{{"resourceType":"Bundle","type":"searchset"{total}}}"#));
        }
        let asked = search.query.iter().find(|(n, _)| n == "_count").and_then(|(_, v)| v.parse().ok()).unwrap_or(10);
        let frozen = (self.habits.paging == Paging::Frozen)
            .then(|| self.matching(&search.query).into_iter().map(|(id, _)| id).collect());
        let count = self.habits.most_per_page.min(asked);
        self.page(Session { query: search.query.clone(), frozen, offset: 0, count, paused: false })
    }

    fn follow(&mut self, token: &str) -> Reply {
        self.requests += 1;
        self.world.tick();
        let expired = self.habits.expiring > 0 && self.world.rng.u8(0..100) < self.habits.expiring;
        match self.sessions.get(token).cloned() {
            Some(session) if self.habits.deepest.is_some_and(|deepest| session.offset > deepest) => {
                self.refused_pages += 1;
                self.reply(400, r#"{"resourceType":"OperationOutcome","issue":[]}"#.to_owned())
            }
            Some(session) if !expired => self.page(session),
            _ => self.reply(410, String::new()),
        }
    }

    fn total(&mut self, query: &[(String, String)]) -> String {
        let total = self.matching(query).len() as u64;
        let total = match self.habits.totals {
            Totals::Missing => return String::new(),
            Totals::Accurate => total,
            Totals::Zero => 0,
            Totals::TooHigh => total + total / 2 + 1,
            Totals::Random => self.world.rng.u64(0..100),
        };
        format!(r#","total":{total}"#)
    }

    fn page(&mut self, mut session: Session) -> Reply {
        let mut entries = Vec::new();
        let pauses = self.habits.empty_pages && !session.paused && self.world.rng.u8(0..4) == 0;
        let all: Vec<(String, Version)> = match &session.frozen {
            Some(ids) => ids.iter().filter_map(|id| self.world.current(id).map(|v| (id.clone(), v.clone()))).collect(),
            None => self.matching(&session.query),
        };
        let length = session.frozen.as_ref().map_or(all.len(), Vec::len);
        if !pauses {
            let ids = session.frozen.as_ref().map(|ids| ids.iter().skip(session.offset).take(session.count));
            let shown: Vec<&(String, Version)> = match ids {
                Some(ids) => ids.filter_map(|id| all.iter().find(|(other, _)| other == id)).collect(),
                None => all.iter().skip(session.offset).take(session.count).collect(),
            };
            entries.extend(shown.into_iter().map(|(id, version)| self.entry(id, version)));
            session.offset += session.count;
        }
        session.paused = pauses;
        if self.habits.adds_entries {
            entries.insert(
                0,
                r#"{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome"}}"#.to_owned(),
            );
            let other = r#"{"resource":{"resourceType":"Patient","id":"included","meta":{"lastUpdated":"2000-01-01T00:00:00Z"}},"search":{"mode":"include"}}"#;
            entries.push(other.to_owned());
        }
        let next = if session.offset < length || pauses {
            let token = format!("k{}", self.sessions.len());
            self.sessions.insert(token.clone(), session);
            format!(r#""link":[{{"relation":"next","url":"/next?{token}"}}],"#)
        } else {
            String::new()
        };
        let mut body = format!(r#"{{"resourceType":"Bundle",{next}"entry":[{}]}}"#, entries.join(","));
        if self.habits.breaking > 0 && self.world.rng.u8(0..100) < self.habits.breaking {
            body.truncate(body.len() / 2);
        }
        self.reply(200, body)
    }

    fn entry(&self, id: &str, version: &Version) -> String {
        let stamp = version
            .stamp
            .filter(|_| !self.habits.hides_stamps)
            .map(|t| format!(r#","lastUpdated":"{}""#, text(t)))
            .unwrap_or_default();
        let number = version.number;
        let said = if self.habits.says_versions { format!(r#","versionId":"{number}""#) } else { String::new() };
        format!(
            r#"{{"resource":{{"resourceType":"Patient","id":"{id}","meta":{{"profile":[]{said}{stamp}}},"n":{number}}}}}"#
        )
    }

    /// What a search finds now, in this server's order.
    fn matching(&self, query: &[(String, String)]) -> Vec<(String, Version)> {
        let filters = !self.habits.ignores_filter && !self.habits.refuses_filter;
        let id = query.iter().find(|(n, _)| n == "_id").map(|(_, v)| v.as_str());
        let bounds: Vec<(&str, i128)> = query
            .iter()
            .filter(|(n, _)| n == "_lastUpdated" && filters)
            .map(|(_, v)| (&v[..2], self.search_value(&v[2..])))
            .collect();
        let holds = |version: &Version| {
            bounds.iter().all(|(prefix, bound)| {
                let indexed = version.stamp.map(|t| {
                    (t + self.habits.index_grain / 2).div_euclid(self.habits.index_grain) * self.habits.index_grain
                });
                match *prefix {
                    "ge" => indexed.is_some_and(|t| t >= *bound),
                    _ => indexed.is_some_and(|t| t < *bound),
                }
            })
        };
        let mut found: Vec<(String, Version)> = self
            .world
            .visible()
            .into_iter()
            .filter(|(known, version)| id.is_none_or(|id| id == *known) && holds(version))
            .map(|(id, version)| (id.to_owned(), version.clone()))
            .collect();
        match self.habits.order {
            Order::ById => {}
            Order::AsAsked => found.sort_by_key(|(_, v)| v.stamp),
            Order::NewestFirst => found.sort_by_key(|(_, v)| std::cmp::Reverse(v.stamp)),
        }
        found
    }

    fn search_value(&self, text: &str) -> i128 {
        let time = DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let millis = if self.habits.cuts_values { 0 } else { time.timestamp_subsec_millis() };
        (i128::from(time.timestamp()) * 1000 + i128::from(millis)) * MILLI
    }

    fn reply(&self, status: u16, body: String) -> Reply {
        let seconds = i64::try_from(self.world.now.div_euclid(1000 * MILLI)).unwrap();
        Reply {
            status,
            date: self.habits.says_date.then(|| DateTime::from_timestamp(seconds, 0).unwrap()),
            url: Url::parse("http://model/Patient").unwrap(),
            content_type: None,
            body: Bytes::from(body),
        }
    }
}
