//! Which columns tell one row from another.

use arrow::datatypes::{Field, Schema};

use super::config::TableOptions;
use crate::error::{Error, Result};

/// Marks a column as part of the key, in the field's metadata.
const MARK: &str = "lance-schema:unenforced-primary-key";
/// Its place in the key.
const PLACE: &str = "lance-schema:unenforced-primary-key:position";

/// The key columns of a table: as the options say, else as the schema is marked; none when nothing tells.
///
/// A name is not enough: servers keep no key, and rows that share one would replace each other.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) for a column of the options that there is not.
pub(super) fn primary_keys(table: &str, schema: &Schema, options: &TableOptions) -> Result<Vec<String>> {
    if !options.primary_keys.is_empty() {
        for key in &options.primary_keys {
            if schema.fields().find(key).is_none() {
                let known = schema.fields().iter().map(|field| field.name().as_str());
                return Err(Error::unknown("column", key, known).with("option", "primary_keys").with("table", table));
            }
        }
        return Ok(options.primary_keys.clone());
    }
    let mut marked: Vec<_> = schema.fields().iter().filter(|field| is_marked(field)).collect();
    marked.sort_by_key(|field| place(field));
    Ok(marked.into_iter().map(|field| field.name().clone()).collect())
}

fn is_marked(field: &Field) -> bool {
    field.metadata().get(MARK).is_some_and(|mark| matches!(mark.as_str(), "true" | "1"))
}

fn place(field: &Field) -> u32 {
    field.metadata().get(PLACE).and_then(|place| place.parse().ok()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;
    use crate::options::Options;

    fn keys(table: &str, fields: Vec<Field>, options: &Options) -> Result<Vec<String>> {
        primary_keys(table, &Schema::new(fields), &TableOptions::parse(options).unwrap())
    }

    fn marked(name: &str, place: &str) -> Field {
        let metadata = [(MARK.to_owned(), "true".to_owned()), (PLACE.to_owned(), place.to_owned())];
        Field::new(name, DataType::Int64, false).with_metadata(metadata.into())
    }

    #[test]
    fn options_come_before_marks_and_a_name_alone_is_no_key() {
        let id = Field::new("id", DataType::Int64, false);
        let fields = vec![id.clone(), marked("b", "2"), marked("a", "1")];
        let none = Options::new();
        assert_eq!(keys("t", fields.clone(), &none).unwrap(), ["a", "b"]);
        assert_eq!(keys("t", fields.clone(), &Options::new().with("primary_keys", "id")).unwrap(), ["id"]);
        assert!(keys("t", fields, &Options::new().with("primary_keys", "ID")).is_err());
        assert!(keys("t", vec![id], &none).unwrap().is_empty());
    }
}
