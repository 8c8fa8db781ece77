//! Timed values as PI Web API writes them, to Arrow columns, in one pass over the answer's bytes.

mod buffers;
mod columns;
mod event;
mod literal;
mod reader;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

pub(super) use columns::schema;
pub(super) use event::PointKind;
pub(super) use reader::Values;

use crate::{decode::Scanner, error::Result};

/// An answer of `recorded` for one stream as a batch with all columns of values, for benchmarks.
///
/// # Errors
/// As each read of the answer.
pub fn decode_recorded(body: &[u8]) -> Result<RecordBatch> {
    let mut values = Values::new(0);
    let mut scanner = Scanner::from_utf8(body)?;
    let text = scanner.text();
    values.stream(&mut scanner, text, PointKind::Number, |_| true)?;
    values.end_tag(&Arc::from("I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA"));
    values.flush()
}
