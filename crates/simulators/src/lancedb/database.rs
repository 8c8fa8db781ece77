//! All tables of a server, in the hands of the program that runs it.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{array::RecordBatch, datatypes::DataType};

use super::{
    config::Wire,
    query::{self, Columns},
    table::{Index, RowIds, Stamp, Table, Version},
};
use crate::{SimError, clock::SimClock};

/// The tables of a server: what they hold, how they change, and what every version of them must be read as.
///
/// Ids are names with their namespaces before them, as in `plant$readings`. Every write answers with the number of the version
/// that it made.
#[derive(Debug)]
pub struct Database {
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) namespaces: BTreeSet<String>,
    /// How answers are written; may be changed at any time.
    pub wire: Wire,
    clock: SimClock,
    serial: u64,
}

impl Database {
    pub(crate) fn new(clock: SimClock, wire: Wire) -> Self {
        Self { tables: BTreeMap::new(), namespaces: BTreeSet::new(), wire, clock, serial: 0 }
    }

    /// Creates a table with its first rows, in fragments of 100,000; version 1, also when a table of this name was dropped.
    ///
    /// # Errors
    /// When there is such a table, its namespace is missing, or a column is of a type that the format does not store.
    pub fn create(&mut self, id: &str, rows: &RecordBatch, row_ids: RowIds) -> Result<u64, SimError> {
        self.create_in_fragments(id, rows, row_ids, 100_000)
    }

