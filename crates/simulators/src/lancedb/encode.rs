//! Rows to Arrow IPC.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::cast,
    datatypes::{DataType, Schema},
    error::ArrowError,
};
use arrow_ipc::{
    CompressionType, MetadataVersion,
    writer::{FileWriter, IpcWriteOptions, StreamWriter},
};
use bytes::Bytes;

use super::{
    config::{Compression, Framing, Wire},
    refusal::Refusal,
};
use crate::server::Reply;

/// The reply that holds rows.
///
/// # Errors
/// When the rows cannot be written.
pub(crate) fn reply(rows: &RecordBatch, wire: &Wire) -> Result<Reply, Refusal> {
    let rows = if wire.other_schema { other(rows) } else { Ok(rows.clone()) };
    let body = rows.and_then(|rows| encode(&rows, wire)).map_err(|error| Refusal::failed(error.to_string()))?;
    Ok(of(body, wire))
}

/// The reply with rows that are encoded.
pub(crate) fn of(body: impl Into<Bytes>, wire: &Wire) -> Reply {
    let content_type = match wire.framing {
        Framing::File => "application/vnd.apache.arrow.file",
        Framing::Stream => "application/vnd.apache.arrow.stream",
    };
    Reply::new(200, content_type, body)
}

/// The same rows with a first column of another type.
fn other(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    let mut columns = rows.columns().to_vec();
    if let (Some(field), Some(column)) = (fields.first_mut(), columns.first_mut()) {
        let wanted = if field.data_type() == &DataType::Float64 { DataType::Utf8 } else { DataType::Float64 };
        let changed: ArrayRef =
            cast(column, &wanted).unwrap_or_else(|_| arrow::array::new_null_array(&wanted, rows.num_rows()));
        *field = Arc::new(field.as_ref().clone().with_data_type(wanted).with_nullable(true));
        *column = changed;
    }
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, rows.schema().metadata().clone())), columns)
}

fn encode(rows: &RecordBatch, wire: &Wire) -> Result<Vec<u8>, ArrowError> {
    let compression = match wire.compression {
        Compression::None => None,
        Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
        Compression::Zstd => Some(CompressionType::ZSTD),
    };
    let options = IpcWriteOptions::try_new(64, false, MetadataVersion::V5)?.try_with_compression(compression)?;
    let size = wire.batch_rows.unwrap_or(usize::MAX).max(1);
    let batches =
        (0..rows.num_rows().max(1)).step_by(size).map(|from| rows.slice(from, size.min(rows.num_rows() - from)));
    let mut body = Vec::with_capacity(rows.get_array_memory_size() / 2 + 1024);
    match wire.framing {
        Framing::File => {
            let mut writer = FileWriter::try_new_with_options(&mut body, &rows.schema(), options)?;
            batches.into_iter().try_for_each(|batch| writer.write(&batch))?;
            writer.finish()?;
        }
        Framing::Stream => {
            let mut writer = StreamWriter::try_new_with_options(&mut body, &rows.schema(), options)?;
            batches.into_iter().try_for_each(|batch| writer.write(&batch))?;
            writer.finish()?;
        }
    }
    Ok(body)
}
