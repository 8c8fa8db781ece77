//! The pipeline that plants run: recorded values by date, ordered by tag and time, each tag followed by itself.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use deltalake::{
    arrow::{array::AsArray, datatypes::TimestampMicrosecondType},
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Config, RunningServer, Server, Spelling, Ticks},
};

use crate::support::{Run, lakeflow, open};

const POINTS: u32 = 6;

/// A plant whose clock stands still until it is moved.
struct Plant {
    server: RunningServer,
    dir: tempfile::TempDir,
}

/// A row of the table: its partition and file, by tag and exact time.
type Rows = BTreeMap<(String, String), (NaiveDate, DateTime<Utc>)>;

impl Plant {
    fn new() -> Self {
        let now = DateTime::parse_from_rfc3339("2026-03-10T12:00:00Z").unwrap().to_utc();
        let config = Config { clock: SimClock::fixed(now), points: POINTS, ..Config::default() };
        let plant = Self { server: Server::start(config).unwrap(), dir: tempfile::tempdir().unwrap() };
        let pipeline = format!(
            "connection:\n  source: osipi\n  options:\n    pi_base_url: {}\n    auth_type: anonymous\n\
             destination: lake\n\
             objects:\n  - table:\n      source_table: pi_timeseries\n      destination_table: history\n      \
             table_configuration:\n        partition_by: event_date\n        cluster_by: [tag_webid, timestamp]\n        \
             startTime: '*-2d'\n        snapshot_policy: include\n",
            plant.server.base_url()
        );
        fs::write(plant.dir.path().join("plant.yaml"), pipeline).unwrap();
        plant
    }

    fn run(&self, words: &[&str]) -> Run {
        let file = self.dir.path().join("plant.yaml");
        let (command, rest) = words.split_first().unwrap();
        // `state` has a command of its own after it.
        let (sub, rest) = if *command == "state" { rest.split_at(1) } else { (&[][..], rest) };
        let all = [command].into_iter().chain(sub).map(|w| (*w).to_owned());
        let all = all.chain([file.to_str().unwrap().to_owned()]).chain(rest.iter().map(|w| (*w).to_owned()));
        lakeflow(all.chain(["--format".to_owned(), "json".to_owned()]))
    }

    /// What is told of the parts of the rows, the statistics last.
    fn parts(&self) -> Vec<serde_json::Value> {
        let mut lines = self.run(&["state", "show", "--parts"]).ok().lines();
        lines.retain(|line| line["flow"] == "rows");
        lines
    }

    fn table(&self) -> std::path::PathBuf {
        self.dir.path().join("lake/history")
    }

    fn web_id(&self, number: usize) -> String {
        self.server.web_id(&self.server.points()[number], Spelling::IdOnly).unwrap()
    }

    /// Fails the test unless the table holds each event of the archive since the first run's start, once, in the partition
    /// of its date.
    fn assert_copied(&self, from: Ticks) -> usize {
        let mut expected: Vec<(String, String)> = Vec::new();
        for point in self.server.points() {
            let webid = self.server.web_id(&point, Spelling::IdOnly).unwrap();
            let events = self.server.events(&point, from, Ticks(Ticks::from(self.server.clock().now()).0 + 1)).unwrap();
            expected.extend(events.iter().map(|e| (webid.clone(), e.time.to_string())));
        }
        expected.sort();
        let rows = rows(&self.table());
        assert!(rows.iter().all(|(_, (date, at))| at.date_naive() == *date), "rows in the partition of another date");
        let found: Vec<_> = rows.into_keys().collect();
        let missing = expected.iter().filter(|e| found.binary_search(e).is_err()).count();
        let extra = found.iter().filter(|f| expected.binary_search(f).is_err()).count();
        assert_eq!((missing, extra), (0, 0), "{} rows, {} events", found.len(), expected.len());
        found.len()
    }
}

fn rows(table: &Path) -> Rows {
    let mut rows = Rows::new();
    for file in open(table).unwrap().snapshot().unwrap().log_data() {
        let path = file.object_store_path();
        let date = path.parts().find_map(|part| Some(part.as_ref().strip_prefix("event_date=")?.parse().unwrap()));
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(table.join(path.as_ref())).unwrap());
        for batch in reader.unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
            let (tags, times) = (text("tag_webid"), text("timestamp_raw"));
            let at = batch.column_by_name("timestamp").unwrap().as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                let at = DateTime::from_timestamp_micros(at.value(row)).unwrap();
                let key = (tags.value(row).to_owned(), times.value(row).to_owned());
                assert!(rows.insert(key, (date.unwrap(), at)).is_none(), "an event is there twice");
            }
        }
    }
    rows
}

