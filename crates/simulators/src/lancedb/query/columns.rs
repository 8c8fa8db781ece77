//! Which columns an answer has.

use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use crate::lancedb::{filter::Expression, refusal::Refusal, table::VIRTUAL_COLUMNS};

/// The columns that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Those of the table.
    All,
    /// These, in this order; nested ones with dots.
    Names(Vec<String>),
    /// Values under new names.
    Aliases(Vec<(String, String)>),
}

/// One column of an answer.
#[derive(Debug)]
pub(super) enum Column {
    /// Computed from a row.
    Of(FieldRef, Expression),
    /// Made by the search itself: its place in what the search adds.
    Found(FieldRef, usize),
}

/// The columns of an answer.
#[derive(Debug)]
pub(super) struct Projection(pub(super) Vec<Column>);

fn unknown(name: &str) -> Refusal {
    Refusal::input(format!(
        "SchemaError(FieldNotFound {{ field: Column {{ relation: None, name: \"{name}\" }}, valid_fields: [] }}, Some(\"\"))"
    ))
}

impl Projection {
    /// Finds the columns of a table; `found` are those that the search adds, at the end unless they are asked for.
    ///
    /// # Errors
    /// For a column that there is not, or that comes twice.
    pub(super) fn of(
        columns: &Columns,
        schema: &Schema,
        with_row_id: bool,
        found: &[FieldRef],
    ) -> Result<Self, Refusal> {
        let mut all = match columns {
            Columns::All => {
                schema.fields().iter().map(|field| named(field.name(), schema)).collect::<Result<Vec<_>, _>>()?
            }
            Columns::Names(names) => {
                let mut seen = HashSet::new();
                if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
                    return Err(Refusal::invalid(format!(
                        "Invalid column projection: InvalidInput {{ source: \"Duplicate column name: {twice}\" }}"
                    )));
                }
                let one = |name: &String| match found.iter().position(|field| field.name() == name) {
                    Some(at) => Ok(Column::Found(Arc::clone(&found[at]), at)),
                    None => named(name, schema),
                };
                names.iter().map(one).collect::<Result<Vec<_>, _>>()?
            }
            Columns::Aliases(aliases) => {
                let one = |(alias, text): &(String, String)| {
                    let value = Expression::value(text, schema)?;
                    Ok(Column::Of(Arc::new(Field::new(alias, value.data_type(), true)), value))
                };
                aliases.iter().map(one).collect::<Result<Vec<_>, Refusal>>()?
            }
        };
        for (at, field) in found.iter().enumerate() {
            if !all.iter().any(|column| matches!(column, Column::Found(_, place) if *place == at)) {
                all.push(Column::Found(Arc::clone(field), at));
            }
        }
        let has_row_id = all.iter().any(|column| matches!(column, Column::Of(field, _) if field.name() == "_rowid"));
        if with_row_id && !has_row_id {
            all.push(named("_rowid", schema)?);
        }
        Ok(Self(all))
    }
}

/// A column by its exact name, or a member of structs by its path.
fn named(name: &str, schema: &Schema) -> Result<Column, Refusal> {
    if name.contains('`') {
        return Err(Refusal::input("\"Error parsing column names: a name has an unescaped backtick\""));
    }
    let mut path = name.split('.');
    let first = path.next().unwrap_or_default();
    let Ok(field) = schema.field_with_name(first) else {
        if !VIRTUAL_COLUMNS.contains(&name) {
            return Err(unknown(name));
        }
        let field = Field::new(name, DataType::UInt64, true);
        return Ok(Column::Of(Arc::new(field), Expression::column(vec![name.to_owned()], DataType::UInt64)));
    };
    let (mut field, mut nullable) = (field, field.is_nullable());
    for member in path {
        let DataType::Struct(fields) = field.data_type() else { return Err(unknown(name)) };
        field = fields.iter().find(|field| field.name() == member).ok_or_else(|| unknown(name))?;
        nullable = nullable || field.is_nullable();
    }
    let path = name.split('.').map(str::to_owned).collect();
    let value = Expression::column(path, field.data_type().clone());
    Ok(Column::Of(Arc::new(field.clone().with_name(name).with_nullable(nullable)), value))
}
