//! One connection: opening tables, and the marks that reads start from and end at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex as AsyncMutex;

use super::{
    changes::has_stable_ids,
    client::LanceClient,
    config::{Connection, TableOptions},
    discovery::check_table,
    follow::{Followed, Way},
    fragments,
    offset::{Lineage, Mark, Place, Reached, State, expired},
    search::Searched,
    snapshot::Snapshot,
    trips::Trips,
};
use crate::{
    connector::TableRef,
    error::{Error, ErrorKind, Result},
    read::Offset,
    registry::Context,
};

/// How long a listing is good enough to look for near names in.
const LISTED_FOR: TimeDelta = TimeDelta::seconds(60);
/// Versions whose ids were looked at; more are forgotten.
const MOST_KNOWN: usize = 10_000;

/// Whether rows keep their ids, by table, version and fingerprint.
type KeepsIds = HashMap<(String, u64, String), Option<bool>>;

/// Names of tables, and when they were listed.
type Listed = Option<(DateTime<Utc>, Vec<String>)>;

/// A connection to a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LanceDbConnection {
    pub(super) client: LanceClient,
    pub(super) parallelism: usize,
    max_tables: usize,
    keeps_ids: Arc<Mutex<KeepsIds>>,
    /// The last listing, and when it was asked for.
    listed: Arc<AsyncMutex<Listed>>,
    pub(super) trips: Trips,
}

/// A table at one version, and how it is followed.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) snapshot: Snapshot,
    pub(super) options: TableOptions,
    pub(super) followed: Followed,
}

/// Which of a table's two streams is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Rows,
    Deletions,
}

impl LanceDbConnection {
    pub(super) fn new(connection: &Connection, context: &Context) -> Result<Self> {
        Ok(Self {
            client: LanceClient::new(connection, context)?,
            parallelism: connection.parallelism,
            max_tables: connection.max_tables,
            keeps_ids: Arc::default(),
            listed: Arc::default(),
            trips: Trips::default(),
        })
    }

    /// All tables, asked for anew.
    ///
    /// # Errors
    /// As [`LanceClient::tables`].
    pub(super) async fn tables(&self) -> Result<Vec<String>> {
        let mut listed = self.listed.lock().await;
        let tables = self.client.tables(self.max_tables).await?;
        *listed = Some((self.client.now(), tables.clone()));
        Ok(tables)
    }

    /// Opens a table at a version, else at the one that the options name, else at its latest.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) with near names for a table or column that there is not; else as [`Snapshot::open`].
    pub(super) async fn open(&self, table: &TableRef, version: Option<u64>) -> Result<Opened> {
        let options = TableOptions::parse(&table.options)?;
        if let Err(error) = check_table(&table.name) {
            return Err(self.with_near_names(&table.name, error).await);
        }
        match self.open_known(table, options, version).await {
            Err(error) if is_unknown_table(&error) => Err(self.with_near_names(&table.name, error).await),
            opened => opened,
        }
    }

    async fn open_known(&self, table: &TableRef, options: TableOptions, version: Option<u64>) -> Result<Opened> {
        let snapshot = Snapshot::open(&self.client, &table.name, &options, version, self.parallelism, &[]).await?;
        let keeps_ids = match Followed::depends_on_ids(&options) {
            true => self.keeps_ids(&snapshot).await?,
            false => None,
        };
        let followed = Followed::of(&table.name, &snapshot.whole, &options, keeps_ids)?;
        let snapshot = snapshot.adding(&options, &followed.added()).await?;
        Ok(Opened { snapshot, options, followed })
    }

    async fn keeps_ids(&self, snapshot: &Snapshot) -> Result<Option<bool>> {
        let key = (snapshot.table.clone(), snapshot.version.number, snapshot.version.fingerprint());
        let known = || self.keeps_ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&key) {
            return Ok(*known);
        }
        let found = has_stable_ids(&snapshot.client, &snapshot.table, snapshot.version.number).await?;
        let mut known = known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(key, found);
        Ok(found)
    }

    /// The version of a mark, with columns of it.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when it is gone, was replaced, or lacks what is asked of it.
    pub(super) async fn older(&self, newer: &Opened, mark: &Mark, columns: Vec<String>) -> Result<Snapshot> {
        let table = newer.snapshot.table.as_str();
        let options = newer.options.with_columns(columns);
        let open = Snapshot::open(&self.client, table, &options, Some(mark.version), self.parallelism, &[]);
        let snapshot = match open.await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Config) => {
                return Err(expired("the version that was read lacks a column of the key or the filter", table)
                    .caused_by(error));
            }
            opened => opened?,
        };
        if mark.is(&snapshot.version) { Ok(snapshot) } else { Err(replaced(table)) }
    }

    /// Makes sure that the version of a mark is still that of the same table.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when it is gone or was replaced.
    pub(super) async fn check(&self, table: &str, mark: &Mark) -> Result<()> {
        if mark.is(&self.client.version(table, mark.version).await?) { Ok(()) } else { Err(replaced(table)) }
    }

    /// Where a read that is started now ends.
    ///
    /// # Errors
    /// As [`LanceDbConnection::open`].
    pub(super) async fn latest(&self, table: &TableRef, start: Option<&State>, flow: Flow) -> Result<State> {
        let opened = self.open(table, None).await?;
        let before = start.and_then(State::last);
        if let Some(before) = before
            && before.is(&opened.snapshot.version)
            && before.schema == opened.digest()
            && opened.followed.fits(&before.place)
        {
            let nothing = State::nothing(&table.name, &opened.options);
            return Ok(nothing.reached(before.clone()));
        }
        let mark = opened.mark(before, flow).await?;
        Ok(State::nothing(&table.name, &opened.options).reached(mark))
    }

    /// The state of an offset.
    ///
    /// # Errors
    /// As [`State::decode`], and for options that cannot be used.
    pub(super) fn state(&self, table: &TableRef, offset: Option<&Offset>) -> Result<Option<State>> {
        let options = TableOptions::parse(&table.options)?;
        let state = offset.map(|offset| State::decode(offset, &table.name, &options)).transpose()?;
        if let (Some(mark), None) = (state.as_ref().and_then(State::last), &options.branch) {
            self.client.seen.note(&table.name, mark.version);
        }
        Ok(state)
    }

    /// Says which names are near one that there is not.
    async fn with_near_names(&self, table: &str, error: Error) -> Error {
        let unknown = |tables: &[String]| Error::unknown("table", table, tables.iter().map(String::as_str));
        if let Some((at, tables)) = self.listed.lock().await.as_ref()
            && self.client.now() - *at < LISTED_FOR
            // Else it was dropped since.
            && !tables.iter().any(|listed| listed == table)
        {
            return unknown(tables);
        }
        self.tables().await.map_or(error, |tables| unknown(&tables))
    }
}

