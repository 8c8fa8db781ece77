//! The library: a LanceDB server with documents and their vectors, and its history, round by round.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use deltalake::arrow::{
    array::{ArrayRef, AsArray, Int64Array},
    datatypes::UInt64Type,
    error::ArrowError,
    record_batch::RecordBatch,
};
use lakeflow_connect::{Context, Error, ErrorKind, Options, Result};
use lakeflow_simulators::{
    SimError,
    clock::SimClock,
    lancedb::{Config, RunningServer, Server, TableSpec as Documents},
};
use serde_json::json;

use super::{
    hospital::port_of,
    library_rows,
    memory::{Memory, broken, hour},
    scene::{Changes, Scene},
};
use crate::{output::count, pipeline::TableSpec};

const TABLE: &str = "documents";
const ROWS: usize = 2_000;
const DIMENSION: usize = 128;
/// Every so many documents, one gets another title in a round.
const RENAMED_EVERY: u32 = 40;
/// Every so many documents, one is deleted in a round.
const DELETED_EVERY: u32 = 100;
/// Documents whose vector is made anew in a round.
const EMBEDDED: usize = 10;
/// Documents that are new in a round.
const CREATED: usize = 15;

/// A running server and where its history stands.
pub(super) struct Library {
    server: RunningServer,
    rounds: u32,
    memory: Memory,
}

/// How many documents a round has changed.
struct Round {
    changed: usize,
    created: usize,
    deleted: usize,
}

impl Library {
    /// Starts the server and relives what the directory has seen; `file` is the directory's memory.
    pub(super) fn start(file: PathBuf) -> Result<Self> {
        let port = |server: &RunningServer| port_of(&server.base_url());
        let (memory, server) = Memory::start(file, &format!("{TABLE}:{ROWS}x{DIMENSION}"), listen, port)?;
        let mut library = Self { server, rounds: 0, memory };
        while library.rounds < library.memory.rounds() {
            library.live_round()?;
        }
        Ok(library)
    }

    /// Documents go, are renamed, get new vectors and come; then the table is compacted, which changes none.
    fn live_round(&mut self) -> Result<Round> {
        self.rounds += 1;
        self.server.clock().set(hour(self.rounds));
        let mut database = self.server.database();
        let before = (database.version(TABLE).map_err(broken)?, database.rows(TABLE, None).map_err(broken)?.num_rows());
        let one_in = |every: u32| format!("id % {every} = {}", self.rounds % every);
        database.delete(TABLE, &one_in(DELETED_EVERY)).map_err(broken)?;
        let title = format!("'revision {}'", self.rounds);
        let sets = [("title", title.as_str()), ("score", "score + 1.0")];
        database.update(TABLE, &one_in(RENAMED_EVERY), &sets).map_err(broken)?;
        let all = database.rows(TABLE, None).map_err(broken)?;
        let first = self.rounds as usize * EMBEDDED % (all.num_rows() - 2 * EMBEDDED);
        let others = all.slice(first + EMBEDDED, EMBEDDED);
        let embedded = with(&all.slice(first, EMBEDDED), "embedding", others.column_by_name("embedding"))?;
        database.merge(TABLE, &["id"], &embedded).map_err(broken)?;
        let next = (ROWS + self.rounds as usize * CREATED) as i64;
        let ids: ArrayRef = Arc::new((next..next + CREATED as i64).collect::<Int64Array>());
        let created = with(&all.slice(0, CREATED), "id", Some(&ids))?;
        database.append(TABLE, &created).map_err(broken)?;
        database.compact(TABLE).map_err(broken)?;
        let versions = ["_row_created_at_version", "_row_last_updated_at_version"];
        let rows = database.columns(TABLE, None, &versions).map_err(broken)?;
        let since =
            |column: usize| rows.column(column).as_primitive::<UInt64Type>().values().iter().map(|at| *at > before.0);
        let created = since(0).filter(|is_new| *is_new).count();
        let changed = since(1).filter(|is_changed| *is_changed).count() - created;
        Ok(Round { changed, created, deleted: before.1 + created - rows.num_rows() })
    }
}

/// Rows with another column.
fn with(rows: &RecordBatch, name: &str, column: Option<&ArrayRef>) -> Result<RecordBatch> {
    let lost = || Error::new(ErrorKind::Internal, "the demo's documents lost a column");
    let mut columns = rows.columns().to_vec();
    let at = rows.schema().index_of(name).map_err(|_: ArrowError| lost())?;
    *columns.get_mut(at).ok_or_else(lost)? = Arc::clone(column.ok_or_else(lost)?);
    RecordBatch::try_new(rows.schema(), columns).map_err(|_| lost())
}

impl Scene for Library {
    fn source(&self) -> &'static str {
        "lancedb"
    }

    fn options(&self) -> Options {
        Options::new().with("uri", self.server.base_url())
    }

    fn context(&self) -> Context {
        Context::new()
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![TableSpec::new(TABLE)]
    }

    fn requests(&self) -> u64 {
        self.server.counters().requests
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn opening(&self) -> String {
        let rows = self.server.database().rows(TABLE, None).map_or(0, |rows| rows.num_rows() as u64);
        format!(
            "A LanceDB server with {} documents and their vectors of {DIMENSION} numbers runs at\n{}",
            count(rows),
            self.server.base_url(),
        )
    }

    fn second(&self) -> &'static str {
        "what changed between two versions of the table, deletions included"
    }

    fn change(&mut self) -> Result<Changes> {
        self.memory.begin_round()?;
        let Round { changed, created, deleted } = self.live_round()?;
        let told =
            format!("{changed} documents change, {created} are new, {deleted} are deleted, and the table is compacted");
        Ok(Changes { told, counts: json!({ "changed": changed, "created": created, "deleted": deleted }) })
    }

    fn columns(&self, _: &str) -> &'static [&'static str] {
        library_rows::COLUMNS
    }

    fn compare(&self, table: &str, rows: &[RecordBatch]) -> Result<u64> {
        let wanted = self.server.database().columns(TABLE, None, library_rows::COLUMNS).map_err(broken)?;
        library_rows::compare(table, &wanted, rows)
    }

    fn compared(&self) -> &'static str {
        "each vector bit for bit as the server holds it"
    }
}

fn listen(port: u16) -> std::result::Result<RunningServer, SimError> {
    Server::start(Config {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        clock: SimClock::fixed(hour(0)),
        tables: vec![Documents { rows: ROWS, dimension: DIMENSION, fragment_rows: 500, ..Documents::new(TABLE) }],
        ..Config::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_server_relives_the_rounds_that_the_directory_saw() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("demo.json");
        let all = |library: &Library| {
            let database = library.server.database();
            let ids = database.columns(TABLE, None, &["_rowid", "_row_last_updated_at_version"]).unwrap();
            (database.rows(TABLE, None).unwrap(), ids)
        };
        let mut first = Library::start(file.clone()).unwrap();
        let counts = first.change().unwrap().counts;
        assert_eq!(counts, json!({ "changed": 50, "created": 15, "deleted": 20 }));
        let (after, address) = (all(&first), first.server.base_url());
        drop(first);
        let again = Library::start(file).unwrap();
        assert_eq!((again.rounds(), again.server.base_url()), (1, address));
        assert!(all(&again) == after, "same rows, ids and versions");
    }
}
