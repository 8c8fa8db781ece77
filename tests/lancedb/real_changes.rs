//! Tables that change, followed on Lance's own REST server: after each commit the copy equals what Lance reads itself.
//!
//! Each test starts a server of its own, with the Python that `scripts/real-servers start lance` installs and names.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write},
    ops::Range,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use lakeflow_connect::{Context, IngestionType, Options, Registry, TableRef};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    real::variable,
    replica::{Connect, Keeps, Kill, Replica},
};

/// A server of an empty folder.
pub(super) struct Lance {
    server: Child,
    folder: TempDir,
    pub(super) url: String,
}

impl Lance {
    pub(super) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut server = python("lance_server.py", &[folder.path().to_str().unwrap(), "0"]);
        let url = BufReader::new(server.stdout.take().unwrap()).lines().next().expect("the server ended").unwrap();
        Self { server, folder, url }
    }

    pub(super) fn connect(&self) -> Connect {
        let options = Options::new().with("uri", &self.url);
        Arc::new(move || Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap())
    }
}

impl Drop for Lance {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

fn python(script: &str, arguments: &[&str]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/real").join(script);
    let mut command = Command::new(variable("LAKEFLOW_TEST_LANCE_PYTHON"));
    command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// A table whose history is written by Lance, commit by commit.
struct History {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    name: String,
    /// The rows that it has now.
    rows: Vec<Value>,
    log: Vec<String>,
}

impl History {
    fn start(lance: &Lance, seed: u64, kind: &str) -> Self {
        let name = format!("history_{seed}");
        let folder = lance.folder.path().to_str().unwrap();
        let mut child = python("lance_history.py", &[folder, &name, &seed.to_string(), kind]);
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut history = Self { child, commands, answers, name, rows: Vec::new(), log: Vec::new() };
        history.listen();
        history
    }

    fn make(&mut self, change: &str) {
        writeln!(self.commands, "{change}").unwrap();
        self.listen();
    }

    fn listen(&mut self) {
        let line = self.answers.next().expect("the script ended").unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        self.log.push(format!("{} -> {}", answer["done"].as_str().unwrap(), answer["version"]));
        let Value::Array(rows) = answer["rows"].take() else { panic!("no rows") };
        self.rows = rows;
    }

    fn table(&self) -> TableRef {
        TableRef::new(&self.name)
    }

    /// Panics with every difference of the copy from what Lance has, but for columns that only the copy has.
    fn assert_equal(&self, replica: &Replica, chosen: impl Fn(&Value) -> bool) {
        let mut differences = Vec::new();
        let mut wanted: Vec<&Value> = self.rows.iter().filter(|row| chosen(row)).collect();
        let mut found: Vec<&Value> = replica.rows.values().collect();
        let id = |row: &&Value| row["id"].as_i64();
        wanted.sort_by_key(id);
        found.sort_by_key(id);
        let count = (wanted.len(), found.len());
        for row in &wanted {
            match found.iter().find(|other| other["id"] == row["id"]) {
                None => differences.push(format!("{} is missing", row["id"])),
                Some(other) => {
                    for (name, value) in row.as_object().unwrap() {
                        if other[name] != *value {
                            differences.push(format!("{}: {name} is {} and not {value}", row["id"], other[name]));
                        }
                    }
                }
            }
        }
        let extra = found.iter().filter(|row| !wanted.iter().any(|other| other["id"] == row["id"]));
        differences.extend(extra.map(|row| format!("{} is too much", row["id"])));
        assert!(
            differences.is_empty() && count.0 == count.1,
            "{count:?} {}\n{}\nresets: {:?}",
            differences.join("\n"),
            self.log.join("\n"),
            replica.resets
        );
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn follow(seed: u64, kind: &str, options: &[(&str, &str)], chosen: impl Fn(&Value) -> bool) -> (usize, usize) {
    let lance = Lance::start();
    let mut history = History::start(&lance, seed, kind);
    let table = options
        .iter()
        .fold(history.table().option("primary_keys", "id"), |table, (name, value)| table.option(*name, *value));
    let keeps = [Keeps::Always, Keeps::OneRun, Keeps::OneStream][seed as usize % 3];
    let mut replica = Replica::new(lance.connect(), table).keeps(keeps);
    let mut steps = fastrand::Rng::with_seed(seed);
    replica.run(Kill::default()).await.unwrap();
    history.assert_equal(&replica, &chosen);
    let mut runs = 0;
    for _ in 0..40 {
        for _ in 0..steps.usize(1..4) {
            history.make("step");
        }
        if steps.u8(0..3) == 0 {
            // Killed on its way; what comes next happens before it is started again.
            replica.run(Kill(Some(steps.usize(1..6)))).await.unwrap();
            if steps.bool() {
                history.make("step");
            }
        }
        replica.run(Kill::default()).await.unwrap_or_else(|error| panic!("{error}\n{}", history.log.join("\n")));
        history.assert_equal(&replica, &chosen);
        runs += 1;
    }
    (runs, replica.resets.len())
}

/// More of them when `LAKEFLOW_LANCE_HISTORIES` says how many.
fn seeds(usual: Range<u64>) -> Range<u64> {
    let more = env::var("LAKEFLOW_LANCE_HISTORIES").ok().and_then(|number| number.parse::<u64>().ok());
    more.map_or(usual.clone(), |more| usual.start..usual.start + more)
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_lance_random_histories_are_followed_commit_by_commit() {
    for seed in seeds(0..6) {
        let (runs, resets) = follow(seed, "stable", &[("batch_size", "7")], |_| true).await;
        println!("compared: {runs} runs of history {seed}, {resets} read anew");
        assert_eq!(resets, 0, "history {seed}");
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_lance_random_histories_are_followed_through_a_filter() {
    for seed in seeds(100..104) {
        let options = [("batch_size", "3"), ("filter", "n < 50")];
        let (runs, resets) = follow(seed, "stable", &options, |row| row["n"].as_i64().unwrap() < 50).await;
        println!("compared: {runs} runs of filtered history {seed}, {resets} read anew");
        assert_eq!(resets, 0, "history {seed}");
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_lance_tables_whose_ids_change_are_snapshots() {
    for seed in seeds(200..202) {
        let (runs, _) = follow(seed, "plain", &[], |_| true).await;
        println!("compared: {runs} runs of plain history {seed}");
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_lance_ways_without_stable_ids_tell_when_they_cannot_go_on() {
    let lance = Lance::start();
    let mut history = History::start(&lance, 30, "plain");
    let table = history.table().option("ingestion_type", "append");
    let mut replica = Replica::new(lance.connect(), table);
    replica.run(Kill::default()).await.unwrap();
    for _ in 0..5 {
        history.make("append");
        replica.run(Kill::default()).await.unwrap();
        history.assert_equal(&replica, |_| true);
    }
    assert_eq!((replica.came, replica.resets.len()), (history.rows.len(), 0));
    for change in ["compact", "update", "delete", "restore", "overwrite", "recreate", "add_column"] {
        let before = replica.resets.len();
        history.make(change);
        history.make("append");
        replica.run(Kill::default()).await.unwrap();
        history.assert_equal(&replica, |_| true);
        assert_eq!(replica.resets.len(), before + 1, "{change}: {:?}", history.log);
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_lance_tables_that_are_replaced_or_cleaned_up_are_read_anew() {
    let lance = Lance::start();
    let mut history = History::start(&lance, 31, "stable");
    let mut replica = Replica::new(lance.connect(), history.table());
    replica.run(Kill::default()).await.unwrap();
    let metadata = replica.source.read_table_metadata(&replica.table).await.unwrap();
    assert_eq!(metadata.ingestion_type, IngestionType::CdcWithDeletes);
    for (changes, why) in [
        (&["recreate"][..], "replaced"),
        (&["recreate", "append", "append", "append"], "replaced"),
        (&["append", "delete", "clean_up"], "no longer kept"),
    ] {
        let before = replica.resets.len();
        changes.iter().for_each(|change| history.make(change));
        replica.run(Kill::default()).await.unwrap();
        history.assert_equal(&replica, |_| true);
        assert_eq!(replica.resets.len(), before + 1, "{changes:?}");
        assert!(replica.resets[before].contains(why), "{}", replica.resets[before]);
    }
}
