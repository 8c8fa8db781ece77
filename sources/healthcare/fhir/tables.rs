//! From a resource type and its table options to a schema and the places of the values.

use std::{iter::Chain, slice::Iter, sync::Arc};

use super::{
    columns::{self, COMMON, Column, KEY},
    compat,
    config::{SchemaMode, TableOptions},
    profiles,
};
use crate::{
    decode::Shape,
    error::{Error, Result},
    types::StructType,
};

type Columns = Chain<Chain<Iter<'static, Column>, Iter<'static, Column>>, Iter<'static, Column>>;

/// The columns of a table: the five common ones, its own, and what the profile adds.
fn of(resource_type: &str, options: &TableOptions) -> Columns {
    let (own, added) = match options.schema_mode {
        SchemaMode::Raw => (&[][..], &[][..]),
        SchemaMode::Compat => {
            (compat::columns(resource_type).unwrap_or_default(), profiles::additions(&options.profile, resource_type))
        }
    };
    COMMON.iter().chain(own).chain(added)
}

/// The schema of a table.
pub(super) fn schema(resource_type: &str, options: &TableOptions) -> StructType {
    columns::schema(of(resource_type, options))
}

/// The schema of a table with the place of every value; of `wanted` columns only, when they are given, and the key.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) with near matches for a column that the table does not have.
pub(super) fn shape(resource_type: &str, options: &TableOptions, wanted: Option<&[String]>) -> Result<Arc<Shape>> {
    let all = || of(resource_type, options);
    let Some(wanted) = wanted else { return columns::shape(all()).map(Arc::new) };
    if let Some(unknown) = wanted.iter().find(|name| all().all(|column| column.name != **name)) {
        return Err(Error::unknown("column", unknown, all().map(|column| column.name)).with("table", resource_type));
    }
    let chosen = all().filter(|column| column.name == KEY || wanted.iter().any(|name| name == column.name));
    columns::shape(chosen.collect::<Vec<_>>()).map(Arc::new)
}
