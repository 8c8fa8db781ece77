//! Arrow types to Spark types, with what it takes to bring the values over.

use std::collections::HashSet;

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields, TimeUnit};

use super::{
    convert::{Convert, Member},
    extension::{Extension, extension},
    nanos,
};
use crate::{
    error::{Error, ErrorKind, Result},
    types::{ArrayType, DataType, MapType, StructField, StructType},
};

/// Deepest nesting of a column.
const DEEPEST: usize = 64;

/// How types are mapped where there is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct TypeOptions {
    /// Small integers keep their width; otherwise all are Long.
    pub(in super::super) exact_integers: bool,
    /// Timestamps without zone stay so; otherwise they are taken for UTC.
    pub(in super::super) keeps_ntz: bool,
    /// UUIDs stay binary; otherwise they are text.
    pub(in super::super) binary_uuids: bool,
    /// JSON is Spark's variant; otherwise it is text.
    pub(in super::super) json_variants: bool,
    /// Vectors of floats are the bytes of their elements; otherwise they are arrays.
    pub(in super::super) binary_vectors: bool,
    pub(in super::super) nanoseconds: Nanoseconds,
}

/// What becomes of the nanoseconds of timestamps, which Spark has in microseconds only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Nanoseconds {
    /// They are kept in a column beside the timestamp.
    #[default]
    Beside,
    /// They are cut off.
    Cut,
    /// They stand in place of the timestamp: what the column beside it holds.
    Numbers,
}

/// A column in Spark's types, and how its values get there.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub(super) data_type: DataType,
    pub(super) convert: Convert,
}

impl Mapped {
    fn kept(data_type: DataType) -> Self {
        Self { data_type, convert: Convert::Keep }
    }

    pub(super) fn by(data_type: DataType, convert: Convert) -> Self {
        Self { data_type, convert }
    }
}

/// The Spark type of a field; `None` for a struct without members, which Spark cannot store.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported), naming the column, for unions, JSON in Lance's own bytes, and nesting beyond 64 levels.
pub(super) fn map(field: &Field, options: TypeOptions, path: &str, depth: usize) -> Result<Option<Mapped>> {
    if depth > DEEPEST {
        return Err(unsupported(field.data_type(), path, "the column is nested deeper than 64 levels"));
    }
    if let Some(extension) = extension(field) {
        return map_extension(extension, field.data_type(), options, path).map(Some);
    }
    map_type(field.data_type(), options, path, depth)
}

fn map_extension(extension: Extension, found: &ArrowType, options: TypeOptions, path: &str) -> Result<Mapped> {
    Ok(match extension {
        Extension::Uuid if options.binary_uuids => Mapped::kept(DataType::Binary),
        Extension::Uuid => Mapped::by(DataType::String, Convert::Uuid),
        Extension::Json if options.json_variants => Mapped::kept(DataType::Variant),
        Extension::Json => Mapped::kept(DataType::String),
        Extension::StoredJson => {
            return Err(unsupported(found, path, "the server sent JSON in the bytes of its storage, not as text"));
        }
        Extension::Bfloat16 => Mapped::by(DataType::Float, Convert::Bfloat16),
    })
}

