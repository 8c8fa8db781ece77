//! Arrow batches into the exact schema of their table.
//!
//! A source may send its columns in any order, leave out columns that are all null, and use any Arrow layout of the
//! same Spark type (views, dictionaries, fixed-size lists, other time units). Everything else is an error: a value is
//! never rounded, cut, dropped or made null here.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, UInt64Array,
        new_null_array,
    },
    compute::{CastOptions, cast_with_options, take},
    datatypes::{DataType as ArrowType, FieldRef, Fields, SchemaRef, TimeUnit},
    error::ArrowError,
};

use crate::{
    error::{Error, ErrorKind, Result},
    types::DataType,
};

/// The batch in the target schema. Columns that are in `known` but not in the target are left out; others are errors.
pub(super) fn conform(batch: &RecordBatch, target: &SchemaRef, known: &Fields) -> Result<RecordBatch> {
    if batch.schema_ref() == target {
        return Ok(batch.clone());
    }
    let rows = batch.num_rows();
    let columns = children(batch.schema_ref().fields(), batch.columns(), rows, target.fields(), known, "")?;
    for (field, column) in target.fields().iter().zip(&columns) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(no_value(field.name(), column.null_count()));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(target), columns, &options).map_err(broken)
}

/// The columns of a batch, or of a struct, by name in the order of the target.
fn children(
    fields: &Fields,
    arrays: &[ArrayRef],
    rows: usize,
    target: &Fields,
    known: &Fields,
    parent: &str,
) -> Result<Vec<ArrayRef>> {
    for (i, field) in fields.iter().enumerate() {
        let path = join(parent, field.name());
        if known.find(field.name()).is_none() {
            return Err(misfit("the source sent a column that the table does not have", &path)
                .help("the source's schema and its rows disagree: report it to the source's maintainers"));
        }
        if fields.iter().take(i).any(|other| other.name() == field.name()) {
            return Err(misfit("the source sent a column twice", &path));
        }
    }
    let columns = target.iter().map(|wanted| {
        let path = join(parent, wanted.name());
        match fields.find(wanted.name()) {
            Some((i, _)) => column(&arrays[i], wanted.data_type(), &path),
            None if wanted.is_nullable() || rows == 0 => Ok(new_null_array(wanted.data_type(), rows)),
            None => Err(misfit("the source did not send a column that is never null", &path)),
        }
    });
    columns.collect()
}

fn column(array: &ArrayRef, target: &ArrowType, path: &str) -> Result<ArrayRef> {
    use ArrowType as T;
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (T::Null, _) => Ok(new_null_array(target, array.len())),
        (T::Dictionary(_, values), _) => column(&cast(array, values, path)?, target, path),
        (T::RunEndEncoded(_, values), _) => column(&cast(array, values.data_type(), path)?, target, path),
        (T::Struct(fields), T::Struct(wanted)) => {
            let array = array.as_struct();
            let columns = children(fields, array.columns(), array.len(), wanted, wanted, path)?;
            structure(wanted, columns, array, path)
        }
        (T::List(_), T::List(element)) => list(array.as_list(), element, path),
        (
            T::LargeList(found) | T::ListView(found) | T::LargeListView(found) | T::FixedSizeList(found, _),
            T::List(element),
        ) => list(cast(array, &T::List(Arc::clone(found)), path)?.as_list(), element, path),
        (T::Map(_, _), T::Map(entries, _)) => map(array.as_map(), entries, path),
        (found, _) if same_meaning(found, target) => leaf(array, target, path),
        (found, _) => {
            Err(misfit("the source sent a column of another type", path).with("expected", target).with("found", found))
        }
    }
}

fn structure(wanted: &Fields, columns: Vec<ArrayRef>, parent: &StructArray, path: &str) -> Result<ArrayRef> {
    for (field, column) in wanted.iter().zip(&columns).filter(|(field, _)| !field.is_nullable()) {
        // A null inside a null struct is not a value that is missing.
        let missing = match (column.logical_nulls(), parent.nulls()) {
            (Some(nulls), Some(outer)) => {
                outer.iter().zip(nulls.iter()).filter(|(outer, inner)| *outer && !inner).count()
            }
            (Some(nulls), None) => nulls.null_count(),
            (None, _) => 0,
        };
        if missing > 0 {
            return Err(no_value(&join(path, field.name()), missing));
        }
    }
    StructArray::try_new_with_length(wanted.clone(), columns, parent.nulls().cloned(), parent.len())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(broken)
}

