//! Lance's own REST server over generated tables, and comparisons with what Lance reads itself.
//!
//! `scripts/real-servers start lance` starts it and prints the environment that these tests need.

use std::{
    env,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use arrow_ipc::writer::FileWriter;
use futures::StreamExt;
use lakeflow_connect::{
    Context, LakeflowConnect, Offset, Options, ReadEvent, ReadRequest, Records, Registry, Result, TableRef,
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    stream::ArrowTable,
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

/// A script of `scripts/real`, to be run by the Python that has Lance.
pub(super) fn script(name: &str) -> Command {
    let mut command = Command::new(variable("LAKEFLOW_TEST_LANCE_PYTHON"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/real").join(name));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// What a script answers to an input; panics when it fails.
pub(super) fn python(name: &str, arguments: &[&str], input: &str) -> String {
    let mut child = script(name).args(arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name} failed:\n{text}");
    text
}

/// Every row of a table in the schema that a host gets, as record batches.
pub(super) async fn read(source: &Arc<dyn LakeflowConnect>, table: &TableRef) -> Result<Rows> {
    let (mut schema, mut batches) = (None, Vec::new());
    let offset = each_batch(source, table, |of_table, batch| {
        schema.get_or_insert_with(|| Arc::clone(of_table));
        batches.extend(batch);
    })
    .await?;
    Ok(Rows { schema: schema.unwrap(), batches, offset })
}

/// Shows every batch of a read: first none, with the schema, then those of the table. The last offset.
async fn each_batch(
    source: &Arc<dyn LakeflowConnect>,
    table: &TableRef,
    mut show: impl FnMut(&SchemaRef, Option<RecordBatch>),
) -> Result<Offset> {
    let request = ReadRequest::new(table.clone());
    let shape = ArrowTable::describe(source.as_ref(), &request).await?;
    let schema = shape.arrow_schema();
    show(&schema, None);
    let mut events = shape.events(source.read_table(request));
    let mut offset = None;
    while let Some(event) = events.next().await.transpose()? {
        match event {
            ReadEvent::Records(Records::Arrow(batch)) => {
                offset = None;
                show(&schema, Some(batch));
            }
            ReadEvent::Checkpoint(next) => offset = Some(next),
            other => panic!("unexpected event {other:?}"),
        }
    }
    Ok(offset.expect("rows came that no offset covers"))
}

#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
    /// Where the read ended.
    pub(super) offset: Offset,
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

    /// Reads a table into a file, and notes what Lance is to be asked for; how many rows it has.
    pub(super) async fn read(&mut self, source: &Arc<dyn LakeflowConnect>, table: &TableRef, case: Value) -> usize {
        let path = self.note(table, case);
        let (mut writer, mut rows) = (None, 0);
        let write = |schema: &SchemaRef, batch: Option<RecordBatch>| match batch {
            None => writer = Some(FileWriter::try_new(File::create(&path).unwrap(), schema).unwrap()),
            Some(batch) => {
                rows += batch.num_rows();
                writer.as_mut().unwrap().write(&batch).unwrap();
            }
        };
        // Lance does not read the cursor of changes along.
        let whole = table.clone().option("ingestion_type", "snapshot");
        each_batch(source, &whole, write).await.unwrap_or_else(|error| panic!("{}: {error}", table.name));
        writer.unwrap().finish().unwrap();
        rows
    }

    /// Notes rows that were read, and what Lance is to be asked for.
    pub(super) fn add(&mut self, table: &TableRef, rows: &Rows, case: Value) {
        let mut writer = FileWriter::try_new(File::create(self.note(table, case)).unwrap(), &rows.schema).unwrap();
        rows.batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    }

    fn note(&mut self, table: &TableRef, mut case: Value) -> PathBuf {
        let path = self.folder.path().join(format!("{}.arrow", self.cases.len()));
        case["table"] = table.name.as_str().into();
        case["file"] = path.to_str().unwrap().into();
        self.cases.push(case);
        path
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
