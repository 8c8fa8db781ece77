//! Which rows win: of the commit, of the table, or a deletion.

use deltalake::kernel::{Add, Remove};
use lakeflow_connect::{Error, ErrorKind, Result};

use super::{
    known::{Entry, Known, RowId, Rows, Winner},
    prune::Candidates,
};
use crate::{
    files::FileLayout,
    filter::KeyFilter,
    keys::{Cursors, KeyCodec, Keys},
    scan::{FileRows, Scanner},
    table::DataFile,
};

/// How a key that is both in the commit and in the table is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The newer cursor wins; with equal cursors, or newer ones that only tell the time of reading, a row that differs wins over
    /// the one in the table.
    Newest,
    /// The row in the table stays.
    KeepExisting,
    /// The commit is the whole truth: what it does not have is removed.
    Mirror,
}

/// Which rows of a commit may have a key that is already known.
pub(crate) enum Suspects<'a> {
    All,
    Some { filter: &'a KeyFilter, rows: u64 },
}

/// What a commit brings.
pub(crate) struct Incoming<'a> {
    pub(crate) files: &'a [Add],
    pub(crate) rows: u64,
    pub(crate) suspects: Suspects<'a>,
    /// Files of deletions with their rows.
    pub(crate) deletions: Vec<(DataFile, u64)>,
    /// Whether the table was already cleared of what `deletions` remove.
    pub(crate) deletions_applied: bool,
}

/// What to commit.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) adds: Vec<Add>,
    pub(crate) removes: Vec<Remove>,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    pub(crate) unchanged: u64,
    /// Files of the table whose keys were read.
    pub(crate) looked_into: u64,
    /// Rubbish once the commit is made: incoming files that were written again.
    pub(crate) superseded: Vec<DataFile>,
    /// Rubbish when the commit is not made: what was written again.
    pub(crate) rewritten: Vec<DataFile>,
}

/// Settles commits against a table.
pub(crate) struct Merge<'a> {
    pub(crate) scanner: Scanner,
    pub(crate) layout: FileLayout,
    pub(crate) codec: &'a KeyCodec,
    /// Reads keys and cursors of deletion files.
    pub(crate) deletion_codec: &'a KeyCodec,
    pub(crate) rule: Rule,
    pub(crate) keys_per_pass: usize,
}

/// The state of one merge.
pub(super) struct Work {
    /// Files of the commit, then files of the table.
    pub(super) files: Vec<DataFile>,
    pub(super) incoming: usize,
    /// Rows of each file, where it was scanned.
    pub(super) rows: Vec<u64>,
    pub(super) losers: Rows,
    /// Incoming rows that took the place of a row of the table.
    pub(super) replacing: Rows,
    /// Rows of the table with the same cursor as an incoming one.
    pub(super) ties: Vec<(RowId, RowId)>,
    deleted: u64,
    /// Files of the table whose keys were read.
    looked_into: Vec<bool>,
}

/// One share of the keys.
#[derive(Clone, Copy)]
struct Pass {
    number: u64,
    of: u64,
}

impl Pass {
    fn has(self, hash: u64) -> bool {
        self.of == 1 || hash % self.of == self.number
    }
}

