//! Reading data files back: a few columns of all rows, or all columns of a few files.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array},
    compute::{cast_with_options, take},
    datatypes::SchemaRef,
};
use deltalake::{
    ObjectStore,
    parquet::arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask, arrow_reader::RowSelection,
        async_reader::ParquetRecordBatchStream,
    },
};
use futures::TryStreamExt;
use lakeflow_connect::{Result, arrow};

use crate::{
    align::{Casts, EXACT, align},
    error::sink,
    keys::ColumnPath,
    object::ObjectReader,
    table::DataFile,
};

/// Rows of a key scan's batch.
const KEY_ROWS: usize = 16 * 1024;
/// Decoded bytes of a full scan's batch.
const FULL_BYTES: i64 = 4 << 20;

/// Reads files of one table.
#[derive(Clone)]
pub(crate) struct Scanner {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) schema: SchemaRef,
}

/// Rows of one file in the table's schema, or parts of it.
pub(crate) struct FileRows {
    rows: ParquetRecordBatchStream<ObjectReader>,
    constants: HashMap<String, ArrayRef>,
    /// Present when whole rows are wanted.
    schema: Option<SchemaRef>,
}

impl FileRows {
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.rows.try_next().await.map_err(|e| sink("reading a data file", e))? else {
            return Ok(None);
        };
        match &self.schema {
            Some(schema) => align(&batch, schema, Casts::Any, &self.constants).map(Some),
            None => with_constants(batch, &self.constants).map(Some),
        }
    }
}

impl Scanner {
    /// Some columns of a file, in row order.
    pub(crate) async fn columns(&self, file: &DataFile, columns: &[&ColumnPath]) -> Result<FileRows> {
        let builder = self.open(file).await?;
        let leaves: Vec<String> = columns.iter().map(|c| c.leaf()).collect();
        let mask = ProjectionMask::columns(builder.parquet_schema(), leaves.iter().map(String::as_str));
        let wanted: Vec<&str> = columns.iter().map(|c| c.root()).collect();
        let constants = self.constants(file, KEY_ROWS, |name| wanted.contains(&name))?;
        let rows = builder.with_projection(mask).with_batch_size(KEY_ROWS).build();
        Ok(FileRows { rows: rows.map_err(|e| sink("reading a data file", e))?, constants, schema: None })
    }

    /// Whole rows of a file, in row order; only the selected ones when a selection is given.
    pub(crate) async fn rows(&self, file: &DataFile, selection: Option<RowSelection>) -> Result<FileRows> {
        let builder = self.open(file).await?;
        let metadata = builder.metadata();
        let bytes: i64 = metadata.row_groups().iter().map(|g| g.total_byte_size()).sum();
        let width = (bytes / metadata.file_metadata().num_rows().max(1)).max(1);
        let batch_rows = usize::try_from(FULL_BYTES / width).unwrap_or(1).clamp(64, 8192);
        let constants = self.constants(file, batch_rows, |_| true)?;
        let mut builder = builder.with_batch_size(batch_rows);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let rows = builder.build().map_err(|e| sink("reading a data file", e))?;
        Ok(FileRows { rows, constants, schema: Some(Arc::clone(&self.schema)) })
    }

    async fn open(&self, file: &DataFile) -> Result<ParquetRecordBatchStreamBuilder<ObjectReader>> {
        let reader = ObjectReader::new(Arc::clone(&self.store), file.path.clone(), file.size);
        ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|e| sink("reading a data file", e))
    }

    /// The partition values of a file as columns of `rows` rows: they are not in the file.
    fn constants(
        &self,
        file: &DataFile,
        rows: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<HashMap<String, ArrayRef>> {
        let mut constants = HashMap::new();
        for (name, value) in &file.partition {
            let Some(field) = self.schema.field_with_name(name).ok().filter(|_| wanted(name)) else { continue };
            let column = match value {
                None => new_null_array(field.data_type(), rows),
                Some(text) => {
                    let failed = |e| sink("reading a partition value", e);
                    let one = cast_with_options(&StringArray::from(vec![text.as_str()]), field.data_type(), &EXACT)
                        .map_err(failed)?;
                    take(&one, &UInt32Array::from(vec![0; rows]), None).map_err(failed)?
                }
            };
            constants.insert(name.clone(), column);
        }
        Ok(constants)
    }
}

fn with_constants(batch: RecordBatch, constants: &HashMap<String, ArrayRef>) -> Result<RecordBatch> {
    if constants.is_empty() {
        return Ok(batch);
    }
    let rows = batch.num_rows();
    let columns = batch.schema_ref().fields().iter().map(|f| f.name().clone()).zip(batch.columns().iter().cloned());
    let columns = columns.chain(constants.iter().map(|(name, column)| (name.clone(), column.slice(0, rows))));
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true)))
        .map_err(|e| sink("reading a data file", e))
}
