//! A LanceDB server that tells what it holds: `cargo run -p lakeflow-simulators --example lancedb_oracle -- DIR auth=none`.
//!
//! Takes options as on the command line of `lakeflow simulate lancedb` (`NAME=VALUE`), writes every version of every table as an
//! Arrow IPC file into DIR, prints one line of JSON (address, tables, versions, files), and serves until its standard input
//! ends. `scripts/check-lance-client` compares these files with what the official client reads. For a DIR of `-` there are the
//! tables of the options only, and no files. `file=NAME:PATH` adds a table of the rows of an Arrow IPC file.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs::File, io::Read, path::Path, sync::Arc};

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
        FixedSizeListArray, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, LargeStringArray, ListArray,
        RecordBatch, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
        TimestampNanosecondArray, UInt64Array,
    },
    compute::{cast, concat_batches},
    datatypes::{DataType, Field, Fields, Float64Type, Int64Type, TimeUnit, UInt8Type},
};
use arrow_ipc::{reader::FileReader, writer::FileWriter};
use lakeflow_simulators::lancedb::{Config, Index, IndexKind, RowIds, RunningServer, Server};
use serde_json::{Map, Value, json};

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let mut config = Config::default();
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("the first argument is a folder for the tables' files")?;
    let own = ["tables=documents,plant$readings", "rows=2000", "dimension=32", "fragment-rows=700"];
    let mut given = Vec::new();
    for option in own.into_iter().map(str::to_owned).chain(arguments) {
        match option.split_once('=').ok_or("options are NAME=VALUE")? {
            ("file", value) => given.push(value.to_owned()),
            (name, value) => config.set(name, value)?,
        }
    }
    let server = Server::start(config)?;
    for table in given {
        let (name, path) = table.split_once(':').ok_or("a file is given as NAME:PATH")?;
        server.database().create(name, &rows_of(path)?, RowIds::Stable)?;
    }
    if folder == "-" {
        println!("{}", json!({ "base_url": server.base_url() }));
    } else {
        populate(&server)?;
        println!("{}", told(&server, Path::new(&folder))?);
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn rows_of(path: &str) -> Fallible<RecordBatch> {
    let reader = FileReader::try_new(File::open(path)?, None)?;
    let schema = reader.schema();
    Ok(concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)?)
}

/// A table of every type that descriptions have a word for, one with a history, an empty one, and many small ones.
fn populate(server: &RunningServer) -> Fallible<()> {
    let database = &mut *server.database();
    database.create("types", &types()?, RowIds::Plain)?;
    database.create("bytes", &bytes()?, RowIds::Plain)?;
    let few = database.rows("documents", None)?.slice(0, 300);
    database.create_in_fragments("history", &few, RowIds::Stable, 64)?;
    let at = |rows: &RecordBatch, from: i64| -> Fallible<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        let ids = (from..from + rows.num_rows() as i64).collect::<Int64Array>();
        *columns.first_mut().ok_or("no columns")? = Arc::new(ids);
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    };
    let (added, merged) = (at(&few.slice(0, 50), 1_000)?, at(&few.slice(100, 20), 1_040)?);
    database.append("history", &added)?;
    database.tag("history", "monday", 2)?;
    database.update("history", "id % 10 = 3", &[("title", "'changed'"), ("score", "score * 2")])?;
    database.delete("history", "id between 20 and 29 or category = 'note'")?;
    database.merge("history", &["id"], &merged)?;
    database.add_column("history", "next", &DataType::Int64, "id + 1")?;
    database.compact("history")?;
    database.rename_column("history", "score", "points")?;
    database.create("empty", &few.slice(0, 0), RowIds::Stable)?;
    for number in 0..23 {
        database.create(&format!("small_{number:02}"), &few.slice(number, 3), RowIds::Stable)?;
    }
    let index = |name: &str, column: &str, kind| Index { name: name.to_owned(), column: column.to_owned(), kind };
    database.create_index("documents", index("embedding_idx", "embedding", IndexKind::Vector))?;
    database.create_index("documents", index("category_idx", "category", IndexKind::BTree))?;
    Ok(())
}

