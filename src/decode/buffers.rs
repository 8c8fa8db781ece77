//! Growing buffers of one column: values are written at a row, and rows that were passed over are null.

use std::ops::Range;

use arrow::{
    array::{ArrayBuilder, StringArray, StringBuilder},
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
};

use super::{
    fault::{Fault, Step},
    rows::Rows,
};

/// A buffer to start again with, a little larger than the last one was: batches differ, and growing copies all of it.
fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len() + values.len() / 8);
    std::mem::replace(values, next)
}

/// Values of one size.
#[derive(Debug, Default)]
pub(crate) struct Fixed<T> {
    /// One for each row; any where a row holds none.
    values: Vec<T>,
    rows: Rows,
}

impl<T: Copy + Default> Fixed<T> {
    /// The last value's row plus one.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The value of a row, where it has one.
    pub(crate) fn get(&self, row: usize) -> Option<T> {
        self.values.get(row).copied().filter(|_| self.rows.holds(row))
    }

    /// Sets the value of row `at`; what was written there or after it is gone.
    #[inline]
    pub(crate) fn put(&mut self, at: usize, value: T) {
        if at != self.rows.len() {
            self.go_far(at);
        }
        self.values.push(value);
        self.rows.push();
    }

    #[inline(never)]
    fn go_far(&mut self, at: usize) {
        self.cut(at);
        if self.rows.len() < at {
            self.rows.pass_to(at);
            self.values.resize(at, T::default());
        }
    }

    /// Forgets the rows from `len` on.
    pub(crate) fn cut(&mut self, len: usize) {
        self.values.truncate(self.rows.cut(len));
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.values.as_slice()) + self.rows.bytes()
    }

    /// The first `rows` rows; starts again.
    pub(crate) fn take(&mut self, rows: usize) -> (Vec<T>, Option<NullBuffer>) {
        self.cut(rows);
        self.values.resize(rows, T::default());
        (take(&mut self.values), self.rows.take(rows))
    }
}

/// Values of any size: text or bytes.
#[derive(Debug, Default)]
pub(crate) struct Varying {
    data: Vec<u8>,
    offsets: Offsets,
}

/// Where each row's part ends.
#[derive(Debug)]
pub(crate) struct Offsets {
    /// Where the parts begin and end: one more than there are rows. A row without a value has an empty part.
    ends: Vec<i32>,
    rows: Rows,
}

impl Default for Offsets {
    fn default() -> Self {
        Self { ends: vec![0], rows: Rows::default() }
    }
}

impl Offsets {
    /// The last part's row plus one.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Where the next row's part starts.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.last() as usize
    }

    #[inline]
    fn last(&self) -> i32 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Makes `at` the next row. Returns whether there were parts from that row on.
    #[inline]
    pub(crate) fn go_to(&mut self, at: usize) -> bool {
        at != self.rows.len() && self.go_far(at)
    }

    #[inline(never)]
    fn go_far(&mut self, at: usize) -> bool {
        let has_later = at < self.rows.len();
        self.cut(at);
        if self.rows.len() < at {
            self.rows.pass_to(at);
            self.ends.resize(at + 1, self.last());
        }
        has_later
    }

    /// Forgets the rows from `len` on.
    pub(crate) fn cut(&mut self, len: usize) {
        self.ends.truncate(self.rows.cut(len) + 1);
    }

    /// Ends the next row's part.
    #[inline]
    pub(crate) fn push(&mut self, end: usize) -> Step {
        self.ends.push(i32::try_from(end).map_err(|_| Fault::full())?);
        self.rows.push();
        Ok(())
    }

    /// Where the part of a row is.
    fn find(&self, row: usize) -> Option<Range<usize>> {
        match self.ends.get(row..row + 2)? {
            [start, end] => Some(*start as usize..*end as usize),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.ends.as_slice()) + self.rows.bytes()
    }

    /// The first `rows` rows; starts again.
    pub(crate) fn take(&mut self, rows: usize) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        self.cut(rows);
        self.ends.resize(rows + 1, self.last());
        let ends = take(&mut self.ends);
        self.ends.push(0);
        (OffsetBuffer::new(ScalarBuffer::from(ends)), self.rows.take(rows))
    }
}

