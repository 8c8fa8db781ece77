//! From the resources of a page to the rows of a table: which ones belong, which were here before.

use std::{collections::HashSet, sync::Arc};

use ahash::RandomState;
use arrow::{array::BooleanArray, compute::filter_record_batch, record_batch::RecordBatch};
use bytes::Bytes;
use indexmap::IndexMap;

use super::{
    bundle::{Envelope, Header, Mode, Page},
    instant::Instant,
    offset::{MOST_SENT, keep_newest},
    row_id::Hash,
    scope::{Overlap, Scope, Walk},
    window::Span,
};
use crate::{
    decode::{Decoder, Scanner},
    error::{Error, ErrorKind, Result},
    read::{BadRows, QuarantinedRow},
};

/// Rows being gathered for one table.
pub(super) struct Rows {
    table: String,
    decoder: Decoder,
    bad_rows: BadRows,
    overlap: Arc<Overlap>,
    envelope: Arc<Envelope>,
    /// The resource of the entry that is being read, when it is of this table. It is written before its columns are: a result
    /// handed up after them would be copied at once, and the processor would wait until all of the resource is in its cache.
    current: Option<Resource>,
    /// In the order in which they were seen: a new one is looked for in a small index, and put behind the last.
    known: IndexMap<Hash, Known, RandomState>,
    most_known: usize,
    /// What this walk has seen beyond `most_known`.
    counted: HashSet<u64>,
    walk_number: u32,
    walk: Walk,
    batch_number: u32,
    /// Rows of the open batch that a newer version has replaced.
    replaced: Vec<u32>,
    quarantined: Vec<QuarantinedRow>,
    /// With the batch that they are in.
    noted: Vec<(u32, Instant, Hash)>,
    without_stamp: u64,
    /// Rows and quarantined rows whose entries were read to their end.
    kept: (usize, usize),
}

/// A resource seen since [`Rows`] was made, in this walk or an earlier one.
///
/// There are as many as resources in a window: it is kept small.
#[derive(Clone, Copy)]
struct Known {
    version: Hash,
    /// [`Instant::BEFORE_ALL`] when there is none.
    stamp: Instant,
    walk: u32,
    /// The batch that was open when it was seen, and its row there or [`NO_ROW`].
    batch: u32,
    row: u32,
    /// Sent or quarantined, or known from the last run.
    settled: bool,
}

const NO_ROW: u32 = u32::MAX;

/// More resources than this are not told apart; repeated ones are then sent again, which keyed tables bear.
const MOST_KNOWN: usize = 1 << 20;

/// Beyond these no count of different resources is kept: counts prove nothing any more, only a second walk does.
const MOST_COUNTED: usize = 1 << 23;

/// Why a resource is no row, or cannot be told apart from others.
struct Misfit {
    /// Empty when it is the resource itself.
    column: &'static str,
    reason: String,
    stamp: Option<Instant>,
    wanted: bool,
}

#[derive(Clone, Copy)]
struct Resource {
    id: Hash,
    version: Hash,
    stamp: Option<Instant>,
    subsetted: bool,
    /// Wanted and not sent before.
    is_new: bool,
    wanted: bool,
    /// What was known before.
    known: Option<Known>,
}

impl Rows {
    pub(super) fn new(table: String, decoder: Decoder, bad_rows: BadRows, overlap: Arc<Overlap>) -> Self {
        Self {
            table,
            decoder,
            bad_rows,
            overlap,
            envelope: Arc::new(Envelope::new()),
            current: None,
            known: IndexMap::default(),
            most_known: MOST_KNOWN,
            counted: HashSet::new(),
            walk_number: 0,
            walk: Walk::NONE,
            batch_number: 0,
            replaced: Vec::new(),
            quarantined: Vec::new(),
            noted: Vec::new(),
            without_stamp: 0,
            kept: (0, 0),
        }
    }

    /// Makes room for as many resources as a server says there are, within reason.
    pub(super) fn make_room(&mut self, resources: u64) {
        const MOST_EXPECTED: u64 = 1 << 17;
        self.known.reserve(resources.min(MOST_EXPECTED) as usize);
    }

