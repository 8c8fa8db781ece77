//! A schema with the place of every field's value in the JSON.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::{
    path::{self, FieldSource, Hop, Source},
    plan::{ObjectPlan, PathTree},
};
use crate::{
    error::{Error, ErrorKind, Result},
    types::{DataType, StructField, StructType},
};

/// A schema and, for each field of it, where in a record its value is; compiled once for a table.
///
/// Several fields may read the same member. See [`FieldSource`] for paths.
///
/// ```
/// use lakeflow_connect::{DataType, StructField, StructType, decode::Shape};
/// let schema = StructType::new([StructField::new("id", DataType::String)]);
/// assert_eq!(Shape::new(&schema).schema(), &schema);
/// ```
#[derive(Debug)]
pub struct Shape {
    schema: StructType,
    arrow: SchemaRef,
    root: StructShape,
}

/// The compiled part of one struct.
#[derive(Clone, Debug)]
pub(super) struct StructShape {
    pub(super) plan: ObjectPlan,
    /// One per field.
    pub(super) fields: Vec<TypeShape>,
    pub(super) names: Arc<[String]>,
    /// Fields that are never null.
    pub(super) required: Arc<[u32]>,
    /// Fields that take the whole record.
    pub(super) records: Vec<u32>,
    /// Where each field is, for finding keys; empty for the whole record.
    hops: Vec<Vec<Hop>>,
}

/// The compiled part of one type.
#[derive(Clone, Debug)]
pub(super) enum TypeShape {
    Leaf,
    Element(Box<TypeShape>),
    Pair(Box<[TypeShape; 2]>),
    Struct(StructShape),
}

type Sources<'a> = dyn Fn(&[&str]) -> Option<FieldSource> + 'a;

impl Shape {
    /// Every field under its own name.
    pub fn new(schema: &StructType) -> Self {
        // Own names are always valid, so there is nothing that could fail.
        let root = compile(schema, &mut Vec::new(), &|_| None).unwrap_or_else(|_| StructShape::empty());
        Self { schema: schema.clone(), arrow: Arc::new(schema.to_arrow()), root }
    }

    /// Fields where `source` says; under their own name where it says nothing.
    ///
    /// `source` gets the field's place in the schema as names from the top; arrays and maps add none.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) for a path that is not in the grammar, for [`FieldSource::json`] or
    /// [`FieldSource::record`] on a field that is not text, and for [`FieldSource::record`] inside a struct.
    pub fn with_sources(schema: &StructType, source: impl Fn(&[&str]) -> Option<FieldSource>) -> Result<Self> {
        let root = compile(schema, &mut Vec::new(), &source)?;
        Ok(Self { schema: schema.clone(), arrow: Arc::new(schema.to_arrow()), root })
    }

    /// The schema.
    pub fn schema(&self) -> &StructType {
        &self.schema
    }

    /// The schema in Arrow's terms.
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.arrow
    }

    pub(super) fn root(&self) -> &StructShape {
        &self.root
    }

    /// The JSON text of a column of a record, dotted for nested fields, where it can be found.
    pub(super) fn find<'a>(&self, record: &'a str, column: &str) -> Option<&'a str> {
        let mut shape = &self.root;
        let mut hops = Vec::new();
        let mut parts = column.split('.').peekable();
        while let Some(part) = parts.next() {
            let at = shape.names.iter().position(|n| n == part)?;
            hops.extend(shape.hops.get(at)?.iter().cloned());
            if parts.peek().is_some() {
                let TypeShape::Struct(inner) = shape.fields.get(at)? else { return None };
                shape = inner;
            }
        }
        path::find(record, &hops)
    }
}

impl StructShape {
    fn empty() -> Self {
        Self {
            plan: PathTree::default().into_plan(),
            fields: Vec::new(),
            names: Arc::default(),
            required: Arc::default(),
            records: Vec::new(),
            hops: Vec::new(),
        }
    }
}

fn compile<'a>(schema: &'a StructType, at: &mut Vec<&'a str>, sources: &Sources) -> Result<StructShape> {
    let mut tree = PathTree::default();
    let mut fields = Vec::new();
    let mut records = Vec::new();
    let mut all_hops = Vec::new();
    for (i, field) in schema.fields.iter().enumerate() {
        let i = i as u32;
        at.push(&field.name);
        let source = sources(at).map_or_else(|| Source::Member(field.name.clone()), |s| s.0);
        let wrong = |error: Error| error.with("column", at.join("."));
        if matches!(source, Source::Json(_) | Source::Record)
            && !matches!(field.data_type, DataType::String | DataType::Variant)
        {
            return Err(wrong(Error::new(ErrorKind::Internal, "only a string or variant column can keep JSON text")));
        }
        let (hops, text) = match source {
            Source::Member(name) => (vec![Hop::Member(name)], false),
            Source::Path(path) => (path::parse(&path).map_err(wrong)?, false),
            Source::Json(path) => (path::parse(&path).map_err(wrong)?, true),
            Source::Record if at.len() > 1 => {
                return Err(wrong(Error::new(ErrorKind::Internal, "only a column can be the whole record")));
            }
            Source::Record => (Vec::new(), true),
        };
        if hops.is_empty() {
            records.push(i);
        } else {
            tree.insert(&hops, i, text);
        }
        all_hops.push(hops);
        fields.push(compile_type(&field.data_type, at, sources)?);
        at.pop();
    }
    // A record is always there to be kept.
    let is_required = |(i, field): &(u32, &StructField)| !field.nullable && !records.contains(i);
    let required = (0..).zip(&schema.fields).filter(is_required).map(|(i, _)| i).collect();
    Ok(StructShape {
        plan: tree.into_plan(),
        fields,
        names: schema.names().map(str::to_owned).collect(),
        required,
        records,
        hops: all_hops,
    })
}

fn compile_type<'a>(data_type: &'a DataType, at: &mut Vec<&'a str>, sources: &Sources) -> Result<TypeShape> {
    Ok(match data_type {
        DataType::Struct(inner) => TypeShape::Struct(compile(inner, at, sources)?),
        DataType::Array(array) => TypeShape::Element(Box::new(compile_type(&array.element, at, sources)?)),
        DataType::Map(map) => {
            TypeShape::Pair(Box::new([compile_type(&map.key, at, sources)?, compile_type(&map.value, at, sources)?]))
        }
        _ => TypeShape::Leaf,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::StructField;

    fn schema() -> StructType {
        let inner = StructType::new([StructField::new("b", DataType::Long)]);
        StructType::new([StructField::new("a", DataType::Struct(inner)), StructField::new("n", DataType::Long)])
    }

    #[test]
    fn wrong_sources_are_refused_with_the_column() {
        for (column, source) in [
            ("a.b", FieldSource::path("x[")),
            ("a.b", FieldSource::json("x")),
            ("n", FieldSource::record()),
            ("a.b", FieldSource::record()),
        ] {
            let error =
                Shape::with_sources(&schema(), |p| (p.join(".") == column).then(|| source.clone())).unwrap_err();
            assert_eq!(error.get("column"), Some(column), "{error}");
        }
    }

    #[test]
    fn a_key_is_found_through_renames() {
        let shape = Shape::with_sources(&schema(), |p| match p {
            ["a"] => Some(FieldSource::path("outer[0]")),
            ["a", "b"] => Some(FieldSource::path("x.y")),
            _ => None,
        });
        assert_eq!(shape.unwrap().find(r#"{"outer":[{"x":{"y":7}}]}"#, "a.b"), Some("7"));
    }
}
