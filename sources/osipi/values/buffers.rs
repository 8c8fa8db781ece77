//! Buffers that become Arrow columns: dense text, text that repeats, and what turns each kind into an array.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray},
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    error::ArrowError,
};

use super::super::time::Micros;
use crate::{
    decode::{Fixed, Varying},
    error::{Error, ErrorKind, Result},
};

/// Text of every row, none missing.
#[derive(Debug, Default)]
pub(super) struct Dense {
    pub(super) data: Vec<u8>,
    ends: Vec<i32>,
}

impl Dense {
    #[inline]
    pub(super) fn push(&mut self, text: &str) -> Result<()> {
        self.data.extend_from_slice(text.as_bytes());
        self.ends.push(i32::try_from(self.data.len()).map_err(|_| full())?);
        Ok(())
    }

    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let end = *self.ends.get(row)? as usize;
        let start = row.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).map(|end| *end as usize))?;
        std::str::from_utf8(self.data.get(start..end)?).ok()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.data.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    pub(super) fn take(&mut self) -> Result<ArrayRef> {
        let data = take(&mut self.data);
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        offsets.append(&mut self.ends);
        text(offsets, data, None)
    }
}

/// Text that stays the same for many rows: up to which row it holds.
#[derive(Debug)]
pub(super) struct Runs<T> {
    pub(super) runs: Vec<(T, usize)>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<T> Runs<T> {
    pub(super) fn rows(&self) -> usize {
        self.runs.last().map_or(0, |(_, end)| *end)
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        while self.runs.len() > 1 && self.runs.iter().rev().nth(1).is_some_and(|(_, end)| *end >= rows) {
            self.runs.pop();
        }
        if rows == 0 {
            self.runs.clear();
        }
        if let Some((_, end)) = self.runs.last_mut() {
            *end = rows.min(*end);
        }
    }
}

pub(super) fn put(column: &mut Varying, row: usize, text: &str) -> Result<()> {
    column.put(row, text.as_bytes()).map_err(|_| full())
}

/// A buffer to start again with, as large as the last one was.
pub(super) fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len());
    std::mem::replace(values, next)
}

pub(super) fn timestamps(values: ScalarBuffer<Micros>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let array = TimestampMicrosecondArray::try_new(values, nulls).map_err(broken)?;
    Ok(Arc::new(array.with_timezone("UTC")))
}

pub(super) fn doubles(column: &mut Fixed<f64>, rows: usize) -> Result<ArrayRef> {
    let (values, nulls) = column.take(rows);
    Ok(Arc::new(Float64Array::try_new(values.into(), nulls).map_err(broken)?))
}

pub(super) fn longs(column: &mut Fixed<i64>, rows: usize) -> Result<ArrayRef> {
    let (values, nulls) = column.take(rows);
    Ok(Arc::new(Int64Array::try_new(values.into(), nulls).map_err(broken)?))
}

pub(super) fn varying(column: &mut Varying, rows: usize) -> Result<ArrayRef> {
    let (offsets, data, nulls) = column.take(rows);
    Ok(Arc::new(StringArray::try_new(offsets, data, nulls).map_err(broken)?))
}

pub(super) fn text(offsets: Vec<i32>, data: Vec<u8>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(data), nulls).map_err(broken)?))
}

/// Text that is the same up to each of the given rows.
pub(super) fn repeated<'a>(runs: impl Iterator<Item = (Option<&'a str>, usize)>, rows: usize) -> Result<ArrayRef> {
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let mut data: Vec<u8> = Vec::new();
    let mut nulls = Vec::new();
    let mut start = 0;
    for (value, end) in runs {
        let value_bytes = value.unwrap_or_default().as_bytes();
        let count = end.saturating_sub(start);
        i32::try_from(data.len() + value_bytes.len() * count).map_err(|_| full())?;
        for _ in 0..count {
            data.extend_from_slice(value_bytes);
            offsets.push(data.len() as i32);
        }
        if value.is_none() {
            nulls.push(start..end);
        }
        start = end;
    }
    let valid = (!nulls.is_empty()).then(|| {
        let mut valid = vec![true; rows];
        nulls.into_iter().flatten().filter_map(|row| valid.get_mut(row).map(|v| *v = false)).for_each(drop);
        NullBuffer::from(valid)
    });
    text(offsets, data, valid)
}

#[cold]
pub(super) fn full() -> Error {
    Error::new(ErrorKind::Data, "a column of one batch would hold more than 2 GiB")
        .help("ask for smaller pages (maxCount)")
}

#[cold]
pub(super) fn broken(cause: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "columns of values do not form a batch").caused_by(cause)
}