    /// Begins to look at a search's pages from the first.
    pub(super) fn begin_walk(&mut self) {
        self.walk_number += 1;
        self.walk = Walk::NONE;
        self.counted.clear();
    }

    pub(super) fn begin_page(&mut self) {
        self.walk.pages += 1;
    }

    /// From here on resources may still appear, and the next run will read again.
    pub(super) fn open_from(&self) -> Option<Instant> {
        self.overlap.note_from
    }

    /// What was seen since [`Rows::begin_walk`].
    pub(super) fn walk(&self) -> Walk {
        self.walk
    }

    /// Takes in the wanted rows of a page.
    ///
    /// After an error the page may be given again: rows taken in before are recognised.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the page is not whole JSON or holds partial resources;
    /// [`Data`](ErrorKind::Data) for a row that does not fit, unless such rows are quarantined.
    pub(super) fn take_page(&mut self, text: &str, scope: Scope, span: Span) -> Result<()> {
        let page = Page::open(text)?;
        self.current = None;
        let envelope = Arc::clone(&self.envelope);
        let result = page.each_entry(
            &envelope,
            self,
            |rows, scanner| rows.resource(scanner, scope, &envelope),
            |rows, _, mode| rows.entry(mode, span),
        );
        self.decoder.truncate(self.kept.0);
        self.quarantined.truncate(self.kept.1);
        result
    }

    fn resource(&mut self, scanner: &mut Scanner<'_>, scope: Scope, envelope: &Envelope) -> Result<()> {
        let start = scanner.mark();
        match self.whole_resource(scanner, scope, envelope) {
            Err(error) if error.kind() == ErrorKind::Protocol => {
                scanner.reset(start);
                self.broken_resource(scanner, scope, envelope, error)
            }
            found => found,
        }
    }

    fn whole_resource(&mut self, scanner: &mut Scanner<'_>, scope: Scope, envelope: &Envelope) -> Result<()> {
        let header = Header::peek(scanner, envelope)?;
        if header.resource_type != self.table {
            scanner.skip()?;
            return Ok(());
        }
        let Ok(stamp) = header.instant() else {
            let reason = "expected an instant, found something else".to_owned();
            // It may belong anywhere.
            let misfit = Misfit { column: "lastUpdated", reason, stamp: None, wanted: true };
            return self.misfit(scanner.skip()?, &header, misfit);
        };
        let wanted = scope.holds(stamp);
        let Some(id) = header.id.as_deref() else {
            let misfit = Misfit { column: "id", reason: "expected text, found nothing".to_owned(), stamp, wanted };
            return self.misfit(scanner.skip()?, &header, misfit);
        };
        let id = Hash::of(id);
        let version = match header.version.as_deref() {
            // Some servers say the same version of all: the stamp counts too.
            Some(version) => id.and(version).and(header.last_updated.as_deref().unwrap_or_default()),
            None if stamp.is_none() || self.overlap.touches(stamp) => id.and(scanner.clone().skip()?),
            None => id.and(header.last_updated.as_deref().unwrap_or_default()),
        };
        let known = self.known.get(&id).copied();
        let is_new = wanted && !self.is_old(known, version, stamp);
        self.current = Some(Resource { id, version, stamp, subsetted: header.subsetted, is_new, wanted, known });
        if is_new {
            self.decode(scanner)?;
        } else {
            scanner.skip()?;
        }
        Ok(())
    }

    /// Whether this version, or a newer one, was sent.
    fn is_old(&self, known: Option<Known>, version: Hash, stamp: Option<Instant>) -> bool {
        let known = known.filter(|known| known.settled);
        known.is_some_and(|known| known.version == version || stamp.is_some_and(|stamp| stamp < known.stamp))
            || self.overlap.was_sent(stamp, version)
    }

