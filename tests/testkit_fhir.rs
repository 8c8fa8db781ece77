//! The conformance suite on the FHIR source: over the simulator, over its personalities, and over a server of your own.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use lakeflow_connect::{
    Context, Options, Registry,
    clock::{Clock, ManualClock},
    testkit::{BadRow, Check, Fault, Suite},
};
use lakeflow_simulators::{
    faults::{self, FaultRule, RetryAfter, When},
    fhir::{Config, PERSONALITIES, RunningServer, Server},
};
use serde_json::json;

use crate::{dev_config::dev_config, fhir::personalities::REFUSED};

const PASSWORD: &str = "marker-password-7Q";
const FAMILY: &str = "Marker-Family";
const NO_BOOLEAN: &str = "marker-no-boolean";

/// A simulated server, whose clock stands still unless it is moved, and how to reach it.
#[derive(Clone)]
struct Hospital {
    server: Arc<RunningServer>,
    clock: Arc<ManualClock>,
    settings: Arc<[(String, String)]>,
}

impl Hospital {
    fn open(settings: &[(&str, &str)]) -> Self {
        let now: DateTime<Utc> = "2024-06-01T00:00:00Z".parse().unwrap();
        let mut config = Config::default();
        config.set("clock", "2024-06-01T00:00:00Z").unwrap();
        settings.iter().for_each(|(name, value)| config.set(name, value).unwrap());
        let server = Arc::new(Server::start(config).unwrap());
        Self { server, clock: Arc::new(ManualClock::new(now)), settings: Arc::new([]) }
    }

    fn options(&self) -> Options {
        let mut options = Options::new().with("base_url", self.server.base_url());
        self.settings.iter().for_each(|(name, value)| options.insert(name, value));
        options
    }

    fn with(mut self, settings: &[(&str, &str)]) -> Self {
        self.settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self
    }

    /// The suite on patients, with what their number must be and pages that ties cross.
    fn suite(&self) -> Suite {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let server = Arc::clone(&self.server);
        Suite::registered(&Registry::builtin(), "fhir", self.options(), Context::new().clock(clock))
            .unwrap()
            .table("Patient")
            .expect_rows("Patient", move || server.ids("Patient").len())
            .max_stops(6)
    }

    /// Moves both clocks over the lag in which a read does not yet trust what it sees.
    fn wait(&self) {
        let time = Duration::from_secs(600);
        self.clock.advance(time);
        self.server.clock().advance(time);
    }