impl Varying {
    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// The bytes of a row that was written.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        self.offsets.find(row).and_then(|part| self.data.get(part)).unwrap_or_default()
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

    /// Forgets the rows from `len` on.
    pub(crate) fn cut(&mut self, len: usize) {
        self.offsets.cut(len);
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

/// Text that was checked before it came here, and is not checked again: whole records.
#[derive(Debug, Default)]
pub(super) struct Verbatim(StringBuilder);

impl Verbatim {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sets the value of row `at`; what was written there or after it is gone.
    pub(super) fn put(&mut self, at: usize, text: &str) -> Step {
        if i32::try_from(self.0.values_slice().len() + text.len()).is_err() {
            return Err(Fault::full());
        }
        self.cut(at);
        self.0.append_nulls(at - self.0.len());
        self.0.append_value(text);
        Ok(())
    }

    /// Forgets the rows from `len` on. A builder cannot be cut: what stays is copied.
    pub(super) fn cut(&mut self, len: usize) {
        if self.0.len() > len {
            let all = self.0.finish();
            all.iter().take(len).for_each(|text| self.0.append_option(text));
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.values_slice().len() + size_of_val(self.0.offsets_slice())
    }

    pub(super) fn take(&mut self, rows: usize) -> StringArray {
        self.cut(rows);
        self.0.append_nulls(rows - self.0.len());
        let bytes = self.0.values_slice().len();
        let next = StringBuilder::with_capacity(rows + rows / 8, bytes + bytes / 8);
        std::mem::replace(&mut self.0, next).finish()
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
        assert!(offsets.push(i32::MAX as usize + 1).is_err_and(|fault| matches!(*fault, Fault::Full)));
        assert_eq!(offsets.len(), 1);
    }

    proptest! {
        #[test]
        fn verbatim_text_is_what_was_written_last(writes in prop::collection::vec((0usize..20, any::<bool>()), 0..40)) {
            let mut texts = Verbatim::default();
            let mut model: Vec<Option<String>> = Vec::new();
            for (i, (at, cut)) in writes.into_iter().enumerate() {
                if cut {
                    model.truncate(at);
                    texts.cut(at);
                } else {
                    model.resize(at, None);
                    model.push(Some(format!("{i}é")));
                    texts.put(at, &format!("{i}é")).unwrap();
                }
                prop_assert_eq!(texts.len(), model.len());
            }
            let rows = model.len() + 2;
            model.resize(rows, None);
            prop_assert_eq!(texts.take(rows), StringArray::from(model));
            prop_assert_eq!(texts.len(), 0);
        }

        #[test]
        fn rows_hold_what_was_written_last_and_null_elsewhere(writes in prop::collection::vec((0usize..40, any::<bool>()), 0..60)) {
            let mut fixed = Fixed::<i64>::default();
            let mut varying = Varying::default();
            let mut model: Vec<Option<i64>> = Vec::new();
            for (i, (at, cut)) in writes.into_iter().enumerate() {
                if cut {
                    if at < model.len() {
                        model.truncate(at);
                        fixed.cut(at);
                        varying.cut(at);
                    }
                } else {
                    model.resize(at, None);
                    model.push(Some(i as i64));
                    fixed.put(at, i as i64);
                    let text = format!("{i} and what follows it, up to any length: {}", "x".repeat(i % 40));
                    varying.put_part(at, text.as_bytes(), 0..i.to_string().len()).unwrap();
                }
            }
            for (row, want) in model.iter().enumerate() {
                prop_assert_eq!(fixed.get(row), *want);
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
