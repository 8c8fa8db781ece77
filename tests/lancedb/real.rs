//! Lance's own REST server over generated tables, and comparisons with what Lance reads itself.
//!
//! `scripts/real-servers start lance` starts it and prints the environment that these tests need.

use std::{
    env, fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use arrow_ipc::writer::FileWriter;
use futures::StreamExt;
use lakeflow_connect::{
    Context, LakeflowConnect, Options, ReadEvent, ReadRequest, Records, Registry, Result, TableRef,
    arrow::array::RecordBatch, stream::ArrowTable,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/real-servers start lance"))
}

/// A connection to the server, with more options.
pub(super) fn open_with(options: &[(&str, &str)]) -> Arc<dyn LakeflowConnect> {
    let options = options.iter().copied().collect::<Options>().with("uri", variable("LAKEFLOW_TEST_LANCE_URL"));
    Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap()
}

pub(super) fn open() -> Arc<dyn LakeflowConnect> {
    open_with(&[])
}

/// Runs a script of `scripts/real` with the Python that has Lance; its output, or how it failed.
pub(super) fn python(script: &str, arguments: &[&str], input: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/real").join(script);
    let mut child = Command::new(variable("LAKEFLOW_TEST_LANCE_PYTHON"))
        .arg(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script} failed:\n{text}");
    text
}

/// Every row of a table in the schema that a host gets, as record batches.
pub(super) async fn read(source: &Arc<dyn LakeflowConnect>, table: &TableRef) -> Result<Rows> {
    let request = ReadRequest::new(table.clone());
    let shape = ArrowTable::describe(source.as_ref(), &request).await?;
    let mut events = shape.events(source.read_table(request));
    let mut rows = Rows { schema: shape.arrow_schema(), batches: Vec::new() };
    let mut is_covered = true;
    while let Some(event) = events.next().await.transpose()? {
        match event {
            ReadEvent::Records(Records::Arrow(batch)) => {
                is_covered = false;
                rows.batches.push(batch);
            }
            ReadEvent::Checkpoint(_) => is_covered = true,
            other => panic!("unexpected event {other:?}"),
        }
    }
    assert!(is_covered, "rows came that no offset covers");
    Ok(rows)
}

pub(super) struct Rows {
    schema: lakeflow_connect::arrow::datatypes::SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Reads to be compared with Lance's own.
pub(super) struct Comparison {
    folder: TempDir,
    cases: Vec<Value>,
}

impl Comparison {
    pub(super) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), cases: Vec::new() }
    }

    /// Reads a table, and notes what Lance is to be asked for.
    pub(super) async fn read(&mut self, source: &Arc<dyn LakeflowConnect>, table: &TableRef, case: Value) -> usize {
        let rows = read(source, table).await.unwrap_or_else(|error| panic!("{}: {error}", table.name));
        self.add(table, &rows, case);
        rows.count()
    }

    /// Notes rows that were read, and what Lance is to be asked for.
    pub(super) fn add(&mut self, table: &TableRef, rows: &Rows, mut case: Value) {
        let path = self.folder.path().join(format!("{}.arrow", self.cases.len()));
        let mut writer = FileWriter::try_new(fs::File::create(&path).unwrap(), &rows.schema).unwrap();
        rows.batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        case["table"] = table.name.as_str().into();
        case["file"] = path.to_str().unwrap().into();
        self.cases.push(case);
    }

    /// Lets Lance read the same; panics with every difference.
    pub(super) fn check(self) -> String {
        python("lance_compare.py", &[&variable("LAKEFLOW_TEST_LANCE_DATA")], &json!(self.cases).to_string())
    }
}

/// The names of all tables.
pub(super) async fn tables(source: &Arc<dyn LakeflowConnect>) -> Vec<String> {
    source.list_tables().await.unwrap()
}
