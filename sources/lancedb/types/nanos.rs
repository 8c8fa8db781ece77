//! Columns beside timestamps of nanoseconds, which keep what microseconds cut off.

use std::collections::HashSet;

use arrow::datatypes::{DataType as ArrowType, Field, TimeUnit};

use super::{
    mapping::{Mapped, Nanoseconds, TypeOptions, map},
    table::unused,
};
use crate::{
    error::Result,
    types::{DataType, StructField},
};

/// Behind the name of a timestamp, the name of the column beside it.
const SUFFIX: &str = "_ns";

/// Whether values of a type are cut: members of structs have columns of their own beside them.
pub(super) fn are_cut(data_type: &ArrowType) -> bool {
    use ArrowType as T;
    match data_type {
        T::Timestamp(TimeUnit::Nanosecond, _) => true,
        T::List(e) | T::LargeList(e) | T::ListView(e) | T::LargeListView(e) | T::FixedSizeList(e, _) => {
            are_cut(e.data_type())
        }
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(pair) => pair.iter().any(|field| are_cut(field.data_type())),
            _ => false,
        },
        T::Dictionary(_, values) => are_cut(values),
        T::RunEndEncoded(_, values) => are_cut(values.data_type()),
        _ => false,
    }
}

/// The column beside a field: the same with whole nanoseconds since 1970 as Long in place of timestamps. `None` where none is
/// wished for or nothing is cut.
///
/// # Errors
/// As [`map`].
pub(super) fn beside(
    field: &Field,
    options: TypeOptions,
    path: &str,
    depth: usize,
    names: &mut HashSet<String>,
) -> Result<Option<(StructField, Mapped)>> {
    if options.nanoseconds != Nanoseconds::Beside || !are_cut(field.data_type()) {
        return Ok(None);
    }
    let numbers = TypeOptions { nanoseconds: Nanoseconds::Numbers, ..options };
    let Some(mapped) = map(field, numbers, path, depth)? else { return Ok(None) };
    let name = unused(names, &format!("{}{SUFFIX}", field.name()));
    let mut spark = StructField { nullable: field.is_nullable(), ..StructField::new(name, mapped.data_type.clone()) };
    spark.metadata.insert("unit".to_owned(), "ns".into());
    spark.metadata.insert("nanoseconds_of".to_owned(), field.name().as_str().into());
    Ok(Some((spark, mapped)))
}

/// How a timestamp of nanoseconds is brought over where it is asked for as a number.
pub(super) fn number() -> Mapped {
    Mapped::by(DataType::Long, super::convert::Convert::Cast(ArrowType::Int64))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, StructArray, TimestampNanosecondArray},
        datatypes::{Fields, Int64Type, TimestampMicrosecondType},
    };

    use super::{super::table::Columns, *};

    const NANOS: [Option<i64>; 4] = [None, Some(1_706_700_645_000_000_001), Some(-1), None];

    fn nested() -> RecordBatch {
        let instants: ArrayRef = Arc::new(TimestampNanosecondArray::from(NANOS.to_vec()).with_timezone("UTC"));
        let item = Arc::new(Field::new("item", instants.data_type().clone(), true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([2, 0, 1, 1]);
        let lists: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::clone(&instants), None));
        let members = Fields::from(vec![
            Field::new("at", instants.data_type().clone(), true),
            Field::new("AT_NS", ArrowType::Int64, true),
        ]);
        let taken: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let point: ArrayRef = Arc::new(StructArray::new(members, vec![Arc::clone(&instants), taken.clone()], None));
        let columns = [("at", instants), ("point", point), ("at_ns", taken), ("lists", lists)];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    #[test]
    fn what_is_cut_stands_whole_in_a_column_beside() {
        let batch = nested();
        let columns = Columns::of(batch.schema_ref(), TypeOptions::default()).unwrap();
        let found = columns.convert(&batch).unwrap();
        let names: Vec<&str> = found.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["at", "point", "at_ns", "lists", "at_ns_2", "lists_ns"]);
        let schema = columns.schema();
        let field = schema.field("at_ns_2").unwrap();
        assert_eq!((&field.data_type, &field.metadata["nanoseconds_of"]), (&DataType::Long, &"at".into()));
        let micros = found.column(0).as_primitive::<TimestampMicrosecondType>();
        assert_eq!(micros.iter().collect::<Vec<_>>(), [None, Some(1_706_700_645_000_000), Some(-1), None]);
        let whole = |column: &ArrayRef| column.as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
        assert_eq!(whole(found.column(4)), NANOS);
        assert_eq!(whole(found.column(5).as_list::<i32>().values()), NANOS);
        let point = found.column(1).as_struct();
        assert_eq!(point.column_names(), ["at", "AT_NS", "at_ns_2"]);
        assert_eq!(
            (whole(point.column(1)), whole(point.column(2))),
            (vec![1, 2, 3, 4].into_iter().map(Some).collect(), NANOS.to_vec())
        );
    }

    #[test]
    fn a_choice_of_columns_asks_for_each_of_the_servers_once() {
        let batch = nested();
        let columns = Columns::of(batch.schema_ref(), TypeOptions::default()).unwrap();
        for (wanted, names) in [
            (&["lists_ns"][..], &["lists"][..]),
            (&["at_ns_2", "at", "lists"], &["at", "lists"]),
            (&["at_ns"], &["at_ns"]),
        ] {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let (narrowed, asked) = columns.narrowed(&wanted).unwrap();
            assert_eq!(asked, names);
            let places: Vec<usize> = asked.iter().map(|name| batch.schema_ref().index_of(name).unwrap()).collect();
            let found = narrowed.convert(&batch.project(&places).unwrap()).unwrap();
            assert!(wanted.iter().all(|name| found.column_by_name(name).is_some()), "{:?}", found.schema());
            assert_eq!(found.num_columns(), wanted.len());
        }
    }

    #[test]
    fn who_does_not_want_them_gets_none() {
        let batch = nested();
        let options = TypeOptions { nanoseconds: Nanoseconds::Cut, ..TypeOptions::default() };
        let found = Columns::of(batch.schema_ref(), options).unwrap().convert(&batch).unwrap();
        assert_eq!((found.num_columns(), found.column(1).as_struct().num_columns()), (4, 2));
    }
}