fn list(array: &ListArray, element: &FieldRef, path: &str) -> Result<ArrayRef> {
    let path = join(path, "element");
    let values = column(array.values(), element.data_type(), &path)?;
    let nullable = Arc::new(element.as_ref().clone().with_nullable(true));
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    let has_nulls = values.null_count() > 0;
    let mut array = ListArray::try_new(nullable, offsets, values, nulls).map_err(broken)?;
    if !element.is_nullable() {
        if has_nulls {
            // Only values inside a list count: leaves out what slices and null lists cover.
            let all = UInt64Array::from_iter_values(0..array.len() as u64);
            let used = take(&array, &all, None).map_err(broken)?;
            array = used.as_list().clone();
        }
        let (_, offsets, values, nulls) = array.into_parts();
        if values.null_count() > 0 {
            return Err(no_value(&path, values.null_count()));
        }
        array = ListArray::try_new(Arc::clone(element), offsets, values, nulls).map_err(broken)?;
    }
    Ok(Arc::new(array))
}

fn map(array: &MapArray, entries: &FieldRef, path: &str) -> Result<ArrayRef> {
    let ArrowType::Struct(wanted) = entries.data_type() else {
        return Err(Error::new(ErrorKind::Internal, "a map without key and value").with("column", path.to_owned()));
    };
    let [key, value] = wanted.as_ref() else {
        return Err(Error::new(ErrorKind::Internal, "a map without key and value").with("column", path.to_owned()));
    };
    // Maps name their two parts as they like.
    let keys = column(array.keys(), key.data_type(), &join(path, "key"))?;
    let values = column(array.values(), value.data_type(), &join(path, "value"))?;
    if !value.is_nullable() && values.null_count() > 0 {
        return Err(no_value(&join(path, "value"), values.null_count()));
    }
    let pairs = StructArray::try_new_with_length(wanted.clone(), vec![keys, values], None, array.entries().len());
    let pairs = pairs.map_err(broken)?;
    MapArray::try_new(Arc::clone(entries), array.offsets().clone(), pairs, array.nulls().cloned(), false)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(broken)
}

/// Whether both are layouts of one Spark type.
fn same_meaning(found: &ArrowType, target: &ArrowType) -> bool {
    DataType::from_arrow(found).is_ok_and(|meaning| meaning.to_arrow() == *target)
}

/// A value column in another layout, with every value as it was.
fn leaf(array: &ArrayRef, target: &ArrowType, path: &str) -> Result<ArrayRef> {
    let converted = cast(array, target, path)?;
    let can_lose = matches!(array.data_type(), ArrowType::Timestamp(TimeUnit::Nanosecond, _) | ArrowType::Date64);
    if can_lose && cast(&converted, array.data_type(), path)?.as_ref() != array.as_ref() {
        return Err(misfit("values are finer than the column can hold", path)
            .with("expected", target)
            .with("found", array.data_type())
            .help("the source must say how to round them: report it to the source's maintainers"));
    }
    Ok(converted)
}

fn cast(array: &ArrayRef, target: &ArrowType, path: &str) -> Result<ArrayRef> {
    cast_with_options(array, target, &CastOptions { safe: false, ..CastOptions::default() }).map_err(|e| {
        misfit("values do not fit the column", path)
            .with("expected", target)
            .with("found", array.data_type())
            .caused_by(e)
    })
}

fn no_value(path: &str, rows: usize) -> Error {
    misfit("the column is never null, but the source sent no value", path).with("missing", rows)
}

fn misfit(why: &'static str, path: &str) -> Error {
    Error::new(ErrorKind::Data, why).with("column", path)
}

fn broken(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "Arrow refused the columns of a batch").caused_by(error)
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
