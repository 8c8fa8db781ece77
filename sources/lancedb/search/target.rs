//! The columns that a search looks at.

use arrow::datatypes::{DataType, Field, Schema};

use crate::error::{Error, ErrorKind, Result};

/// A column of vectors, and their length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct VectorColumn {
    /// Its name; members of structs behind a point.
    pub(in super::super) name: String,
    pub(in super::super) dimension: usize,
    /// Whether they are of bytes, whose distance is that of their bits.
    pub(in super::super) is_bytes: bool,
}

/// The column of vectors that is named, else the only one that there is.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) for a name that the table does not have; [`Config`](ErrorKind::Config) for a column
/// without vectors, and when there is none or more than one to choose from.
pub(in super::super) fn vector_column(schema: &Schema, named: Option<&str>) -> Result<VectorColumn> {
    if let Some(name) = named {
        let field = find(schema, name).ok_or_else(|| {
            Error::unknown("column", name, schema.fields().iter().map(|field| field.name().as_str()))
                .with("option", "vector_column")
        })?;
        return vectors(name, field.data_type()).ok_or_else(|| {
            Error::new(ErrorKind::Config, "the column holds no vectors")
                .with("column", name)
                .with("type", field.data_type())
                .with("option", "vector_column")
        });
    }
    let mut found = schema.fields().iter().filter_map(|field| vectors(field.name(), field.data_type()));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new(ErrorKind::Config, "the table has no column of vectors")
            .help("a member of a struct is named with 'vector_column', as s.embedding")),
        (Some(first), Some(second)) => {
            let names: Vec<_> = [first, second].into_iter().chain(found).map(|column| column.name).collect();
            Err(Error::new(ErrorKind::Config, "the table has several columns of vectors")
                .with("columns", names.join(", "))
                .help("choose one with 'vector_column'"))
        }
    }
}

/// A column, or a member of one behind a point.
pub(super) fn find<'a>(schema: &'a Schema, path: &str) -> Option<&'a Field> {
    let mut parts = path.split('.');
    let mut field = schema.field_with_name(parts.next()?).ok()?;
    for part in parts {
        let DataType::Struct(members) = field.data_type() else { return None };
        field = members.find(part)?.1;
    }
    Some(field)
}

/// The vectors of a column, which may hold several for a row.
fn vectors(name: &str, data_type: &DataType) -> Option<VectorColumn> {
    match data_type {
        DataType::FixedSizeList(element, size) if element.data_type().is_numeric() => Some(VectorColumn {
            name: name.to_owned(),
            dimension: usize::try_from(*size).ok()?,
            is_bytes: element.data_type() == &DataType::UInt8,
        }),
        DataType::List(element) | DataType::LargeList(element) => match element.data_type() {
            DataType::FixedSizeList(..) => vectors(name, element.data_type()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn vectors(size: i32) -> DataType {
        DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), size)
    }

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    #[test]
    fn the_only_column_of_vectors_needs_no_name() {
        let inner = DataType::Struct([field("e", vectors(3))].into_iter().collect());
        let mut fields = vec![field("id", DataType::Int64), field("v", vectors(2)), field("s", inner)];
        let schema = Schema::new(fields.clone());
        let name_and_size = |named| vector_column(&schema, named).map(|found| (found.name, found.dimension));
        assert_eq!(name_and_size(None).unwrap(), ("v".to_owned(), 2));
        assert_eq!(name_and_size(Some("s.e")).unwrap(), ("s.e".to_owned(), 3));
        assert_eq!(name_and_size(Some("V")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(name_and_size(Some("id")).unwrap_err().message().contains("no vectors"));
        fields.push(field("w", DataType::List(Arc::new(field("item", vectors(4))))));
        let error = vector_column(&Schema::new(fields), None).unwrap_err();
        assert_eq!(error.get("columns"), Some("v, w"));
        assert!(vector_column(&Schema::empty(), None).unwrap_err().message().contains("no column of vectors"));
    }
}
