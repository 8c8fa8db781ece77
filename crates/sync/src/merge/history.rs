//! Histories (SCD type 2): every version of a row stays, and ends where the next one or a deletion begins.

use std::collections::HashMap;

use ahash::RandomState;
use lakeflow_connect::Result;

use super::{
    content::{contents, is_read_time},
    pass::{Pass, Scan, files_of, row_id},
    prune::Over,
    rewrite::rewrite,
    timeline::{Order, Timeline, Version},
    work::{Incoming, Outcome, Work},
};
use crate::{
    files::FileLayout,
    filter::KeyFilter,
    keys::{ColumnPath, KeyCodec},
    scan::Scanner,
    sequence::{END_AT, Moment, START_AT, Sequence},
    table::DataFile,
};

/// Versions that are held in memory for each key, about.
const VERSIONS: usize = 4;

/// What is known of the keys of a pass.
type Timelines = HashMap<Box<[u8]>, Timeline, RandomState>;

/// Settles commits against a history.
pub(crate) struct History<'a> {
    pub(crate) scanner: Scanner,
    pub(crate) layout: FileLayout,
    /// Reads keys.
    pub(crate) codec: &'a KeyCodec,
    pub(crate) sequence: &'a Sequence,
    /// Reads keys of deletion files.
    pub(crate) deletion_codec: &'a KeyCodec,
    /// When the table was taken, if the commit is all of it: current versions of other keys end then.
    pub(crate) taken_at: Option<Moment>,
    /// Whether the cursor is the time of reading, so that a row that is read again seems to be a version.
    pub(crate) by_read_time: bool,
    pub(crate) keys_per_pass: usize,
}