    fn decode(&mut self, scanner: &mut Scanner<'_>) -> Result<()> {
        match self.decoder.decode_record(scanner)? {
            Ok(()) => Ok(()),
            Err(row) if self.bad_rows == BadRows::Quarantine => {
                let record = scanner.text().get(row.byte..scanner.position()).unwrap_or_default();
                self.quarantined.push(row.quarantine(Bytes::copy_from_slice(record.as_bytes())));
                Ok(())
            }
            Err(row) => Err(row.into()),
        }
    }

    /// A resource that is no JSON, or nested too deep; `error` stays when it does not even end.
    fn broken_resource(
        &mut self,
        scanner: &mut Scanner<'_>,
        scope: Scope,
        envelope: &Envelope,
        error: Error,
    ) -> Result<()> {
        self.current = None;
        self.decoder.truncate(self.kept.0);
        let start = scanner.mark();
        let header = Header::peek(scanner, envelope).unwrap_or_default();
        scanner.reset(start);
        let Some(text) = scanner.skip_broken() else { return Err(error) };
        if !["", &self.table].contains(&&*header.resource_type) {
            return Ok(());
        }
        let stamp = header.instant().ok().flatten();
        let wanted = stamp.is_none() || scope.holds(stamp);
        self.misfit(text, &header, Misfit { column: "", reason: error.message().to_owned(), stamp, wanted })
    }

    /// A resource that cannot be a row.
    fn misfit(&mut self, text: &str, header: &Header<'_>, misfit: Misfit) -> Result<()> {
        let Misfit { column, reason, stamp, wanted } = misfit;
        if wanted && self.bad_rows == BadRows::Fail {
            return Err(Error::new(ErrorKind::Data, "a record does not fit the table's schema")
                .with("table", &self.table)
                .with("column", column)
                .with("reason", reason)
                .help("look at the record at the source, or ask for bad rows to be quarantined"));
        }
        let version = Hash::of(text);
        let id = header.id.as_deref().map_or(version, Hash::of);
        let known = self.known.get(&id).copied();
        let is_new = wanted && !self.is_old(known, version, stamp);
        if is_new {
            let key = header.id.as_deref().map(|id| serde_json::json!({ "id": id }).to_string());
            let record = Bytes::copy_from_slice(text.as_bytes());
            self.quarantined.push(QuarantinedRow { key, column: column.to_owned(), reason, record });
        }
        self.current = Some(Resource { id, version, stamp, subsetted: false, is_new, wanted, known });
        Ok(())
    }

    fn entry(&mut self, mode: Mode, span: Span) -> Result<()> {
        match self.current {
            Some(resource) if mode == Mode::Match => self.keep(resource, span)?,
            Some(_) => {
                self.decoder.truncate(self.kept.0);
                self.quarantined.truncate(self.kept.1);
            }
            None => {}
        }
        self.current = None;
        self.kept = (self.decoder.rows(), self.quarantined.len());
        Ok(())
    }

    fn keep(&mut self, resource: Resource, span: Span) -> Result<()> {
        let Resource { id, version, stamp, known, .. } = resource;
        if resource.subsetted {
            return Err(Error::new(ErrorKind::Protocol, "the server sends resources with parts left out (SUBSETTED)")
                .with("table", &self.table)
                .help("give this client the right to read whole resources"));
        }
        let is_first = match known {
            Some(known) => known.walk != self.walk_number,
            None => self.is_first_sight(id),
        };
        if is_first {
            self.walk.distinct += 1;
            self.walk.below += u64::from(stamp.is_some_and(|t| span.is_below(t)));
            self.walk.beyond += u64::from(stamp.is_some_and(|t| span.is_beyond(t)));
            if resource.wanted {
                self.walk.digest = self.walk.digest.combine(version);
            }
        }
        if resource.wanted && !known.is_some_and(|k| k.settled && k.version == version) && self.overlap.is_noted(stamp)
        {
            self.noted.extend(stamp.map(|t| (self.batch_number, t, self.overlap.seal.seal(version))));
            if self.noted.len() >= 2 * MOST_SENT {
                keep_newest(&mut self.noted, |(_, stamp, _)| *stamp);
            }
        }
        self.walk.new += u64::from(resource.is_new);
        self.without_stamp += u64::from(resource.is_new && stamp.is_none());
        let batch = self.batch_number;
        let mut now = Known {
            version,
            stamp: stamp.unwrap_or(Instant::BEFORE_ALL),
            walk: self.walk_number,
            batch,
            row: NO_ROW,
            settled: resource.wanted,
        };
        if resource.is_new {
            self.replaced
                .extend(known.filter(|known| known.batch == batch && known.row != NO_ROW).map(|known| known.row));
            if self.decoder.rows() > self.kept.0 {
                now.row = u32::try_from(self.kept.0).unwrap_or(NO_ROW);
            }
        } else if let Some(known) = known.filter(|known| known.settled) {
            now = Known { walk: self.walk_number, ..known };
        }
        if known.is_some() || self.known.len() < self.most_known {
            self.known.insert(id, now);
        }
        Ok(())
    }

