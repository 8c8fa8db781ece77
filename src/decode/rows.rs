//! Which rows of a growing column hold values.

use std::ops::Range;

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

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

    /// Calls `run` for each run: its values, and the row of the first.
    #[inline]
    pub(super) fn each_run(&self, values: usize, mut run: impl FnMut(Range<usize>, usize)) {
        let mut start = Jump::default();
        for jump in self.jumps.iter().copied().chain([Jump { value: values, row: 0 }]) {
            if start.value < jump.value {
                run(start.value..jump.value, start.row);
            }
            start = jump;
        }
    }

    /// The nulls among `rows` rows; starts again.
    pub(super) fn take(&mut self, rows: usize, values: usize) -> Option<NullBuffer> {
        let nulls = (values < rows).then(|| {
            let mut words = vec![0; rows.div_ceil(64)];
            self.each_run(values, |values, row| set_bits(&mut words, row..row + values.len()));
            NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(words), 0, rows))
        });
        self.jumps.clear();
        self.len = 0;
        nulls
    }
}

/// Sets a range of bits that is not empty.
#[inline]
fn set_bits(words: &mut [u64], bits: Range<usize>) {
    let (first, last) = (bits.start / 64, (bits.end - 1) / 64);
    let (from, to) = (u64::MAX << (bits.start % 64), u64::MAX >> (63 - (bits.end - 1) % 64));
    match words.get_mut(first..=last) {
        Some([word]) => *word |= from & to,
        Some([head, middle @ .., tail]) => {
            *head |= from;
            middle.fill(u64::MAX);
            *tail |= to;
        }
        _ => {}
    }
}
