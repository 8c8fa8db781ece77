//! The columns that a filter or projection may name, and how their names are written.

use arrow::datatypes::{DataType, Fields, Schema};

use super::lexer::wrong;
use crate::error::{Error, Result};

/// Columns that every table has beside its own.
pub(in super::super) const VIRTUAL: &[&str] =
    &["_rowid", "_rowaddr", "_row_created_at_version", "_row_last_updated_at_version"];

/// The names of a table's columns.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Names<'a>(pub(in super::super) &'a Schema);

impl Names<'_> {
    /// A column or a member of one, as the server reads it: each part in backticks.
    ///
    /// The server tells names of columns apart by case in projections and not in filters; here they must be written as
    /// they are.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) with near names for a name that the table does not have;
    /// [`Config`](crate::ErrorKind::Config) for one with a backtick, which the server cannot read.
    pub(in super::super) fn write(self, path: &[&str], at: usize) -> Result<String> {
        let mut written = String::new();
        let mut fields = Some(self.0.fields());
        for (depth, part) in path.iter().enumerate() {
            let found = fields.and_then(|fields| fields.find(part));
            let is_virtual = depth == 0 && path.len() == 1 && VIRTUAL.contains(part);
            if found.is_none() && !is_virtual {
                let known = fields.into_iter().flatten().map(|field| field.name().as_str());
                return Err(Error::unknown("column", &path.join("."), known).with("position", at + 1));
            }
            if part.contains('`') {
                return Err(wrong("names a column with a backtick, which the server cannot filter by", at));
            }
            written.push_str(if depth == 0 { "`" } else { ".`" });
            written.push_str(part);
            written.push('`');
            fields = found.and_then(|(_, field)| members(field.data_type()));
        }
        Ok(written)
    }
}

fn members(data_type: &DataType) -> Option<&Fields> {
    match data_type {
        DataType::Struct(fields) => Some(fields),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn every_part_of_a_name_is_quoted_and_known() {
        let inner = DataType::Struct([Field::new("x", DataType::Int64, true)].into_iter().collect());
        let schema =
            Schema::new([Field::new("has space", DataType::Utf8, true), Field::new("s", inner, true)].to_vec());
        let names = Names(&schema);
        assert_eq!(names.write(&["has space"], 0).unwrap(), "`has space`");
        assert_eq!(names.write(&["s", "x"], 0).unwrap(), "`s`.`x`");
        assert_eq!(names.write(&["_rowid"], 0).unwrap(), "`_rowid`");
        for path in [&["S"][..], &["s", "y"], &["s.x"], &["has space", "x"], &["_rowid", "x"]] {
            assert!(names.write(path, 3).is_err(), "{path:?}");
        }
    }
}
