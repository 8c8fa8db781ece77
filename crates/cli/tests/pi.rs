//! The pipeline that plants run: recorded values by date, ordered by tag and time, each tag followed by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use deltalake::{
    arrow::{
        array::{Array, AsArray, RecordBatch},
        datatypes::TimestampMicrosecondType,
    },
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Config, RunningServer, Server, Spelling, Ticks},
};

use crate::{
    archive,
    support::{Run, lakeflow, open},
};

const POINTS: u32 = 6;

/// A plant whose clock stands still until it is moved.
struct Plant {
    server: RunningServer,
    dir: tempfile::TempDir,
}

/// A row of the table: its partition and file, by tag and exact time.
type Rows = BTreeMap<(String, String), (NaiveDate, DateTime<Utc>)>;

/// How the pipeline reads and lands recorded values: an hour of all tags after the other.
const BY_DATE: &str = "partition_by: event_date, cluster_by: [tag_webid, timestamp], startTime: '*-2d', window_seconds: 3600, \
     snapshot_policy: include";

impl Plant {
    fn new() -> Self {
        Self::with("pi_timeseries", BY_DATE)
    }

    /// A plant, and a pipeline that reads one table in this way.
    fn with(source_table: &str, options: &str) -> Self {
        let now = DateTime::parse_from_rfc3339("2026-03-10T12:00:00Z").unwrap().to_utc();
        let config = Config { clock: SimClock::fixed(now), points: POINTS, ..Config::default() };
        let plant = Self { server: Server::start(config).unwrap(), dir: tempfile::tempdir().unwrap() };
        plant.configure(source_table, options);
        plant
    }

    /// Writes the pipeline.
    fn configure(&self, source_table: &str, options: &str) {
        let pipeline = format!(
            "connection:\n  source: osipi\n  options:\n    pi_base_url: {}\n    auth_type: anonymous\n\
             destination: lake\n\
             objects:\n  - table:\n      source_table: {source_table}\n      destination_table: history\n      \
             table_configuration: {{{options}}}\n",
            self.server.base_url()
        );
        fs::write(self.dir.path().join("plant.yaml"), pipeline).unwrap();
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

/// The rows of each file of a table's newest version, by path.
fn files(table: &Path) -> BTreeMap<String, Vec<RecordBatch>> {
    let read = |path: &str| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(table.join(path)).unwrap());
        reader.unwrap().build().unwrap().map(Result::unwrap).collect()
    };
    let delta = open(table).unwrap();
    let log = delta.snapshot().unwrap().log_data();
    let paths = log.into_iter().map(|file| file.object_store_path().to_string());
    paths.map(|path| (path.clone(), read(&path))).collect()
}

type TagAndTime = (String, i64);

