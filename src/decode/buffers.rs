//! Growing buffers of one column: values are written at a row, and rows that were passed over are null.

use std::ops::Range;

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::fault::{Fault, Step};

/// Which rows hold a value. Bits are only kept once there is a null.
#[derive(Debug, Default)]
pub(crate) struct Validity {
    bits: Vec<u8>,
    len: usize,
    has_nulls: bool,
}

impl Validity {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn push_valid(&mut self) {
        if self.has_nulls {
            let bit = 1 << (self.len % 8);
            match self.bits.last_mut() {
                Some(last) if !self.len.is_multiple_of(8) => *last |= bit,
                _ => self.bits.push(bit),
            }
        }
        self.len += 1;
    }

    /// Adds nulls up to a length, or cuts to it.
    pub(crate) fn set_len(&mut self, len: usize) {
        if len > self.len && !self.has_nulls {
            self.has_nulls = true;
            self.bits.clear();
            self.bits.resize(self.len.div_ceil(8), u8::MAX);
            self.clear_tail();
        }
        if self.has_nulls {
            self.bits.resize(len.div_ceil(8), 0);
        }
        let shorter = len < self.len;
        self.len = len;
        if shorter && self.has_nulls {
            self.clear_tail();
        }
    }

    /// Zeroes the bits past the length, which later pushes rely on.
    fn clear_tail(&mut self) {
        if let Some(last) = self.bits.last_mut()
            && !self.len.is_multiple_of(8)
        {
            *last &= (1 << (self.len % 8)) - 1;
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bits.len()
    }

    /// The nulls of `rows` rows; starts again.
    pub(crate) fn take(&mut self, rows: usize) -> Option<NullBuffer> {
        if self.len != rows {
            self.set_len(rows);
        }
        let taken = std::mem::take(self);
        taken.has_nulls.then(|| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(taken.bits), 0, taken.len)))
    }
}

/// A buffer to start again with, a little larger than the last one was: batches differ, and growing copies all of it.
fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len() + values.len() / 8);
    std::mem::replace(values, next)
}

/// Values of one size.
#[derive(Debug, Default)]
pub(crate) struct Fixed<T> {
    values: Vec<T>,
    valid: Validity,
}

impl<T: Copy + Default> Fixed<T> {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// Sets the value of row `at`; what was written there or after it is gone.
    #[inline]
    pub(crate) fn put(&mut self, at: usize, value: T) {
        if self.values.len() != at {
            self.set_len(at);
        }
        self.values.push(value);
        self.valid.push_valid();
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        self.values.resize(len, T::default());
        self.valid.set_len(len);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values.len() * size_of::<T>() + self.valid.bytes()
    }

    pub(crate) fn take(&mut self, rows: usize) -> (Vec<T>, Option<NullBuffer>) {
        self.values.resize(rows, T::default());
        (take(&mut self.values), self.valid.take(rows))
    }
}

/// Values of any size: text or bytes.
#[derive(Debug, Default)]
pub(crate) struct Varying {
    data: Vec<u8>,
    offsets: Offsets,
}

/// Where each row's part ends, with the rows' validity.
#[derive(Debug)]
pub(crate) struct Offsets {
    ends: Vec<i32>,
    valid: Validity,
}

impl Default for Offsets {
    fn default() -> Self {
        Self { ends: vec![0], valid: Validity::default() }
    }
}

impl Offsets {
    pub(crate) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Where the next row's part starts.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }

    /// Makes `at` the next row: adds nulls, or cuts. Returns whether rows were cut.
    #[inline]
    pub(crate) fn go_to(&mut self, at: usize) -> bool {
        let len = self.len();
        if len == at {
            return false;
        }
        self.set_len(at);
        at < len
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.resize(len + 1, end);
        self.valid.set_len(len);
    }

    /// Ends the next row's part.
    #[inline]
    pub(crate) fn push(&mut self, end: usize) -> Step {
        self.ends.push(i32::try_from(end).map_err(|_| Fault::Full)?);
        self.valid.push_valid();
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.ends.len() * size_of::<i32>() + self.valid.bytes()
    }

