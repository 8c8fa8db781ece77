//! All columns of a table, as Spark has them.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{DataType as ArrowType, Field, Schema, SchemaRef},
};
use bytes::Bytes;

use super::{
    super::{filter::VIRTUAL, ipc::Answer},
    convert::Convert,
    mapping::{Mapped, TypeOptions, map, spark_field},
    nanos,
};
use crate::{
    error::{Error, ErrorKind, Result},
    types::{DataType, StructField, StructType},
};

/// The columns of a table: their Spark schema, and how batches of the server become batches of it.
#[derive(Clone, Debug)]
pub(in super::super) struct Columns {
    server: SchemaRef,
    columns: Vec<Column>,
    dropped: Vec<String>,
}

#[derive(Clone, Debug)]
struct Column {
    place: usize,
    field: StructField,
    convert: Convert,
}

impl Columns {
    /// The columns of a schema as a query answers it.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported), naming the column, for types that Spark cannot hold.
    pub(in super::super) fn of(server: &SchemaRef, options: TypeOptions) -> Result<Self> {
        let mut names = HashSet::new();
        let mut columns = Vec::with_capacity(server.fields().len());
        let mut dropped = Vec::new();
        for (place, field) in server.fields().iter().enumerate() {
            let mapped = match counts(field) {
                true => Some(Mapped::by(DataType::Long, Convert::Cast(ArrowType::Int64))),
                false => map(field, options, field.name(), 0)?,
            };
            let Some(mapped) = mapped else {
                dropped.push(field.name().clone());
                continue;
            };
            let mut spark = spark_field(field, mapped.data_type);
            spark.name = unused(&mut names, field.name());
            columns.push(Column { place, field: spark, convert: mapped.convert });
        }
        for (place, field) in server.fields().iter().enumerate() {
            if let Some((field, mapped)) = nanos::beside(field, options, field.name(), 0, &mut names)? {
                columns.push(Column { place, field, convert: mapped.convert });
            }
        }
        Ok(Self { server: Arc::clone(server), columns, dropped })
    }

    /// The schema in Spark.
    pub(in super::super) fn schema(&self) -> StructType {
        StructType::new(self.columns.iter().map(|column| column.field.clone()))
    }

    /// Columns that Spark cannot store: structs without members.
    pub(in super::super) fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// Some of the columns, and what the server calls them.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with near names, for a column that there is not.
    pub(in super::super) fn narrowed(&self, wanted: &[String]) -> Result<(Self, Vec<String>)> {
        let known = || self.columns.iter().map(|column| column.field.name.as_str());
        if let Some(unknown) = wanted.iter().find(|name| !known().any(|known| known == name.as_str())) {
            return Err(Error::unknown("column", unknown, known()));
        }
        let kept = self.columns.iter().filter(|column| wanted.contains(&column.field.name));
        let places: BTreeSet<usize> = kept.clone().map(|column| column.place).collect();
        let fields: Vec<_> = places.iter().map(|place| Arc::clone(&self.server.fields()[*place])).collect();
        let names = fields.iter().map(|field| field.name().clone()).collect();
        let now = |before: usize| places.range(..before).count();
        let columns = kept.map(|column| Column { place: now(column.place), ..column.clone() }).collect();
        let server = Arc::new(Schema::new_with_metadata(fields, self.server.metadata().clone()));
        Ok((Self { server, columns, dropped: Vec::new() }, names))
    }

    /// A batch of the server's schema in this one, in Arrow layouts of the same Spark types.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for a batch of another schema; [`Data`](ErrorKind::Data), naming the column, for
    /// values that do not fit.
    pub(in super::super) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.schema_ref() != &self.server && batch.schema_ref().fields() != self.server.fields() {
            return Err(Error::new(ErrorKind::Protocol, "the server changed the table's schema within one version")
                .help("read the table again; if it happens again, report it to the server's maintainers"));
        }
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let array = column.convert.apply(batch.column(column.place)).map_err(|error| {
                Error::new(ErrorKind::Data, "values do not fit the column")
                    .with("column", &column.field.name)
                    .caused_by(error)
            })?;
            fields.push(Field::new(&column.field.name, array.data_type().clone(), column.field.nullable));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| Error::new(ErrorKind::Internal, "Arrow refused converted columns").caused_by(error))
    }
}

/// Versions and row ids of the server are counted from zero: they fit a Long.
fn counts(field: &Field) -> bool {
    VIRTUAL.contains(&field.name().as_str()) && field.data_type() == &ArrowType::UInt64
}

/// Lance tells columns apart by case, Spark does not: the later one gets a number.
pub(super) fn unused(names: &mut HashSet<String>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while !names.insert(name.to_lowercase()) {
        name = format!("{wanted}_{number}");
        number += 1;
    }
    name
}

/// An answer of a server in Spark's types, for benchmarks.
///
/// # Errors
/// As each read of the answer.
pub fn decode_answer(body: Bytes) -> Result<Vec<RecordBatch>> {
    let answer = Answer::of(body)?;
    let columns = Columns::of(&answer.schema, TypeOptions::default())?;
    answer.batches.iter().map(|batch| columns.convert(batch)).collect()
}
