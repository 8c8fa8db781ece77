//! Rows into Parquet files that no commit names yet, on a thread of their own.
//!
//! A segment is one writer: it either finishes, and its files can be committed, or it is abandoned and whatever it
//! wrote is rubbish that no reader sees.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::DataType,
};
use deltalake::{
    ObjectStore,
    datafile::writer::{DeltaWriter, WriterConfig},
    kernel::Add,
    parquet::{
        basic::{self, ZstdLevel},
        file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
        schema::types::ColumnPath,
    },
};
use lakeflow_connect::{Error, ErrorKind, Result, arrow};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use crate::{error::sink, job::Compression};

/// Values longer than this on average are unique text such as raw JSON: a dictionary only costs time.
const LONG_VALUE: usize = 128;
const ROW_GROUP_BYTES: usize = 8 << 20;
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Lists of batches waiting for the encoder, besides the one that it works on.
const QUEUE: usize = 2;

/// How a table's files are written.
#[derive(Clone, Debug)]
pub(crate) struct FileLayout {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) config: WriterConfig,
    /// Key columns, by top-level name or leaf path.
    pub(crate) keys: Vec<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) compression: Compression,
}

enum Command {
    Write(Vec<RecordBatch>),
    Finish,
}

/// Files being written.
#[derive(Debug)]
pub(crate) struct Segment {
    commands: mpsc::Sender<Command>,
    /// Absent once its result was taken.
    encoder: Option<JoinHandle<Result<Vec<Add>>>>,
}

impl Segment {
    /// Starts the encoder. Must be called inside a Tokio runtime.
    pub(crate) fn start(layout: &FileLayout) -> Self {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (layout, handle) = (layout.clone(), Handle::current());
        let encoder = tokio::task::spawn_blocking(move || handle.block_on(encode(layout, queue)));
        Self { commands, encoder: Some(encoder) }
    }

    /// Hands rows to the encoder, waiting while it is busy. The batches must have the table's schema.
    pub(crate) async fn write(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        if batches.is_empty() || self.commands.send(Command::Write(batches)).await.is_ok() {
            return Ok(());
        }
        // The encoder only stops listening after an error.
        Err(self.result().await.err().unwrap_or_else(encoder_died))
    }

    /// Finishes the files.
    pub(crate) async fn finish(mut self) -> Result<Vec<Add>> {
        // When the send fails, the encoder has an error to tell.
        let _ = self.commands.send(Command::Finish).await;
        self.result().await
    }

    async fn result(&mut self) -> Result<Vec<Add>> {
        match self.encoder.take() {
            Some(encoder) => encoder.await.unwrap_or_else(|_| Err(encoder_died())),
            None => Err(encoder_died()),
        }
    }
}

fn encoder_died() -> Error {
    Error::new(ErrorKind::Internal, "the thread that writes data files ended early")
}

async fn encode(layout: FileLayout, mut queue: mpsc::Receiver<Command>) -> Result<Vec<Add>> {
    let mut writer: Option<DeltaWriter> = None;
    let mut finished = false;
    while let Some(command) = queue.recv().await {
        let Command::Write(batches) = command else {
            finished = true;
            break;
        };
        for batch in &batches {
            let open = writer.get_or_insert_with(|| {
                DeltaWriter::new(Arc::clone(&layout.store), layout.config.clone())
                    .with_writer_properties(properties(batch, &layout))
            });
            if let Err(error) = open.write(batch).await {
                if let Some(writer) = writer.take() {
                    let _ = writer.abort().await;
                }
                return Err(sink("writing data files", error));
            }
        }
    }
    match writer {
        None => Ok(Vec::new()),
        Some(writer) if finished => writer.close().await.map_err(|e| sink("writing data files", e)),
        Some(writer) => {
            let _ = writer.abort().await;
            Ok(Vec::new())
        }
    }
}

/// Writer properties for data like this batch.
///
/// Statistics go into the table's log, where they stay when a row is deleted: only keys, the cursor, and scalars that are
/// not text have them.
pub(crate) fn properties(sample: &RecordBatch, layout: &FileLayout) -> WriterProperties {
    let compression = match layout.compression {
        Compression::Snappy => basic::Compression::SNAPPY,
        Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
        Compression::Lz4Raw => basic::Compression::LZ4_RAW,
    };
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("lakeflow-sync ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_statistics_truncate_length(Some(64));
    for column in &layout.keys {
        // Keys are unique: a dictionary only costs time.
        builder = builder.set_column_dictionary_enabled(path(column), false);
    }
    for column in layout.keys.iter().chain(&layout.cursor) {
        builder = builder.set_column_statistics_enabled(path(column), EnabledStatistics::Chunk);
    }
    for (field, column) in sample.schema_ref().fields().iter().zip(sample.columns()) {
        if is_plain_scalar(field.data_type()) {
            builder = builder.set_column_statistics_enabled(name(field.name()), EnabledStatistics::Chunk);
        }
        builder = plain_when_long(builder, field.name(), column);
    }
    builder.build()
}

fn is_plain_scalar(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean
}

fn plain_when_long(builder: WriterPropertiesBuilder, name: &str, column: &dyn Array) -> WriterPropertiesBuilder {
    let filled = column.len() - column.null_count();
    let bytes = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value_data().len(),
        DataType::Binary => column.as_binary::<i32>().value_data().len(),
        _ => return builder,
    };
    if filled == 0 || bytes / filled < LONG_VALUE {
        return builder;
    }
    builder.set_column_dictionary_enabled(self::name(name), false)
}

fn path(column: &str) -> ColumnPath {
    ColumnPath::new(column.split('.').map(str::to_owned).collect())
}

/// A top-level column, whose name may hold dots.
fn name(column: &str) -> ColumnPath {
    ColumnPath::new(vec![column.to_owned()])
}
