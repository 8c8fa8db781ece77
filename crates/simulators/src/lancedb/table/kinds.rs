//! Which types of columns the format stores.

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Schema},
};
use std::sync::Arc;

use crate::SimError;

/// Rows as the format gives them back: views become plain. Refuses what it does not store.
pub(super) fn stored(rows: &RecordBatch) -> Result<RecordBatch, SimError> {
    for field in rows.schema().fields() {
        check(field, 0)?;
        if field.name().contains('.') {
            return Err(refused(field, "its name has a dot"));
        }
    }
    let fields: Vec<FieldRef> = rows.schema().fields().iter().map(plain).collect();
    let columns = rows
        .columns()
        .iter()
        .zip(&fields)
        .map(|(column, field)| cast(column, field.data_type()).map_err(|error| refused(field, &error.to_string())));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    let schema = Schema::new_with_metadata(fields, rows.schema().metadata().clone());
    RecordBatch::try_new(Arc::new(schema), columns).map_err(|error| SimError::Resource(error.to_string()))
}

fn refused(field: &Field, why: &str) -> SimError {
    SimError::Resource(format!("column `{}` of type {} is not stored: {why}", field.name(), field.data_type()))
}

fn plain(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Utf8View => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        DataType::BinaryView => Arc::new(field.as_ref().clone().with_data_type(DataType::Binary)),
        _ => Arc::clone(field),
    }
}

fn check(field: &Field, depth: usize) -> Result<(), SimError> {
    use DataType as T;
    if depth > 64 {
        return Err(refused(field, "it is nested too deep"));
    }
    match field.data_type() {
        T::Interval(_)
        | T::ListView(_)
        | T::LargeListView(_)
        | T::RunEndEncoded(..)
        | T::Union(..)
        | T::Decimal32(..)
        | T::Decimal64(..)
        | T::Map(_, true) => Err(refused(field, "the format has no such type")),
        T::List(inner) | T::LargeList(inner) | T::FixedSizeList(inner, _) | T::Map(inner, _) => check(inner, depth + 1),
        T::Struct(fields) => fields.iter().try_for_each(|field| check(field, depth + 1)),
        _ => Ok(()),
    }
}
