//! What a memory table is called and holds.

use crate::{
    connector::{IngestionType, TableMetadata},
    types::{DataType, StructField, StructType},
};

/// The cursor column of every memory table that has one: the number of the commit that brought the row.
pub(crate) const CURSOR: &str = "commit";

/// A table of a [`MemorySource`](super::MemorySource).
#[derive(Clone, Debug)]
pub struct MemoryTable {
    pub(crate) name: String,
    pub(crate) schema: StructType,
    pub(crate) metadata: TableMetadata,
}

impl MemoryTable {
    /// A table of new and changed rows: `id` (long, key), `note` (string) and `commit`.
    pub fn cdc(name: impl Into<String>) -> Self {
        Self::of(name, IngestionType::Cdc)
    }

    /// As [`MemoryTable::cdc`], with deletions.
    pub fn cdc_with_deletes(name: impl Into<String>) -> Self {
        Self::of(name, IngestionType::CdcWithDeletes)
    }

    /// A table that only grows, with the same columns.
    pub fn append(name: impl Into<String>) -> Self {
        Self::of(name, IngestionType::Append)
    }

    /// A table that is read in full each time, with the same columns.
    pub fn snapshot(name: impl Into<String>) -> Self {
        Self::of(name, IngestionType::Snapshot)
    }

    /// Other columns; the first one is the key, and `commit` (long) is added at the end.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = StructField>) -> Self {
        self.schema = StructType::new(columns);
        self.metadata.primary_keys = self.schema.names().take(1).map(str::to_owned).collect();
        self.schema.fields.push(StructField::required(CURSOR, DataType::Long));
        self
    }

    fn of(name: impl Into<String>, ingestion_type: IngestionType) -> Self {
        let metadata =
            TableMetadata { primary_keys: Vec::new(), cursor_field: Some(CURSOR.to_owned()), ingestion_type };
        Self { name: name.into(), schema: StructType::default(), metadata }
            .columns([StructField::required("id", DataType::Long), StructField::new("note", DataType::String)])
    }
}
