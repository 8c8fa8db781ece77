//! Questions about rows: what they ask for in both dialects, and their answers.

mod body;
mod columns;
mod nearest;
mod run;
mod scan;
mod words;

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::Schema};

pub(crate) use body::Query;
pub(crate) use columns::Columns;

use super::{refusal::Refusal, table::Version};
use columns::Projection;

/// All rows of a version.
///
/// # Errors
/// For a column that there is not.
pub(crate) fn whole(version: &Version, columns: &Columns) -> Result<RecordBatch, Refusal> {
    let projection = Projection::of(columns, &version.schema, false, &[])?;
    let picked = scan::pick(version, None, 0, None)?;
    let (fields, columns) = scan::gather(version, &picked, &projection, usize::MAX)?;
    let schema = Arc::new(Schema::new_with_metadata(fields, version.schema.metadata().clone()));
    scan::batch(schema, columns, picked.iter().map(scan::Picked::len).sum())
}

/// How many rows of a version a filter selects; all of them without one.
///
/// # Errors
/// What the query engine says about the filter.
pub(crate) fn count(version: &Version, filter: Option<&str>) -> Result<usize, Refusal> {
    let filter = filter.map(|text| super::filter::Expression::condition(text, &version.schema)).transpose()?;
    let picked = scan::pick(version, filter.as_ref(), 0, None)?;
    Ok(picked.iter().map(scan::Picked::len).sum())
}
