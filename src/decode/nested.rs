//! Columns that hold columns: arrays, maps and structs.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, ListArray, MapArray, StructArray},
    datatypes::{DataType as ArrowType, FieldRef, Fields},
};

use super::{
    buffers::{Fixed, Offsets, Verbatim},
    cast,
    column::{Column, broken},
    decoder::PartialDates,
    fault::{Fault, Found, Step},
    plan::{Frame, ObjectPlan},
    scanner::Scanner,
    shape::{StructShape, TypeShape},
};
use crate::{
    error::Result,
    types::{ArrayType, MapType, StructType},
};

/// An array column.
#[derive(Debug)]
pub(super) struct List {
    offsets: Offsets,
    element: Column,
    contains_null: bool,
    field: FieldRef,
}

impl List {
    pub(super) fn new(array: &ArrayType, shape: &TypeShape, field: &FieldRef, partial: PartialDates) -> Self {
        Self {
            offsets: Offsets::default(),
            element: Column::new(&array.element, shape, field.data_type(), partial),
            contains_null: array.contains_null,
            field: Arc::clone(field),
        }
    }

    /// An array's elements; any other value is an array of one.
    pub(super) fn read(&mut self, at: usize, s: &mut Scanner) -> Step {
        if self.offsets.go_to(at) {
            self.element.truncate(self.offsets.end());
        }
        let mut end = self.offsets.end();
        if s.next_byte() == b'[' {
            s.enter_array()?;
            while s.next_element()? {
                self.read_element(end, s)?;
                end += 1;
            }
        } else {
            self.read_element(end, s)?;
            end += 1;
        }
        self.offsets.push(end)
    }

    #[inline]
    fn read_element(&mut self, at: usize, s: &mut Scanner) -> Step {
        self.element.read(at, s)?;
        if !self.contains_null && self.element.len() <= at {
            return Err(Fault::misfit(self.element.type_name(), Found::Nothing).within("element"));
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn cut(&mut self, len: usize) {
        self.offsets.cut(len);
        self.element.truncate(self.offsets.end());
    }

    pub(super) fn bytes(&self) -> usize {
        self.offsets.bytes() + self.element.bytes()
    }

    pub(super) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let elements = self.element.take(self.offsets.end())?;
        let (offsets, nulls) = self.offsets.take(rows);
        Ok(Arc::new(ListArray::try_new(Arc::clone(&self.field), offsets, elements, nulls).map_err(broken)?))
    }
}

/// A map column, from JSON objects.
#[derive(Debug)]
pub(super) struct Pairs {
    offsets: Offsets,
    key: Column,
    value: Column,
    value_contains_null: bool,
    entries: FieldRef,
    pair: Fields,
}

impl Pairs {
    pub(super) fn new(map: &MapType, shape: &[TypeShape; 2], entries: &FieldRef, partial: PartialDates) -> Self {
        let ArrowType::Struct(pair) = entries.data_type() else { unreachable!("a map's entries are structs") };
        let [key, value] = pair.as_ref() else { unreachable!("a map's entries have a key and a value") };
        let [key_shape, value_shape] = shape;
        Self {
            offsets: Offsets::default(),
            key: Column::new(&map.key, key_shape, key.data_type(), partial),
            value: Column::new(&map.value, value_shape, value.data_type(), partial),
            value_contains_null: map.value_contains_null,
            entries: Arc::clone(entries),
            pair: pair.clone(),
        }
    }

    pub(super) fn read(&mut self, at: usize, s: &mut Scanner) -> Step {
        if s.next_byte() != b'{' {
            return Err(cast::wrong_kind(s).expecting(|| "map".to_owned()));
        }
        if self.offsets.go_to(at) {
            self.cut_entries();
        }
        let mark = s.mark();
        let start = self.offsets.end();
        let end = self.read_entries(start, s, |_| true)?;
        if end - start > 1 {
            let last = self.last_of_each_key(start, end);
            if last.contains(&false) {
                self.cut_entries();
                s.reset(mark);
                let end = self.read_entries(start, s, |i| last.get(i).copied().unwrap_or(true))?;
                return self.offsets.push(end);
            }
        }
        self.offsets.push(end)
    }

    fn read_entries(&mut self, start: usize, s: &mut Scanner, keep: impl Fn(usize) -> bool) -> Step<usize> {
        let mut end = start;
        let mut member = 0;
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            if keep(member) {
                self.key.read_key(end, &key).map_err(|f| f.within("key"))?;
                self.value.read(end, s).map_err(|f| f.within("value"))?;
                if !self.value_contains_null && self.value.len() <= end {
                    return Err(Fault::misfit(self.value.type_name(), Found::Nothing).within("value"));
                }
                end += 1;
            } else {
                s.skip()?;
            }
            member += 1;
        }
        Ok(end)
    }

