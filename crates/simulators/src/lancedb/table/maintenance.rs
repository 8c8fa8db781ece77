//! Changes that are not of rows: columns, compaction, indices, restores, tags, versions that are no longer kept.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
};

use super::{
    Table,
    changes::{Rows, Stamp, arrow_error, joined},
    fragment::{Fragment, Part},
    version::{Index, RowIds, Version},
};
use crate::{SimError, lancedb::filter::Expression};

impl Table {
    /// Rewrites all rows into full fragments; ids and versions of rows stay where they are stable. Nothing happens when there
    /// is one fragment without deletions.
    pub(crate) fn compact(&mut self, stamp: &Stamp) -> Result<u64, SimError> {
        let latest = self.written()?;
        if latest.parts.len() < 2 && latest.deleted() == 0 {
            return Ok(latest.number);
        }
        // Numbers of fragments are reserved by a version of their own.
        self.commit(stamp, Arc::clone(&latest.schema), latest.parts.clone(), Arc::clone(&latest.indices));
        let rows: Vec<Rows> = latest.parts.iter().map(Part::live_rows).collect::<Result<_, _>>()?;
        let parts = self.fragments(&joined(&latest.schema, &rows)?);
        Ok(self.commit(stamp, Arc::clone(&latest.schema), parts, Arc::clone(&latest.indices)))
    }

    /// The rows, columns and indices of an older version as a new one; rows get back the versions that they had.
    pub(crate) fn restore(&mut self, number: u64, stamp: &Stamp) -> Result<u64, SimError> {
        let old = self.kept(number)?;
        Ok(self.commit(stamp, Arc::clone(&old.schema), old.parts.clone(), Arc::clone(&old.indices)))
    }

    /// A column computed from others; every row counts as changed.
    pub(crate) fn add_column(
        &mut self,
        name: &str,
        data_type: &DataType,
        expression: &str,
        stamp: &Stamp,
    ) -> Result<u64, SimError> {
        let latest = self.written()?;
        if latest.schema.column_with_name(name).is_some() {
            return Err(SimError::Resource(format!("there is a column `{name}` already")));
        }
        let refused = |refusal: crate::lancedb::refusal::Refusal| SimError::Resource(refusal.message().to_owned());
        let value = Expression::value(expression, &latest.schema).map_err(refused)?;
        let mut fields: Vec<FieldRef> = latest.schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(name, data_type.clone(), true)));
        let schema = Arc::new(Schema::new_with_metadata(fields, latest.schema.metadata().clone()));
        let version = latest.number + 1;
        let mut parts = Vec::new();
        for part in &latest.parts {
            let mut columns = part.batch().columns().to_vec();
            columns.push(cast(&value.array(part, 0).map_err(refused)?, data_type).map_err(arrow_error)?);
            let rows = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(arrow_error)?;
            let updated = match self.row_ids {
                RowIds::Stable => std::iter::repeat_n(version, part.len()).collect(),
                RowIds::Plain => part.fragment.updated.clone(),
            };
            let fragment = Fragment { rows, updated, ..part.fragment.as_ref().clone() };
            parts.push(Part { fragment: Arc::new(fragment), ..part.clone() });
        }
        Ok(self.commit(stamp, schema, parts, Arc::clone(&latest.indices)))
    }

    /// Takes a column away; no row counts as changed.
    pub(crate) fn drop_column(&mut self, name: &str, stamp: &Stamp) -> Result<u64, SimError> {
        self.reshape(stamp, |field| (field.name() != name).then(|| Arc::clone(field)), name)
    }

    /// Gives a column another name; no row counts as changed.
    pub(crate) fn rename_column(&mut self, name: &str, new: &str, stamp: &Stamp) -> Result<u64, SimError> {
        let renamed = |field: &FieldRef| match field.name() == name {
            true => Arc::new(field.as_ref().clone().with_name(new)),
            false => Arc::clone(field),
        };
        self.reshape(stamp, |field| Some(renamed(field)), name)
    }

    fn reshape(
        &mut self,
        stamp: &Stamp,
        keep: impl Fn(&FieldRef) -> Option<FieldRef>,
        name: &str,
    ) -> Result<u64, SimError> {
        let latest = self.written()?;
        latest.schema.index_of(name).map_err(arrow_error)?;
        let (kept, fields): (Vec<usize>, Vec<FieldRef>) =
            latest.schema.fields().iter().enumerate().filter_map(|(at, field)| Some((at, keep(field)?))).unzip();
        let schema: SchemaRef = Arc::new(Schema::new_with_metadata(fields, latest.schema.metadata().clone()));
        let reshaped = |part: &Part| -> Result<Part, SimError> {
            let rows = part.batch().project(&kept).map_err(arrow_error)?;
            let rows = RecordBatch::try_new(Arc::clone(&schema), rows.columns().to_vec()).map_err(arrow_error)?;
            Ok(Part { fragment: Arc::new(Fragment { rows, ..part.fragment.as_ref().clone() }), ..part.clone() })
        };
        let parts: Vec<Part> = latest.parts.iter().map(reshaped).collect::<Result<_, _>>()?;
        let indices = latest.indices.iter().filter(|index| schema.index_of(&index.column).is_ok()).cloned().collect();
        Ok(self.commit(stamp, schema, parts, indices))
    }

    /// Builds an index; rows stay as they are.
    pub(crate) fn add_index(&mut self, index: Index, stamp: &Stamp) -> Result<u64, SimError> {
        let latest = self.written()?;
        latest.schema.index_of(&index.column).map_err(arrow_error)?;
        let others = latest.indices.iter().filter(|other| other.name != index.name).cloned();
        let indices = others.chain([index.clone()]).collect();
        Ok(self.commit(stamp, Arc::clone(&latest.schema), latest.parts.clone(), indices))
    }

    /// Gives a version a name that keeps it.
    pub(crate) fn tag(&mut self, tag: &str, number: u64) -> Result<(), SimError> {
        self.kept(number)?;
        self.tags.insert(tag.to_owned(), number);
        Ok(())
    }

    /// Forgets all versions before one, but those with a tag and the latest.
    pub(crate) fn clean_up(&mut self, before: u64) {
        let latest = self.latest().map_or(0, |latest| latest.number);
        let tagged: Vec<u64> = self.tags.values().copied().collect();
        self.versions.retain(|number, _| *number >= before || *number == latest || tagged.contains(number));
    }

    fn kept(&self, number: u64) -> Result<Arc<Version>, SimError> {
        self.version(number).cloned().ok_or_else(|| SimError::Resource(format!("version {number} is not kept")))
    }
}
