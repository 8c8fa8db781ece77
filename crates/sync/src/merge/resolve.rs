//! Which rows win: of the commit, of the table, or a deletion.

use lakeflow_connect::Result;

use super::{
    known::{Entry, Known, RowId, Winner},
    pass::{Pass, Scan, files_of, row_id},
    rewrite::rewrite,
    work::{Incoming, Outcome, Work},
};
use crate::{
    files::FileLayout,
    filter::KeyFilter,
    keys::{Cursors, KeyCodec},
    scan::Scanner,
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

impl Merge<'_> {
    /// Settles a commit. The keys of both sides are added to `learn`, if given, when most of the table has to be read
    /// anyway; else it is taken away, and only files are read whose bounds leave room for a key of the commit.
    pub(crate) async fn settle(
        &self,
        incoming: &Incoming<'_>,
        table: Vec<DataFile>,
        learn: &mut Option<KeyFilter>,
    ) -> Result<Outcome> {
        let candidates = incoming.candidates();
        let mut work = Work::new(incoming, table);
        if candidates > 0 || self.rule == Rule::Mirror || learn.is_some() {
            for pass in Pass::all(candidates, self.keys_per_pass) {
                self.pass(incoming, &mut work, pass, learn).await?;
            }
        }
        let mut outcome = rewrite(&self.scanner, &self.layout, incoming.files, &work, None).await?;
        work.count(incoming, &mut outcome);
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
        let scan = Scan { scanner: &self.scanner, codec: self.codec, of_files: self.codec, columns: &[], pass };
        let of_deletions = Scan { of_files: self.deletion_codec, ..scan };
        for (file, _) in &incoming.deletions {
            let cursors = |batch: &_| self.deletion_codec.cursors(batch);
            let rows = of_deletions.run(file, cursors, |seen| {
                self.note_deletion(&mut known, seen.key, &seen.batch.get(seen.at));
                Ok(())
            });
            rows.await?;
        }
        let cursors = |batch: &_| self.codec.cursors(batch);
        for file in 0..work.incoming {
            let staged = work.files[file].clone();
            let rows = scan.run(&staged, cursors, |seen| {
                if let Some(filter) = learn {
                    filter.insert(seen.hash);
                }
                let suspect = incoming.suspects.may_have(seen.hash);
                look |= suspect;
                if suspect || known.contains_key(seen.key) {
                    let id = row_id(file, seen.row);
                    self.note_incoming(&mut known, work, seen.key, &seen.batch.get(seen.at), id);
                }
                Ok(())
            });
            let rows = rows.await?;
            work.rows[file] = rows;
        }
        if !look {
            return Ok(());
        }
        for file in self.to_look_into(incoming, &known, work, pass, learn)? {
            work.looked_into[file] = true;
            let data = work.files[file].clone();
            let rows = scan.run(&data, cursors, |seen| {
                if let Some(filter) = learn {
                    filter.insert(seen.hash);
                }
                let id = row_id(file, seen.row);
                match known.get_mut(seen.key) {
                    Some(entry) => self.meet(entry, work, seen.batch, seen.at, id),
                    None if self.rule == Rule::Mirror => {
                        work.losers.insert(id);
                        work.deleted += 1;
                    }
                    None => {}
                }
                Ok(())
            });
            let rows = rows.await?;
            work.rows[file] = rows;
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
        if self.rule == Rule::Mirror {
            return Ok((work.incoming..work.files.len()).collect());
        }
        // Deletions that were applied have nothing left to remove.
        let settled = |entry: &Entry| incoming.deletions_applied && entry.winner == Winner::Deleted;
        let keys: Vec<&[u8]> = known.iter().filter(|(_, entry)| !settled(entry)).map(|(key, _)| &**key).collect();
        files_of(self.codec, keys.into_iter(), work, pass, learn, |_| Ok(true))
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
