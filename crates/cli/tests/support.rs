//! Running the program, a server for it, and reading Delta tables back without any of our own code.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use chrono::{DateTime, Utc};
use deltalake::{
    DeltaTable,
    arrow::{array::AsArray, datatypes::TimestampMicrosecondType},
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
};
use lakeflow_simulators::{
    clock::SimClock,
    fhir::{Config, RunningServer, Server, Volume},
};
use serde_json::Value;
use url::Url;

/// What a run of the program left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Standard output as JSON lines.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// The one line of an event.
    pub(crate) fn event(&self, name: &str) -> Value {
        self.lines()
            .into_iter()
            .find(|line| line["event"] == name)
            .unwrap_or_else(|| panic!("no {name} in {}", self.out))
    }

    /// Fails the test unless the program succeeded.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// The program, not yet started, in a neutral environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakeflow"));
    command.env_remove("NO_COLOR").env_remove("RUST_LOG");
    command
}

/// Runs the program to its end.
pub(crate) fn lakeflow<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    finish(program().args(args).output().unwrap())
}

/// What an ended run said.
pub(crate) fn finish(output: Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A FHIR server whose clock stands still until it is moved.
pub(crate) struct Source {
    pub(crate) server: RunningServer,
}

impl Source {
    pub(crate) fn with(volumes: &[(&str, u32)]) -> Self {
        Self::configured(volumes, |_| {})
    }

    pub(crate) fn configured(volumes: &[(&str, u32)], change: impl FnOnce(&mut Config)) -> Self {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        let mut config = Config {
            clock: SimClock::fixed(now),
            volumes: volumes.iter().map(|(name, count)| Volume::new(name, *count)).collect(),
            ..Config::default()
        };
        change(&mut config);
        Self { server: Server::start(config).unwrap() }
    }

    /// `--source fhir --option base_url=...`
    pub(crate) fn connection(&self) -> Vec<String> {
        let base_url = format!("base_url={}", self.server.base_url());
        ["--source", "fhir", "--option", &base_url].map(str::to_owned).into()
    }

    /// `COMMAND` with the connection and further words.
    pub(crate) fn run(&self, command: &str, more: &[&str]) -> Run {
        let words = [command.to_owned()].into_iter().chain(self.connection());
        lakeflow(words.chain(more.iter().map(|word| (*word).to_owned())))
    }

    /// `sync` of some tables, as JSON lines.
    pub(crate) fn sync(&self, tables: &[&str], to: &Path) -> Run {
        let mut words = vec!["--to", to.to_str().unwrap(), "--format", "json"];
        words.extend(tables.iter().flat_map(|table| ["--table", table]));
        self.run("sync", &words)
    }

    /// Changes every n-th resource and makes a few new ones, an hour later.
    pub(crate) fn write(&self, table: &str, every: usize) {
        self.server.clock().advance(Duration::from_secs(3600));
        let ids = self.server.ids(table);
        for id in ids.iter().step_by(every) {
            self.server.clock().advance(Duration::from_millis(7));
            self.server.revise(table, id).unwrap();
        }
        for number in 0..3 {
            let id = format!("new-{}-{number}", self.server.clock().nanos());
            self.server.put(&format!(r#"{{"resourceType":"{table}","id":"{id}"}}"#)).unwrap();
        }
        self.server.clock().advance(Duration::from_secs(3600));
    }

    /// Makes new resources, an hour later, whose content does not compress well.
    pub(crate) fn add(&self, table: &str, count: usize) {
        let mut random = fastrand::Rng::with_seed(1);
        self.server.clock().advance(Duration::from_secs(3600));
        for number in 0..count {
            let noise: String = (0..400).map(|_| random.alphanumeric()).collect();
            let text = format!(
                r#"{{"resourceType":"{table}","id":"added-{number}","text":{{"status":"generated","div":"<div>{noise}</div>"}}}}"#
            );
            self.server.put(&text).unwrap();
        }
        self.server.clock().advance(Duration::from_secs(3600));
    }

    /// What a complete copy holds: `lastUpdated` and text by id.
    pub(crate) fn expected(&self, table: &str) -> Rows {
        let all = self.server.expected(table).into_iter();
        all.filter_map(|e| {
            let stamp = e.last_updated.map(|s| DateTime::parse_from_rfc3339(&s).unwrap().to_utc());
            Some((e.id, (stamp, e.text?)))
        })
        .collect()
    }

    /// Fails the test unless the Delta table is a complete copy.
    pub(crate) fn assert_copied(&self, table: &str, to: &Path) {
        let (found, expected) = (rows(&to.join(table)), self.expected(table));
        assert!(!expected.is_empty(), "the server holds nothing to compare");
        let missing: Vec<&String> = expected.keys().filter(|id| !found.contains_key(*id)).take(5).collect();
        let differing: Vec<&String> =
            found.iter().filter(|(id, row)| expected.get(*id) != Some(row)).map(|(id, _)| id).take(5).collect();
        assert!(
            missing.is_empty() && differing.is_empty(),
            "{table}: {} rows of {}; missing {missing:?}; not as at the source {differing:?}",
            found.len(),
            expected.len()
        );
    }
}

/// `lastUpdated` and `raw_json` by `id`.
pub(crate) type Rows = BTreeMap<String, (Option<DateTime<Utc>>, String)>;

/// The rows of a Delta table; fails the test when an id comes twice.
pub(crate) fn rows(table: &Path) -> Rows {
    let mut rows = Rows::new();
    for file in files(table) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
            let (ids, texts) = (text("id"), text("raw_json"));
            let stamps = batch.column_by_name("lastUpdated").unwrap().as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                let stamp = stamps.iter().nth(row).unwrap().and_then(DateTime::from_timestamp_micros);
                let before = rows.insert(ids.value(row).to_owned(), (stamp, texts.value(row).to_owned()));
                assert!(before.is_none(), "{} is in {} twice", ids.value(row), table.display());
            }
        }
    }
    rows
}

/// The data files of a Delta table's newest version; none when there is no table.
pub(crate) fn files(table: &Path) -> Vec<PathBuf> {
    if !table.join("_delta_log").is_dir() {
        return Vec::new();
    }
    let Some(delta) = open(table) else { return Vec::new() };
    let log = delta.snapshot().unwrap().log_data();
    log.into_iter().map(|file| table.join(file.object_store_path().as_ref())).collect()
}

/// The newest version of a Delta table, or nothing when its first commit was never made.
pub(crate) fn open(table: &Path) -> Option<DeltaTable> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(deltalake::open_table(Url::from_directory_path(table).unwrap())).ok()
}
