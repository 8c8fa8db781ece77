//! Searches in vectors of bytes, by their bits, and in vectors inside structs, on servers of both dialects.

use std::sync::Arc;

use futures::TryStreamExt;
use lakeflow_connect::{
    Context, ErrorKind, LakeflowConnect, Options, ReadRequest, Registry, Result, TableRef,
    arrow::{
        array::{ArrayRef, AsArray, FixedSizeListArray, Int64Array, RecordBatch, StructArray},
        datatypes::{DataType, Field, Float32Type, Int64Type, UInt8Type},
    },
    stream::arrow_batches,
};
use lakeflow_simulators::lancedb::{Config, RowIds, RunningServer, Server};

/// Vectors of rows, some of them null.
const BYTES: [Option<[u8; 2]>; 6] = [Some([0, 0]), Some([255, 255]), None, Some([1, 0]), Some([0, 3]), Some([240, 1])];
const FLOATS: [Option<[f32; 2]>; 6] =
    [Some([0.0, 1.0]), Some([5.0, 5.0]), Some([1.0, 1.0]), None, Some([-2.0, 0.5]), Some([f32::NAN, 0.0])];

fn serve(dialect: &str) -> RunningServer {
    let mut config = Config::default();
    config.tables.clear();
    config.set("dialect", dialect).unwrap();
    let bytes = BYTES.map(|vector| vector.map(|vector| vector.map(Some)));
    let bytes: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>(bytes, 2));
    let floats = FLOATS.map(|vector| vector.map(|vector| vector.map(Some)));
    let floats: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(floats, 2));
    let members = [Field::new("e", floats.data_type().clone(), true), Field::new("n", DataType::Int64, true)];
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(10..16));
    let inner: ArrayRef = Arc::new(StructArray::new(members.to_vec().into(), vec![floats, numbers], None));
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..6));
    let batch =
        RecordBatch::try_from_iter_with_nullable([("id", id, false), ("bits", bytes, true), ("s", inner, true)]);
    let server = Server::start(config).unwrap();
    server.database().create("t", &batch.unwrap(), RowIds::Plain).unwrap();
    server
}

fn connect(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    let options = Options::new().with("host_override", server.base_url()).with("database", "d");
    Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap()
}

/// Ids and distances, the nearest first.
async fn find(server: &RunningServer, options: &[(&str, &str)]) -> Result<Vec<(i64, f32)>> {
    let table = options.iter().fold(TableRef::new("t"), |table, (name, value)| table.option(*name, *value));
    let batches: Vec<_> = arrow_batches(&connect(server), ReadRequest::new(table)).try_collect().await?;
    let rows = batches.iter().flat_map(|batch| {
        let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec();
        let distances = batch.column_by_name("_distance").unwrap().as_primitive::<Float32Type>().values().to_vec();
        ids.into_iter().zip(distances)
    });
    Ok(rows.collect())
}

#[tokio::test]
async fn vectors_of_bytes_are_near_by_the_bits_that_differ() {
    let server = serve("cloud");
    let near = [("query_vector", "[1, 3]"), ("vector_column", "bits")];
    // 00000001 00000011: what differs in each of the others.
    let all = [(4, 1.0), (3, 2.0), (0, 3.0), (5, 6.0), (1, 13.0)];
    for distance in [&[("distance_type", "hamming")][..], &[]] {
        assert_eq!(find(&server, &[&near, distance].concat()).await.unwrap(), all);
    }
    let bounded = [("distance_type", "hamming"), ("k", "2"), ("lower_bound", "2"), ("filter", "id <> 5")];
    assert_eq!(find(&server, &[&near[..], &bounded].concat()).await.unwrap(), [(3, 2.0), (0, 3.0)]);
    // A scan by neighbours goes by bits, too.
    let scan = [("scan_mode", "dummy_vector"), ("vector_column", "bits")];
    let table = scan.iter().fold(TableRef::new("t"), |table, (name, value)| table.option(*name, *value));
    let batches: Vec<_> = arrow_batches(&connect(&server), ReadRequest::new(table)).try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 6);
}

#[tokio::test]
async fn what_is_no_byte_and_no_distance_of_bytes_is_refused() {
    let (cloud, namespace) = (serve("cloud"), serve("namespace"));
    for (server, query, column, distance, part) in [
        (&cloud, "[1, 2.5]", "bits", "hamming", "no byte"),
        (&cloud, "[1, 256]", "bits", "hamming", "no byte"),
        (&cloud, "[-1, 0]", "bits", "hamming", "no byte"),
        (&cloud, "[1, 2]", "bits", "l2", "bytes have hamming"),
        (&cloud, "[1, 2]", "s.e", "hamming", "bytes have hamming"),
        (&namespace, "[1, 2]", "s.e", "hamming", "bytes have hamming"),
        // The reference server of the Namespace makes no bytes of a question's numbers.
        (&namespace, "[1, 2]", "bits", "hamming", "does not search vectors of this type"),
    ] {
        let options = [("query_vector", query), ("vector_column", column), ("distance_type", distance)];
        let error = find(server, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{query} {distance}: {error}");
        assert!(error.to_string().contains(part), "{query} {distance}: {error}");
    }
}

#[tokio::test]
async fn vectors_inside_structs_are_searched_where_a_path_names_them() {
    for dialect in ["cloud", "namespace"] {
        let server = serve(dialect);
        let options = [("query_vector", "[1, 1]"), ("vector_column", "s.e"), ("ef", "50"), ("columns", "id,s")];
        assert_eq!(find(&server, &options).await.unwrap(), [(2, 0.0), (0, 1.0), (4, 9.25), (1, 32.0)], "{dialect}");
        for (column, kind) in [("s.x", ErrorKind::NotFound), ("s", ErrorKind::Config), ("s.n", ErrorKind::Config)] {
            let error = find(&server, &[("query_vector", "[1, 1]"), ("vector_column", column)]).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{column}: {error}");
        }
    }
}