#[test]
fn the_plants_pipeline_lands_by_date_is_ordered_by_tag_and_time_and_goes_on_tag_by_tag() {
    let plant = Plant::new();
    let from = Ticks(Ticks::from(plant.server.clock().now()).0 - 2 * 86_400 * 10_000_000);
    let first = plant.run(&["sync"]).ok();
    let receipt = &first.event("table_done")["receipt"];
    assert!(receipt["watermark"].as_str().unwrap().starts_with("2026-03-10T12:00:00"), "{receipt}");
    let tells_lag = |line: &serde_json::Value| line["event"] == "commit" && line["behind_seconds"].is_u64();
    assert!(receipt["behind"].is_object() && first.lines().iter().any(tells_lag));
    let all = plant.assert_copied(from);
    assert!(all > 10_000, "{all}");

    plant.server.clock().advance(Duration::from_secs(3_600));
    plant.run(&["sync"]).ok();
    let more = plant.assert_copied(from);
    assert!(more > all);

    let optimized = plant.run(&["optimize"]).ok().lines();
    assert_eq!(optimized[0]["optimized"]["rows"].as_u64(), Some(more as u64), "{optimized:?}");
    assert_eq!(plant.assert_copied(from), more);
    assert_eq!(plant.run(&["optimize"]).ok().lines()[0]["optimized"]["commits"], 0);

    plant.server.clock().advance(Duration::from_secs(3_600));
    plant.run(&["sync"]).ok();
    assert!(plant.assert_copied(from) > more);
}

#[test]
fn each_tag_tells_how_far_it_is_and_can_be_read_again_alone_or_with_all_others() {
    let plant = Plant::new();
    let from = Ticks(Ticks::from(plant.server.clock().now()).0 - 2 * 86_400 * 10_000_000);
    plant.run(&["sync"]).ok();
    let all = plant.assert_copied(from);
    let shown = plant.run(&["state", "show"]).ok().lines();
    let of_rows = shown.iter().find(|line| line["state"]["flow"] == "rows").unwrap();
    assert!(of_rows["watermark"].as_str().unwrap().starts_with("2026-03-10T12:00:00"), "{shown:?}");
    let parts = plant.parts();
    let (statistics, parts) = parts.split_last().unwrap();
    assert_eq!((&statistics["parts"], &statistics["lagging"]), (&POINTS.into(), &0.into()), "{statistics}");
    assert!(statistics["oldest"].is_string() && statistics["newest"].is_string());
    let mut names: Vec<&str> = parts.iter().map(|p| p["part"].as_str().unwrap()).collect();
    let mut tags: Vec<String> = (0..POINTS as usize).map(|n| plant.web_id(n)).collect();
    names.sort_unstable();
    tags.sort_unstable();
    assert_eq!(names, tags);

    let tag = plant.web_id(2);
    let unknown = plant.run(&["state", "reset", "--table", "history", "--part", &tag[..tag.len() - 1]]);
    assert_eq!(unknown.code, 2, "{}{}", unknown.out, unknown.err);
    plant.run(&["state", "reset", "--table", "history", "--part", &tag]).ok();
    assert_eq!(plant.parts().last().unwrap()["parts"], POINTS - 1);
    let again = plant.run(&["sync"]).ok();
    let read = again.event("table_done")["receipt"]["rows_read"].as_u64().unwrap() as usize;
    let of_tag = rows(&plant.table()).keys().filter(|(webid, _)| *webid == tag).count();
    assert!(read >= of_tag, "{read} rows of {of_tag}");
    assert_eq!(plant.assert_copied(from), all, "rows that are read again are not there twice");

    plant.run(&["state", "reset", "--table", "history", "--rows", "remove"]).ok();
    assert!(rows(&plant.table()).is_empty());
    plant.run(&["sync"]).ok();
    assert_eq!(plant.assert_copied(from), all);
}
