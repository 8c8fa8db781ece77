//! Generated tables: documents with their vectors. The same seed makes the same rows, however many there are.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray,
        StringBuilder, TimestampMicrosecondArray,
    },
    buffer::{BooleanBuffer, NullBuffer},
    datatypes::{DataType, Field, Schema},
};

use super::{
    config::TableSpec,
    database::Database,
    table::{Index, IndexKind},
};
use crate::SimError;

const WORDS: [&str; 24] = [
    "pump",
    "valve",
    "boiler",
    "turbine",
    "sensor",
    "gasket",
    "rotor",
    "filter",
    "pressure",
    "leak",
    "torque",
    "seal",
    "vibration",
    "bearing",
    "flow",
    "steam",
    "cooling",
    "inspection",
    "manual",
    "safety",
    "repair",
    "warranty",
    "alarm",
    "shutdown",
];
const CATEGORIES: [&str; 4] = ["manual", "report", "ticket", "note"];
/// 2026-01-01 in microseconds.
const START: i64 = 1_767_225_600_000_000;
/// Every so many rows there is no vector.
const WITHOUT_VECTOR: usize = 97;

/// Creates a generated table, with an index of the words of its texts.
pub(super) fn add(database: &mut Database, spec: &TableSpec, seed: u64) -> Result<(), SimError> {
    let failed = |error: arrow::error::ArrowError| SimError::Config(error.to_string());
    let rows = documents(spec.rows, spec.dimension, seed).map_err(failed)?;
    if let Some((namespace, _)) = spec.id.rsplit_once('$') {
        database.create_namespace(namespace);
    }
    database.create_in_fragments(&spec.id, &rows, spec.row_ids, spec.fragment_rows)?;
    let index = Index { name: "body_idx".to_owned(), column: "body".to_owned(), kind: IndexKind::Text };
    database.create_index(&spec.id, index).map(drop)
}

/// Numbers of one row, whatever other rows there are.
fn random(seed: u64, row: usize) -> fastrand::Rng {
    let mut random = fastrand::Rng::with_seed(seed ^ (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    random.u64(..);
    random
}

/// Documents with a key, texts, tags, a score, a time and a vector; no vector when the dimension is 0.
fn documents(rows: usize, dimension: usize, seed: u64) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut bodies = StringBuilder::new();
    let mut tags = ListBuilder::new(StringBuilder::new());
    let mut scores = Vec::with_capacity(rows);
    let mut numbers: Vec<f32> = Vec::with_capacity(rows * dimension);
    for row in 0..rows {
        let mut random = random(seed, row);
        let words: Vec<&str> = (0..random.usize(4..12)).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        bodies.append_value(words.join(" "));
        for _ in 0..random.usize(..3) {
            tags.values().append_value(WORDS[random.usize(..WORDS.len())]);
        }
        tags.append(true);
        scores.push((row % 11 != 0).then(|| f64::from(random.u32(..1_000_000)) / 1_000.0));
        numbers.extend((0..dimension).map(|_| random.f32() * 2.0 - 1.0));
    }
    let title = |row: usize| (!row.is_multiple_of(13)).then(|| format!("{} no. {row}", WORDS[row % WORDS.len()]));
    let category = |row: usize| CATEGORIES[row % CATEGORIES.len()];
    let key = [
        ("lance-schema:unenforced-primary-key".to_owned(), "true".to_owned()),
        ("lance-schema:unenforced-primary-key:position".to_owned(), "1".to_owned()),
    ];
    let mut columns: Vec<(Field, ArrayRef)> = vec![
        (
            Field::new("id", DataType::Int64, false).with_metadata(HashMap::from(key)),
            Arc::new((0..rows as i64).collect::<Int64Array>()),
        ),
        (Field::new("title", DataType::Utf8, true), Arc::new((0..rows).map(title).collect::<StringArray>())),
        (Field::new("body", DataType::Utf8, true), Arc::new(bodies.finish())),
        (
            Field::new("category", DataType::Utf8, false),
            Arc::new(StringArray::from_iter_values((0..rows).map(category))),
        ),
    ];
    let tags = tags.finish();
    columns.push((Field::new("tags", arrow::array::Array::data_type(&tags).clone(), true), Arc::new(tags)));
    columns.push((Field::new("score", DataType::Float64, true), Arc::new(Float64Array::from(scores))));
    let times = (0..rows as i64).map(|row| START + row * 60_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    columns.push((Field::new("updated_at", arrow::array::Array::data_type(&times).clone(), true), Arc::new(times)));
    if dimension > 0 {
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let size = i32::try_from(dimension).unwrap_or(i32::MAX);
        let valid = BooleanBuffer::collect_bool(rows, |row| row % WITHOUT_VECTOR != WITHOUT_VECTOR - 1);
        let vectors = FixedSizeListArray::try_new(
            item,
            size,
            Arc::new(Float32Array::from(numbers)),
            Some(NullBuffer::new(valid)),
        )?;
        columns
            .push((Field::new("embedding", arrow::array::Array::data_type(&vectors).clone(), true), Arc::new(vectors)));
    }
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
