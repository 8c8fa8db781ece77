//! How many rows a page has: by the bytes of the rows that came.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::datatypes::{DataType, Schema};

/// The most rows of a page.
const MOST_ROWS: u64 = 10_000;
/// Rows that are looked at before the first page, where rows differ in size.
const SAMPLE: u64 = 64;
/// The most rows of a page before one came, where rows differ in size.
const FIRST: u64 = 1_024;
/// Bytes of a text before one was seen.
const TEXT: u64 = 64;

/// Rows of a page, out of what rows have turned out to need.
#[derive(Debug)]
pub(super) struct Sizer {
    fixed: Option<u64>,
    /// Bytes of a page.
    target: u64,
    /// Whether the schema tells how large a row is.
    is_even: bool,
    /// Bytes of a row, in hundredths.
    row: AtomicU64,
    /// Whether rows were looked at, and whether a page came.
    is_sampled: AtomicBool,
    is_measured: AtomicBool,
    /// What a server could not answer is not asked for again.
    most: AtomicU64,
}

impl Sizer {
    /// For rows of a schema, of which one of `seen` bytes was seen.
    pub(super) fn new(schema: &Schema, seen: u64, fixed: Option<u32>, target: usize) -> Self {
        let widths: Vec<Option<u64>> = schema.fields().iter().map(|field| width(field.data_type())).collect();
        let guess = widths.iter().fold(0_u64, |sum, width| sum.saturating_add(width.unwrap_or(TEXT)));
        Self {
            fixed: fixed.map(u64::from),
            target: target as u64,
            is_even: widths.iter().all(Option::is_some),
            row: AtomicU64::new(guess.max(seen).saturating_mul(100)),
            is_sampled: AtomicBool::new(false),
            is_measured: AtomicBool::new(false),
            most: AtomicU64::new(MOST_ROWS),
        }
    }

    /// For some of the columns: at most as large, and not looked at yet.
    pub(super) fn anew(&self) -> Self {
        Self {
            fixed: self.fixed,
            target: self.target,
            is_even: self.is_even,
            row: AtomicU64::new(self.row.load(Ordering::Relaxed)),
            is_sampled: AtomicBool::new(false),
            is_measured: AtomicBool::new(false),
            most: AtomicU64::new(MOST_ROWS),
        }
    }

    /// Rows of the next page.
    pub(super) fn rows(&self) -> u64 {
        let most = if self.begins() { FIRST } else { MOST_ROWS };
        self.expected().min(most)
    }

    /// Rows of a page once rows are known.
    pub(super) fn expected(&self) -> u64 {
        let most = self.most.load(Ordering::Relaxed);
        let row = self.row.load(Ordering::Relaxed).max(100);
        self.fixed.unwrap_or_else(|| (self.target.saturating_mul(100) / row).clamp(1, MOST_ROWS)).min(most)
    }

    /// Whether the first page is still to tell how large rows are, so that it is asked for alone.
    pub(super) fn begins(&self) -> bool {
        self.fixed.is_none() && !self.is_even && !self.is_measured.load(Ordering::Relaxed)
    }

    /// Rows to look at before the first page; once.
    pub(super) fn sample(&self) -> Option<u64> {
        (self.begins() && !self.is_sampled.swap(true, Ordering::Relaxed)).then(|| self.expected().min(SAMPLE))
    }

    /// Rows that were looked at.
    pub(super) fn sampled(&self, bytes: usize, rows: usize) {
        if let Some(row) = per_row(bytes, rows) {
            self.row.store(row, Ordering::Relaxed);
        }
    }

    /// A page that came. Larger rows are believed at once, smaller ones by and by.
    pub(super) fn learn(&self, bytes: usize, rows: usize) {
        let Some(row) = per_row(bytes, rows) else { return };
        let known = self.row.load(Ordering::Relaxed);
        let is_first = !self.is_measured.swap(true, Ordering::Relaxed);
        let next = if is_first || row >= known { row } else { (known + row) / 2 };
        self.row.store(next, Ordering::Relaxed);
    }

    /// A page that was too large.
    pub(super) fn refuse(&self, rows: u64) {
        self.most.fetch_min((rows / 2).max(1), Ordering::Relaxed);
    }
}

fn per_row(bytes: usize, rows: usize) -> Option<u64> {
    (bytes as u64).saturating_mul(100).checked_div(rows as u64)
}

/// Bytes of a value; nothing when values differ.
fn width(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Null => Some(0),
        DataType::Boolean => Some(1),
        DataType::FixedSizeList(element, size) => {
            Some(width(element.data_type())?.saturating_mul(u64::try_from(*size).ok()?))
        }
        DataType::FixedSizeBinary(size) => u64::try_from(*size).ok(),
        DataType::Struct(fields) => {
            fields.iter().try_fold(0_u64, |sum, field| Some(sum.saturating_add(width(field.data_type())?)))
        }
        other => other.primitive_width().map(|width| width as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;

    use super::*;

    fn sizer(texts: bool, seen: u64) -> Sizer {
        let vector = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), 100);
        let second = if texts { DataType::Utf8 } else { DataType::Int64 };
        let schema = Schema::new(vec![Field::new("v", vector, true), Field::new("x", second, true)]);
        Sizer::new(&schema, seen, None, 1_000_000)
    }

    #[test]
    fn rows_of_one_size_need_no_look() {
        let sizer = sizer(false, 0);
        assert_eq!((sizer.rows(), sizer.begins(), sizer.sample()), (1_000_000 / 408, false, None));
    }

    #[test]
    fn texts_are_looked_at_and_pages_grow_with_what_came() {
        let sizer = sizer(true, 0);
        assert_eq!((sizer.sample(), sizer.sample()), (Some(64), None));
        sizer.sampled(64 * 20_000, 64);
        assert_eq!((sizer.rows(), sizer.begins()), (50, true));
        sizer.sampled(64 * 100, 64);
        assert_eq!((sizer.rows(), sizer.expected()), (FIRST, 10_000));
        sizer.learn(1_024 * 10_000, 1_024);
        assert_eq!((sizer.rows(), sizer.begins()), (100, false));
        sizer.learn(100 * 1_000, 100);
        assert_eq!(sizer.rows(), 181, "smaller rows are believed by halves");
        sizer.learn(181 * 500_000, 181);
        assert_eq!(sizer.rows(), 2);
        sizer.learn(0, 0);
        assert_eq!(sizer.rows(), 2);
    }

    #[test]
    fn one_large_row_makes_the_look_small() {
        assert_eq!(sizer(true, 100_000).sample(), Some(10));
        assert_eq!(sizer(true, u64::MAX).sample(), Some(1));
    }

    #[test]
    fn what_was_too_large_is_not_asked_for_again() {
        let schema = Schema::new(vec![Field::new("x", DataType::Utf8, true)]);
        let fixed = Sizer::new(&schema, 0, Some(5_000), 1_000_000);
        assert_eq!((fixed.rows(), fixed.sample()), (5_000, None));
        fixed.refuse(5_000);
        assert_eq!(fixed.rows(), 2_500);
        fixed.refuse(1);
        assert_eq!(fixed.rows(), 1);
    }
}