fn map_type(found: &ArrowType, options: TypeOptions, path: &str, depth: usize) -> Result<Option<Mapped>> {
    use ArrowType as T;
    let element = |field: &FieldRef| map(field, options, &join(path, "element"), depth + 1);
    Ok(Some(match found {
        T::Null => Mapped::kept(DataType::String),
        T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 if !options.exact_integers => {
            Mapped::by(DataType::Long, Convert::Cast(T::Int64))
        }
        T::Timestamp(TimeUnit::Nanosecond, _) if options.nanoseconds == Nanoseconds::Numbers => nanos::number(),
        T::Timestamp(unit, zone) => timestamp(*unit, zone.is_some(), options),
        T::Time32(unit) | T::Time64(unit) => Mapped::by(DataType::String, Convert::TimeOfDay(*unit)),
        T::Duration(unit) => Mapped::by(DataType::Long, Convert::Duration(*unit)),
        T::Interval(_) => Mapped::by(DataType::String, Convert::Interval),
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => decimal(*p, *s),
        T::FixedSizeList(e, _) if options.binary_vectors && is_of_floats(e) => {
            Mapped::by(DataType::Binary, Convert::VectorBytes)
        }
        T::List(e) | T::LargeList(e) | T::ListView(e) | T::LargeListView(e) | T::FixedSizeList(e, _) => {
            let Some(inner) = element(e)? else { return Ok(None) };
            let array = ArrayType { element: inner.data_type, contains_null: e.is_nullable() };
            Mapped::by(DataType::Array(Box::new(array)), inner.convert.in_list())
        }
        T::Struct(fields) => {
            let (spark, members) = members(fields, options, path, depth)?;
            if members.is_empty() {
                return Ok(None);
            }
            let is_whole = members.len() == fields.len();
            Mapped::by(DataType::Struct(StructType::new(spark)), Convert::of_struct(members, is_whole))
        }
        T::Map(entries, _) => return map_of_keys(entries, options, path, depth),
        T::Dictionary(_, values) => {
            let inner = Field::new("values", values.as_ref().clone(), true);
            let Some(inner) = map(&inner, options, path, depth + 1)? else { return Ok(None) };
            match inner.convert {
                Convert::Keep => inner,
                convert => Mapped::by(inner.data_type, Convert::Unpack(values.as_ref().clone(), Box::new(convert))),
            }
        }
        T::RunEndEncoded(_, values) => {
            let Some(inner) = map(values, options, path, depth + 1)? else { return Ok(None) };
            Mapped::by(inner.data_type, Convert::Unpack(values.data_type().clone(), Box::new(inner.convert)))
        }
        T::Union(..) => return Err(unsupported(found, path, "Spark has no type for a union")),
        other => Mapped::kept(DataType::from_arrow(other).map_err(|error| error.with("column", path))?),
    }))
}

fn is_of_floats(element: &Field) -> bool {
    element.data_type().is_floating() || extension(element) == Some(Extension::Bfloat16)
}

/// The members of a struct, and behind them what they are cut of.
fn members(fields: &Fields, options: TypeOptions, path: &str, depth: usize) -> Result<(Vec<StructField>, Vec<Member>)> {
    let (mut spark, mut members) = (Vec::with_capacity(fields.len()), Vec::with_capacity(fields.len()));
    for (place, field) in fields.iter().enumerate() {
        let Some(inner) = map(field, options, &join(path, field.name()), depth + 1)? else { continue };
        spark.push(spark_field(field, inner.data_type));
        members.push(Member { place, name: field.name().clone(), convert: inner.convert });
    }
    let mut names: HashSet<String> = members.iter().map(|member| member.name.to_lowercase()).collect();
    for (place, field) in fields.iter().enumerate() {
        let path = join(path, field.name());
        let Some((field, inner)) = nanos::beside(field, options, &path, depth + 1, &mut names)? else { continue };
        members.push(Member { place, name: field.name.clone(), convert: inner.convert });
        spark.push(field);
    }
    Ok((spark, members))
}