impl Opened {
    /// What is to be known of this version, for reads that start from it.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn mark(&self, before: Option<&Mark>, flow: Flow) -> Result<Mark> {
        let snapshot = &self.snapshot;
        let rows = snapshot.count(None).await?;
        let place = match (&self.followed.way, flow, before.map(|before| &before.place)) {
            (Way::Whole, ..) => Place::Whole,
            (Way::Versions, Flow::Rows, _) => Place::Versions(Lineage::of(snapshot, rows).await?),
            (Way::Versions, Flow::Deletions, _) => Place::Deletions(Lineage::of(snapshot, rows).await?),
            (Way::Fragments, _, Some(Place::Fragments { highest })) => {
                Place::Fragments { highest: fragments::highest(snapshot, *highest).await? }
            }
            (Way::Fragments, ..) => Place::Fragments { highest: fragments::highest(snapshot, None).await? },
            (Way::Column(name), _, Some(Place::Column(reached))) if reached.name == *name => {
                Place::Column(Reached::of(snapshot, name, Some(reached)).await?)
            }
            (Way::Column(name), ..) => Place::Column(Reached::of(snapshot, name, None).await?),
        };
        let version = &snapshot.version;
        Ok(Mark { version: version.number, fingerprint: version.fingerprint(), rows, schema: self.digest(), place })
    }

    /// The search that the options ask for, if they do.
    ///
    /// # Errors
    /// As [`Searched::new`].
    pub(super) fn searched(&self) -> Result<Option<Searched>> {
        let is_search = self.options.query.is_search();
        is_search.then(|| Searched::new(self.snapshot.clone(), &self.options)).transpose()
    }

    /// Tells one choice of columns, or one search, from another.
    fn digest(&self) -> String {
        let mut digest = Sha256::new_with_prefix(self.snapshot.columns.schema().to_json());
        if self.options.query.is_search() {
            digest.update(format!("{:?}", self.options.query));
        }
        digest.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same with the columns that are asked for, and those that tell rows apart.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with near names, for a column that there is not.
    pub(super) fn narrowed(mut self, columns: Option<&[String]>) -> Result<Self> {
        if let Some(columns) = columns {
            let needed = self.followed.keys.iter().map(String::as_str).chain(self.followed.cursor());
            let wanted: Vec<String> = columns.iter().cloned().chain(needed.map(str::to_owned)).collect();
            self.snapshot = self.snapshot.narrowed(&wanted)?;
        }
        Ok(self)
    }

    /// Makes sure that a mark is of this version, these columns and this way.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when it is not.
    pub(super) fn is_at(&self, mark: &Mark) -> Result<()> {
        let table = &self.snapshot.table;
        if !mark.is(&self.snapshot.version) {
            return Err(replaced(table));
        }
        if !self.followed.fits(&mark.place) {
            return Err(other_way(table));
        }
        if mark.schema != self.digest() {
            return Err(expired("the offset is of another choice of columns", table));
        }
        Ok(())
    }
}

impl Followed {
    fn fits(&self, place: &Place) -> bool {
        match (&self.way, place) {
            (Way::Whole, Place::Whole) | (Way::Versions, Place::Versions(_) | Place::Deletions(_)) => true,
            (Way::Fragments, Place::Fragments { .. }) => true,
            (Way::Column(name), Place::Column(reached)) => *name == reached.name,
            _ => false,
        }
    }
}

/// The error of an offset that another way through the table made.
pub(super) fn other_way(table: &str) -> Error {
    expired("the table is now followed in another way than when the offset was made", table)
}

fn replaced(table: &str) -> Error {
    expired("the table was replaced by another of the same name", table)
}

/// Whether an error says that there is no such table, and not that something in it is missing.
fn is_unknown_table(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.get("status") == Some("404") && error.get("tag").is_none()
}
