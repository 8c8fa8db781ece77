//! Keys and cursors of rows as bytes: equal keys are equal bytes, and the codec tells the newer of two cursors.

use std::{borrow::Cow, cmp::Ordering, sync::Arc};

use ahash::RandomState;
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, make_array, new_null_array},
    buffer::NullBuffer,
    compute::cast_with_options,
    datatypes::{DataType, Schema},
    row::{RowConverter, Rows, SortField},
};
use lakeflow_connect::{Error, ErrorKind, Result, arrow};

use crate::{
    align::EXACT,
    cursor::{order_of_texts, text_cursor},
    error::sink,
};

/// Where a key or cursor column is: a top-level name, or a dotted path into structs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnPath {
    pub(crate) name: String,
    parts: Vec<String>,
    pub(crate) data_type: DataType,
}

impl ColumnPath {
    /// Finds a column in a schema; an exact top-level name wins over a path.
    pub(crate) fn find(schema: &Schema, name: &str) -> Option<Self> {
        if let Ok(field) = schema.field_with_name(name) {
            return Some(Self {
                name: name.to_owned(),
                parts: vec![name.to_owned()],
                data_type: field.data_type().clone(),
            });
        }
        let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        let (first, rest) = parts.split_first()?;
        let mut data_type = schema.field_with_name(first).ok()?.data_type();
        for part in rest {
            let DataType::Struct(fields) = data_type else { return None };
            data_type = fields.find(part)?.1.data_type();
        }
        Some(Self { name: name.to_owned(), data_type: data_type.clone(), parts })
    }

    /// The top-level column it is in.
    pub(crate) fn root(&self) -> &str {
        self.parts.first().map_or("", String::as_str)
    }

    /// The names on the way to it, its own last.
    pub(crate) fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The path as Parquet spells it.
    pub(crate) fn leaf(&self) -> String {
        self.parts.join(".")
    }

    /// The column's values in a batch, in this column's type; all null when the batch does not have it.
    pub(crate) fn extract(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let missing = || new_null_array(&self.data_type, batch.num_rows());
        let Some(mut array) = batch.column_by_name(self.root()).cloned() else { return Ok(missing()) };
        for part in self.parts.iter().skip(1) {
            let Some(parent) = array.as_struct_opt() else { return Ok(missing()) };
            let Some(child) = parent.column_by_name(part) else { return Ok(missing()) };
            array = match parent.nulls() {
                None => child.clone(),
                Some(_) => {
                    let nulls = NullBuffer::union(parent.nulls(), child.nulls());
                    let data = child.to_data().into_builder().nulls(nulls).build();
                    make_array(data.map_err(|e| sink("reading keys", e))?)
                }
            };
        }
        if *array.data_type() == self.data_type {
            return Ok(array);
        }
        cast_with_options(&array, &self.data_type, &EXACT).map_err(|e| sink("reading keys", e))
    }
}

/// Turns the key and cursor columns of batches into bytes.
#[derive(Debug)]
pub(crate) struct KeyCodec {
    keys: Vec<ColumnPath>,
    cursor: Option<ColumnPath>,
    key_rows: RowConverter,
    cursor_rows: Option<RowConverter>,
    hasher: RandomState,
}

