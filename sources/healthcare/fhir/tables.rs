//! From a resource type and its table options to a schema and the places of the values.

use std::{iter::Chain, slice::Iter, sync::Arc};

use super::{
    columns::{self, COMMON, Column},
    compat,
    config::{SchemaMode, TableOptions},
    profiles,
};
use crate::{decode::Shape, error::Result, types::StructType};

type Columns = Chain<Chain<Iter<'static, Column>, Iter<'static, Column>>, Iter<'static, Column>>;

/// The columns of a table: the five common ones, its own, and what the profile adds.
fn of(resource_type: &str, options: &TableOptions) -> Columns {
    let (own, added) = match options.schema_mode {
        SchemaMode::Raw => (&[][..], &[][..]),
        SchemaMode::Compat | SchemaMode::Full => {
            (compat::columns(resource_type).unwrap_or_default(), profiles::additions(&options.profile, resource_type))
        }
    };
    COMMON.iter().chain(own).chain(added)
}

/// The schema of a table.
pub(super) fn schema(resource_type: &str, options: &TableOptions) -> StructType {
    columns::schema(of(resource_type, options))
}

/// The schema of a table with the place of every value.
pub(super) fn shape(resource_type: &str, options: &TableOptions) -> Result<Arc<Shape>> {
    columns::shape(of(resource_type, options)).map(Arc::new)
}
