//! How the files of a table are written.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Schema, SchemaRef},
};
use deltalake::{
    ObjectStore,
    parquet::{
        basic::{self, ZstdLevel},
        file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
        schema::types::ColumnPath,
    },
};
use lakeflow_connect::arrow;

use crate::job::Compression;

/// Values longer than this on average are unique text such as raw JSON: a dictionary only costs time.
const LONG_VALUE: usize = 128;

/// How a table's files are written.
#[derive(Clone, Debug)]
pub(crate) struct FileLayout {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The table's schema, partition columns included.
    pub(crate) schema: SchemaRef,
    pub(crate) partition_by: Vec<String>,
    /// Key columns, by top-level name or leaf path.
    pub(crate) keys: Vec<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) compression: Compression,
    /// Target size of a file.
    pub(crate) file_bytes: u64,
    /// How many leading columns have statistics besides keys and cursor.
    pub(crate) indexed_columns: usize,
    /// Further columns with statistics, spelled as keys are.
    pub(crate) statistics: Vec<String>,
    /// Part of the files' names, for whoever writes them to know them again.
    pub(crate) mark: Option<String>,
}

impl FileLayout {
    /// The schema inside the files: partition columns are only in the log.
    pub(super) fn file_schema(&self) -> SchemaRef {
        let inside = self.schema.fields().iter().filter(|f| !self.partition_by.contains(f.name()));
        Arc::new(Schema::new(inside.cloned().collect::<Vec<_>>()))
    }

    /// The end of file names; the compression is spelled as other writers do.
    pub(super) fn suffix(&self) -> String {
        let compression = match self.compression {
            Compression::Snappy => "snappy.parquet",
            Compression::Zstd => "zstd.parquet",
            Compression::Lz4Raw => "lz4raw.parquet",
        };
        self.mark.iter().map(|mark| format!("{mark}.")).chain([compression.to_owned()]).collect()
    }

    /// Parquet properties for data like this batch.
    ///
    /// Statistics go into the table's log, where they stay when a row is deleted: only keys, the cursor, and scalars that
    /// are not text have them.
    pub(super) fn properties(&self, sample: &RecordBatch) -> WriterProperties {
        let compression = match self.compression {
            Compression::Snappy => basic::Compression::SNAPPY,
            Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::default()),
            Compression::Lz4Raw => basic::Compression::LZ4_RAW,
        };
        let mut builder = WriterProperties::builder()
            .set_created_by(concat!("lakeflow-sync ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(compression)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_statistics_truncate_length(Some(64));
        if let [key] = self.keys.as_slice() {
            // A single key column is unique: a dictionary only costs time.
            builder = builder.set_column_dictionary_enabled(path(key), false);
        }
        for column in self.keys.iter().chain(&self.cursor).chain(&self.statistics) {
            builder = builder.set_column_statistics_enabled(path(column), EnabledStatistics::Chunk);
        }
        let indexed: Vec<&str> =
            self.schema.fields().iter().take(self.indexed_columns).map(|f| f.name().as_str()).collect();
        for (field, column) in sample.schema_ref().fields().iter().zip(sample.columns()) {
            if is_plain_scalar(field.data_type()) && indexed.contains(&field.name().as_str()) {
                builder = builder.set_column_statistics_enabled(name(field.name()), EnabledStatistics::Chunk);
            }
            builder = plain_when_long(builder, field.name(), column);
        }
        builder.build()
    }
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
