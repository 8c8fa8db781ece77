//! The tables that are lists of objects, over the simulator.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use lakeflow_connect::{
    ErrorKind, IngestionType, ReadEvent, ReadRequest, Records, TableRef,
    arrow::{
        array::{Array, AsArray, RecordBatch},
        compute::concat_batches,
        datatypes::Int64Type,
        util::display::array_value_to_string,
    },
};
use lakeflow_simulators::osipi::{Config, RunningServer, Server};

use super::{connect, connect_to};

const LISTS: [&str; 24] = [
    "pi_dataservers",
    "pi_points",
    "pi_point_attributes",
    "pi_point_type_catalog",
    "pi_assetservers",
    "pi_assetdatabases",
    "pi_af_hierarchy",
    "pi_element_attributes",
    "pi_element_templates",
    "pi_element_template_attributes",
    "pi_attribute_templates",
    "pi_categories",
    "pi_analyses",
    "pi_analysis_templates",
    "pi_af_tables",
    "pi_af_table_rows",
    "pi_units_of_measure",
    "pi_eventframe_templates",
    "pi_eventframe_template_attributes",
    "pi_links",
    "pi_enumeration_sets",
    "pi_enumeration_values",
    "pi_attribute_traits",
    "pi_system",
];

fn start() -> RunningServer {
    Server::start(Config::default()).unwrap()
}

