//! One version of a table: its schema and the fragments that it is made of.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use super::fragment::Part;

/// Whether rows keep their ids when they move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowIds {
    /// A row keeps its id, and tells the versions of its creation and last change.
    Stable,
    /// A row's id is its address, and both versions are always 1: the default of the format.
    Plain,
}

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The column.
    pub column: String,
    /// What it is good for.
    pub kind: IndexKind,
}

/// Kinds of indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// Words of texts: without it there is no full-text search.
    Text,
    /// Scalar values.
    BTree,
    /// Vectors; searches stay exact.
    Vector,
}

impl IndexKind {
    /// The word for it in lists.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text => "FTS",
            Self::BTree => "BTREE",
            Self::Vector => "IVF_FLAT",
        }
    }
}

/// A version: it never changes.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) millis: i64,
    pub(crate) e_tag: String,
    pub(crate) schema: SchemaRef,
    pub(crate) parts: Vec<Part>,
    pub(crate) indices: Arc<[Index]>,
}

impl Version {
    /// Rows that are alive.
    pub(crate) fn rows(&self) -> usize {
        self.parts.iter().map(Part::rows).sum()
    }

    /// Rows that fragments hold and that were deleted.
    pub(crate) fn deleted(&self) -> usize {
        self.parts.iter().map(|part| part.len() - part.rows()).sum()
    }

    /// Bytes of the file that lists the fragments.
    pub(crate) fn manifest_size(&self) -> usize {
        let names: usize = self.schema.fields().iter().map(|field| 48 + field.name().len()).sum();
        220 + names + 130 * self.parts.len() + 40 * self.indices.len()
    }

    /// Bytes of all rows.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| RecordBatch::get_array_memory_size(part.batch())).sum()
    }
}
