//! Every option of a table, given to a read beside one without it: it does what it says, and nothing else.

mod changes;
mod frames;
mod lists;
mod logins;
mod streams;
mod windowed;

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use futures::TryStreamExt;
use lakeflow_connect::{Error, ReadEvent, ReadRequest, Registry, TableRef, http::HTTP_OPTIONS, options::Level};
use lakeflow_simulators::{
    journal::Exchange,
    osipi::{AfKind, ExpectedObject, RunningServer, Spelling},
};
use serde_json::Value;

use super::{connect_to, plant_with, rows_of};

type Given = Vec<(&'static str, String)>;
type Holds<'a> = Box<dyn Fn(&Seen) -> bool + 'a>;

/// An option that is tried, and what must hold then.
struct Case<'a> {
    table: &'static str,
    /// Options of both reads.
    given: Given,
    tried: Given,
    holds: Holds<'a>,
}

/// What one read brought.
#[derive(Default)]
struct Read {
    rows: Vec<Value>,
    units: usize,
    asked: Vec<Exchange>,
    error: Option<Error>,
}

/// The read with the option that is tried, and the one without.
struct Seen {
    with: Read,
    without: Rc<Read>,
}

impl Read {
    /// The values of a column.
    fn all(&self, column: &str) -> BTreeSet<String> {
        self.rows.iter().filter_map(|row| Some(row[column].as_str()?.to_owned())).collect()
    }

    /// Whether there are rows, and all are so.
    fn each(&self, is: impl Fn(&Value) -> bool) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(is)
    }

    /// The rows without the time of reading, in an order of their own.
    fn sorted(&self) -> Vec<String> {
        let without_time = |row: &Value| {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove("ingestion_timestamp");
            row.to_string()
        };
        let mut rows: Vec<String> = self.rows.iter().map(without_time).collect();
        rows.sort_unstable();
        rows
    }

    fn requests_to(&self, path: &str) -> usize {
        self.asked.iter().filter(|exchange| exchange.path.ends_with(path)).count()
    }

    /// The values of a parameter of all requests.
    fn parameters(&self, name: &str) -> BTreeSet<&str> {
        let all = self.asked.iter().flat_map(|exchange| &exchange.query);
        all.filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl Seen {
    fn is_same(&self) -> bool {
        !self.with.rows.is_empty() && self.with.sorted() == self.without.sorted()
    }

    /// Whether some rows of the read without the option came, and those all so.
    fn is_part(&self, is: impl Fn(&Value) -> bool) -> bool {
        self.with.rows.len() < self.without.rows.len() && self.with.each(is)
    }
}

fn owned(options: &[(&'static str, &str)]) -> Given {
    options.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn case<'a>(
    table: &'static str,
    given: &[(&'static str, &str)],
    tried: &[(&'static str, &str)],
    holds: impl Fn(&Seen) -> bool + 'a,
) -> Case<'a> {
    Case { table, given: owned(given), tried: owned(tried), holds: Box::new(holds) }
}

fn table(name: &str, options: &Given) -> TableRef {
    options.iter().fold(TableRef::new(name), |table, (option, value)| table.option(*option, value))
}

async fn read(server: &RunningServer, table: TableRef) -> Read {
    server.journal().clear();
    let mut read = Read::default();
    let mut events = connect_to(server).read_table(ReadRequest::new(table));
    loop {
        match events.try_next().await {
            Ok(Some(ReadEvent::Records(records))) => read.rows.extend(rows_of(&records)),
            Ok(Some(ReadEvent::Checkpoint(_))) => read.units += 1,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                read.error = Some(error);
                break;
            }
        }
    }
    read.asked = server.exchanges();
    read
}

async fn all_hold(server: &RunningServer, cases: Vec<Case<'_>>) {
    let mut wrong = Vec::new();
    // Many cases have the read without the option in common.
    let mut plain: HashMap<(&str, Given), Rc<Read>> = HashMap::new();
    for case in cases {
        let same = (case.table, case.given.clone());
        if !plain.contains_key(&same) {
            let read = read(server, table(case.table, &case.given)).await;
            plain.insert(same.clone(), Rc::new(read));
        }
        let without = Rc::clone(&plain[&same]);
        let tried: Given = case.given.iter().chain(&case.tried).cloned().collect();
        let seen = Seen { with: read(server, table(case.table, &tried)).await, without };
        if !(case.holds)(&seen) {
            let (with, without) = (&seen.with, &seen.without);
            wrong.push(format!(
                "{} with {:?}: {} rows, without {}; {:?}; {:?}",
                case.table,
                case.tried,
                with.rows.len(),
                without.rows.len(),
                with.error,
                without.error
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nine points on two data servers with two days of history, elements and event frames.
fn plant() -> RunningServer {
    plant_with(&[("days", "2"), ("data-servers", "PISRV1,PISRV2"), ("elements", "20"), ("event-frames", "40")])
}

fn webid(server: &RunningServer, number: usize) -> String {
    server.web_id(&server.points()[number], Spelling::IdOnly).unwrap()
}

/// The first object of a kind that is so.
fn object(server: &RunningServer, kind: AfKind, is: impl Fn(&ExpectedObject) -> bool) -> ExpectedObject {
    server.assets().expected(kind).into_iter().find(is).unwrap()
}

/// Options that are tried elsewhere, and where.
const ELSEWHERE: [(&str, &str); 7] = [
    ("window_seconds", "tests/osipi/windows.rs"),
    ("future_horizon", "future data has tests of its own"),
    ("desiredUnits", "units have tests of their own"),
    ("root_element_webid", "tests/osipi/lists.rs"),
    ("max_depth", "tests/osipi/lists.rs"),
    ("kerberos_*", "tests/osipi/real_kerberos.rs, which needs a key distribution centre"),
    ("verify_ssl, username, password", "tests/osipi/auth.rs"),
];

#[test]
fn every_option_is_tried() {
    let server = plant();
    let mut tried: BTreeSet<&str> = logins::OPTIONS.iter().chain(&changes::OPTIONS).copied().collect();
    for case in [streams::cases(&server), windowed::cases(&server), lists::cases(&server), frames::cases(&server)]
        .into_iter()
        .flatten()
    {
        tried.extend(case.tried.iter().map(|(name, _)| *name));
    }
    let registry = Registry::builtin();
    let options = registry.source("osipi").unwrap().descriptor().options;
    let shared: BTreeSet<&str> = HTTP_OPTIONS.iter().map(|doc| doc.name).collect();
    let elsewhere = |name: &str| {
        ELSEWHERE.iter().flat_map(|(names, _)| names.split(", ")).any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == known,
        })
    };
    let untried: Vec<&str> = options
        .iter()
        .filter(|doc| doc.level == Level::Table || !shared.contains(doc.name))
        .map(|doc| doc.name)
        .filter(|name| !tried.contains(name) && !elsewhere(name))
        .collect();
    assert!(untried.is_empty(), "{untried:?}");
}