impl KeyCodec {
    /// A codec for the named columns of a schema.
    pub(crate) fn new(schema: &Schema, keys: &[String], cursor: Option<&str>) -> Result<Self> {
        let find = |what: &'static str, name: &str| {
            ColumnPath::find(schema, name)
                .ok_or_else(|| Error::unknown(what, name, schema.fields().iter().map(|f| f.name().as_str())))
        };
        let keys = keys.iter().map(|k| find("primary key column", k)).collect::<Result<Vec<_>>>()?;
        let cursor = cursor.map(|c| find("cursor column", c)).transpose()?;
        let converter = |columns: &[&ColumnPath]| {
            RowConverter::new(columns.iter().map(|c| SortField::new(c.data_type.clone())).collect()).map_err(|e| {
                let names = columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
                Error::new(ErrorKind::Config, "these columns cannot be compared").with("columns", names).caused_by(e)
            })
        };
        Ok(Self {
            key_rows: converter(&keys.iter().collect::<Vec<_>>())?,
            cursor_rows: match &cursor {
                Some(c) if c.data_type != DataType::Utf8 => Some(converter(&[c])?),
                _ => None,
            },
            keys,
            cursor,
            hasher: RandomState::new(),
        })
    }

    /// Key columns, then the cursor.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &ColumnPath> {
        self.keys.iter().chain(&self.cursor)
    }

    pub(crate) fn cursor(&self) -> Option<&ColumnPath> {
        self.cursor.as_ref()
    }

    pub(crate) fn key_columns(&self) -> &[ColumnPath] {
        &self.keys
    }

    /// The order of two cursors: greater is newer.
    pub(crate) fn order(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.cursor_rows.is_none() { order_of_texts(a, b) } else { a.cmp(b) }
    }

    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The keys of a batch.
    pub(crate) fn keys(&self, batch: &RecordBatch) -> Result<Keys> {
        let columns = self.keys.iter().map(|k| k.extract(batch)).collect::<Result<Vec<_>>>()?;
        let rows = self.key_rows.convert_columns(&columns).map_err(|e| sink("reading keys", e))?;
        Ok(Keys { rows, columns })
    }

    /// The columns of encoded keys, in the order of the keys.
    pub(crate) fn decode<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.key_rows.parser();
        self.key_rows.convert_rows(keys.map(|key| parser.parse(key))).map_err(|e| sink("reading keys", e))
    }

    /// The cursors of a batch.
    pub(crate) fn cursors(&self, batch: &RecordBatch) -> Result<Cursors> {
        let Some(cursor) = &self.cursor else { return Ok(Cursors::None) };
        let array = cursor.extract(batch)?;
        match &self.cursor_rows {
            None => Ok(Cursors::Text(array.as_string::<i32>().clone())),
            Some(rows) => {
                let rows = rows.convert_columns(&[Arc::clone(&array)]).map_err(|e| sink("reading cursors", e))?;
                Ok(Cursors::Rows(rows))
            }
        }
    }
}

/// The keys of a batch.
pub(crate) struct Keys {
    rows: Rows,
    columns: Vec<ArrayRef>,
}

impl Keys {
    pub(crate) fn len(&self) -> usize {
        self.rows.num_rows()
    }

    pub(crate) fn get(&self, row: usize) -> &[u8] {
        self.rows.row(row).data()
    }

    /// The first key column with a null, if any; a null never equals anything, so such a row would be added every time.
    pub(crate) fn null_column(&self) -> Option<usize> {
        self.columns.iter().position(|c| c.null_count() > 0)
    }
}

/// The cursors of a batch.
pub(crate) enum Cursors {
    None,
    Rows(Rows),
    Text(StringArray),
}

impl Cursors {
    /// The cursor of a row, to be compared with [`KeyCodec::order`]; no cursor is the oldest.
    pub(crate) fn get(&self, row: usize) -> Cow<'_, [u8]> {
        match self {
            Self::None => Cow::Borrowed(&[]),
            Self::Rows(rows) => Cow::Borrowed(rows.row(row).data()),
            Self::Text(text) if text.is_null(row) => Cow::Borrowed(&[]),
            Self::Text(text) => Cow::Owned(text_cursor(text.value(row))),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Int64Array, StructArray},
        datatypes::Field,
    };

    use super::*;

    #[test]
    fn a_key_inside_a_null_struct_is_null() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let field = Arc::new(Field::new("id", DataType::Int64, true));
        let meta = StructArray::new([field].into_iter().collect(), vec![id], Some(vec![true, false].into()));
        let schema = Schema::new(vec![Field::new("meta", meta.data_type().clone(), true)]);
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![Arc::new(meta)]).unwrap();
        let codec = KeyCodec::new(&schema, &["meta.id".to_owned()], None).unwrap();
        assert_eq!(codec.keys(&batch).unwrap().null_column(), Some(0));
    }

    #[test]
    fn an_unknown_key_column_is_named_with_its_neighbour() {
        let schema = Schema::new(vec![Field::new("ident", DataType::Int64, true)]);
        let error = KeyCodec::new(&schema, &["idnt".to_owned()], None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("did you mean 'ident'"), "{error}");
    }
}
