//! Which rows of a growing column hold values.

use std::{iter, ops::Range};

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

/// The rows that hold values: only those that were passed over are noted.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Rows without values before the last value's, in their order.
    gaps: Vec<Range<usize>>,
    /// The last value's row plus one.
    len: usize,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a row that holds a value.
    #[inline]
    pub(super) fn push(&mut self) {
        self.len += 1;
    }

    /// Forgets the rows from `at` on. Returns how many are left.
    pub(super) fn cut(&mut self, at: usize) -> usize {
        if at < self.len {
            self.len = at;
            while let Some(gap) = self.gaps.pop_if(|gap| gap.end >= self.len) {
                self.len = self.len.min(gap.start);
            }
        }
        self.len
    }

    /// Passes over the rows before `at`; none may be from there on.
    #[inline]
    pub(super) fn pass_to(&mut self, at: usize) {
        self.gaps.push(self.len..at);
        self.len = at;
    }

    /// Whether a row holds a value.
    pub(super) fn holds(&self, row: usize) -> bool {
        let passed = self.gaps.partition_point(|gap| gap.end <= row);
        row < self.len && self.gaps.get(passed).is_none_or(|gap| row < gap.start)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.gaps.as_slice())
    }

    /// The nulls among `rows` rows, which are no fewer than there are; starts again.
    pub(super) fn take(&mut self, rows: usize) -> Option<NullBuffer> {
        let len = std::mem::take(&mut self.len);
        if len == 0 && rows > 0 {
            return Some(NullBuffer::new_null(rows));
        }
        if len == rows && self.gaps.is_empty() {
            return None;
        }
        let mut words = vec![u64::MAX; rows.div_ceil(64)];
        self.gaps.drain(..).chain(iter::once(len..rows)).for_each(|gap| clear_bits(&mut words, gap));
        Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(words), 0, rows)))
    }
}

#[inline]
fn clear_bits(words: &mut [u64], bits: Range<usize>) {
    if bits.is_empty() {
        return;
    }
    let (first, last) = (bits.start / 64, (bits.end - 1) / 64);
    let (from, to) = (u64::MAX << (bits.start % 64), u64::MAX >> (63 - (bits.end - 1) % 64));
    match words.get_mut(first..=last) {
        Some([word]) => *word &= !(from & to),
        Some([head, middle @ .., tail]) => {
            *head &= !from;
            middle.fill(0);
            *tail &= !to;
        }
        _ => {}
    }
}