    /// For each entry whether no later one has its key.
    fn last_of_each_key(&self, start: usize, end: usize) -> Vec<bool> {
        let mut order: Vec<usize> = (start..end).collect();
        order.sort_by(|a, b| self.key.key_bytes(*a).cmp(&self.key.key_bytes(*b)).then(a.cmp(b)));
        let mut last = vec![true; end - start];
        for pair in order.windows(2) {
            if let [a, b] = pair
                && self.key.key_bytes(*a) == self.key.key_bytes(*b)
            {
                last[*a - start] = false;
            }
        }
        last
    }

    fn cut_entries(&mut self) {
        self.key.truncate(self.offsets.end());
        self.value.truncate(self.offsets.end());
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn cut(&mut self, len: usize) {
        self.offsets.cut(len);
        self.cut_entries();
    }

    pub(super) fn bytes(&self) -> usize {
        self.offsets.bytes() + self.key.bytes() + self.value.bytes()
    }

    pub(super) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let count = self.offsets.end();
        let columns = vec![self.key.take(count)?, self.value.take(count)?];
        let entries = StructArray::try_new(self.pair.clone(), columns, None).map_err(broken)?;
        let (offsets, nulls) = self.offsets.take(rows);
        Ok(Arc::new(MapArray::try_new(Arc::clone(&self.entries), offsets, entries, nulls, false).map_err(broken)?))
    }
}

/// A struct column, or the record itself.
#[derive(Debug)]
pub(super) struct Struct {
    /// The rows that are not null.
    valid: Fixed<()>,
    columns: Vec<Column>,
    /// Its own, so that decoders in other threads do not change the order it has learned.
    plan: ObjectPlan,
    names: Arc<[String]>,
    required: Arc<[u32]>,
    records: Vec<u32>,
    fields: Fields,
}

impl Struct {
    pub(super) fn new(schema: &StructType, shape: &StructShape, fields: &Fields, partial: PartialDates) -> Self {
        let parts = schema.fields.iter().zip(&shape.fields).zip(fields);
        let mut columns: Vec<_> = parts
            .map(|((field, shape), arrow)| Column::new(&field.data_type, shape, arrow.data_type(), partial))
            .collect();
        for i in &shape.records {
            if let Some(column) = columns.get_mut(*i as usize) {
                *column = Column::Record(Verbatim::default());
            }
        }
        Self {
            valid: Fixed::default(),
            columns,
            plan: shape.plan.clone(),
            names: Arc::clone(&shape.names),
            required: Arc::clone(&shape.required),
            records: shape.records.clone(),
            fields: fields.clone(),
        }
    }

    /// An object; one without members is null.
    pub(super) fn read(&mut self, at: usize, s: &mut Scanner) -> Step {
        if s.next_byte() != b'{' {
            return Err(cast::wrong_kind(s).expecting(|| "struct".to_owned()));
        }
        if self.valid.len() > at {
            self.cut(at);
        }
        if self.read_members(at, s)? {
            self.check_required(at)?;
            self.valid.put(at, ());
        }
        Ok(())
    }

    /// The record at the top; one without members is a row of nulls.
    pub(super) fn read_record(&mut self, at: usize, s: &mut Scanner) -> Step {
        if s.next_byte() != b'{' {
            return Err(cast::wrong_kind(s).expecting(|| "a record (an object)".to_owned()));
        }
        let start = s.position();
        self.read_members(at, s)?;
        self.check_required(at)?;
        // Last: only for a row that fits.
        for i in &self.records {
            if let Some(column) = self.columns.get_mut(*i as usize) {
                column.put_text(at, s.slice(start))?;
            }
        }
        self.valid.put(at, ());
        Ok(())
    }

    #[inline]
    fn read_members(&mut self, at: usize, s: &mut Scanner) -> Step<bool> {
        self.plan.run(s, &mut Frame { columns: &mut self.columns, names: &self.names, at })
    }

    #[inline]
    fn check_required(&self, at: usize) -> Step {
        for i in self.required.iter() {
            if let (Some(column), Some(name)) = (self.columns.get(*i as usize), self.names.get(*i as usize))
                && column.len() <= at
            {
                return Err(Fault::misfit(column.type_name(), Found::Nothing).within(name));
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    pub(super) fn cut(&mut self, len: usize) {
        self.valid.cut(len);
        self.columns.iter_mut().for_each(|c| c.truncate(len));
    }

    pub(super) fn bytes(&self) -> usize {
        self.valid.bytes() + self.columns.iter().map(Column::bytes).sum::<usize>()
    }

    pub(super) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let (_, nulls) = self.valid.take(rows);
        let columns = self.take_columns(rows)?;
        Ok(Arc::new(StructArray::try_new_with_length(self.fields.clone(), columns, nulls, rows).map_err(broken)?))
    }

    pub(super) fn take_columns(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        self.columns.iter_mut().map(|c| c.take(rows)).collect()
    }

    pub(super) fn take_rows(&mut self) -> usize {
        let rows = self.valid.len();
        self.valid.cut(0);
        rows
    }
}