    /// Something that happens at the hospital, settled when it is done.
    fn does(&self, what: impl Fn(&RunningServer) + Send + Sync + 'static) -> impl Fn() -> Done + Send + Sync + 'static {
        let hospital = self.clone();
        at_once(move || {
            hospital.wait();
            what(&hospital.server);
            hospital.wait();
        })
    }

    /// A fault of the next answer, and the same of every answer.
    fn faults(&self, name: &str, fault: faults::Fault) -> [Fault; 2] {
        let (once, always, over) = (self.server.clone(), self.server.clone(), self.server.clone());
        let lasting = FaultRule { when: When::Always, path: None, fault: fault.clone() };
        [
            Fault::new(format!("{name} once"), at_once(move || once.faults().push(fault.clone()))),
            Fault::new(format!("{name} always"), at_once(move || always.faults().add(lasting.clone())))
                .ended_by(at_once(move || over.faults().clear())),
        ]
    }

    fn admit(&self, suite: Suite) -> Suite {
        let next = AtomicUsize::new(0);
        suite.change(self.does(move |server| {
            let n = next.fetch_add(1, Ordering::SeqCst);
            let ids = server.ids("Patient");
            server.revise("Patient", &ids[n % ids.len()]).unwrap();
            for id in ["a", "b"] {
                server.put(&json!({"resourceType": "Patient", "id": format!("new-{n}-{id}")}).to_string()).unwrap();
            }
        }))
    }

    fn mistype(&self, suite: Suite) -> Suite {
        let patient = json!({"resourceType": "Patient", "id": "mistyped", "active": NO_BOOLEAN}).to_string();
        suite.bad_row(
            BadRow::new("Patient", "active", NO_BOOLEAN, self.does(move |server| server.put(&patient).unwrap()))
                .ended_by(self.does(|server| server.delete("Patient", "mistyped").unwrap())),
        )
    }
}

/// Pages and units that are smaller than ties.
fn small(suite: Suite) -> Suite {
    suite.size([("page_size", "3"), ("max_records_per_batch", "5")])
}

type Done = std::future::Ready<()>;

/// A hook that needs no waiting.
fn at_once(act: impl Fn() + Send + Sync + 'static) -> impl Fn() -> Done + Send + Sync + 'static {
    move || {
        act();
        std::future::ready(())
    }
}

fn with_marked_patient(hospital: &Hospital) {
    let patient = json!({"resourceType": "Patient", "id": "marked", "name": [{"family": FAMILY}]});
    drop(hospital.does(move |server| server.put(&patient.to_string()).unwrap())());
}

#[tokio::test]
async fn fhir_keeps_every_rule() {
    let hospital = Hospital::open(&[
        ("volume", "Patient:24"),
        ("personality", "tied-pairs"),
        ("auth", "basic:user:marker-password-7Q"),
    ])
    .with(&[("auth_type", "basic"), ("username", "user"), ("password", PASSWORD)]);
    with_marked_patient(&hospital);
    let suite = hospital.mistype(hospital.admit(small(hospital.suite()).max_records(4))).private_values([FAMILY]);
    let report = suite.requests_ahead(80).run().await;
    let elsewhere = [Check::FaultsLoseNothing, Check::MemoryIsBounded, Check::DeletionsBeginFirst];
    let proved: Vec<Check> = Check::ALL.into_iter().filter(|c| !elsewhere.contains(c)).collect();
    report.assert_proved(&proved);
}

#[tokio::test]
async fn every_table_has_its_declared_structure_with_the_official_examples() {
    let hospital = Hospital::open(&[]);
    let suite = Suite::registered(&Registry::builtin(), "fhir", hospital.options(), Context::new()).unwrap();
    for check in [Check::StructureIsKept, Check::MetadataIsCoherent] {
        let report = suite.check(check).await;
        report.assert_proved(&[check]);
        assert_eq!(report.findings().len(), 14, "{report}");
    }
}

#[tokio::test]
async fn fhir_asks_for_little_ahead_of_its_reader() {
    let hospital = Hospital::open(&[("volume", "Patient:240"), ("personality", "tied-pairs")]);
    let suite = small(hospital.suite()).requests_ahead(80);
    suite.check(Check::MemoryIsBounded).await.assert_proved(&[Check::MemoryIsBounded]);
}

#[tokio::test]
async fn fhir_loses_nothing_to_a_server_that_breaks() {
    let status = |status, retry_after| faults::Fault::Status { status, retry_after };
    let hospital = Hospital::open(&[("volume", "Patient:12"), ("personality", "tied-groups")])
        .with(&[("auth_type", "bearer"), ("bearer_token", PASSWORD)]);
    with_marked_patient(&hospital);
    let mut suite = small(hospital.suite()).private_values([FAMILY]);
    for (name, fault) in [
        ("a body cut off", faults::Fault::CutOff),
        ("half of the JSON", faults::Fault::Truncated),
        ("no answer", faults::Fault::NoAnswer),
        ("a login page", faults::Fault::Html),
        ("an empty body", faults::Fault::Empty),
        ("an outcome as success", faults::Fault::ErrorAsSuccess),
        ("500", status(500, None)),
        ("503", status(503, Some(RetryAfter::Seconds(1)))),
        ("429", status(429, Some(RetryAfter::Date(2)))),
        ("401", status(401, None)),
        ("404", status(404, None)),
    ] {
        suite = hospital.faults(name, fault).into_iter().fold(suite, Suite::fault);
    }
    let server = Arc::clone(&hospital.server);
    let suite = suite.fault(Fault::new("expired links", at_once(move || server.expire_links())));
    for check in [Check::FaultsLoseNothing, Check::SecretsStaySecret] {
        suite.check(check).await.assert_proved(&[check]);
    }
}

/// What a server of this personality must bring: everything, whatever the size and wherever the read is stopped.
async fn loses_nothing(personality: &str) -> Vec<String> {
    let hospital = Hospital::open(&[("volume", "Patient:12"), ("personality", personality)]);
    // A result of the server with expiring links serves three pages, and resources without a stamp are looked for in all.
    let page_size = if personality == "expiring-links" { "7" } else { "3" };
    let suite = hospital.suite().size([("page_size", page_size), ("max_records_per_batch", "5")]).max_stops(3);
    let suite = hospital.admit(suite);
    let mut wrong = Vec::new();
    for check in [Check::Units, Check::TiesAreWhole, Check::BoundedReadsRepeat, Check::OffsetsFollowRows] {
        let report = suite.check(check).await;
        wrong.extend(report.failures().map(|f| format!("{personality}: {f}")));
        if matches!(check, Check::Units | Check::OffsetsFollowRows) && !report.passed(check) {
            wrong.push(format!("{personality}: '{check}' was not tried: {report}"));
        }
    }
    wrong
}

macro_rules! peculiar {
    ($($test:ident: $($personality:literal)*;)*) => {
        const PECULIAR: &[&str] = &[$($($personality),*),*];
    $(
        #[tokio::test]
        async fn $test() {
            let mut wrong = Vec::new();
            for personality in [$($personality),*] {
                wrong.extend(loses_nothing(personality).await);
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    )*};
}

peculiar! {
    fhir_with_peculiar_stamps_loses_nothing:
        "ties" "tied-pairs" "tied-groups" "seconds" "micros" "ticks" "nanos" "offset-zone" "mixed-stamps" "no-stamps" "some-stamps-missing";
    fhir_with_a_peculiar_clock_loses_nothing: "clock-ahead" "clock-behind" "no-date";
    fhir_with_peculiar_searches_loses_nothing:
        "ignores-sort" "no-sort" "no-summary" "rejects-unknown" "ignores-prefer" "point-dates" "cuts-seconds"
        "search-cache" "includes" "outcomes" "foreign-type" "no-last-updated-search" "late-commit";
    fhir_with_peculiar_totals_loses_nothing: "no-total" "estimated-totals" "wrong-totals" "zero-totals" "no-totals";
    fhir_with_peculiar_pages_loses_nothing:
        "caps-count" "token-pages" "keyset-pages" "drifting-pages" "long-links" "expiring-links" "relative-links"
        "rooted-links" "deep-paging-refused" "blank-pages" "gzip";
    fhir_with_a_peculiar_history_loses_nothing: "no-type-history" "no-history" "repeating-history";
    fhir_that_fails_now_and_then_loses_nothing:
        "drops-connections" "truncates" "closes" "throttles" "unavailable" "fails-once";
}

/// Left out here, with the reason.
const LEFT_OUT: &[(&str, &str)] = &[("slow", "it answers as any other does, a fifth of a second later each time")];

#[test]
fn every_peculiar_server_that_can_be_read_is_tried() {
    let left_out = REFUSED.iter().chain(LEFT_OUT).map(|(name, _)| *name);
    let tried: BTreeSet<&str> = PECULIAR.iter().copied().chain(left_out).collect();
    assert_eq!(tried, PERSONALITIES.iter().map(|personality| personality.name).collect());
}

#[tokio::test]
#[ignore = "needs sources/healthcare/fhir/configs/dev_config.json"]
async fn your_own_fhir_server_is_read_without_loss() {
    let options = dev_config("healthcare/fhir");
    let suite = Suite::registered(&Registry::builtin(), "fhir", options, Context::new()).unwrap();
    let suite = suite.size([("page_size", "10"), ("max_records_per_batch", "50")]).max_stops(20).live();
    let report = suite.requests_ahead(80).run().await;
    println!("{report}");
    report.assert_passed();
}