/// Tag and time of each row, in the order of a file.
fn tags_and_times(batches: &[RecordBatch]) -> Vec<TagAndTime> {
    let of = |batch: &RecordBatch| {
        let tags = batch.column_by_name("tag_webid").unwrap().as_string::<i32>().clone();
        let times = batch.column_by_name("timestamp").unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        (0..batch.num_rows()).map(|row| (tags.value(row).to_owned(), times.value(row))).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

/// What share of the rows of a day a quarter of them, one after the other in the files, spans: of the tags and of the time,
/// each the largest of the four.
fn spread(table: &Path, day: &str) -> (f64, f64) {
    let of_day = files(table).into_iter().filter(|(path, _)| path.contains(&format!("event_date={day}")));
    let rows: Vec<TagAndTime> = of_day.flat_map(|(_, batches)| tags_and_times(&batches)).collect();
    assert!(rows.len() > 5_000, "{}", rows.len());
    let tags = |rows: &[TagAndTime]| rows.iter().map(|(tag, _)| tag).collect::<BTreeSet<_>>().len() as f64;
    let span = |rows: &[TagAndTime]| {
        let times = || rows.iter().map(|(_, at)| *at);
        (times().max().unwrap() - times().min().unwrap()) as f64
    };
    let quarters = || rows.chunks(rows.len().div_ceil(4));
    let largest = |of: &dyn Fn(&[TagAndTime]) -> f64| quarters().map(of).fold(0.0, f64::max) / of(&rows);
    (largest(&tags), largest(&span))
}

/// Fails the test unless in each file the events of a tag are in the order of time.
fn assert_in_order_of_time(table: &Path) {
    for (path, batches) in files(table) {
        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        for (tag, at) in tags_and_times(&batches) {
            assert!(last.insert(tag, at).is_none_or(|before| before <= at), "{path}");
        }
    }
}

fn rows(table: &Path) -> Rows {
    let mut rows = Rows::new();
    for (path, batches) in files(table) {
        let date = path.split('/').find_map(|part| Some(part.strip_prefix("event_date=")?.parse().unwrap()));
        for batch in batches {
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

    let (tags, span) = spread(&plant.table(), "2026-03-09");
    assert!(tags.max(span) > 0.9, "not yet ordered by both: {tags} of the tags, {span} of the time");
    let optimized = plant.run(&["optimize"]).ok().lines();
    assert_eq!(optimized[0]["optimized"]["rows"].as_u64(), Some(more as u64), "{optimized:?}");
    let (tags, span) = spread(&plant.table(), "2026-03-09");
    assert!(tags < 0.8 && span < 0.8, "a quarter of a day's rows is {tags} of the tags and {span} of the time");
    assert_in_order_of_time(&plant.table());
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

/// Rows of the table, and how many of them have a value in a column; `None` where no row has the column.
fn filled(table: &Path, column: &str) -> (usize, Option<usize>) {
    let batches: Vec<RecordBatch> = files(table).into_values().flatten().collect();
    let of_column = batches.iter().filter_map(|batch| batch.column_by_name(column));
    let found = of_column.map(|values| values.len() - values.null_count()).reduce(|a, b| a + b);
    (batches.iter().map(RecordBatch::num_rows).sum(), found)
}

/// The columns of a Delta table, and whether they may be null, in order.
fn columns(table: &Path) -> Vec<(String, bool)> {
    let table = open(table).unwrap();
    let schema = table.snapshot().unwrap().schema();
    schema.fields().map(|field| (field.name().clone(), field.is_nullable())).collect()
}

#[test]
fn columns_that_a_table_has_from_now_on_are_added_and_null_in_the_rows_before() {
    let upstream = "startTime: '2026-03-10T10:00:00Z', interval: 10m, compat: upstream";
    let plant = Plant::with("pi_interpolated", upstream);
    plant.run(&["sync"]).ok();
    let before = columns(&plant.table());
    let (old, none) = filled(&plant.table(), "timestamp_raw");
    assert!(old > 50 && none.is_none(), "{old} rows of {before:?}");
    // The same table with all columns, as after an update of the source.
    plant.configure("pi_interpolated", "startTime: '2026-03-10T10:00:00Z', interval: 10m");
    plant.server.clock().advance(Duration::from_secs(3_600));
    plant.run(&["sync"]).ok();
    let after = columns(&plant.table());
    assert_eq!(after[..before.len()], before, "no column is gone or elsewhere");
    assert!(after.len() > before.len() && after.iter().all(|(_, nullable)| *nullable), "{after:?}");
    let new = 6 * POINTS as usize;
    for column in ["timestamp_raw", "value_type", "event_date"] {
        assert!(after.iter().any(|(name, _)| name == column), "{column}");
        assert_eq!(filled(&plant.table(), column), (old + new, Some(new)), "{column}");
    }
    assert_eq!(filled(&plant.table(), "timestamp"), (old + new, Some(old + new)));
    // And once more the old way: the table keeps its columns.
    plant.configure("pi_interpolated", upstream);
    plant.server.clock().advance(Duration::from_secs(3_600));
    plant.run(&["sync"]).ok();
    assert_eq!(columns(&plant.table()), after);
    assert_eq!(filled(&plant.table(), "timestamp_raw"), (old + 2 * new, Some(new)));
}

#[test]
fn a_column_of_the_key_is_not_added_to_rows_that_lack_it_before_they_are_removed() {
    let plant = Plant::with("pi_timeseries", "startTime: '2026-03-10T11:00:00Z', compat: upstream");
    plant.run(&["sync"]).ok();
    let (rows, _) = filled(&plant.table(), "value");
    assert!(rows > 100, "{rows}");
    plant.configure("pi_timeseries", "startTime: '2026-03-10T11:00:00Z', snapshot_policy: include");
    plant.server.clock().advance(Duration::from_secs(600));
    let refused = plant.run(&["sync"]);
    assert!(refused.code != 0 && refused.out.contains("event_seq"), "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("--rows remove"), "{}", refused.out);
    assert_eq!(filled(&plant.table(), "value").0, rows, "nothing was mixed");
    plant.run(&["state", "reset", "--table", "history", "--rows", "remove"]).ok();
    plant.run(&["sync"]).ok();
    let begin = Ticks::parse("2026-03-10T11:00:00Z").unwrap();
    archive::assert_copied(&plant.server, begin, &plant.table());
}