    pub(crate) fn take(&mut self, rows: usize) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        if self.len() != rows {
            self.set_len(rows);
        }
        let mut next = Vec::with_capacity(self.ends.len());
        next.push(0);
        let ends = std::mem::replace(&mut self.ends, next);
        (OffsetBuffer::new(ScalarBuffer::from(ends)), self.valid.take(rows))
    }
}

impl Varying {
    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// The bytes of a row that was written.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        match self.offsets.ends.get(row..row + 2) {
            Some([start, end]) => self.data.get(*start as usize..*end as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Sets the value of row `at`; what was written there or after it is gone.
    #[inline]
    pub(crate) fn put(&mut self, at: usize, value: &[u8]) -> Step {
        self.go_to(at);
        self.data.extend_from_slice(value);
        self.offsets.push(self.data.len())
    }

    /// As [`Varying::put`] of a part of a text.
    #[inline]
    pub(super) fn put_part(&mut self, at: usize, text: &[u8], part: Range<usize>) -> Step {
        // Copying as much as fits into two registers, and cutting it, is faster than copying just the few bytes.
        const FEW: usize = 32;
        self.go_to(at);
        match text.get(part.start..).and_then(|rest| rest.first_chunk::<FEW>()) {
            Some(chunk) if part.len() <= FEW => {
                let end = self.data.len() + part.len();
                self.data.extend_from_slice(chunk);
                self.data.truncate(end);
            }
            _ => self.data.extend_from_slice(text.get(part).unwrap_or_default()),
        }
        self.offsets.push(self.data.len())
    }

    /// Sets the value of row `at` to what `write` appends.
    pub(crate) fn put_with(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>) -> Step) -> Step {
        self.go_to(at);
        write(&mut self.data)?;
        self.offsets.push(self.data.len())
    }

    #[inline]
    fn go_to(&mut self, at: usize) {
        if self.offsets.go_to(at) || self.data.len() != self.offsets.end() {
            self.data.truncate(self.offsets.end());
        }
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        self.offsets.set_len(len);
        self.data.truncate(self.offsets.end());
    }

    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.offsets.bytes()
    }

    pub(crate) fn take(&mut self, rows: usize) -> (OffsetBuffer<i32>, Buffer, Option<NullBuffer>) {
        let (offsets, nulls) = self.offsets.take(rows);
        (offsets, Buffer::from_vec(take(&mut self.data)), nulls)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_column_is_full_at_two_gibibytes() {
        let mut offsets = Offsets::default();
        offsets.push(i32::MAX as usize).unwrap();
        assert!(matches!(offsets.push(i32::MAX as usize + 1), Err(Fault::Full)));
        assert_eq!(offsets.len(), 1);
    }

    proptest! {
        #[test]
        fn rows_hold_what_was_written_last_and_null_elsewhere(writes in prop::collection::vec((0usize..40, any::<bool>()), 0..60)) {
            let mut fixed = Fixed::<i64>::default();
            let mut varying = Varying::default();
            let mut model: Vec<Option<i64>> = Vec::new();
            for (i, (at, cut)) in writes.into_iter().enumerate() {
                if cut {
                    if at < model.len() {
                        model.truncate(at);
                        fixed.set_len(at);
                        varying.set_len(at);
                    }
                } else {
                    model.resize(at, None);
                    model.push(Some(i as i64));
                    fixed.put(at, i as i64);
                    let text = format!("{i} and what follows it, up to any length: {}", "x".repeat(i % 40));
                    varying.put_part(at, text.as_bytes(), 0..i.to_string().len()).unwrap();
                }
            }
            let rows = model.len() + 3;
            let (values, nulls) = fixed.take(rows);
            let (offsets, data, text_nulls) = varying.take(rows);
            for row in 0..rows {
                let want = model.get(row).copied().flatten();
                let valid = |n: &Option<NullBuffer>| n.as_ref().is_none_or(|n| n.is_valid(row));
                prop_assert_eq!(valid(&nulls).then(|| values[row]), want);
                let text = &data[offsets[row] as usize..offsets[row + 1] as usize];
                prop_assert_eq!(valid(&text_nulls).then(|| std::str::from_utf8(text).unwrap().parse().unwrap()), want);
            }
        }
    }
}