impl History<'_> {
    /// Settles a commit; `learn` as in [`Merge::settle`](super::Merge::settle).
    pub(crate) async fn settle(
        &self,
        incoming: &Incoming<'_>,
        table: Vec<DataFile>,
        learn: &mut Option<KeyFilter>,
    ) -> Result<Outcome> {
        let candidates = incoming.candidates();
        let mut work = Work::new(incoming, table);
        if candidates > 0 || self.taken_at.is_some() || learn.is_some() {
            for pass in Pass::all(candidates, self.keys_per_pass / VERSIONS) {
                self.pass(incoming, &mut work, pass, learn).await?;
            }
        }
        let mut outcome = rewrite(&self.scanner, &self.layout, incoming.files, &work, Some(self.sequence)).await?;
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
        let order = |a: &[u8], b: &[u8]| self.sequence.order(a, b);
        let mut known = Timelines::default();
        let applied = incoming.deletions_applied;
        let mut look = self.taken_at.is_some() || learn.is_some() || !applied && !incoming.deletions.is_empty();
        self.read_deletions(incoming, pass, &mut known).await?;
        let starts = [&self.sequence.start];
        let scan = self.scan(&starts, pass);
        for file in 0..work.incoming {
            let staged = work.files[file].clone();
            let starts = |batch: &_| self.sequence.values(self.sequence.start.extract(batch)?);
            let rows = scan.run(&staged, starts, |seen| {
                if let Some(filter) = learn {
                    filter.insert(seen.hash);
                }
                let suspect = incoming.suspects.may_have(seen.hash);
                look |= suspect;
                if let Some(start) = seen.batch.get(seen.at)
                    && (suspect || known.contains_key(seen.key))
                {
                    let timeline = known.entry(seen.key.into()).or_default();
                    timeline.touch(start, &order);
                    let row = row_id(file, seen.row);
                    timeline.versions.push(Version { start: start.into(), end: None, row, incoming: true });
                }
                Ok(())
            });
            work.rows[file] = rows.await?;
        }
        if look {
            self.read_table(work, pass, learn, &mut known).await?;
        }
        self.decide(work, known, &order).await
    }

    fn scan<'s>(&'s self, columns: &'s [&'s ColumnPath], pass: Pass) -> Scan<'s> {
        Scan { scanner: &self.scanner, codec: self.codec, of_files: self.codec, columns, pass }
    }

    async fn read_deletions(&self, incoming: &Incoming<'_>, pass: Pass, known: &mut Timelines) -> Result<()> {
        let order = |a: &[u8], b: &[u8]| self.sequence.order(a, b);
        let scan = Scan { of_files: self.deletion_codec, ..self.scan(&[], pass) };
        let moments = |batch: &_| match self.deletion_codec.cursor() {
            Some(cursor) => self.sequence.values(cursor.extract(batch)?).map(Some),
            None => Ok(None),
        };
        for (file, _) in &incoming.deletions {
            let rows = scan.run(file, moments, |seen| {
                if let Some(moment) = seen.batch.as_ref().and_then(|moments| moments.get(seen.at)) {
                    let timeline = known.entry(seen.key.into()).or_default();
                    timeline.deletions.push(moment.into());
                    if !incoming.deletions_applied {
                        timeline.touch(moment, &order);
                    }
                }
                Ok(())
            });
            rows.await?;
        }
        Ok(())
    }

    /// Versions of the table that what the commit says is about; all current ones when the commit is the whole table.
    async fn read_table(
        &self,
        work: &mut Work,
        pass: Pass,
        learn: &mut Option<KeyFilter>,
        known: &mut Timelines,
    ) -> Result<()> {
        let order = |a: &[u8], b: &[u8]| self.sequence.order(a, b);
        let columns = [&self.sequence.start, &self.sequence.end];
        let scan = self.scan(&columns, pass);
        for file in self.to_look_into(work, pass, learn, known)? {
            work.looked_into[file] = true;
            let data = work.files[file].clone();
            let (ends, deleted) = (&mut work.ends, &mut work.deleted);
            let read = |batch: &_| {
                let [start, end] = columns.map(|column| self.sequence.values(column.extract(batch)?));
                Ok((start?, end?))
            };
            let rows = scan.run(&data, read, |seen| {
                if let Some(filter) = learn {
                    filter.insert(seen.hash);
                }
                let (starts, all_ends) = seen.batch;
                let (Some(start), end) = (starts.get(seen.at), all_ends.get(seen.at)) else { return Ok(()) };
                let row = row_id(file, seen.row);
                match (known.get_mut(seen.key), &self.taken_at) {
                    (Some(timeline), None) if timeline.concerns(end, &order) => {
                        let version = Version { start: start.into(), end: end.map(Into::into), row, incoming: false };
                        timeline.versions.push(version);
                    }
                    (Some(timeline), Some(_)) if end.is_none() => {
                        timeline.versions.push(Version { start: start.into(), end: None, row, incoming: false });
                    }
                    (None, Some(taken_at)) if end.is_none() => {
                        ends.entry(row.file).or_default().insert(row.row, taken_at.clone());
                        *deleted += 1;
                    }
                    _ => {}
                }
                Ok(())
            });
            let rows = rows.await?;
            work.rows[file] = rows;
        }
        Ok(())
    }

    /// The files of the table that may hold a version that matters.
    fn to_look_into(
        &self,
        work: &Work,
        pass: Pass,
        learn: &mut Option<KeyFilter>,
        known: &Timelines,
    ) -> Result<Vec<usize>> {
        if self.taken_at.is_some() {
            return Ok((work.incoming..work.files.len()).collect());
        }
        let touched = || known.iter().filter(|(_, timeline)| timeline.since.is_some());
        let keys: Vec<&[u8]> = touched().map(|(key, _)| &**key).collect();
        let order = |a: &[u8], b: &[u8]| self.sequence.order(a, b);
        let since = touched().filter_map(|(_, timeline)| timeline.since.as_deref()).min_by(|a, b| order(a, b));
        let over = since.map(|since| Over::new(self.sequence, since)).transpose()?.flatten();
        files_of(self.codec, keys.into_iter(), work, pass, learn, |file| match &over {
            Some(over) => Ok(!over.is_before(file)?),
            None => Ok(true),
        })
    }

    async fn decide(&self, work: &mut Work, mut known: Timelines, order: Order<'_>) -> Result<()> {
        let unchanged_is_none = self.taken_at.is_some() || self.by_read_time;
        let mut compared = Vec::new();
        for timeline in known.values_mut() {
            timeline.sort(order);
            compared.extend(timeline.compared(unchanged_is_none, order));
        }
        let contents = contents(&self.scanner, work, compared, |field| {
            is_read_time(field) || field.name() == START_AT || field.name() == END_AT
        });
        let contents = contents.await?;
        let same = |a, b| contents.get(&a).is_some_and(|of_a| contents.get(&b) == Some(of_a));
        for timeline in known.values() {
            let settled = timeline.settle(unchanged_is_none, order, &same);
            settled.losers.into_iter().for_each(|row| work.losers.insert(row));
            settled.replacing.into_iter().for_each(|row| work.replacing.insert(row));
            for (row, end) in settled.ends {
                work.ends.entry(row.file).or_default().insert(row.row, end);
            }
            work.deleted += settled.deleted;
        }
        Ok(())
    }
}
