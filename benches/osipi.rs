//! Recorded values of PI Web API to Arrow, beside arrow-json alone on the same events as lines.
//!
//! `cargo bench -p lakeflow-connect --bench osipi`; the rate is in events, of all value columns.

#![allow(clippy::expect_used)] // a benchmark stops where its set-up is wrong

use std::{fmt::Write as _, hint::black_box, sync::Arc};

use arrow::{
    datatypes::{DataType, Field, Schema, TimeUnit},
    json::ReaderBuilder,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lakeflow_connect::sources::osipi::decode_recorded;

const EVENTS: usize = 10_000;

/// An event as the server writes it: one in fifty is a state of the system, one in a hundred is questionable.
fn event(i: usize) -> String {
    let (seconds, ticks) = (i % 60, (i * 7919) % 10_000_000);
    let (minute, hour) = ((i / 60) % 60, (i / 3600) % 24);
    let value = match i % 50 {
        0 => r#"{"Name":"No Data","Value":248,"IsSystem":true}"#.to_owned(),
        _ => format!("{:.4}", 20.0 + (i as f64 / 37.0).sin() * 5.0),
    };
    let (good, questionable) = (!i.is_multiple_of(50), i % 100 == 7);
    format!(
        r#"{{"Timestamp":"2026-03-01T{hour:02}:{minute:02}:{seconds:02}.{ticks:07}Z","UnitsAbbreviation":"degC","Good":{good},"Questionable":{questionable},"Substituted":false,"Annotated":false,"Value":{value}}}"#
    )
}

/// The same, with a number in place of a state: arrow-json reads one type a column.
fn number(i: usize) -> String {
    event(if i.is_multiple_of(50) { i + 1 } else { i })
}

fn recorded(c: &mut Criterion) {
    let body = format!(
        r#"{{"Links":{{}},"Items":[{}],"UnitsAbbreviation":"degC"}}"#,
        (0..EVENTS).map(event).collect::<Vec<_>>().join(",")
    );
    let mut lines = String::new();
    (0..EVENTS).for_each(|i| writeln!(lines, "{}", number(i)).expect("writing to a string"));
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let schema = Arc::new(Schema::new(vec![
        Field::new("Timestamp", DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), false),
        Field::new("UnitsAbbreviation", DataType::Utf8, true),
        flag("Good"),
        flag("Questionable"),
        flag("Substituted"),
        flag("Annotated"),
        Field::new("Value", DataType::Float64, true),
    ]));
    let mut group = c.benchmark_group("recorded");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("ours, 22 columns", |b| {
        b.iter(|| decode_recorded(black_box(body.as_bytes())).expect("a sound answer").num_rows());
    });
    group.bench_function("arrow-json, seven plain columns", |b| {
        b.iter(|| {
            let mut decoder = ReaderBuilder::new(Arc::clone(&schema))
                .with_batch_size(EVENTS)
                .build_decoder()
                .expect("a schema that arrow-json reads");
            decoder.decode(black_box(lines.as_bytes())).expect("sound lines");
            decoder.flush().expect("a batch").expect("rows").num_rows()
        });
    });
    group.finish();
}

criterion_group!(benches, recorded);
criterion_main!(benches);
