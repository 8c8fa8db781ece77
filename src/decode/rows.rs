//! Which rows of a growing column hold values.

use std::ops::Range;

use arrow::{array::BooleanBufferBuilder, buffer::NullBuffer};

/// The rows that hold values, as runs of neighbours: a column's values stand without gaps, and only where a row was passed
/// over something is noted.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Where the values go on after rows without.
    jumps: Vec<Jump>,
    /// The last value's row plus one.
    len: usize,
}

/// From this value on, rows are counted from here.
#[derive(Clone, Copy, Debug, Default)]
struct Jump {
    value: usize,
    row: usize,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes `at` the next row. Returns how many of the values are left when there were any from that row on.
    #[inline]
    pub(super) fn go_to(&mut self, at: usize, values: usize) -> Option<usize> {
        if at == self.len { None } else { self.go_far(at, values) }
    }

    #[inline(never)]
    fn go_far(&mut self, at: usize, values: usize) -> Option<usize> {
        let left = (at < self.len).then(|| self.cut(at, values));
        if self.len < at {
            self.jumps.push(Jump { value: left.unwrap_or(values), row: at });
            self.len = at;
        }
        left
    }

    /// Forgets the rows from `at` on; returns how many of the values are left.
    pub(super) fn cut(&mut self, at: usize, mut values: usize) -> usize {
        if at >= self.len {
            return values;
        }
        while let Some(jump) = self.jumps.pop_if(|jump| jump.row >= at) {
            values = jump.value;
        }
        let run = self.jumps.last().copied().unwrap_or_default();
        values = values.min(run.value + (at - run.row));
        self.len = run.row + (values - run.value);
        values
    }

    /// Adds a row that holds the next value.
    #[inline]
    pub(super) fn push(&mut self) {
        self.len += 1;
    }

    /// The place of a row's value.
    pub(super) fn find(&self, row: usize) -> Option<usize> {
        let after = self.jumps.partition_point(|jump| jump.row <= row);
        let run = after.checked_sub(1).and_then(|i| self.jumps.get(i)).copied().unwrap_or_default();
        let value = run.value + row.checked_sub(run.row)?;
        let is_held = row < self.len && self.jumps.get(after).is_none_or(|next| value < next.value);
        is_held.then_some(value)
    }

    pub(super) fn bytes(&self) -> usize {
        self.jumps.len() * size_of::<Jump>()
    }

    /// Each run: its values, and the row of the first.
    pub(super) fn runs(&self, values: usize) -> impl Iterator<Item = (Range<usize>, usize)> {
        let ends = self.jumps.iter().map(|jump| jump.value).chain([values]);
        let starts = std::iter::once(Jump::default()).chain(self.jumps.iter().copied());
        starts.zip(ends).map(|(start, end)| (start.value..end, start.row)).filter(|(values, _)| !values.is_empty())
    }

    /// The nulls among `rows` rows; starts again.
    pub(super) fn take(&mut self, rows: usize, values: usize) -> Option<NullBuffer> {
        let nulls = (values < rows).then(|| {
            let mut bits = BooleanBufferBuilder::new(rows);
            for (values, row) in self.runs(values) {
                bits.append_n(row - bits.len(), false);
                bits.append_n(values.len(), true);
            }
            bits.append_n(rows - bits.len(), false);
            NullBuffer::new(bits.finish())
        });
        self.jumps.clear();
        self.len = 0;
        nulls
    }
}