/// Spark's maps have keys of any type, records of JSON only texts: others are arrays of pairs.
fn map_of_keys(entries: &FieldRef, options: TypeOptions, path: &str, depth: usize) -> Result<Option<Mapped>> {
    let pair = match entries.data_type() {
        ArrowType::Struct(pair) if pair.len() == 2 => pair,
        other => return Err(unsupported(other, path, "the map has no pairs")),
    };
    let (Some(key), Some(value)) = (
        map(&pair[0], options, &join(path, "key"), depth + 1)?,
        map(&pair[1], options, &join(path, "value"), depth + 1)?,
    ) else {
        return Ok(None);
    };
    if key.data_type == DataType::String {
        let map = MapType { key: key.data_type, value: value.data_type, value_contains_null: pair[1].is_nullable() };
        return Ok(Some(Mapped::by(DataType::Map(Box::new(map)), Convert::of_map(key.convert, value.convert))));
    }
    let fields = [StructField::required("key", key.data_type), spark_field(&pair[1], value.data_type)];
    let members = vec![
        Member { place: 0, name: "key".to_owned(), convert: key.convert },
        Member { place: 1, name: pair[1].name().clone(), convert: value.convert },
    ];
    let element = DataType::Struct(StructType::new(fields));
    let array = ArrayType { element, contains_null: false };
    Ok(Some(Mapped::by(DataType::Array(Box::new(array)), Convert::Pairs(members))))
}

fn timestamp(unit: TimeUnit, has_zone: bool, options: TypeOptions) -> Mapped {
    let is_instant = has_zone || !options.keeps_ntz;
    let data_type = if is_instant { DataType::Timestamp } else { DataType::TimestampNtz };
    match (unit, has_zone == is_instant) {
        (TimeUnit::Nanosecond, _) => Mapped::by(data_type, Convert::Nanoseconds { is_instant }),
        (_, true) => Mapped::kept(data_type),
        (_, false) => Mapped::by(data_type, Convert::TakenForUtc),
    }
}

/// Spark's decimals have at most 38 digits and no negative scale; what does not fit is exact text.
fn decimal(precision: u8, scale: i8) -> Mapped {
    let digits = i16::from(precision) - i16::from(scale.min(0));
    match u8::try_from(digits) {
        Ok(digits) if digits <= 38 => {
            let data_type = DataType::Decimal { precision: digits, scale: scale.max(0) };
            let target = data_type.to_arrow();
            Mapped::by(data_type, Convert::Cast(target))
        }
        _ => Mapped::by(DataType::String, Convert::Cast(ArrowType::Utf8)),
    }
}

/// The field in Spark: its own metadata, and what a vector was before it became an array.
pub(super) fn spark_field(field: &Field, data_type: DataType) -> StructField {
    let mut metadata: Vec<_> = field.metadata().iter().collect();
    metadata.sort();
    let mut spark = StructField { nullable: field.is_nullable(), ..StructField::new(field.name(), data_type) };
    for (key, value) in metadata {
        // The column has another storage now: readers of Arrow would refuse it under the extension's own key.
        match key.strip_prefix("ARROW:extension:") {
            Some("name") => _ = spark.metadata.insert("extension".to_owned(), value.as_str().into()),
            Some(_) => {}
            None => _ = spark.metadata.insert(key.clone(), value.as_str().into()),
        }
    }
    if let ArrowType::FixedSizeList(element, size) = field.data_type() {
        spark.metadata.insert("vector".to_owned(), true.into());
        spark.metadata.insert("dim".to_owned(), (*size).into());
        spark.metadata.insert("elem".to_owned(), element_word(element).into());
    }
    if let ArrowType::Duration(unit) = field.data_type() {
        let unit = if *unit == TimeUnit::Nanosecond { "ns" } else { "us" };
        spark.metadata.insert("unit".to_owned(), unit.into());
    }
    spark
}

fn element_word(element: &Field) -> String {
    match (extension(element), element.data_type()) {
        (Some(Extension::Bfloat16), _) => "bf16".to_owned(),
        (_, ArrowType::Float16) => "f16".to_owned(),
        (_, ArrowType::Float32) => "f32".to_owned(),
        (_, ArrowType::Float64) => "f64".to_owned(),
        (_, other) => other.to_string().to_lowercase(),
    }
}

fn unsupported(found: &ArrowType, path: &str, why: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, why)
        .with("column", path)
        .with("type", found)
        .help("leave the column out with the option 'columns'")
}

pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