/// Vectors of bytes, some of them null.
fn bytes() -> Fallible<RecordBatch> {
    let vector = |row: u8| (!row.is_multiple_of(9)).then(|| [row, row.wrapping_mul(37), 255 - row, 7].map(Some));
    let vectors = FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>((0..200).map(vector), 4);
    let ids: ArrayRef = Arc::new((0..200).collect::<Int64Array>());
    Ok(RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("vector", Arc::new(vectors), true)])?)
}

/// Three rows of many types, nulls among them.
fn types() -> Fallible<RecordBatch> {
    let floats = Float64Array::from(vec![Some(0.5), None, Some(f64::INFINITY)]);
    let members = Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)]);
    let x: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let y: ArrayRef = Arc::new(StringArray::from(vec![None, Some("ä"), Some("")]));
    let vector =
        |rows: Vec<Option<Vec<Option<f64>>>>| FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(rows, 2);
    let doubles = vector(vec![Some(vec![Some(1.0), Some(2.0)]), None, Some(vec![Some(-0.5), None])]);
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("int8", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)]))),
        ("int64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        ("uint64", Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX)]))),
        ("half", cast(&floats, &DataType::Float16)?),
        ("float", Arc::new(Float32Array::from(vec![Some(f32::MIN_POSITIVE), None, Some(-0.0)]))),
        ("double", Arc::new(floats)),
        ("text", Arc::new(StringArray::from(vec![Some("a'b\"c`"), None, Some("")]))),
        ("large text", Arc::new(LargeStringArray::from(vec![Some("\u{1f600}"), None, Some("x")]))),
        ("binary", Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), None, Some(b"")]))),
        (
            "fixed",
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                [Some([1_u8; 4]), None, Some([0; 4])].into_iter(),
                4,
            )?),
        ),
        (
            "decimal",
            Arc::new(Decimal128Array::from(vec![Some(-12_345), None, Some(0)]).with_precision_and_scale(20, 2)?),
        ),
        ("date", Arc::new(Date32Array::from(vec![Some(-1), None, Some(20_000)]))),
        ("time", Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(86_399_999_999)]))),
        ("naive", Arc::new(TimestampNanosecondArray::from(vec![Some(-1), None, Some(1_767_225_600_123_456_789)]))),
        ("zoned", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(-1)]).with_timezone("UTC"))),
        ("span", cast(&Int64Array::from(vec![Some(5), None, Some(-5)]), &DataType::Duration(TimeUnit::Millisecond))?),
        ("list", Arc::new(lists)),
        ("struct", Arc::new(StructArray::new(members, vec![x, y], Some(vec![true, true, false].into())))),
        ("doubles", Arc::new(doubles)),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))?)
}

/// Where the server is and what it holds.
fn told(server: &RunningServer, folder: &Path) -> Fallible<Value> {
    let database = server.database();
    let mut tables = Map::new();
    for (number, table) in database.tables().iter().enumerate() {
        let mut versions = Map::new();
        for version in database.versions(table)? {
            let rows = database.rows(table, Some(version))?;
            let path = folder.join(format!("{number}-{version}.arrow"));
            let mut writer = FileWriter::try_new(File::create(&path)?, &rows.schema())?;
            writer.write(&rows)?;
            writer.finish()?;
            let ids = database.columns(table, Some(version), &["_rowid"])?;
            let ids = ids.column(0).as_primitive::<arrow::datatypes::UInt64Type>().values().to_vec();
            versions.insert(version.to_string(), json!({ "file": path, "rowids": ids }));
        }
        tables.insert(table.clone(), Value::Object(versions));
    }
    Ok(json!({ "base_url": server.base_url(), "tables": tables }))
}
