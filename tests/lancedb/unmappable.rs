//! Types that no column of a lake can hold: refused by name, and the rest can be read.

use std::sync::Arc;

use lakeflow_connect::{
    ErrorKind,
    arrow::{
        array::{
            Array, ArrayRef, Int64Array, LargeBinaryArray, ListArray, RecordBatch, StringArray, StructArray, UnionArray,
        },
        buffer::OffsetBuffer,
        datatypes::{DataType, Field, Schema, UnionFields},
    },
};

use super::mapping::{marked, read};

/// A table of an id and a column.
fn with_id(name: &str, column: ArrayRef, extension: Option<&str>) -> RecordBatch {
    let field = Field::new(name, column.data_type().clone(), true);
    let field = extension.into_iter().fold(field, marked);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..column.len() as i64));
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false), field]);
    RecordBatch::try_new(Arc::new(schema), vec![ids, column]).unwrap()
}

#[tokio::test]
async fn what_no_column_can_hold_is_refused_by_name_and_can_be_left_out() {
    let members = [Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)];
    let values: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec!["x", "y"]))];
    let union = UnionArray::try_new(UnionFields::from_fields(members), vec![0, 1].into(), None, values).unwrap();
    let stored: ArrayRef = Arc::new(LargeBinaryArray::from_vec(vec![b"MARKER", b"MARKER"]));
    let member = marked(Field::new("j", DataType::LargeBinary, true), "arrow.json");
    let nested: ArrayRef = Arc::new(StructArray::new(vec![member].into(), vec![Arc::clone(&stored)], None));
    for (table, column, part) in [
        (with_id("either", Arc::new(union), None), "either", "no type for a union"),
        (with_id("json", stored, Some("lance.json")), "json", "bytes of its storage"),
        (with_id("outer", nested, None), "outer.j", "bytes of its storage"),
    ] {
        let error = read(&table, &[]).await.unwrap_err();
        assert_eq!((error.kind(), error.get("column")), (ErrorKind::Unsupported, Some(column)), "{error}");
        assert!(error.message().contains(part) && error.help_text().unwrap().contains("'columns'"), "{error}");
        assert!(!format!("{error:?}").contains("MARKER"), "{error:?}");
        let (_, rest) = read(&table, &[("columns", "id")]).await.unwrap();
        assert_eq!(rest.column(0).as_ref(), &Int64Array::from(vec![0, 1]));
    }
}

#[tokio::test]
async fn columns_nested_without_end_are_an_error_and_not_the_end_of_the_program() {
    for depth in [70, 120] {
        let mut column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        for _ in 0..depth {
            let item = Arc::new(Field::new("item", column.data_type().clone(), true));
            column = Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([column.len()]), column, None));
        }
        let error = read(&with_id("deep", column, None), &[]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Protocol), "{depth}: {error}");
    }
}
