//! Values into the layouts that Spark's types have.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, ListArray, MapArray, OffsetSizeTrait,
        StructArray,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, FieldRef, TimeUnit},
    error::ArrowError,
};

use super::leaf;

/// What is done to the values of a column, or of a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Convert {
    /// Nothing.
    Keep,
    /// Arrow's cast, where it loses nothing.
    Cast(DataType),
    /// Seconds to microseconds without zone are taken for UTC.
    TakenForUtc,
    /// Nanoseconds cut to microseconds, towards the past.
    Nanoseconds { is_instant: bool },
    /// `13:05:09.000001`, with nine digits for nanoseconds.
    TimeOfDay(TimeUnit),
    /// Microseconds; nanoseconds stay.
    Duration(TimeUnit),
    /// ISO 8601: `P1Y2M3DT4H5M6.7S`.
    Interval,
    /// `8-4-4-4-12` hexadecimal digits.
    Uuid,
    /// Floats out of their upper halves.
    Bfloat16,
    /// Vectors as the bytes of their elements.
    VectorBytes,
    /// Values out of a dictionary or of runs, then converted.
    Unpack(DataType, Box<Convert>),
    /// Elements of lists.
    List(Box<Convert>),
    /// Members of structs, those that stay.
    Struct(Vec<Member>),
    /// Keys and values of maps.
    Map(Box<Convert>, Box<Convert>),
    /// Maps into lists of pairs.
    Pairs(Vec<Member>),
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// Its place in the server's struct.
    pub(super) place: usize,
    pub(super) name: String,
    pub(super) convert: Convert,
}

impl Convert {
    pub(super) fn in_list(self) -> Self {
        match self {
            Self::Keep => Self::Keep,
            element => Self::List(Box::new(element)),
        }
    }

    pub(super) fn of_struct(members: Vec<Member>, is_whole: bool) -> Self {
        match is_whole && members.iter().all(|member| member.convert == Self::Keep) {
            true => Self::Keep,
            false => Self::Struct(members),
        }
    }

    pub(super) fn of_map(key: Self, value: Self) -> Self {
        match (key, value) {
            (Self::Keep, Self::Keep) => Self::Keep,
            (key, value) => Self::Map(Box::new(key), Box::new(value)),
        }
    }

    /// The converted values.
    ///
    /// # Errors
    /// Those of Arrow: values that do not fit, never told themselves.
    pub(super) fn apply(&self, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Keep => Arc::clone(array),
            Self::Cast(target) => cast(array, target)?,
            Self::TakenForUtc => leaf::taken_for_utc(array)?,
            Self::Nanoseconds { is_instant } => leaf::microseconds(array, *is_instant)?,
            Self::TimeOfDay(unit) => leaf::time_of_day(array, *unit)?,
            Self::Duration(unit) => leaf::duration(array, *unit)?,
            Self::Interval => leaf::interval(array)?,
            Self::Uuid => leaf::uuid(array)?,
            Self::Bfloat16 => leaf::bfloat16(array)?,
            Self::VectorBytes => leaf::vector_bytes(array)?,
            Self::Unpack(values, convert) => convert.apply(&cast(array, values)?)?,
            Self::List(element) => list(array, element)?,
            Self::Struct(members) => Arc::new(structure(array.as_struct(), members)?),
            Self::Map(key, value) => Arc::new(map(array.as_map(), key, value)?),
            Self::Pairs(members) => Arc::new(pairs(array.as_map(), members)?),
        })
    }
}

pub(super) fn cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, target, &CastOptions { safe: false, ..CastOptions::default() })
}

fn list(array: &ArrayRef, convert: &Convert) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::List(field) => Arc::new(elements(array.as_list::<i32>(), field, convert)?),
        DataType::LargeList(field) => Arc::new(elements(array.as_list::<i64>(), field, convert)?),
        DataType::FixedSizeList(field, size) => {
            let array = array.as_fixed_size_list();
            let values = convert.apply(array.values())?;
            let field = retyped(field, &values);
            Arc::new(FixedSizeListArray::try_new(field, *size, values, array.nulls().cloned())?)
        }
        DataType::ListView(field) | DataType::LargeListView(field) => {
            list(&cast(array, &DataType::List(Arc::clone(field)))?, convert)?
        }
        other => return Err(ArrowError::InvalidArgumentError(format!("{other} is not a list"))),
    })
}

fn elements<O: OffsetSizeTrait>(
    array: &GenericListArray<O>,
    field: &FieldRef,
    convert: &Convert,
) -> Result<GenericListArray<O>, ArrowError> {
    let values = convert.apply(array.values())?;
    GenericListArray::try_new(retyped(field, &values), array.offsets().clone(), values, array.nulls().cloned())
}

fn structure(array: &StructArray, members: &[Member]) -> Result<StructArray, ArrowError> {
    let mut fields = Vec::with_capacity(members.len());
    let mut columns = Vec::with_capacity(members.len());
    for member in members {
        let column = member.convert.apply(array.column(member.place))?;
        let nullable = array.fields()[member.place].is_nullable();
        fields.push(Field::new(&member.name, column.data_type().clone(), nullable));
        columns.push(column);
    }
    StructArray::try_new_with_length(fields.into(), columns, array.nulls().cloned(), array.len())
}

fn map(array: &MapArray, key: &Convert, value: &Convert) -> Result<MapArray, ArrowError> {
    let (keys, values) = (key.apply(array.keys())?, value.apply(array.values())?);
    let (key, value) = array.entries_fields();
    let fields = [retyped(key, &keys), retyped(value, &values)];
    let entries = StructArray::try_new(fields.into_iter().collect(), vec![keys, values], None)?;
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    MapArray::try_new(field, array.offsets().clone(), entries, array.nulls().cloned(), false)
}

fn pairs(array: &MapArray, members: &[Member]) -> Result<ListArray, ArrowError> {
    let entries = array.entries();
    let mut fields = Vec::with_capacity(2);
    let mut columns = Vec::with_capacity(2);
    for member in members {
        let column = member.convert.apply(entries.column(member.place))?;
        let nullable = entries.fields()[member.place].is_nullable();
        fields.push(Field::new(&member.name, column.data_type().clone(), nullable));
        columns.push(column);
    }
    let pairs = StructArray::try_new_with_length(fields.into(), columns, None, entries.len())?;
    let element = Arc::new(Field::new("element", pairs.data_type().clone(), false));
    ListArray::try_new(element, array.offsets().clone(), Arc::new(pairs), array.nulls().cloned())
}

/// The field with the type that its values now have.
fn retyped(field: &Field, values: &ArrayRef) -> FieldRef {
    Arc::new(Field::new(field.name(), values.data_type().clone(), field.is_nullable()))
}
