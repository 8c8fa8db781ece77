//! One system of the demo, and its part of the demo from beginning to end.

use std::sync::Arc;

use deltalake::arrow::record_batch::RecordBatch;
use lakeflow_connect::{Context, Options, Registry, Result};
use lakeflow_sync::SyncOptions;
use serde_json::Value;

use super::{
    stored,
    story::{Moved, Story},
};
use crate::{
    exit,
    lake::Lake,
    output::Console,
    pipeline::TableSpec,
    syncing::{self, Jobs, JsonView, LineView, RunOutcome, View},
};

/// A simulated system whose data the demo syncs, and which knows what the tables must hold.
pub(super) trait Scene {
    /// The source that reads it.
    fn source(&self) -> &'static str;
    /// How to connect.
    fn options(&self) -> Options;
    /// What the connection is lent.
    fn context(&self) -> Context;
    fn tables(&self) -> Vec<TableSpec>;
    /// Requests that the system has answered.
    fn requests(&self) -> u64;
    /// Rounds that this directory has seen before.
    fn rounds(&self) -> u32;
    /// What it is and where it runs.
    fn opening(&self) -> String;
    /// What the second sync brings.
    fn second(&self) -> &'static str;
    /// Lets something happen.
    fn change(&mut self) -> Result<Changes>;
    /// The columns to compare.
    fn columns(&self, table: &str) -> &'static [&'static str];
    /// How many rows a table has, all of them equal to what the system holds.
    ///
    /// # Errors
    /// [`Internal`](lakeflow_connect::ErrorKind::Internal) naming what differs: it would be a bug.
    fn compare(&self, table: &str, rows: &[RecordBatch]) -> Result<u64>;
    /// What was compared, in a few words.
    fn compared(&self) -> &'static str;
}

/// What happened at a system in one round.
pub(super) struct Changes {
    pub(super) told: String,
    pub(super) counts: Value,
}

/// What became of a scene.
pub(super) struct Played {
    pub(super) source: &'static str,
    pub(super) first: RunOutcome,
    pub(super) second: RunOutcome,
    pub(super) changes: Changes,
    pub(super) rows: u64,
    pub(super) tables: usize,
    pub(super) compared: &'static str,
}

/// What the scenes share.
pub(super) struct Stage<'a> {
    pub(super) registry: &'a Registry,
    pub(super) lake: &'a Lake,
    pub(super) story: &'a Story,
    pub(super) console: &'a Arc<Console>,
    pub(super) options: &'a SyncOptions,
}

impl Stage<'_> {
    /// Plays a scene; in place of an outcome the exit code of a sync that failed or was stopped.
    pub(super) async fn play(&self, scene: &mut dyn Scene) -> Result<std::result::Result<Played, u8>> {
        let tables = scene.tables();
        self.story.opening(&scene.opening());
        self.story.first_sync(scene.rounds());
        let first = self.sync(scene, &tables).await?;
        if first.exit_code() != exit::OK {
            return Ok(Err(self.failed(&first)));
        }
        let changes = scene.change()?;
        self.story.changes(&changes.told, scene.second());
        let second = self.sync(scene, &tables).await?;
        if second.exit_code() != exit::OK {
            return Ok(Err(self.failed(&second)));
        }
        let mut rows = 0;
        for table in &tables {
            let name = &table.source_table;
            let stored = stored::rows(name, &self.lake.table(&table.destination)?, scene.columns(name)).await?;
            rows += scene.compare(name, &stored)?;
        }
        let (source, compared) = (scene.source(), scene.compared());
        Ok(Ok(Played { source, first, second, changes, rows, tables: tables.len(), compared }))
    }

    async fn sync(&self, scene: &dyn Scene, tables: &[TableSpec]) -> Result<RunOutcome> {
        let source = scene.source();
        let connector = self.registry.connect(source, &scene.options(), &scene.context())?;
        // The system's port may change from demo to demo; the system behind it is the same.
        let connection = Some("lakeflow demo".to_owned());
        let jobs = Jobs { source: source.to_owned(), connection, connector, lake: self.lake.clone() };
        let console = self.console;
        let view: Box<dyn View> =
            if console.is_json() { Box::new(JsonView::new(console)) } else { Box::new(LineView::new(console)) };
        let before = scene.requests();
        let outcome = syncing::run(&jobs, tables, self.options, 2, &*view).await;
        syncing::write_receipt(&jobs, &outcome, console)?;
        self.story.moved(&Moved { outcome: &outcome, requests: scene.requests() - before });
        Ok(outcome)
    }

    fn failed(&self, outcome: &RunOutcome) -> u8 {
        self.console.errors_in(outcome.errors());
        outcome.exit_code()
    }
}
