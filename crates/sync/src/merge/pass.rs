//! Reading the keys of a merge, all at once or in shares that fit into memory.

use arrow::array::RecordBatch;
use lakeflow_connect::{Error, ErrorKind, Result, arrow};

use super::{known::RowId, prune::Candidates, work::Work};
use crate::{
    filter::KeyFilter,
    keys::{ColumnPath, KeyCodec},
    scan::Scanner,
    table::DataFile,
};

/// One share of the keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) number: u64,
    of: u64,
}

impl Pass {
    /// The shares in which this many candidates are looked at.
    pub(super) fn all(candidates: u64, keys_per_pass: usize) -> impl Iterator<Item = Self> {
        let of = candidates.div_ceil(keys_per_pass.max(1) as u64).max(1);
        (0..of).map(move |number| Self { number, of })
    }

    fn has(self, hash: u64) -> bool {
        self.of == 1 || hash % self.of == self.number
    }
}

/// A row of a scan.
pub(super) struct Seen<'s, T> {
    pub(super) key: &'s [u8],
    pub(super) hash: u64,
    /// Its number in the file.
    pub(super) row: u32,
    /// What was read of its batch besides keys, and its place in there.
    pub(super) batch: &'s T,
    pub(super) at: usize,
}

/// What to read.
#[derive(Clone, Copy)]
pub(super) struct Scan<'s> {
    pub(super) scanner: &'s Scanner,
    /// Tells and hashes keys.
    pub(super) codec: &'s KeyCodec,
    /// Reads keys of these files, whose columns may have other names.
    pub(super) of_files: &'s KeyCodec,
    /// Further columns.
    pub(super) columns: &'s [&'s ColumnPath],
    pub(super) pass: Pass,
}

impl Scan<'_> {
    /// Reads the keys of a file that belong to the share; how many rows the file has.
    pub(super) async fn run<T: Send + Sync>(
        self,
        file: &DataFile,
        read: impl Fn(&RecordBatch) -> Result<T> + Send,
        mut each: impl FnMut(Seen<'_, T>) -> Result<()> + Send,
    ) -> Result<u64> {
        let columns: Vec<&ColumnPath> = self.of_files.columns().chain(self.columns.iter().copied()).collect();
        let mut rows = self.scanner.columns(file, &columns).await?;
        let mut start = 0;
        while let Some(batch) = rows.next().await? {
            let (keys, read) = (self.of_files.keys(&batch)?, read(&batch)?);
            for at in 0..keys.len() {
                let (key, row) = (keys.get(at), row_number(start + at)?);
                let hash = self.codec.hash(key);
                if self.pass.has(hash) {
                    each(Seen { key, hash, row, batch: &read, at })?;
                }
            }
            start += keys.len();
        }
        Ok(start as u64)
    }
}

fn row_number(row: usize) -> Result<u32> {
    u32::try_from(row)
        .map_err(|_| Error::new(ErrorKind::Unsupported, "a data file has more rows than this program can number"))
}

pub(super) fn row_id(file: usize, row: u32) -> RowId {
    RowId { file: u32::try_from(file).unwrap_or(u32::MAX), row }
}

/// The files of the table that matter and may hold one of these keys. When `learn` asks for the keys of the table and most of it has to be
/// read anyway, all; else `learn` is taken away.
pub(super) fn files_of<'k>(
    codec: &KeyCodec,
    keys: impl ExactSizeIterator<Item = &'k [u8]>,
    work: &Work,
    pass: Pass,
    learn: &mut Option<KeyFilter>,
    matters: impl Fn(&DataFile) -> Result<bool>,
) -> Result<Vec<usize>> {
    let table = work.incoming..work.files.len();
    // What the first share learnt of all files is only whole when the others read all of them, too.
    if learn.is_some() && pass.number > 0 {
        return Ok(table.collect());
    }
    let candidates = Candidates::new(codec, keys)?;
    let mut may = Vec::new();
    for file in table.clone() {
        let data = &work.files[file];
        if candidates.may_be_in(data)? && matters(data)? {
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
