//! `lakeflow`: brings data from source systems into Delta tables.

mod args;
mod commands;
mod demo;
mod exit;
mod files;
mod interrupt;
mod lake;
mod logging;
mod memory;
mod output;
mod pipeline;
mod syncing;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    memory::use_one_heap();
    let cli = args::Cli::parse();
    logging::start(cli.verbose);
    ExitCode::from(commands::run(cli.command))
}
