//! The grammar: one set of words on every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// What stands below the list of commands.
fn after_help() -> String {
    let codes: String = exit::ALL.iter().map(|(code, meaning)| format!("  {code:<3}  {meaning}\n")).collect();
    format!("Exit codes:\n{codes}\nStart with:  lakeflow demo")
}

/// Brings data from source systems into Delta tables: nothing lost, nothing twice.
#[derive(Debug, Parser)]
#[command(name = "lakeflow", version, after_help = after_help(), max_term_width = 100)]
pub(crate) struct Cli {
    /// More detail on standard error: -v for steps, -vv for requests, -vvv for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the whole way, from a simulated server into Delta tables. Needs nothing.
    Demo(DemoArgs),
    /// Lists the sources, or the options of one.
    Sources(SourcesArgs),
    /// Connects and says what works, what does not, and what to do about it.
    Check(ReadArgs),
    /// Lists the tables of a source.
    Tables(ReadArgs),
    /// Shows the schema of tables.
    Schema(SchemaArgs),
    /// Shows the first rows of a table.
    Preview(PreviewArgs),
    /// Moves what is new into Delta tables and ends when it has caught up.
    Sync(SyncArgs),
    /// Puts small files of Delta tables together and rows that are read together side by side.
    Optimize(OptimizeArgs),
    /// Shows, resets or exports how far each table has been read.
    #[command(subcommand)]
    State(StateCommand),
    /// Serves a simulated source on this machine.
    Simulate(SimulateArgs),
}

/// Where to read, and which tables.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// A pipeline file in YAML: connection, tables and destination in one place.
    #[arg(value_name = "PIPELINE.yaml")]
    pub(crate) pipeline: Option<PathBuf>,
    /// The source to read; `lakeflow sources` lists them.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// A connection option. Values may hold ${env:NAME} and ${file:PATH}. Repeatable.
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    /// A table to read; all when not given. Repeatable.
    #[arg(long = "table", value_name = "NAME")]
    pub(crate) tables: Vec<String>,
    /// An option of every selected table. Repeatable.
    #[arg(long = "table-option", value_name = "KEY=VALUE")]
    pub(crate) table_options: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON object per line.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFormat {
    /// For people.
    Table,
    /// Spark DDL.
    Ddl,
    /// Spark's schema JSON, as `StructType.json()` writes it.
    Json,
    /// Arrow types.
    Arrow,
}

#[derive(Args, Debug)]
pub(crate) struct SourcesArgs {
    /// Show the options of this source.
    pub(crate) name: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: SchemaFormat,
}

#[derive(Args, Debug)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How many rows of each table.
    #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rows: u64,
    /// Only these columns, comma-separated.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The directory of the Delta tables; each table lands in DIR/TABLE.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: CommitLimits,
    /// What to do with rows that do not fit their table's schema.
    #[arg(long, value_enum, default_value = "fail")]
    pub(crate) bad_rows: OnBadRows,
    /// How many tables to move at the same time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) parallel: u8,
    /// How to print; JSON lines when standard output is not a terminal.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnBadRows {
    /// The table fails and stays as it is.
    Fail,
    /// They go to a table beside it, as they came, and the rest goes on.
    Quarantine,
}

/// When rows gathered so far are committed: at the first limit that is reached, at the next checkpoint.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CommitLimits {
    /// Commit after this many rows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) commit_rows: Option<u64>,
    /// Commit after this many megabytes of rows in memory.
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) commit_megabytes: Option<u64>,
    /// Commit after this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) commit_seconds: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Shows how far each table has been read.
    Show(StateArgs),
    /// Forgets how far a table has been read, so that the next sync reads it in full.
    Reset(ResetArgs),
    /// Writes the state of all tables as JSON lines.
    Export(ExportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct OptimizeArgs {
    /// The pipeline file that the tables were synced with: says where they are and what to cluster them by.
    #[arg(value_name = "PIPELINE.yaml")]
    pub(crate) pipeline: Option<PathBuf>,
    /// The directory of the Delta tables.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// A table of the directory; all when not given. Repeatable.
    #[arg(long = "table", value_name = "NAME")]
    pub(crate) tables: Vec<String>,
    /// Order rows along a Z-order curve over these columns, comma-separated; in place of the file's `cluster_by`.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) cluster_by: Vec<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// Tables of a directory. With a source, or the pipeline file that they were synced with, its own words can be told.
#[derive(Args, Debug)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The directory of the Delta tables.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Show every part that is read by itself, such as a tag; needs the source or the pipeline file.
    #[arg(long)]
    pub(crate) parts: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rows {
    /// Empty the table in the same commit; its history can still be read until a vacuum.
    Remove,
    /// Leave the rows; the next sync merges into them by key. Not for append tables.
    Keep,
}

#[derive(Args, Debug)]
pub(crate) struct ResetArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The directory of the Delta tables.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Forget only this part, such as a tag, as `state show --parts` names it; needs the source or the pipeline file.
    /// Repeatable.
    #[arg(long = "part", value_name = "KEY")]
    pub(crate) parts: Vec<String>,
    /// Forget only this lane of the tables; the others go on where they are.
    #[arg(long, value_name = "NAME")]
    pub(crate) lane: Option<String>,
    /// What happens to the rows that are there; with --part or --lane they stay.
    #[arg(long, value_enum, required_unless_present_any = ["parts", "lane"], conflicts_with_all = ["parts", "lane"])]
    pub(crate) rows: Option<Rows>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The directory of the Delta tables.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// A table of the directory; all when not given. Repeatable.
    #[arg(long = "table", value_name = "NAME")]
    pub(crate) tables: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct SimulateArgs {
    /// The source to simulate: fhir, lancedb or osipi.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// A property of the simulated server: its volume or how it behaves. Repeatable.
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    /// List the options, personalities and faults that the server knows, and serve nothing.
    #[arg(long = "options", conflicts_with = "options")]
    pub(crate) list: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where the Delta tables go; a new temporary directory when not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_same_words_work_on_every_reading_command() {
        for command in ["check", "tables", "schema", "preview", "sync"] {
            let line =
                ["lakeflow", command, "--source", "fhir", "--option", "a=b", "--option", "c=d", "--table", "Patient"];
            Cli::try_parse_from(line.into_iter().chain(["--table-option", "x=y", "--format", "json"]))
                .unwrap_or_else(|e| panic!("{command}: {e}"));
        }
    }

    #[test]
    fn a_missing_command_is_a_usage_error() {
        assert_eq!(Cli::try_parse_from(["lakeflow"]).unwrap_err().exit_code(), 2);
        assert_eq!(Cli::try_parse_from(["lakeflow", "snyc"]).unwrap_err().exit_code(), 2);
    }
}
