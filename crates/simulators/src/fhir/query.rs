//! The parameters of a search, understood the way this server does.

use super::{
    config::{DateValues, SearchBehaviour, UnknownParameters},
    criteria::Criterion,
    instant::{Interval, MISSING, Nanos},
    outcome,
};
use crate::server::{Reply, Request};

/// The order of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    None,
    Updated,
    UpdatedDescending,
    Id,
    IdDescending,
}

/// What `_total` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    None,
    Estimate,
    Accurate,
}

/// One comparison of `_lastUpdated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DateTest {
    prefix: Prefix,
    interval: Interval,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// All of these; each is true when one of its tests is.
    pub(crate) updated: Vec<Vec<DateTest>>,
    /// Any of these ids, per parameter.
    pub(crate) ids: Vec<Vec<String>>,
    pub(crate) criteria: Vec<Criterion>,
    pub(crate) sort: Sort,
    pub(crate) count: Option<usize>,
    pub(crate) count_only: bool,
    pub(crate) total: Option<Total>,
    pub(crate) elements: Vec<String>,
    /// The parameters that show in the self link.
    pub(crate) shown: Vec<(String, String)>,
    /// The parameters that were ignored.
    pub(crate) ignored: Vec<String>,
}

/// Names that links of this server use; never search criteria.
const OWN: [&str; 5] = ["_cursor", "_offset", "_blank", "_pad", "ct"];

impl Query {
    /// Reads the parameters of a request; an error reply when the server refuses one.
    pub(crate) fn parse(request: &Request, behaviour: &SearchBehaviour) -> Result<Self, Box<Reply>> {
        let strict = request.header("prefer").is_some_and(|prefer| prefer.replace(' ', "").contains("handling=strict"));
        let reject = match behaviour.unknown {
            UnknownParameters::ByPrefer => strict,
            UnknownParameters::Reject => true,
            UnknownParameters::Ignore => false,
        };
        let mut query = Self::default();
        for (name, value) in request.parameters() {
            if OWN.contains(&name.as_str()) {
                continue;
            }
            let known = !behaviour.unsupported.contains(&name)
                && query.take(&name, &value, behaviour).map_err(|reason| {
                    Box::new(outcome::error(
                        400,
                        "invalid",
                        &format!("parameter {name} has an invalid value: {reason}"),
                    ))
                })?;
            if !known && reject {
                let message = format!("search parameter {name} is not supported by this server");
                return Err(Box::new(outcome::error(400, "not-supported", &message)));
            }
            if known || behaviour.reflects_ignored {
                query.shown.push((name, value));
            } else {
                query.ignored.push(name);
            }
        }
        query.drop_ignored(behaviour);
        Ok(query)
    }

    /// Forgets what this server pretends to know and ignores.
    fn drop_ignored(&mut self, behaviour: &SearchBehaviour) {
        let mut hide = |ignored: bool, name: &str| {
            if ignored && !behaviour.reflects_ignored {
                self.shown.retain(|(shown, _)| shown != name);
            }
        };
        hide(behaviour.ignores_filter, "_lastUpdated");
        hide(behaviour.ignores_sort, "_sort");
        if behaviour.ignores_filter {
            self.updated.clear();
        }
        if behaviour.ignores_sort {
            self.sort = Sort::None;
        }
    }

    /// Whether the parameter is known; an error for a value that makes no sense.
    fn take(&mut self, name: &str, value: &str, behaviour: &SearchBehaviour) -> Result<bool, String> {
        match name {
            "_lastUpdated" => {
                let tests =
                    value.split(',').map(|value| DateTest::parse(value, behaviour)).collect::<Result<_, _>>()?;
                self.updated.push(tests);
            }
            "_id" => self.ids.push(value.split(',').map(str::to_owned).collect()),
            "_sort" => {
                self.sort = match value.split(',').next().unwrap_or_default() {
                    "_lastUpdated" => Sort::Updated,
                    "-_lastUpdated" => Sort::UpdatedDescending,
                    "_id" => Sort::Id,
                    "-_id" => Sort::IdDescending,
                    _ => return Ok(false),
                }
            }
            "_count" => {
                let count: usize = value.parse().map_err(|_| "not a number".to_owned())?;
                self.count_only |= count == 0;
                self.count = Some(count);
            }
            "_summary" => match value {
                "count" => self.count_only = true,
                "false" => {}
                _ => return Ok(false),
            },
            "_total" => {
                self.total = Some(match value {
                    "none" => Total::None,
                    "estimate" => Total::Estimate,
                    "accurate" => Total::Accurate,
                    _ => return Err("use none, estimate or accurate".to_owned()),
                })
            }
            "_elements" => self.elements.extend(value.split(',').map(str::to_owned)),
            "_format" | "_pretty" => {}
            _ => match Criterion::parse(name, value) {
                Some(criterion) => self.criteria.push(criterion),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// Whether a stamp passes all comparisons.
    pub(crate) fn passes(&self, stamp: Nanos, values: DateValues) -> bool {
        self.updated.iter().all(|tests| tests.iter().any(|test| test.passes(stamp, values)))
    }

    /// A range of stamps outside of which nothing passes: inclusive, exclusive.
    pub(crate) fn bounds(&self) -> (Nanos, Nanos) {
        let (mut from, mut to) = (MISSING, Nanos::MAX);
        for tests in &self.updated {
            if let [test] = tests.as_slice() {
                match test.prefix {
                    Prefix::Gt | Prefix::Ge => from = from.max(test.interval.start),
                    Prefix::Lt | Prefix::Le => to = to.min(test.interval.end),
                    Prefix::Eq => {
                        from = from.max(test.interval.start);
                        to = to.min(test.interval.end);
                    }
                    Prefix::Ne => {}
                }
            }
        }
        (from, to)
    }
}

impl DateTest {
    fn parse(text: &str, behaviour: &SearchBehaviour) -> Result<Self, String> {
        let (prefix, rest) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
        let prefix = match prefix {
            "" | "eq" | "ap" => Prefix::Eq,
            "ne" => Prefix::Ne,
            "gt" | "sa" => Prefix::Gt,
            "ge" => Prefix::Ge,
            "lt" | "eb" => Prefix::Lt,
            "le" => Prefix::Le,
            _ => return Err(format!("`{prefix}` is no prefix")),
        };
        let interval = Interval::parse(rest).ok_or_else(|| "not a date or instant".to_owned())?;
        let interval = if behaviour.cuts_values_to_seconds { interval.to_seconds() } else { interval };
        Ok(Self { prefix, interval })
    }

    fn passes(&self, stamp: Nanos, values: DateValues) -> bool {
        if stamp == MISSING {
            return false;
        }
        let Interval { start, end } = self.interval;
        match (self.prefix, values) {
            (Prefix::Ge, _) => stamp >= start,
            (Prefix::Lt, _) => stamp < start,
            (Prefix::Eq, DateValues::Interval) => (start..end).contains(&stamp),
            (Prefix::Ne, DateValues::Interval) => !(start..end).contains(&stamp),
            (Prefix::Gt, DateValues::Interval) => stamp >= end,
            (Prefix::Le, DateValues::Interval) => stamp < end,
            (Prefix::Eq, DateValues::Point) => stamp == start,
            (Prefix::Ne, DateValues::Point) => stamp != start,
            (Prefix::Gt, DateValues::Point) => stamp > start,
            (Prefix::Le, DateValues::Point) => stamp <= start,
        }
    }
}