    /// Whether this walk has not seen a resource that is not known.
    fn is_first_sight(&mut self, id: Hash) -> bool {
        if self.known.len() < self.most_known {
            return true;
        }
        self.walk.is_overfull |= self.counted.len() >= MOST_COUNTED;
        self.walk.is_overfull || self.counted.insert(id.short())
    }

    /// Whether enough has gathered for a batch.
    pub(super) fn is_full(&self) -> bool {
        // Pages are of round numbers, and a batch ends with a page.
        const ROWS: usize = 1000;
        const BYTES: usize = 4 << 20;
        let quarantined: usize = self.quarantined.iter().map(|row| row.record.len()).sum();
        let rows = self.decoder.rows().max(self.quarantined.len());
        rows >= ROWS || self.decoder.buffered_bytes() + quarantined >= BYTES
    }

    /// Ends the open batch: its rows, when there are any, and those that did not fit.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) for a bug.
    pub(super) fn take(&mut self) -> Result<(Option<RecordBatch>, Vec<QuarantinedRow>)> {
        let replaced = std::mem::take(&mut self.replaced);
        let batch = if self.decoder.rows() == 0 { None } else { Some(self.decoder.flush()?) };
        self.batch_number += 1;
        self.kept = (0, 0);
        let batch = batch.map(|batch| without(batch, &replaced)).transpose()?;
        Ok((batch, std::mem::take(&mut self.quarantined)))
    }

    /// The decoder, to be used again; the open batch is dropped.
    pub(super) fn into_decoder(mut self) -> Decoder {
        self.decoder.truncate(0);
        self.decoder
    }

    /// Drops the open batch: its range is read anew, in parts.
    pub(super) fn discard(&mut self) {
        self.decoder.truncate(0);
        self.quarantined.clear();
        self.replaced.clear();
        self.kept = (0, 0);
        self.known.retain(|_, known| known.batch < self.batch_number);
        self.noted.retain(|(batch, ..)| *batch < self.batch_number);
    }

    /// Versions that the next run will meet again.
    pub(super) fn take_noted(&mut self) -> Vec<(Instant, Hash)> {
        keep_newest(&mut self.noted, |(_, stamp, _)| *stamp);
        self.noted.drain(..).map(|(_, stamp, version)| (stamp, version)).collect()
    }

    /// How many rows without a stamp were taken in.
    pub(super) fn without_stamp(&self) -> u64 {
        self.without_stamp
    }
}

fn without(batch: RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
    if rows.is_empty() {
        return Ok(batch);
    }
    let mut keep = vec![true; batch.num_rows()];
    for row in rows {
        if let Some(kept) = keep.get_mut(*row as usize) {
            *kept = false;
        }
    }
    filter_record_batch(&batch, &BooleanArray::from(keep))
        .map_err(|e| Error::new(ErrorKind::Internal, "replaced rows could not be taken out").caused_by(e))
}

#[cfg(test)]
#[path = "tests/rows.rs"]
mod tests;
