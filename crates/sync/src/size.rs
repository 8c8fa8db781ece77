//! Bytes of rows.

use arrow::array::{Array, RecordBatch};
use lakeflow_connect::arrow;

/// Bytes of the rows of a batch. Columns may be slices of one buffer, as of a server's answer: each column's own count of its
/// memory is then that of all.
pub(crate) fn size_of(batch: &RecordBatch) -> usize {
    let bytes = |column: &dyn Array| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(|column| bytes(column.as_ref())).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int64Array},
        buffer::{Buffer, ScalarBuffer},
    };

    use super::*;

    #[test]
    fn columns_of_one_buffer_are_counted_once_each() {
        let buffer = Buffer::from_vec((0..4_000_i64).collect());
        let column = |from| Arc::new(Int64Array::new(ScalarBuffer::new(buffer.clone(), from, 1_000), None)) as ArrayRef;
        let columns = ["a", "b", "c", "d"].into_iter().enumerate();
        let batch = RecordBatch::try_from_iter(columns.map(|(at, name)| (name, column(at * 1_000)))).unwrap();
        assert_eq!(size_of(&batch), 32_000);
        assert_eq!(size_of(&batch.slice(10, 5)), 160);
        assert!(batch.get_array_memory_size() > 120_000);
    }
}