/// The rows of a table as one batch; the read must end with a checkpoint.
async fn read(server: &RunningServer, table: TableRef) -> lakeflow_connect::Result<RecordBatch> {
    let source = connect_to(server);
    let schema = source.get_table_schema(&table).await?.to_arrow();
    let events: Vec<ReadEvent> = source.read_table(ReadRequest::new(table)).try_collect().await?;
    assert!(matches!(events.last(), Some(ReadEvent::Checkpoint(_))));
    let batches: Vec<RecordBatch> = events
        .into_iter()
        .filter_map(|event| match event {
            ReadEvent::Records(Records::Arrow(batch)) => Some(batch),
            _ => None,
        })
        .collect();
    Ok(concat_batches(&schema.into(), &batches).unwrap())
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    batch.column_by_name(column).unwrap().as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

#[tokio::test]
async fn j01_every_list_table_gives_rows_in_its_schema_with_unique_keys() {
    let server = start();
    let mut empty: BTreeSet<String> = BTreeSet::new();
    for name in LISTS {
        let batch = read(&server, TableRef::new(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(batch.num_rows() > 0, "{name}");
        let metadata = connect_to(&server).read_table_metadata(&TableRef::new(name)).await.unwrap();
        assert_eq!(metadata.ingestion_type, IngestionType::Snapshot, "{name}");
        let mut keys = HashMap::new();
        for row in 0..batch.num_rows() {
            let key = metadata
                .primary_keys
                .iter()
                .map(|column| array_value_to_string(batch.column_by_name(column).unwrap(), row).unwrap());
            *keys.entry(key.collect::<Vec<_>>()).or_insert(0) += 1;
        }
        assert!(keys.values().all(|rows| *rows == 1), "{name}");
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if column.null_count() == column.len() {
                empty.insert(format!("{name}.{}", field.name()));
            }
        }
    }
    assert!(empty.is_empty(), "columns that no row fills: {empty:?}");
}

#[tokio::test]
async fn pages_smaller_than_the_list_bring_the_same_points() {
    let server = start();
    let whole = texts(&read(&server, TableRef::new("pi_points")).await.unwrap(), "webid");
    assert_eq!(whole.len(), server.points().len());
    for size in ["1", "2", "7"] {
        let paged = read(&server, TableRef::new("pi_points").option("maxCount", size)).await.unwrap();
        assert_eq!(texts(&paged, "webid"), whole, "{size}");
    }
}

#[tokio::test]
async fn small_pages_bring_the_same_rows_of_every_list() {
    let server = start();
    let (mut same, small) = (0, |name| TableRef::new(name).option("maxCount", "2"));
    for name in LISTS.into_iter().filter(|name| *name != "pi_af_table_rows") {
        let paged = match read(&server, small(name)).await {
            Err(error) if error.kind() == ErrorKind::Config => continue,
            paged => paged.unwrap_or_else(|error| panic!("{name}: {error}")),
        };
        let whole = read(&server, TableRef::new(name)).await.unwrap();
        let lines = |batch: &RecordBatch| {
            let times = |name: &&str| !["ingestion_timestamp", "up_time_minutes"].contains(name);
            let columns: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).filter(times).collect();
            let cell = |column: &str, row| array_value_to_string(batch.column_by_name(column).unwrap(), row).unwrap();
            let line = |row| columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>();
            (0..batch.num_rows()).map(line).collect::<BTreeSet<_>>()
        };
        assert_eq!(paged.num_rows(), whole.num_rows(), "{name}");
        assert!(lines(&paged) == lines(&whole), "{name}");
        same += 1;
    }
    assert!(same > 15, "{same}");
}

#[tokio::test]
async fn of_af_tables_so_many_rows_are_read_as_asked_for() {
    let server = start();
    let whole = read(&server, TableRef::new("pi_af_table_rows")).await.unwrap();
    let tables: BTreeSet<_> = texts(&whole, "table_webid").into_iter().collect();
    let some = TableRef::new("pi_af_table_rows").option("startIndex", "1").option("maxCount", "2");
    let some = read(&server, some).await.unwrap();
    assert!(whole.num_rows() > 3 * tables.len());
    assert_eq!(some.num_rows(), 2 * tables.len());
    let index = some.column_by_name("row_index").unwrap().as_primitive::<Int64Type>();
    assert!(index.values().iter().all(|at| (1..3).contains(at)));
}

/// Elements with their parents, paths and depths, in order.
fn elements(batch: &RecordBatch) -> Vec<[Option<String>; 4]> {
    let depth = batch.column_by_name("depth").unwrap();
    let texts = ["element_webid", "parent_webid", "path"].map(|column| texts(batch, column));
    let row = |row: usize| {
        let [webid, parent, path] = texts.each_ref().map(|column| column[row].clone());
        [webid, parent, path, Some(array_value_to_string(depth, row).unwrap())]
    };
    let mut rows: Vec<_> = (0..batch.num_rows()).map(row).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn the_hierarchy_is_the_same_in_one_list_and_level_by_level() {
    let server = start();
    let whole = elements(&read(&server, TableRef::new("pi_af_hierarchy")).await.unwrap());
    assert!(whole.iter().any(|[_, parent, ..]| parent.is_some()));
    let is_top = |[_, _, _, depth]: &&[Option<String>; 4]| depth.as_deref() == Some("0");
    let mut roots: Vec<Option<String>> = whole.iter().filter(is_top).map(|[webid, ..]| webid.clone()).collect();
    roots.truncate(2);
    roots.push(whole.iter().find(|row| !is_top(row)).unwrap()[0].clone());
    roots.push(None);
    for root in roots {
        let mut sizes = Vec::new();
        for depth in [Some("1"), Some("2"), Some("3"), None] {
            let table = TableRef::new("pi_af_hierarchy").option("maxCount", "3");
            let table = root.iter().fold(table, |table, root| table.option("root_element_webid", root.as_str()));
            let table = depth.into_iter().fold(table, |table, depth| table.option("max_depth", depth));
            let full = read(&server, table.clone()).await.unwrap();
            let levels = read(&server, table.clone().option("traversal", "levels")).await.unwrap();
            // A filter that every element fits is one all the same.
            let filtered = read(&server, table.option("nameFilter", "*")).await.unwrap();
            assert_eq!(elements(&full), elements(&levels), "{root:?} {depth:?}");
            assert_eq!(elements(&full), elements(&filtered), "{root:?} {depth:?}");
            assert!(!texts(&full, "element_webid").contains(&root) || root.is_none());
            sizes.push(full.num_rows());
        }
        assert!(sizes.is_sorted(), "{root:?}: {sizes:?}");
        if root.is_none() {
            let tops = whole.iter().filter(is_top).count();
            assert_eq!((sizes[0], sizes[3]), (tops, whole.len()));
            assert!(sizes[1] > sizes[0]);
        }
    }
}

#[tokio::test]
async fn compat_upstream_gives_the_public_columns_with_empty_texts() {
    let server = start();
    for name in LISTS.into_iter().take(20) {
        let table = TableRef::new(name).option("compat", "upstream");
        let batch = read(&server, table).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(batch.num_rows() > 0, "{name}");
        for column in batch.columns() {
            if let Some(texts) = column.as_string_opt::<i32>() {
                assert_eq!(texts.null_count(), 0, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_server_or_database_is_told_by_name() {
    let server = start();
    for (table, option) in [("pi_points", "dataserver_webid"), ("pi_analyses", "assetdatabase_webid")] {
        let error = read(&server, TableRef::new(table).option(option, "I1DSAAAAAAAAAAAAAAAAAAAAAA")).await.unwrap_err();
        assert_eq!((error.kind(), error.get("table")), (ErrorKind::NotFound, Some(table)), "{error}");
        assert!(error.get(option).is_some());
    }
}

#[tokio::test]
async fn a_server_that_is_no_pi_web_api_is_a_clear_error() {
    let server = start();
    let elsewhere = server.base_url().replace("piwebapi", "elsewhere/piwebapi");
    let source = connect(
        &[("pi_base_url", elsewhere.as_str()), ("auth_type", "anonymous"), ("max_retries", "0")].into_iter().collect(),
    )
    .unwrap();
    let events = source.read_table(ReadRequest::new(TableRef::new("pi_points")));
    let error = events.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