impl Merge<'_> {
    /// Settles a commit. The keys of both sides are added to `learn`, if given, when most of the table has to be read
    /// anyway; else it is taken away, and only files are read whose bounds leave room for a key of the commit.
    pub(crate) async fn settle(
        &self,
        incoming: &Incoming<'_>,
        table: Vec<DataFile>,
        learn: &mut Option<KeyFilter>,
    ) -> Result<Outcome> {
        let deletions: u64 = incoming.deletions.iter().map(|(_, rows)| rows).sum();
        let candidates = deletions
            + match incoming.suspects {
                Suspects::All => incoming.rows,
                Suspects::Some { rows, .. } => rows,
            };
        let files: Vec<_> = incoming.files.iter().map(DataFile::staged).chain(table).collect();
        let mut work = Work {
            incoming: incoming.files.len(),
            rows: vec![0; files.len()],
            losers: Rows::new(files.len()),
            replacing: Rows::new(files.len()),
            ties: Vec::new(),
            deleted: 0,
            looked_into: vec![false; files.len()],
            files,
        };
        if candidates > 0 || self.rule == Rule::Mirror || learn.is_some() {
            let of = candidates.div_ceil(self.keys_per_pass.max(1) as u64).max(1);
            for number in 0..of {
                self.pass(incoming, &mut work, Pass { number, of }, learn).await?;
            }
        }
        let lost = work.losers.count(work.incoming);
        let updated = work.replacing.count_without(&work.losers, work.incoming);
        let mut outcome = self.rewrite(incoming.files, &work).await?;
        outcome.updated = updated;
        outcome.unchanged = lost;
        outcome.inserted = incoming.rows.saturating_sub(lost + updated);
        outcome.deleted = work.deleted;
        outcome.looked_into = work.looked_into.iter().filter(|looked| **looked).count() as u64;
        Ok(outcome)
    }

    async fn pass(
        &self,
        incoming: &Incoming<'_>,
        work: &mut Work,
        pass: Pass,
        learn: &mut Option<KeyFilter>,
    ) -> Result<()> {
        let mut known = Known::default();
        let mut look = self.rule == Rule::Mirror || learn.is_some();
        look |= !incoming.deletions_applied && !incoming.deletions.is_empty();
        for (file, _) in &incoming.deletions {
            let mut rows = self.scanner.keys(file, self.deletion_codec).await?;
            while let Some((keys, cursors)) = next(&mut rows, self.deletion_codec).await? {
                for row in 0..keys.len() {
                    let key = keys.get(row);
                    if pass.has(self.codec.hash(key)) {
                        self.note_deletion(&mut known, key, &cursors.get(row));
                    }
                }
            }
        }
        for file in 0..work.incoming {
            let mut at = 0;
            let mut rows = self.scanner.keys(&work.files[file], self.codec).await?;
            while let Some((keys, cursors)) = next(&mut rows, self.codec).await? {
                for row in 0..keys.len() {
                    let (key, id) = (keys.get(row), row_id(file, at + row)?);
                    let hash = self.codec.hash(key);
                    if !pass.has(hash) {
                        continue;
                    }
                    if let Some(filter) = learn {
                        filter.insert(hash);
                    }
                    let suspect = match incoming.suspects {
                        Suspects::All => true,
                        Suspects::Some { filter, .. } => filter.contains(hash),
                    };
                    look |= suspect;
                    if suspect || known.contains_key(key) {
                        self.note_incoming(&mut known, work, key, &cursors.get(row), id);
                    }
                }
                at += keys.len();
            }
            work.rows[file] = at as u64;
        }
        if !look {
            return Ok(());
        }
        for file in self.to_look_into(incoming, &known, work, pass, learn)? {
            work.looked_into[file] = true;
            let mut at = 0;
            let mut rows = self.scanner.keys(&work.files[file], self.codec).await?;
            while let Some((keys, cursors)) = next(&mut rows, self.codec).await? {
                for row in 0..keys.len() {
                    let (key, id) = (keys.get(row), row_id(file, at + row)?);
                    let hash = self.codec.hash(key);
                    if !pass.has(hash) {
                        continue;
                    }
                    if let Some(filter) = learn {
                        filter.insert(hash);
                    }
                    match known.get_mut(key) {
                        Some(entry) => self.meet(entry, work, &cursors, row, id),
                        None if self.rule == Rule::Mirror => {
                            work.losers.insert(id);
                            work.deleted += 1;
                        }
                        None => {}
                    }
                }
                at += keys.len();
            }
            work.rows[file] = at as u64;
        }
        self.settle_ties(work).await
    }

    /// The files of the table that may hold a key of this pass.
    fn to_look_into(
        &self,
        incoming: &Incoming<'_>,
        known: &Known,
        work: &Work,
        pass: Pass,
        learn: &mut Option<KeyFilter>,
    ) -> Result<Vec<usize>> {
        let table = work.incoming..work.files.len();
        // What the first pass learnt of all files is only whole when the others read all of them, too.
        if self.rule == Rule::Mirror || learn.is_some() && pass.number > 0 {
            return Ok(table.collect());
        }
        // Deletions that were applied have nothing left to remove.
        let settled = |entry: &Entry| incoming.deletions_applied && entry.winner == Winner::Deleted;
        let keys: Vec<&[u8]> = known.iter().filter(|(_, entry)| !settled(entry)).map(|(key, _)| &**key).collect();
        let candidates = Candidates::new(self.codec, keys.into_iter())?;
        let mut may = Vec::new();
        for file in table.clone() {
            if candidates.may_be_in(&work.files[file])? {
                may.push(file);
            }
        }
        let bytes = |files: &mut dyn Iterator<Item = usize>| files.map(|f| work.files[f].size).sum::<u64>();
        if learn.is_some() && bytes(&mut may.iter().copied()) >= bytes(&mut table.clone()) / 2 {
            return Ok(table.collect());
        }
        *learn = None;
        Ok(may)
    }

    fn note_deletion(&self, known: &mut Known, key: &[u8], cursor: &[u8]) {
        match known.get_mut(key) {
            Some(entry) if self.codec.order(&entry.cursor, cursor).is_ge() => {}
            Some(entry) => entry.cursor = cursor.into(),
            None => {
                known.insert(key.into(), Entry { cursor: cursor.into(), winner: Winner::Deleted });
            }
        }
    }

    /// A row of the commit meets what is known: of two rows the later wins a tie, of a row and a deletion the deletion.
    fn note_incoming(&self, known: &mut Known, work: &mut Work, key: &[u8], cursor: &[u8], id: RowId) {
        let Some(entry) = known.get_mut(key) else {
            known.insert(key.into(), Entry { cursor: cursor.into(), winner: Winner::Incoming(id) });
            return;
        };
        let order = self.codec.order(cursor, &entry.cursor);
        let wins = match entry.winner {
            Winner::Incoming(_) => order.is_ge(),
            Winner::Deleted | Winner::Existing => order.is_gt(),
        };
        if !wins {
            work.losers.insert(id);
            return;
        }
        if let Winner::Incoming(older) = entry.winner {
            work.losers.insert(older);
        }
        *entry = Entry { cursor: cursor.into(), winner: Winner::Incoming(id) };
    }

    /// A row of the table meets the winner of its key.
    fn meet(&self, entry: &mut Entry, work: &mut Work, cursors: &Cursors, row: usize, id: RowId) {
        let cursor = cursors.get(row);
        let order = self.codec.order(&cursor, &entry.cursor);
        match entry.winner {
            Winner::Deleted if order.is_le() => {
                work.losers.insert(id);
                work.deleted += 1;
            }
            Winner::Deleted | Winner::Existing => {}
            Winner::Incoming(incoming) if self.rule == Rule::KeepExisting || order.is_gt() => {
                work.losers.insert(incoming);
                *entry = Entry { cursor: cursor.into(), winner: Winner::Existing };
            }
            Winner::Incoming(incoming) if order.is_lt() && !self.is_cursor_read_time() => {
                work.losers.insert(id);
                work.replacing.insert(incoming);
            }
            Winner::Incoming(incoming) => work.ties.push((incoming, id)),
        }
    }
}

async fn next(rows: &mut FileRows, codec: &KeyCodec) -> Result<Option<(Keys, Cursors)>> {
    match rows.next().await? {
        Some(batch) => Ok(Some((codec.keys(&batch)?, codec.cursors(&batch)?))),
        None => Ok(None),
    }
}

fn row_id(file: usize, row: usize) -> Result<RowId> {
    match (u32::try_from(file), u32::try_from(row)) {
        (Ok(file), Ok(row)) => Ok(RowId { file, row }),
        _ => Err(Error::new(ErrorKind::Unsupported, "a data file has more rows than this program can number")),
    }
}

impl Work {
    pub(super) fn take_ties(&mut self) -> Vec<(RowId, RowId)> {
        let mut ties = std::mem::take(&mut self.ties);
        // A later row of the commit may have taken the place of one that tied.
        ties.retain(|(incoming, _)| {
            self.losers.of(incoming.file as usize).is_none_or(|rows| !rows.contains(incoming.row))
        });
        ties.sort_unstable();
        ties
    }
}
