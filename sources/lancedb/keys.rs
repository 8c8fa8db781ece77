//! Which columns tell one row from another.

use arrow::datatypes::{DataType, Field, Schema};

use super::config::TableOptions;
use crate::error::{Error, Result};

/// Marks a column as part of the key, in the field's metadata.
const MARK: &str = "lance-schema:unenforced-primary-key";
/// Its place in the key.
const PLACE: &str = "lance-schema:unenforced-primary-key:position";
/// Names that keys usually have.
const USUAL: [&str; 5] = ["id", "_id", "uuid", "pk", "key"];

/// The key columns of a table: as the options say, as the schema is marked, or by name; none when nothing tells.
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
    if !marked.is_empty() {
        marked.sort_by_key(|field| place(field));
        return Ok(marked.into_iter().map(|field| field.name().clone()).collect());
    }
    let name = table.rsplit('$').next().unwrap_or(table);
    let singular = name.strip_suffix('s').unwrap_or(name);
    let usual = USUAL.map(str::to_owned).into_iter().chain([format!("{name}_id"), format!("{singular}_id")]);
    let found = usual.into_iter().find(|usual| schema.field_with_name(usual).is_ok_and(can_be_key));
    Ok(found.into_iter().collect())
}

fn is_marked(field: &Field) -> bool {
    field.metadata().get(MARK).is_some_and(|mark| matches!(mark.as_str(), "true" | "1"))
}

fn place(field: &Field) -> u32 {
    field.metadata().get(PLACE).and_then(|place| place.parse().ok()).unwrap_or(u32::MAX)
}

fn can_be_key(field: &Field) -> bool {
    matches!(
        field.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::FixedSizeBinary(_)
    ) || field.data_type().is_integer()
}

#[cfg(test)]
mod tests {
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
    fn options_come_before_marks_and_marks_before_names() {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let fields = vec![field("id", DataType::Int64), marked("b", "2"), marked("a", "1")];
        let none = Options::new();
        assert_eq!(keys("t", fields.clone(), &none).unwrap(), ["a", "b"]);
        assert_eq!(keys("t", fields.clone(), &Options::new().with("primary_keys", "id")).unwrap(), ["id"]);
        assert!(keys("t", fields, &Options::new().with("primary_keys", "ID")).is_err());
        assert_eq!(keys("ns$items", vec![field("item_id", DataType::Utf8)], &none).unwrap(), ["item_id"]);
        assert!(keys("t", vec![field("id", DataType::Float64)], &none).unwrap().is_empty());
    }
}
