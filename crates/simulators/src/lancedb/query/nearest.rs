//! Neighbours of a vector: every vector is measured.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::BooleanBuffer,
    compute::cast,
    datatypes::{DataType, Float64Type, Schema},
};

use super::{body::Nearest, run::Found};
use crate::lancedb::{config::Dialect, refusal::Refusal, table::Version};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distance {
    L2,
    Cosine,
    Dot,
    /// Of vectors of bytes, which have no other one.
    Hamming,
}

fn invalid(what: impl std::fmt::Display) -> Refusal {
    Refusal::invalid(format!("Invalid vector search: InvalidInput {{ source: \"{what}\" }}"))
}

impl Distance {
    fn named(name: Option<&str>, element: &DataType) -> Result<Self, Refusal> {
        let is_bytes = element == &DataType::UInt8;
        let name = name.map_or(if is_bytes { "hamming" } else { "l2" }.to_owned(), str::to_lowercase);
        let distance = match name.as_str() {
            "l2" | "euclidean" => Self::L2,
            "cosine" => Self::Cosine,
            "dot" | "inner_product" => Self::Dot,
            "hamming" => Self::Hamming,
            other => return Err(Refusal::invalid(format!("Unknown distance type: {other}"))),
        };
        if (distance == Self::Hamming) != is_bytes {
            return Err(Refusal::input(format!("\"Distance type {name} does not support {element} vectors\"")));
        }
        Ok(distance)
    }

    fn between(self, query: &[f64], vector: &[f64]) -> f32 {
        let pairs = || query.iter().zip(vector);
        let dot = || pairs().map(|(a, b)| a * b).sum::<f64>();
        let norm = |vector: &[f64]| vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        (match self {
            Self::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>(),
            Self::Dot => 1.0 - dot(),
            Self::Cosine => 1.0 - dot() / (norm(query) * norm(vector)),
            // Both are whole numbers of a byte.
            Self::Hamming => pairs().map(|(a, b)| f64::from((*a as u8 ^ *b as u8).count_ones())).sum::<f64>(),
        }) as f32
    }
}

/// All rows that have a distance, the nearest first; of equal ones in the order of the table.
///
/// # Errors
/// For a column that holds no such vectors.
pub(super) fn nearest(
    version: &Version,
    query: &[f32],
    how: &Nearest,
    dialect: Dialect,
    candidates: impl Fn(usize, u64) -> Result<Option<BooleanBuffer>, Refusal>,
) -> Result<Vec<Found>, Refusal> {
    let name = match &how.vector_column {
        Some(name) => name.as_str(),
        None => only_vector(&version.schema, dialect),
    };
    let (size, element) = vectors(&version.schema, name, dialect)?;
    if size != query.len() {
        return Err(invalid(format!("query dim({}) doesn't match the column {name} vector dim({size})", query.len())));
    }
    let distance = Distance::named(how.distance_type.as_deref(), element)?;
    if distance == Distance::Hamming && query.iter().any(|number| f32::from(*number as u8) != *number) {
        return Err(invalid("the query vector is not one of bytes"));
    }
    let query: Vec<f64> = query.iter().map(|number| f64::from(*number)).collect();
    let lower = how.lower_bound.unwrap_or(f32::NEG_INFINITY);
    let upper = how.upper_bound.unwrap_or(f32::INFINITY);
    let (mut found, mut before) = (Vec::new(), 0);
    for (at, part) in version.parts.iter().enumerate() {
        let chosen = candidates(at, before)?;
        before += part.rows() as u64;
        let missing = || invalid(format!("column {name} does not exist"));
        let mut path = name.split('.');
        let mut column: ArrayRef =
            path.next().and_then(|first| part.batch().column_by_name(first)).cloned().ok_or_else(missing)?;
        for member in path {
            column =
                column.as_struct_opt().and_then(|outer| outer.column_by_name(member)).cloned().ok_or_else(missing)?;
        }
        let vectors = column.as_fixed_size_list_opt().ok_or_else(missing)?;
        let numbers = cast(vectors.values(), &DataType::Float64).map_err(|error| invalid(error.to_string()))?;
        let numbers = numbers.as_primitive::<Float64Type>().values();
        for row in 0..part.len() {
            let is_chosen = chosen.as_ref().is_none_or(|chosen| chosen.value(row));
            let Some(vector) = numbers.get(row * size..(row + 1) * size).filter(|_| is_chosen && vectors.is_valid(row))
            else {
                continue;
            };
            let measure = distance.between(&query, vector);
            if !measure.is_nan() && measure >= lower && measure < upper {
                found.push(Found { part: at, row: row as u32, measure });
            }
        }
    }
    found.sort_by(|a, b| a.measure.total_cmp(&b.measure));
    Ok(found)
}

/// The column that is searched when none is named.
fn only_vector(schema: &Schema, dialect: Dialect) -> &str {
    if dialect == Dialect::Cloud && schema.index_of("vector").is_err() {
        let is_vector = |data_type: &DataType| matches!(data_type, DataType::FixedSizeList(item, _) if item.data_type().is_floating());
        let mut vectors = schema.fields().iter().filter(|field| is_vector(field.data_type()));
        if let (Some(only), None) = (vectors.next(), vectors.next()) {
            return only.name();
        }
    }
    "vector"
}

/// How long the vectors of a column are, and of what.
///
/// Questions hold numbers with a point. The reference server of the Namespace does not make bytes of them; local tables and the
/// official client do.
fn vectors<'a>(schema: &'a Schema, name: &str, dialect: Dialect) -> Result<(usize, &'a DataType), Refusal> {
    let missing = || {
        Refusal::invalid(format!(
            "Invalid vector search: Index {{ message: \"column {name} does not exist in schema\" }}"
        ))
    };
    let mut path = name.split('.');
    let first = path.next().unwrap_or_default();
    let mut data_type = schema.field_with_name(first).map_err(|_| missing())?.data_type();
    for member in path {
        let DataType::Struct(fields) = data_type else { return Err(missing()) };
        data_type = fields.iter().find(|field| field.name() == member).ok_or_else(missing)?.data_type();
    }
    match data_type {
        DataType::FixedSizeList(item, size)
            if item.data_type().is_floating()
                || (dialect == Dialect::Cloud && item.data_type() == &DataType::UInt8) =>
        {
            Ok((usize::try_from(*size).unwrap_or(0), item.data_type()))
        }
        DataType::FixedSizeList(item, _) => {
            Err(invalid(format!("Column {name} has element type {} and the query vector is Float32", item.data_type())))
        }
        other => Err(invalid(format!(
            "Data type is not a vector (FixedSizeListArray or List<FixedSizeListArray>), but {other}"
        ))),
    }
}
