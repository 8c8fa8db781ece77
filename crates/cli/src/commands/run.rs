//! From the command line to a command to an exit code.

use std::sync::Arc;

use lakeflow_connect::{Context, Error, ErrorKind, LakeflowConnect, Registry, Result};

use super::{check, optimize, preview, schema, simulate, sources, state, sync, tables};
use crate::{
    args::{Command, Format, SchemaFormat, Selection, StateCommand},
    demo, exit,
    output::Console,
    pipeline::{Pipeline, TableSpec},
};

/// Runs a command and says what failed; the exit code.
pub(crate) fn run(command: Command) -> u8 {
    let console = Arc::new(Console::new(format_of(&command)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(command, &console)),
        Err(why) => Err(Error::new(ErrorKind::Internal, "the async runtime could not start").caused_by(why)),
    };
    outcome.unwrap_or_else(|error| {
        console.error(&error);
        exit::of(&error)
    })
}

async fn dispatch(command: Command, console: &Arc<Console>) -> Result<u8> {
    let registry = Registry::builtin();
    match command {
        Command::Sources(args) => sources::run(&args, &registry, console),
        Command::Check(args) => check::run(&args, &registry, console).await,
        Command::Tables(args) => tables::run(&args, &registry, console).await,
        Command::Schema(args) => schema::run(&args, &registry, console).await,
        Command::Sync(args) => sync::run(&args, &registry, console).await,
        Command::Demo(args) => demo::run(&args, &registry, console).await,
        Command::Preview(args) => preview::run(&args, &registry, console).await,
        Command::Simulate(args) => simulate::run(&args, console).await,
        Command::Optimize(args) => optimize::run(&args, console).await,
        Command::State(command) => state::run(&command, &registry, console).await,
    }
}

fn format_of(command: &Command) -> Format {
    match command {
        Command::Demo(args) => args.format,
        Command::Sources(args) => args.format,
        Command::Check(args) | Command::Tables(args) => args.format,
        Command::Preview(args) => args.format,
        Command::Sync(args) => sync::format(args),
        Command::Simulate(args) => args.format,
        Command::Optimize(args) => args.format,
        Command::State(StateCommand::Show(args)) => args.format,
        Command::State(StateCommand::Reset(args)) => args.format,
        Command::State(StateCommand::Export(_)) => Format::Json,
        Command::Schema(args) if args.format == SchemaFormat::Json => Format::Json,
        Command::Schema(_) => Format::Table,
    }
}

/// A connection, and what was asked of it.
pub(super) struct Connected {
    pub(super) pipeline: Pipeline,
    pub(super) connector: Arc<dyn LakeflowConnect>,
}

impl Connected {
    /// Resolves the selection and connects; no request is made yet.
    pub(super) fn open(selection: &Selection, registry: &Registry, console: &Console) -> Result<Self> {
        let pipeline = Pipeline::resolve(selection, registry, console)?;
        let connector = registry.connect(pipeline.source, &pipeline.options, &Context::new())?;
        Ok(Self { pipeline, connector })
    }

    /// As [`Connected::open`], for a quick answer: one retry unless the user says how many.
    pub(super) fn open_impatient(selection: &Selection, registry: &Registry, console: &Console) -> Result<Self> {
        const RETRIES: &str = "max_retries";
        let mut pipeline = Pipeline::resolve(selection, registry, console)?;
        let known = registry.source(pipeline.source)?.descriptor().options.iter().any(|o| o.name == RETRIES);
        if known && pipeline.options.get(RETRIES).is_none() {
            pipeline.options.insert(RETRIES, "1");
        }
        let connector = registry.connect(pipeline.source, &pipeline.options, &Context::new())?;
        Ok(Self { pipeline, connector })
    }

    /// The selected tables, or all.
    pub(super) async fn tables(&self) -> Result<Vec<TableSpec>> {
        let has = if self.pipeline.tables.is_some() { Vec::new() } else { self.connector.list_tables().await? };
        self.pipeline.tables(has)
    }
}
