//! The demo from beginning to end.

use std::{path::PathBuf, sync::Arc};

use lakeflow_connect::{Context, Error, ErrorKind, Options, Registry, Result};
use lakeflow_sync::SyncOptions;

use super::{
    server::DemoServer,
    story::{Finale, Story},
    verify::verify,
};
use crate::{
    args::DemoArgs,
    exit, interrupt,
    lake::Lake,
    memory,
    output::Console,
    pipeline::TableSpec,
    syncing::{self, Jobs, JsonView, LineView, RunOutcome, View},
};

pub(crate) async fn run(args: &DemoArgs, registry: &Registry, console: &Arc<Console>) -> Result<u8> {
    let to = directory(args)?;
    let lake = Lake::at(&to)?;
    let memory_file = lake.receipts().map(|receipts| receipts.with_file_name("demo.json")).ok_or_else(|| {
        Error::new(ErrorKind::Config, "the demo writes to a directory of this machine").help("give a path with --to")
    })?;
    let mut demo = DemoServer::start(memory_file)?;
    let story = Story::new(console);
    story.opening(&demo);

    let options = Options::new().with("base_url", demo.server().base_url());
    let connector = registry.connect("fhir", &options, &Context::new())?;
    // The server's port changes from demo to demo; the system behind it is the same.
    let jobs = Jobs { source: "fhir".to_owned(), connection: Some("lakeflow demo".to_owned()), connector, lake };
    let tables: Vec<TableSpec> = DemoServer::tables().map(TableSpec::new).collect();
    let mut sync_options = SyncOptions::default();
    sync_options.stop = interrupt::watch(console);

    story.first_sync(&demo);
    let before = demo.server().counters().requests;
    let first = sync(&jobs, &tables, &sync_options, console).await?;
    let requests = demo.server().counters().requests - before;
    story.moved(&first, requests);
    if first.exit_code() != exit::OK {
        return Ok(failed(&first, console));
    }

    let changes = demo.change()?;
    story.changes(changes);
    let before = demo.server().counters().requests;
    let second = sync(&jobs, &tables, &sync_options, console).await?;
    let requests = demo.server().counters().requests - before;
    story.moved(&second, requests);
    if second.exit_code() != exit::OK {
        return Ok(failed(&second, console));
    }

    let mut rows = 0;
    for table in &tables {
        rows += verify(demo.server(), &table.source_table, &jobs.lake.table(&table.destination)?).await?;
    }
    story.finale(&Finale { first, second, changes, rows, tables: tables.len(), peak: memory::peak(), to });
    Ok(exit::OK)
}

async fn sync(jobs: &Jobs, tables: &[TableSpec], options: &SyncOptions, console: &Arc<Console>) -> Result<RunOutcome> {
    let view: Box<dyn View> =
        if console.is_json() { Box::new(JsonView::new(console)) } else { Box::new(LineView::new(console)) };
    let outcome = syncing::run(jobs, tables, options, 2, &*view).await;
    syncing::write_receipt(jobs, &outcome, console)?;
    Ok(outcome)
}

fn failed(outcome: &RunOutcome, console: &Console) -> u8 {
    console.errors_in(outcome.errors());
    outcome.exit_code()
}

/// `--to`, or a new directory that stays after the demo.
fn directory(args: &DemoArgs) -> Result<PathBuf> {
    match &args.to {
        Some(to) => Ok(to.clone()),
        None => {
            tempfile::Builder::new().prefix("lakeflow-demo-").tempdir().map(tempfile::TempDir::keep).map_err(|why| {
                Error::new(ErrorKind::Sink, format!("no temporary directory could be made: {}", why.kind()))
                    .help("give a directory with --to")
            })
        }
    }
}
