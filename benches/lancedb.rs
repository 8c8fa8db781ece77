//! Answers of LanceDB servers to Arrow in Spark's types, beside Arrow's own reader of the same bytes.
//!
//! `cargo bench -p lakeflow-connect --features lancedb --bench lancedb`; the rate is in bytes of an answer.

#![allow(clippy::expect_used)] // a benchmark stops where its set-up is wrong

use std::{hint::black_box, io::Cursor, sync::Arc};

use arrow::{
    array::{
        ArrayRef, FixedSizeListArray, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray,
        TimestampNanosecondArray,
    },
    datatypes::{DataType, Field},
};
use arrow_ipc::{
    CompressionType, MetadataVersion,
    reader::FileReader,
    writer::{FileWriter, IpcWriteOptions},
};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lakeflow_connect::sources::lancedb::decode_answer;

const ROWS: usize = 10_000;

fn answer(columns: Vec<(&str, ArrayRef)>, compression: Option<CompressionType>) -> Bytes {
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let options = IpcWriteOptions::try_new(64, false, MetadataVersion::V5)
        .and_then(|options| options.try_with_compression(compression))
        .expect("options that Arrow knows");
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &rows.schema(), options).expect("a schema");
    writer.write(&rows).expect("rows");
    Bytes::from(writer.into_inner().expect("a file"))
}

fn vectors() -> Vec<(&'static str, ArrayRef)> {
    let numbers: Float32Array = (0..ROWS * 128).map(|i| (i as f32).sin()).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    vec![
        ("id", Arc::new((0..ROWS as i64).collect::<Int64Array>())),
        ("name", Arc::new((0..ROWS).map(|i| Some(format!("name {i}"))).collect::<StringArray>())),
        ("vector", Arc::new(FixedSizeListArray::new(item, 128, Arc::new(numbers), None))),
    ]
}

/// Types that Spark does not have: each value is converted.
fn foreign() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("id", Arc::new((0..ROWS as i32).collect::<Int32Array>())),
        ("at", Arc::new((0..ROWS as i64).map(|i| Some(i * 1_000_003)).collect::<TimestampNanosecondArray>())),
        ("small", Arc::new((0..ROWS).map(|i| Some(i as i32 % 100)).collect::<Int32Array>())),
    ]
}

fn answers(c: &mut Criterion) {
    for (name, body) in [
        ("128 x f32", answer(vectors(), None)),
        ("128 x f32, LZ4", answer(vectors(), Some(CompressionType::LZ4_FRAME))),
        ("numbers and times of other widths", answer(foreign(), None)),
    ] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("ours, in Spark's types", |b| {
            b.iter(|| decode_answer(black_box(body.clone())).expect("a sound answer").len());
        });
        group.bench_function("arrow-ipc alone", |b| {
            b.iter(|| {
                let reader = FileReader::try_new(Cursor::new(black_box(&body)), None).expect("a file");
                reader.map(|batch| batch.expect("rows").num_rows()).sum::<usize>()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, answers);
criterion_main!(benches);
