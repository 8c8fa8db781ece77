//! The conformance suite on the OSI PI source: over the simulator, and over a PI Web API of your own.

mod all_tables;
mod views;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lakeflow_connect::{
    Context, LakeflowConnect, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::{array::AsArray, datatypes::TimestampMicrosecondType},
    clock::{Clock, ManualClock},
    testkit::{Check, Fault, Suite},
};
use lakeflow_simulators::{
    clock::SimClock,
    faults::{self, FaultRule, RetryAfter, When},
    osipi::{AfChange, Change, Config, RunningServer, Server, Spelling, Ticks},
};

use crate::dev_config::dev_config;

const PASSWORD: &str = "marker-password-4T";
const NOW: &str = "2026-03-18T12:00:00Z";

/// A simulated plant whose clock stands still, and how to reach it.
#[derive(Clone)]
struct Plant {
    server: Arc<RunningServer>,
}

type Done = std::future::Ready<()>;

/// A hook that needs no waiting.
fn at_once(act: impl Fn() + Send + Sync + 'static) -> impl Fn() -> Done + Send + Sync + 'static {
    move || {
        act();
        std::future::ready(())
    }
}

impl Plant {
    fn open(settings: &[(&str, &str)]) -> Self {
        let now: DateTime<Utc> = NOW.parse().unwrap();
        let mut config = Config { clock: SimClock::fixed(now), points: 5, ..Config::default() };
        let basic = format!("basic:reader:{PASSWORD}");
        for (name, value) in [("days", "1"), ("elements", "8"), ("event-frames", "10"), ("auth", &basic)] {
            config.set(name, value).unwrap();
        }
        settings.iter().for_each(|(name, value)| config.set(name, value).unwrap());
        Self { server: Arc::new(Server::start(config).unwrap()) }
    }

    /// Without what takes longest where there is no TLS: loading the certificates of this machine.
    fn options(&self) -> Options {
        let options = Options::new().with("pi_base_url", self.server.base_url()).with("verify_ssl", "false");
        options.with("username", "reader").with("password", PASSWORD)
    }

    fn connection(&self) -> Arc<dyn LakeflowConnect> {
        Registry::builtin().connect("osipi", &self.options(), &Context::new()).unwrap()
    }

    fn suite(&self) -> Suite {
        let options = self.options();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW.parse().unwrap()));
        Suite::registered(&Registry::builtin(), "osipi", options, Context::new().clock(clock)).unwrap()
    }

    /// The suite on recorded values of an hour, with what their number must be, and pages that ties cross.
    fn recorded(&self) -> Suite {
        let server = Arc::clone(&self.server);
        let table = TableRef::new("pi_timeseries").option("startTime", "*-1h").option("snapshot_policy", "include");
        self.suite()
            .table(table)
            .expect_rows("pi_timeseries", move || events(&server))
            .ties_within(["tag_webid"])
            .size([("maxCount", "7"), ("tags_per_request", "2"), ("max_records_per_batch", "20")])
            .max_stops(4)
            .requests_ahead(40)
    }
}

/// Events of the last hour.
fn events(server: &RunningServer) -> usize {
    let now = Ticks::from(server.clock().now());
    let from = Ticks(now.0 - 3_600 * 10_000_000);
    server.points().iter().map(|point| server.events(point, from, Ticks(now.0 + 1)).unwrap().len()).sum()
}