    /// As [`create`](Self::create), now and later with no more than so many rows in a fragment.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_in_fragments(
        &mut self,
        id: &str,
        rows: &RecordBatch,
        row_ids: RowIds,
        fragment_rows: usize,
    ) -> Result<u64, SimError> {
        let mut table = Table::declared(row_ids, fragment_rows);
        let version = table.overwrite(rows, &self.stamp())?;
        self.register(id, table)?;
        Ok(version)
    }

    /// Registers a table without writing it: it is listed and has neither columns nor rows.
    ///
    /// # Errors
    /// When there is such a table, or its namespace is missing.
    pub fn declare(&mut self, id: &str) -> Result<(), SimError> {
        self.register(id, Table::declared(RowIds::Stable, 100_000))
    }

    fn register(&mut self, id: &str, table: Table) -> Result<(), SimError> {
        if let Some((namespace, _)) = id.rsplit_once('$')
            && !self.namespaces.contains(namespace)
        {
            return Err(SimError::Resource(format!("there is no namespace `{namespace}`")));
        }
        if self.tables.contains_key(id) {
            return Err(SimError::Resource(format!("there is a table `{id}` already")));
        }
        self.tables.insert(id.to_owned(), table);
        Ok(())
    }

    /// Creates a namespace and those above it.
    pub fn create_namespace(&mut self, id: &str) {
        let ends = id.match_indices('$').map(|(at, _)| at).chain([id.len()]);
        self.namespaces.extend(ends.filter_map(|end| id.get(..end)).map(str::to_owned));
    }

    /// Drops a table with all its versions.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn drop_table(&mut self, id: &str) -> Result<(), SimError> {
        self.tables.remove(id).map(drop).ok_or_else(|| missing(id))
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When there is no such table, or the columns are not the table's.
    pub fn append(&mut self, id: &str, rows: &RecordBatch) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.append(rows, stamp))
    }

    /// Gives columns of the rows that a condition selects new values, each as an expression. The rows move to the end and keep
    /// their ids.
    ///
    /// # Errors
    /// When there is no such table or column, or the server would refuse the condition or an expression.
    pub fn update(&mut self, id: &str, condition: &str, sets: &[(&str, &str)]) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.update(condition, sets, stamp))
    }

    /// Puts rows in the place of those with the same keys and adds the others.
    ///
    /// # Errors
    /// When there is no such table or column, or a key comes twice.
    pub fn merge(&mut self, id: &str, keys: &[&str], rows: &RecordBatch) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.merge(keys, rows, stamp))
    }

    /// Deletes the rows that a condition selects.
    ///
    /// # Errors
    /// When there is no such table, or the server would refuse the condition.
    pub fn delete(&mut self, id: &str, condition: &str) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.delete(condition, stamp))
    }

    /// Replaces all rows and maybe the columns; numbers of versions and ids of rows go on.
    ///
    /// # Errors
    /// When there is no such table, or a column is of a type that the format does not store.
    pub fn overwrite(&mut self, id: &str, rows: &RecordBatch) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.overwrite(rows, stamp))
    }

    /// Makes an older version the latest; its rows come back with the ids and versions that they had.
    ///
    /// # Errors
    /// When there is no such table or version.
    pub fn restore(&mut self, id: &str, version: u64) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.restore(version, stamp))
    }

    /// Rewrites all rows into full fragments, which takes two versions and changes no row.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn compact(&mut self, id: &str) -> Result<u64, SimError> {
        self.write(id, Table::compact)
    }

    /// Adds a column that is computed from the others; every row counts as changed.
    ///
    /// # Errors
    /// When there is no such table, there is such a column, or the server would refuse the expression.
    pub fn add_column(
        &mut self,
        id: &str,
        name: &str,
        data_type: &DataType,
        expression: &str,
    ) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.add_column(name, data_type, expression, stamp))
    }

    /// Takes a column away; no row counts as changed.
    ///
    /// # Errors
    /// When there is no such table or column.
    pub fn drop_column(&mut self, id: &str, name: &str) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.drop_column(name, stamp))
    }

    /// Gives a column another name; no row counts as changed.
    ///
    /// # Errors
    /// When there is no such table or column.
    pub fn rename_column(&mut self, id: &str, name: &str, new: &str) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.rename_column(name, new, stamp))
    }

    /// Builds an index, or builds one of this name again.
    ///
    /// # Errors
    /// When there is no such table or column.
    pub fn create_index(&mut self, id: &str, index: Index) -> Result<u64, SimError> {
        self.write(id, |table, stamp| table.add_index(index, stamp))
    }

    /// Gives a version a name, which keeps it from being cleaned up.
    ///
    /// # Errors
    /// When there is no such table or version.
    pub fn tag(&mut self, id: &str, tag: &str, version: u64) -> Result<(), SimError> {
        self.table_mut(id)?.tag(tag, version)
    }

    /// Forgets all versions before one, but those with a tag and the latest.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn clean_up(&mut self, id: &str, before: u64) -> Result<(), SimError> {
        self.table_mut(id)?.clean_up(before);
        Ok(())
    }

    /// The ids of all tables, sorted.
    pub fn tables(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    /// The latest version of a table.
    ///
    /// # Errors
    /// When there is no such table, or it was never written.
    pub fn version(&self, id: &str) -> Result<u64, SimError> {
        self.at(id, None).map(|version| version.number)
    }

    /// The versions of a table that are kept, oldest first.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn versions(&self, id: &str) -> Result<Vec<u64>, SimError> {
        let table = self.tables.get(id).ok_or_else(|| missing(id))?;
        Ok(table.versions.keys().copied().collect())
    }

    /// The rows of a version, or of the latest, in the server's order: the oracle of a complete read.
    ///
    /// # Errors
    /// When there is no such table or version.
    pub fn rows(&self, id: &str, version: Option<u64>) -> Result<RecordBatch, SimError> {
        self.read(id, version, Columns::All)
    }

    /// The same, of some columns only, among them `_rowid` and the others that can be asked for.
    ///
    /// # Errors
    /// When there is no such table, version or column.
    pub fn columns(&self, id: &str, version: Option<u64>, columns: &[&str]) -> Result<RecordBatch, SimError> {
        self.read(id, version, Columns::Names(columns.iter().map(|name| (*name).to_owned()).collect()))
    }

    fn read(&self, id: &str, version: Option<u64>, columns: Columns) -> Result<RecordBatch, SimError> {
        let version = self.at(id, version)?;
        query::whole(version, &columns).map_err(|refusal| SimError::Resource(refusal.message().to_owned()))
    }

    fn at(&self, id: &str, version: Option<u64>) -> Result<&Version, SimError> {
        let table = self.tables.get(id).ok_or_else(|| missing(id))?;
        let found = version.map_or_else(|| table.latest(), |number| table.version(number));
        found.map(AsRef::as_ref).ok_or_else(|| SimError::Resource(format!("table `{id}` has no such version")))
    }

    fn table_mut(&mut self, id: &str) -> Result<&mut Table, SimError> {
        self.tables.get_mut(id).ok_or_else(|| missing(id))
    }

    fn write(
        &mut self,
        id: &str,
        write: impl FnOnce(&mut Table, &Stamp) -> Result<u64, SimError>,
    ) -> Result<u64, SimError> {
        let stamp = self.stamp();
        write(self.table_mut(id)?, &stamp)
    }

    fn stamp(&mut self) -> Stamp {
        self.serial += 1;
        Stamp { millis: self.clock.now().timestamp_millis(), e_tag: format!("\"{:x}-sim\"", self.serial) }
    }
}

fn missing(id: &str) -> SimError {
    SimError::Resource(format!("there is no table `{id}`"))
}
