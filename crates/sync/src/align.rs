//! Batches in a table's schema: columns by name, absent ones null, nothing cast that could change a value.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, FieldRef, SchemaRef},
    util::display::FormatOptions,
};
use lakeflow_connect::{Error, ErrorKind, Result, arrow};

use crate::error::sink;

/// A value that does not fit is an error; Arrow's default would make it null.
pub(crate) const EXACT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// What may change on the way into a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Casts {
    /// Only layout: the values come from a source, which must have cast them itself.
    Layout,
    /// Whatever Arrow casts: the values come from a file of the same table, perhaps written by another program.
    Any,
}

/// Puts a batch into a schema.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) for a type that differs, naming the column; [`Data`](ErrorKind::Data) for a null where the table has none.
pub(crate) fn align(
    batch: &RecordBatch,
    schema: &SchemaRef,
    casts: Casts,
    constants: &HashMap<String, ArrayRef>,
) -> Result<RecordBatch> {
    if batch.schema_ref() == schema && constants.is_empty() {
        return Ok(batch.clone());
    }
    let rows = batch.num_rows();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = match (constants.get(field.name()), batch.column_by_name(field.name())) {
            (Some(constant), _) => constant.slice(0, rows),
            (None, Some(column)) => align_array(column, field, field.name(), casts)?,
            (None, None) => new_null_array(field.data_type(), rows),
        };
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(
                Error::new(ErrorKind::Data, "a column that must not be null has no value").with("column", field.name())
            );
        }
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|e| sink("putting rows into the table's schema", e))
}

fn align_array(array: &ArrayRef, field: &FieldRef, path: &str, casts: Casts) -> Result<ArrayRef> {
    let target = field.data_type();
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    let rebuild = |e| sink("putting rows into the table's schema", e);
    match (array.data_type(), target) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let array = array.as_struct();
            let children = fields
                .iter()
                .map(|f| match array.column_by_name(f.name()) {
                    Some(child) => align_array(child, f, &format!("{path}.{}", f.name()), casts),
                    None => Ok(new_null_array(f.data_type(), array.len())),
                })
                .collect::<Result<Vec<_>>>()?;
            let nulls = array.nulls().cloned();
            Ok(Arc::new(
                StructArray::try_new_with_length(fields.clone(), children, nulls, array.len()).map_err(rebuild)?,
            ))
        }
        (DataType::List(_), DataType::List(element)) => {
            let array = array.as_list::<i32>();
            let values = align_array(array.values(), element, &format!("{path}.element"), casts)?;
            let nulls = array.nulls().cloned();
            Ok(Arc::new(
                ListArray::try_new(Arc::clone(element), array.offsets().clone(), values, nulls).map_err(rebuild)?,
            ))
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let array = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(differs(path, array.data_type(), target));
            };
            let children = array
                .entries()
                .columns()
                .iter()
                .zip(fields)
                .map(|(child, f)| align_array(child, f, &format!("{path}.{}", f.name()), casts))
                .collect::<Result<Vec<_>>>()?;
            let inner = StructArray::try_new(fields.clone(), children, None).map_err(rebuild)?;
            let nulls = array.nulls().cloned();
            let map = MapArray::try_new(Arc::clone(entries), array.offsets().clone(), inner, nulls, *sorted);
            Ok(Arc::new(map.map_err(rebuild)?))
        }
        (from, to) if casts == Casts::Any || same_values(from, to) => {
            cast_with_options(array, target, &EXACT).map_err(rebuild)
        }
        (from, to) => Err(differs(path, from, to)),
    }
}

/// Whether two types only differ in layout.
fn same_values(from: &DataType, to: &DataType) -> bool {
    use DataType::{Binary, BinaryView, Dictionary, LargeBinary, LargeUtf8, Timestamp, Utf8, Utf8View};
    match (from, to) {
        (LargeUtf8 | Utf8View, Utf8) | (LargeBinary | BinaryView, Binary) => true,
        (Dictionary(_, values), to) => values.as_ref() == to || same_values(values, to),
        (Timestamp(a, Some(zone)), Timestamp(b, Some(_))) => a == b && matches!(&**zone, "UTC" | "+00:00" | "Z"),
        _ => false,
    }
}

fn differs(path: &str, from: &DataType, to: &DataType) -> Error {
    Error::new(ErrorKind::Internal, "the connector sent a column in another type than its schema says")
        .with("column", path)
        .with("sent", from)
        .with("table", to)
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Int32Array, Int64Array, StringArray},
        datatypes::{Field, Fields, Schema},
    };

    use super::*;

    fn schema(fields: Vec<Field>) -> SchemaRef {
        Arc::new(Schema::new(fields))
    }

    #[test]
    fn absent_columns_and_members_become_null_and_order_follows_the_table() {
        let inner = Fields::from(vec![Field::new("a", DataType::Int64, true)]);
        let meta = StructArray::new(inner.clone(), vec![Arc::new(Int64Array::from(vec![7]))], None);
        let from =
            schema(vec![Field::new("meta", DataType::Struct(inner), true), Field::new("id", DataType::Utf8, false)]);
        let batch = RecordBatch::try_new(from, vec![Arc::new(meta), Arc::new(StringArray::from(vec!["x"]))]).unwrap();
        let wider = Fields::from(vec![Field::new("b", DataType::Utf8, true), Field::new("a", DataType::Int64, true)]);
        let to = schema(vec![
            Field::new("id", DataType::Utf8, true),
            Field::new("meta", DataType::Struct(wider), true),
            Field::new("late", DataType::Date32, true),
        ]);
        let out = align(&batch, &to, Casts::Layout, &HashMap::new()).unwrap();
        assert_eq!(out.schema_ref(), &to);
        assert_eq!(out.column(1).as_struct().column(1).as_ref(), &Int64Array::from(vec![7]) as &dyn Array);
        assert_eq!(out.column(2).null_count(), 1);
    }

    #[test]
    fn a_value_is_never_cast_on_the_way_in() {
        let from = schema(vec![Field::new("n", DataType::Int32, true)]);
        let batch = RecordBatch::try_new(from, vec![Arc::new(Int32Array::from(vec![1]))]).unwrap();
        let to = schema(vec![Field::new("n", DataType::Int64, true)]);
        let error = align(&batch, &to, Casts::Layout, &HashMap::new()).unwrap_err();
        assert_eq!(error.get("column"), Some("n"));
        assert!(align(&batch, &to, Casts::Any, &HashMap::new()).is_ok());
    }
}