/// A fault of the next answer, and the same of every answer.
fn faults_of(server: &Arc<RunningServer>, name: &str, fault: faults::Fault) -> [Fault; 2] {
    let (once, always, over) = (Arc::clone(server), Arc::clone(server), Arc::clone(server));
    let lasting = FaultRule { when: When::Always, path: None, fault: fault.clone() };
    [
        Fault::new(format!("{name} once"), at_once(move || once.faults().push(fault.clone()))),
        Fault::new(format!("{name} always"), at_once(move || always.faults().add(lasting.clone())))
            .ended_by(at_once(move || over.faults().clear())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_values_keep_the_rules_of_units_offsets_ties_and_memory() {
    let plant = Plant::open(&[("ties", "3"), ("density", "20s")]);
    let checks = [
        Check::Units,
        Check::OffsetsFollowRows,
        Check::OffsetsAreOpaque,
        Check::TiesAreWhole,
        Check::PlansCover,
        Check::MemoryIsBounded,
    ];
    for check in checks {
        plant.recorded().check(check).await.assert_proved(&[check]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_recorded_values_lose_nothing_to_a_server_that_breaks() {
    let status = |status, retry_after| faults::Fault::Status { status, retry_after };
    let plant = Plant::open(&[]);
    let mut suite = plant.recorded();
    for (name, fault) in [
        ("a body cut off", faults::Fault::CutOff),
        ("half of the JSON", faults::Fault::Truncated),
        ("no answer", faults::Fault::NoAnswer),
        ("a login page", faults::Fault::Html),
        ("an empty body", faults::Fault::Empty),
        ("errors as success", faults::Fault::ErrorAsSuccess),
        ("500", status(500, None)),
        ("502", status(502, None)),
        ("503", status(503, Some(RetryAfter::Seconds(1)))),
        ("429", status(429, Some(RetryAfter::Date(2)))),
        ("401", status(401, None)),
        ("403", status(403, None)),
        ("404", status(404, None)),
    ] {
        suite = faults_of(&plant.server, name, fault).into_iter().fold(suite, Suite::fault);
    }
    let server = Arc::clone(&plant.server);
    let over = Arc::clone(&plant.server);
    let rule = || FaultRule {
        when: When::Every(3),
        path: None,
        fault: faults::Fault::Status { status: 502, retry_after: None },
    };
    let item = Fault::new("every third request of a batch is 502", at_once(move || server.item_faults().add(rule())))
        .ended_by(at_once(move || over.item_faults().clear()));
    let suite = suite.fault(item);
    for check in [Check::FaultsLoseNothing, Check::SecretsStaySecret] {
        suite.check(check).await.assert_proved(&[check]);
    }
}

/// One event and one frame that were read are deleted, and an event is added.
fn deletes(server: &RunningServer) {
    server.clock().advance(Duration::from_secs(60));
    let now = Ticks::from(server.clock().now());
    let point = server.points().swap_remove(0);
    let events = server.events(&point, Ticks(now.0 - 1_800 * 10_000_000), Ticks(now.0)).unwrap();
    server.change(&point, Change::Delete(events[events.len() / 2].time)).unwrap();
    server.change(&point, Change::Add(Ticks(now.0 - 7), 4711.25.into())).unwrap();
    let frames = server.assets().expected_frames();
    let open = frames.into_iter().find(|frame| frame.end.is_none() && frame.parent.is_none()).unwrap();
    server.assets().change(AfChange::Delete { object: open.web_id }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_begin_before_the_first_row() {
    let plant = Plant::open(&[]);
    let server = Arc::clone(&plant.server);
    // Not relative to now: what leaves the window of a table is not deleted.
    let recorded = TableRef::new("pi_timeseries").option("startTime", "2026-03-18T11:00:00Z");
    let recorded = recorded.option("change_capture", "reconcile");
    let suite = plant.suite().table(recorded).table("pi_event_frames").change(at_once(move || deletes(&server)));
    let report = suite.check(Check::DeletionsBeginFirst).await;
    report.assert_passed();
    assert_eq!(report.to_string().matches("deleted after they were read").count(), 2, "{report}");
}

/// What keeps the reads of a plant short, where a table takes it.
const SHORT: [(&str, &str); 7] = [
    ("startTime", "*-1d"),
    ("default_tags", "5"),
    ("default_points", "50"),
    ("default_elements", "50"),
    ("default_event_frames", "50"),
    ("default_tables", "5"),
    ("on_tag_error", "quarantine"),
];

/// A table with what keeps its reads short; of these tags, where it reads tags and some are named.
async fn shortened(source: &Arc<dyn LakeflowConnect>, name: &str, tags: Option<&str>) -> TableRef {
    let mut table = TableRef::new(name);
    let tags = tags.map(|tags| ("tag_names", tags));
    for (option, value) in SHORT.into_iter().chain(tags) {
        let more = table.clone().option(option, value);
        if source.get_table_schema(&more).await.is_ok() {
            table = more;
        }
    }
    table
}

/// All tables, or those that `LAKEFLOW_PI_TABLES` names; of the tags that `LAKEFLOW_PI_TAGS` names, or of five.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs sources/osipi/configs/dev_config.json"]
async fn your_own_pi_web_api_is_read_without_loss() {
    let options = dev_config("osipi");
    let source = Registry::builtin().connect("osipi", &options, &Context::new()).unwrap();
    let names = match std::env::var("LAKEFLOW_PI_TABLES") {
        Ok(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        Err(_) => source.list_tables().await.unwrap(),
    };
    let tags = std::env::var("LAKEFLOW_PI_TAGS").ok();
    let mut suite = Suite::registered(&Registry::builtin(), "osipi", options, Context::new()).unwrap();
    for name in names {
        suite = suite.table(shortened(&source, &name, tags.as_deref()).await);
    }
    let suite = suite.ties_within(["tag_webid"]).max_stops(5).live();
    let report = suite.requests_ahead(80).run().await;
    println!("{report}");
    report.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_side_by_side_share_the_tags() {
    let plant = Plant::open(&[("points", "25")]);
    let of_hour = |name: &str| TableRef::new(name).option("startTime", "*-1h").option("tags_per_request", "1");
    let recorded = |name: &str| of_hour(name).option("change_capture", "none").option("late_window", "0");
    for table in
        [recorded("pi_timeseries"), recorded("pi_streamset_recorded"), of_hour("pi_interpolated"), of_hour("pi_plot")]
    {
        let name = table.name.clone();
        let report = plant.suite().table(table).size([("max_records_per_batch", "200")]).check(Check::PlansCover).await;
        assert!(report.to_string().contains("up to 3 requests"), "{name}: {report}");
    }
    // Deletions are found by the one reader that knows what it sent, and so is what a failing tag lacks.
    for (option, value) in [("change_capture", "reconcile"), ("on_tag_error", "quarantine")] {
        let suite = plant.suite().table(recorded("pi_timeseries").option(option, value));
        let report = suite.check(Check::PlansCover).await;
        assert!(report.to_string().contains("plans one request"), "{option}: {report}");
    }
}

/// The end of a run, as hosts go on from it that know no other.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_planned_reads_is_where_the_next_goes_on() {
    let plant = Plant::open(&[("points", "12"), ("density", "20m"), ("types", "Float64")]);
    let source = plant.connection();
    let table = TableRef::new("pi_timeseries").option("startTime", "*-1d").option("tags_per_request", "1");
    for table in [table.clone().option("change_capture", "none"), table.option("compat", "upstream")] {
        let from = Ticks(Ticks::from(plant.server.clock().now()).0 - 86_400 * 10_000_000);
        let (mut start, mut rows) = (None, Vec::new());
        for _ in 0..4 {
            let until = source.latest_offset(&table, start.as_ref()).await.unwrap().unwrap();
            let request = ReadRequest::new(table.clone()).start(start.take()).until(until.clone());
            let parts = source.plan(request).await.unwrap();
            assert_eq!(parts.len(), 2);
            for part in parts {
                let events: Vec<_> = source.read_table(part).try_collect().await.unwrap();
                rows.extend(events.iter().filter_map(keys).flatten());
            }
            start = Some(until);
            plant.server.clock().advance(Duration::from_secs(1800));
        }
        let read = rows.len();
        rows.sort();
        rows.dedup();
        if table.options.get("compat").is_some() {
            assert_eq!(read, rows.len(), "a row of an append table twice");
        }
        let until = Ticks(Ticks::from(plant.server.clock().now()).0 - 1_800 * 10_000_000 + 1);
        let mut wanted = Vec::new();
        for point in plant.server.points() {
            let webid = plant.server.web_id(&point, Spelling::IdOnly).unwrap();
            let mut events = plant.server.events(&point, from, until).unwrap();
            // The newest waits for its successor.
            events.pop();
            wanted.extend(events.iter().map(|event| (webid.clone(), event.time.0 / 10)));
        }
        wanted.sort();
        assert_eq!(rows.len(), wanted.len());
        assert_eq!(rows, wanted);
    }
}

/// Tag and time of rows.
fn keys(event: &ReadEvent) -> Option<Vec<(String, i64)>> {
    let ReadEvent::Records(Records::Arrow(batch)) = event else { return None };
    let tags = batch.column_by_name("tag_webid").unwrap().as_string::<i32>();
    let times = batch.column_by_name("timestamp").unwrap().as_primitive::<TimestampMicrosecondType>();
    Some((0..batch.num_rows()).map(|row| (tags.value(row).to_owned(), times.value(row))).collect())
}
