//! How a table's columns are written down, and what is made of them: a schema and the places of the values.

use std::collections::HashMap;

use crate::{
    decode::{FieldSource, Shape},
    error::Result,
    types::{DataType, StructField, StructType},
};

/// A column or struct member: name, type and where its value is.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    kind: Kind,
    source: Source,
}

/// The type of a column.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Boolean,
    Long,
    Double,
    Timestamp,
    List(&'static Kind),
    Struct(&'static [Column]),
}

/// Where a value is, relative to the object that the column belongs to.
#[derive(Clone, Copy)]
enum Source {
    /// The FHIR element of the same name: `effective_datetime` is `effectiveDateTime`.
    Element,
    /// A path to it.
    Path(&'static str),
    /// The JSON text of a member.
    Json(&'static str),
    /// The resource's own bytes.
    Record,
}

/// A column whose name says where its value is.
pub(super) const fn col(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, source: Source::Element }
}

impl Column {
    /// Names the path to the value.
    pub(super) const fn at(self, path: &'static str) -> Self {
        Self { source: Source::Path(path), ..self }
    }

    const fn json(self, member: &'static str) -> Self {
        Self { source: Source::Json(member), ..self }
    }

    const fn record(self) -> Self {
        Self { source: Source::Record, ..self }
    }

    fn field_source(&self) -> FieldSource {
        match self.source {
            Source::Element => FieldSource::path(element_name(self.name)),
            Source::Path(path) => FieldSource::path(path),
            Source::Json(member) => FieldSource::json(member),
            Source::Record => FieldSource::record(),
        }
    }
}

/// The column that names a resource.
pub(super) const KEY: &str = "id";

/// The five columns that every table begins with.
pub(super) const COMMON: &[Column] = &[
    col(KEY, Kind::Text),
    col("resourceType", Kind::Text),
    col("lastUpdated", Kind::Timestamp).at("meta.lastUpdated"),
    col("raw_json", Kind::Text).record(),
    col("extension", Kind::Text).json("extension"),
];

/// The schema of these columns, in order; all nullable.
pub(super) fn schema<'a>(columns: impl IntoIterator<Item = &'a Column>) -> StructType {
    StructType::new(columns.into_iter().map(|c| StructField::new(c.name, data_type(c.kind))))
}

/// The schema together with the place of every value.
pub(super) fn shape<'a>(columns: impl IntoIterator<Item = &'a Column> + Clone) -> Result<Shape> {
    let mut sources = HashMap::new();
    collect_sources(columns.clone(), &mut Vec::new(), &mut sources);
    Shape::with_sources(&schema(columns), |path| sources.get(path).cloned())
}

fn collect_sources<'a>(
    columns: impl IntoIterator<Item = &'a Column>,
    path: &mut Vec<&'static str>,
    sources: &mut HashMap<Vec<&'static str>, FieldSource>,
) {
    for column in columns {
        path.push(column.name);
        sources.insert(path.clone(), column.field_source());
        let mut kind = column.kind;
        while let Kind::List(element) = kind {
            kind = *element;
        }
        if let Kind::Struct(members) = kind {
            collect_sources(members, path, sources);
        }
        path.pop();
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::String,
        Kind::Boolean => DataType::Boolean,
        Kind::Long => DataType::Long,
        Kind::Double => DataType::Double,
        Kind::Timestamp => DataType::Timestamp,
        Kind::List(element) => DataType::array(data_type(*element)),
        Kind::Struct(members) => DataType::Struct(schema(members)),
    }
}

/// The FHIR spelling of a column name: `effective_datetime` becomes `effectiveDateTime`.
fn element_name(column: &str) -> String {
    let mut words = column.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        match word {
            "datetime" => name.push_str("DateTime"),
            _ => {
                let (first, rest) = word.split_at(word.len().min(1));
                name.push_str(&first.to_uppercase());
                name.push_str(rest);
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_names_lead_to_fhir_elements() {
        for (column, element) in [
            ("birthDate", "birthDate"),
            ("status", "status"),
            ("effective_datetime", "effectiveDateTime"),
            ("value_codeable_concept", "valueCodeableConcept"),
            ("dose_number_positive_int", "doseNumberPositiveInt"),
        ] {
            assert_eq!(element_name(column), element);
        }
    }
}
