//! The conformance suite on the LanceDB source, over the simulator in both dialects.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Utc};
use lakeflow_connect::{
    Context, Options, Registry, TableRef,
    arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    clock::ManualClock,
    testkit::{Check, Fault, Suite},
};
use lakeflow_simulators::{
    faults::{self, FaultRule, RetryAfter, When},
    lancedb::{Config, Database, RowIds, RunningServer, Server},
};

use crate::dev_config::dev_config;

const KEY: &str = "marker-key-4Z-0123456789";
const NOTE: &str = "Marker-Note";

/// A simulated server with a table of visits.
struct Clinic(Arc<RunningServer>);

fn visits(ids: impl IntoIterator<Item = i64>, note: &str) -> RecordBatch {
    let ids: Vec<i64> = ids.into_iter().collect();
    let notes = ids.iter().map(|id| (id % 5 != 4).then(|| format!("{note} {id}"))).collect::<StringArray>();
    let at = Int64Array::from_iter_values(ids.iter().map(|id| id / 3));
    let columns: [(&str, ArrayRef, bool); 3] =
        [("id", Arc::new(Int64Array::from(ids)), false), ("at", Arc::new(at), false), ("note", Arc::new(notes), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

impl Clinic {
    fn open(settings: &[(&str, &str)], row_ids: RowIds) -> Self {
        let mut config = Config::default();
        config.tables.clear();
        config.set("auth", &format!("api-key:{KEY}")).unwrap();
        // Not ahead of the client's, so that what it asks for as fresh is fresh.
        config.set("clock", "2024-05-01T00:00:00Z").unwrap();
        settings.iter().for_each(|(name, value)| config.set(name, value).unwrap());
        let server = Server::start(config).unwrap();
        {
            let mut database = server.database();
            database.create_in_fragments("visits", &visits(0..20, NOTE), row_ids, 6).unwrap();
            database.append("visits", &visits(20..24, NOTE)).unwrap();
            database.update("visits", "id < 3", &[("note", "'changed'")]).unwrap();
            database.delete("visits", "id = 7").unwrap();
        }
        Self(Arc::new(server))
    }

    fn suite(&self, table: TableRef) -> Suite {
        let now: DateTime<Utc> = "2024-06-01T00:00:00Z".parse().unwrap();
        let context = Context::new().clock(Arc::new(ManualClock::new(now)));
        let options =
            Options::new().with("host_override", self.0.base_url()).with("database", "clinic").with("api_key", KEY);
        let server = Arc::clone(&self.0);
        let rows = move || server.database().rows("visits", None).unwrap().num_rows();
        Suite::registered(&Registry::builtin(), "lancedb", options, context)
            .unwrap()
            .table(table)
            .expect_rows("visits", rows)
            .private_values([NOTE])
            .requests_ahead(24)
            // An offset holds the place of a row at one version, whatever the versions of its rows are.
            .ties_within(["id"])
            .max_stops(4)
    }

    /// Rows are added with every call, and what else is told.
    fn change(&self, suite: Suite, more: impl Fn(&mut Database, i64) + Send + Sync + 'static) -> Suite {
        let (server, next) = (Arc::clone(&self.0), AtomicI64::new(100));
        suite.change(move || {
            let n = next.fetch_add(10, Ordering::SeqCst);
            let mut database = server.database();
            database.append("visits", &visits(n..n + 3, NOTE)).unwrap();
            more(&mut database, n);
            std::future::ready(())
        })
    }
}

/// Rows are changed, deleted, and replaced under another id.
fn all_kinds(database: &mut Database, n: i64) {
    database.update("visits", &format!("id IN (3, {n})"), &[("note", "'changed again'")]).unwrap();
    database.delete("visits", &format!("id = {}", (n - 100) / 10 + 8)).unwrap();
    database.delete("visits", &format!("id = {}", n + 1)).unwrap();
    database.append("visits", &visits(n + 1..n + 2, "again")).unwrap();
    database.compact("visits").unwrap();
}

fn small(suite: Suite) -> Suite {
    suite.size([("batch_size", "1")]).size([("batch_size", "4")]).max_records(5)
}

fn table() -> TableRef {
    TableRef::new("visits")
}

#[tokio::test]
async fn lancedb_keeps_every_rule_on_tables_with_row_versions() {
    for dialect in ["cloud", "namespace"] {
        let clinic = Clinic::open(&[("dialect", dialect)], RowIds::Stable);
        let report = clinic.change(small(clinic.suite(table())), all_kinds).run().await;
        let elsewhere = [Check::FaultsLoseNothing, Check::NoSilentNull, Check::MemoryIsBounded, Check::TiesAreWhole];
        let proved: Vec<Check> = Check::ALL.into_iter().filter(|check| !elsewhere.contains(check)).collect();
        report.assert_proved(&proved);
        assert!(report.to_string().contains("cdc_with_deletes"), "{report}");
    }
}

#[tokio::test]
async fn lancedb_keeps_every_rule_on_tables_that_only_grow() {
    let clinic = Clinic::open(&[], RowIds::Plain);
    let suite = clinic.suite(table().option("ingestion_type", "append"));
    let report = clinic.change(small(suite), |_, _| {}).run().await;
    report.assert_proved(&[Check::Units, Check::OffsetsFollowRows, Check::BoundedReadsRepeat, Check::TiesAreWhole]);
}

#[tokio::test]
async fn lancedb_keeps_every_rule_on_tables_with_a_column_that_grows() {
    let clinic = Clinic::open(&[], RowIds::Plain);
    let suite = clinic.suite(table().option("cursor_field", "at").option("primary_keys", "id"));
    let grown = |database: &mut Database, n: i64| {
        database.update("visits", "id = 3", &[("at", &(n / 3 + 1).to_string())]).unwrap();
    };
    let report = clinic.change(small(suite), grown).run().await;
    report.assert_proved(&[Check::Units, Check::OffsetsFollowRows, Check::BoundedReadsRepeat]);
}

#[tokio::test]
async fn lancedb_keeps_every_rule_on_snapshots() {
    let clinic = Clinic::open(&[], RowIds::Plain);
    let report = clinic.change(small(clinic.suite(table())), all_kinds).run().await;
    report.assert_proved(&[Check::Units, Check::OffsetsAreOpaque, Check::PlansCover, Check::SecretsStaySecret]);
}

#[tokio::test]
async fn lancedb_asks_for_little_ahead_of_its_reader() {
    let clinic = Clinic::open(&[], RowIds::Stable);
    clinic.0.database().append("visits", &visits(1000..1200, NOTE)).unwrap();
    let suite = clinic.suite(table()).size([("batch_size", "2")]);
    suite.check(Check::MemoryIsBounded).await.assert_proved(&[Check::MemoryIsBounded]);
    let clinic = Clinic::open(&[], RowIds::Stable);
    clinic.0.database().append("visits", &visits(1000..2000, NOTE)).unwrap();
    let suite = clinic.suite(table().option("batch_size", "2"));
    suite.check(Check::PlansCover).await.assert_proved(&[Check::PlansCover]);
}

#[tokio::test]
async fn lancedb_loses_nothing_to_a_server_that_breaks() {
    let status = |status, retry_after| faults::Fault::Status { status, retry_after };
    let clinic = Clinic::open(&[], RowIds::Stable);
    let mut suite = clinic.suite(table().option("batch_size", "3"));
    for (name, fault) in [
        ("a body cut off", faults::Fault::CutOff),
        ("half of the Arrow", faults::Fault::Truncated),
        ("no answer", faults::Fault::NoAnswer),
        ("headers in an error", faults::Fault::Echo),
        ("a login page", faults::Fault::Html),
        ("an empty body", faults::Fault::Empty),
        ("an error as success", faults::Fault::ErrorAsSuccess),
        ("500", status(500, None)),
        ("503", status(503, Some(RetryAfter::Seconds(1)))),
        ("429", status(429, Some(RetryAfter::Date(2)))),
        ("413", status(413, None)),
        ("401", status(401, None)),
        ("404", status(404, None)),
        ("another type of content", faults::Fault::WrongContentType),
    ] {
        let (once, always, over) = (Arc::clone(&clinic.0), Arc::clone(&clinic.0), Arc::clone(&clinic.0));
        let lasting = FaultRule { when: When::Always, path: None, fault: fault.clone() };
        suite = suite
            .fault(Fault::new(format!("{name} once"), move || {
                once.faults().push(fault.clone());
                std::future::ready(())
            }))
            .fault(
                Fault::new(format!("{name} always"), move || {
                    always.faults().add(lasting.clone());
                    std::future::ready(())
                })
                .ended_by(move || {
                    over.faults().clear();
                    std::future::ready(())
                }),
            );
    }
    for check in [Check::FaultsLoseNothing, Check::SecretsStaySecret] {
        suite.check(check).await.assert_proved(&[check]);
    }
}

#[tokio::test]
async fn lancedb_servers_of_every_personality_are_read_without_loss() {
    let mut wrong = Vec::new();
    for personality in lakeflow_simulators::lancedb::PERSONALITIES {
        // A reply that drips is slow on purpose, and small caps need more rows.
        if personality.name == "slow" {
            continue;
        }
        let clinic = Clinic::open(&[("personality", personality.name)], RowIds::Stable);
        let suite = clinic.suite(table()).size([("batch_size", "5")]).max_stops(3);
        for check in [Check::Units, Check::TiesAreWhole] {
            let report = suite.check(check).await;
            wrong.extend(report.failures().map(|failure| format!("{}: {failure}", personality.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `LAKEFLOW_LANCE_TABLES` names the tables; all when it is not set.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs sources/lancedb/configs/dev_config.json"]
async fn your_own_lancedb_is_read_without_loss() {
    let options = dev_config("lancedb");
    let mut suite = Suite::registered(&Registry::builtin(), "lancedb", options, Context::new()).unwrap();
    for name in std::env::var("LAKEFLOW_LANCE_TABLES").iter().flat_map(|names| names.split(',')) {
        suite = suite.table(name.trim());
    }
    let suite = suite.size([("batch_size", "10")]).size([("batch_size", "1000")]).max_stops(20).live();
    let report = suite.requests_ahead(80).run().await;
    println!("{report}");
    report.assert_passed();
}
