//! Tables without stable row ids that are followed by a column that grows, on Lance's own server: every type of such a column,
//! with ties, rows that come late, and nulls.
//!
//! Rows are written through the server, which never gives them stable ids.

use std::sync::Arc;

use arrow_ipc::writer::StreamWriter;
use lakeflow_connect::{
    IngestionType, TableRef,
    arrow::{
        array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray},
        compute::cast,
        datatypes::{DataType, TimeUnit},
    },
};

use super::{
    real_changes::Lance,
    replica::{Kill, Replica},
};

/// Values of a type that grow with numbers, the smallest steps that the type has.
fn growing(kind: &DataType, numbers: &[Option<i64>]) -> ArrayRef {
    let numbers =
        |offset: i64| -> ArrayRef { Arc::new(numbers.iter().map(|n| n.map(|n| n + offset)).collect::<Int64Array>()) };
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 => {
            let numbers = numbers(0);
            let numbers = numbers.as_any().downcast_ref::<Int64Array>().unwrap();
            let texts: StringArray = numbers.iter().map(|n| n.map(|n| format!("it's {n:04}; --"))).collect();
            cast(&texts, kind).unwrap()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => cast(&numbers(1_706_700_645_123_456_789), kind).unwrap(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => cast(&numbers(1_706_700_645_123_456), kind).unwrap(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => cast(&numbers(1_706_700_645_123), kind).unwrap(),
        DataType::Timestamp(TimeUnit::Second, _) => cast(&numbers(1_706_700_645), kind).unwrap(),
        DataType::Date32 => cast(&cast(&numbers(19_753), &DataType::Int32).unwrap(), kind).unwrap(),
        DataType::Date64 => cast(&growing(&DataType::Date32, &values(&numbers(0))), kind).unwrap(),
        DataType::Decimal128(precision, scale) => {
            let digits = numbers(0);
            let decimals = values(&digits).into_iter().map(|n| n.map(i128::from));
            let decimals = decimals.collect::<lakeflow_connect::arrow::array::Decimal128Array>();
            Arc::new(decimals.with_precision_and_scale(*precision, *scale).unwrap())
        }
        DataType::Int64 => numbers(i64::MAX - 100),
        // More than a Long holds.
        DataType::UInt64 => {
            let above = values(&numbers(0)).into_iter().map(|n| n.map(|n| u64::MAX - 100 + n as u64));
            Arc::new(above.collect::<lakeflow_connect::arrow::array::UInt64Array>())
        }
        other => cast(&numbers(0), other).unwrap(),
    }
}

fn values(array: &ArrayRef) -> Vec<Option<i64>> {
    array.as_any().downcast_ref::<Int64Array>().unwrap().iter().collect()
}

/// Rows with ids from `first` on.
fn rows(kind: &DataType, first: i64, numbers: &[Option<i64>]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(first..first + numbers.len() as i64);
    let columns: [(&str, ArrayRef, bool); 2] = [("id", Arc::new(ids), false), ("at", growing(kind, numbers), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A table of the server that is written through it.
struct Written<'a> {
    lance: &'a Lance,
    name: String,
    kind: DataType,
    next: i64,
}

impl Written<'_> {
    async fn write(&mut self, what: &str, numbers: &[Option<i64>]) {
        let batch = rows(&self.kind, self.next, numbers);
        self.next += numbers.len() as i64;
        let mut body = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        body.write(&batch).unwrap();
        self.post(what, "application/vnd.apache.arrow.stream", body.into_inner().unwrap()).await;
    }

    async fn post(&self, what: &str, content_type: &str, body: Vec<u8>) {
        let url = format!("{}/v1/table/{}/{what}", self.lance.url, self.name);
        let request = reqwest::Client::new().post(url).header("content-type", content_type).body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{what} {}: {status} {}", self.kind, answer.text().await.unwrap());
    }

    async fn append(&mut self, numbers: &[Option<i64>]) {
        self.write("insert?mode=append", numbers).await;
    }

    async fn sql(&self, what: &str, body: &str) {
        self.post(what, "application/json", body.as_bytes().to_vec()).await;
    }
}

/// Runs once; how many rows came, and whether all had to be read anew.
async fn run(replica: &mut Replica, written: &Written<'_>) -> (usize, bool) {
    let (came, resets) = (replica.came, replica.resets.len());
    replica.run(Kill::default()).await.unwrap_or_else(|error| panic!("{}: {error}", written.kind));
    (replica.came - came, replica.resets.len() > resets)
}

fn ids(replica: &Replica) -> Vec<i64> {
    let mut ids: Vec<i64> = replica.rows.values().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn kinds() -> Vec<DataType> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let mut kinds = vec![
        DataType::Int8,
        DataType::Int64,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Date32,
        DataType::Date64,
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Decimal128(10, 2),
        DataType::Decimal128(38, 38),
    ];
    for unit in [Second, Millisecond, Microsecond, Nanosecond] {
        // Servers take literals for times of the column's zone.
        for zone in [None, Some("UTC"), Some("+05:30"), Some("-08:00"), Some("Europe/Berlin")] {
            kinds.push(DataType::Timestamp(unit, zone.map(Arc::from)));
        }
    }
    kinds
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_lance_columns_of_every_type_tell_what_is_new() {
    let lance = Lance::start();
    let connect = lance.connect();
    for (number, kind) in kinds().into_iter().enumerate() {
        for keyed in [true, false] {
            let name = format!("t_{number}_{keyed}");
            let mut written = Written { lance: &lance, name, kind: kind.clone(), next: 0 };
            written.write("create?mode=create", &[Some(5), None, Some(3), Some(8), Some(8)]).await;
            let mut table = TableRef::new(&written.name).option("cursor_field", "at").option("batch_size", "2");
            table = match keyed {
                true => table.option("primary_keys", "id"),
                false => table.option("ingestion_type", "append"),
            };
            let mut replica = Replica::new(Arc::clone(&connect), table);
            assert_eq!(run(&mut replica, &written).await, (5, false), "{kind}: the first time, nulls too");
            let metadata = replica.source.read_table_metadata(&replica.table).await.unwrap();
            let wanted = if keyed { IngestionType::Cdc } else { IngestionType::Append };
            assert_eq!((metadata.ingestion_type, metadata.cursor_field.as_deref()), (wanted, Some("at")));
            assert_eq!(run(&mut replica, &written).await, (0, false), "{kind}: nothing happened");
            written.append(&[Some(9), Some(11), Some(9), Some(11)]).await;
            // Rows with the last value come again where a key makes that harmless.
            let again = if keyed { 2 } else { 0 };
            assert_eq!(run(&mut replica, &written).await, (4 + again, false), "{kind}: greater values");
            written.append(&[Some(11), Some(12)]).await;
            let ties = run(&mut replica, &written).await;
            assert_eq!(ties, if keyed { (4, false) } else { (11, true) }, "{kind}: the last value again");
            for (late, what) in [(Some(10), "late"), (None, "without a value")] {
                written.append(&[late, Some(12)]).await;
                let came = run(&mut replica, &written).await;
                assert_eq!(came, (written.next as usize, true), "{kind}: a row that came {what}");
                assert!(replica.resets.last().unwrap().contains("with no value, or one below"));
            }
            assert_eq!(ids(&replica), (0..written.next).collect::<Vec<_>>(), "{kind}");
        }
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_lance_rows_that_move_up_a_column_come_again_and_deletions_do_not() {
    let lance = Lance::start();
    for kind in [DataType::Timestamp(TimeUnit::Nanosecond, Some("-08:00".into())), DataType::Decimal128(10, 2)] {
        let name = if kind.is_numeric() { "decimal" } else { "timestamp" }.to_owned();
        let mut written = Written { lance: &lance, name, kind, next: 0 };
        written.write("create?mode=create", &[Some(1), Some(2), Some(3), None, Some(4)]).await;
        let table = TableRef::new(&written.name).option("cursor_field", "at").option("primary_keys", "id");
        let mut replica = Replica::new(lance.connect(), table);
        run(&mut replica, &written).await;
        // Two rows were changed, and so their values grew: one of them had none.
        written.sql("delete", r#"{"predicate": "id IN (1, 3)"}"#).await;
        written.next = 1;
        written.append(&[Some(6)]).await;
        written.next = 3;
        written.append(&[Some(6)]).await;
        written.next = 5;
        assert_eq!(run(&mut replica, &written).await, (3, false), "two that changed, and one with the last value");
        assert_eq!(ids(&replica), [0, 1, 2, 3, 4]);
        written.sql("delete", r#"{"predicate": "id = 0"}"#).await;
        assert_eq!(run(&mut replica, &written).await, (2, false), "only those with the last value");
        assert_eq!(ids(&replica), [0, 1, 2, 3, 4], "deletions are not seen");
    }
}
