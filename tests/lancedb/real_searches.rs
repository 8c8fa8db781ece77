//! Searches against Lance's own scanner, against plain measures of every vector, and against the official client.

use lakeflow_connect::{
    ErrorKind, IngestionType, TableRef,
    arrow::{
        array::AsArray,
        datatypes::{Float32Type, Int64Type},
    },
};
use serde_json::{Value, json};

use super::real::{open, open_with, python, read, variable};

/// What the connector finds, as (id, measure).
async fn find(table: &TableRef, measure: &str) -> Vec<(i64, f64)> {
    let rows = read(&open(), table).await.unwrap_or_else(|error| panic!("{error}"));
    let found = rows.batches.iter().flat_map(|batch| {
        let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec();
        let measures = batch.column_by_name(measure).unwrap().as_primitive::<Float32Type>().values().to_vec();
        ids.into_iter().zip(measures.into_iter().map(f64::from))
    });
    found.collect()
}

/// What others find.
fn expected(cases: &[Value]) -> Vec<Vec<(i64, f64)>> {
    let output = python("lance_search.py", &[&variable("LAKEFLOW_TEST_LANCE_DATA")], &json!(cases).to_string());
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same measures in the same order; rows of equal measure may come in any order.
fn assert_same(found: &[(i64, f64)], expected: &[(i64, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}\n{expected:?}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found.1 - expected.1).abs() <= 1e-4 * expected.1.abs().max(1.0),
            "{place}: {found:?}, not {expected:?}"
        );
    }
    // At the end, rows of equal measure may be others.
    let last = expected.last().map_or(0.0, |row| row.1);
    let ids = |rows: &[(i64, f64)]| {
        let mut ids: Vec<_> = rows.iter().filter(|row| (row.1 - last).abs() > 1e-3).map(|row| row.0).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(found), ids(expected));
}

fn near(vector: &[f32]) -> TableRef {
    TableRef::new("searched").option("query_vector", json!(vector).to_string()).option("columns", "id,part")
}

fn vector() -> Vec<f32> {
    (0..16_u8).map(|place| f32::from(place) / 8.0 - 1.0).collect()
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_exact_searches_find_what_a_measure_of_every_vector_finds() {
    let vector = vector();
    let (mut all_found, mut cases) = (Vec::new(), Vec::new());
    for distance in ["l2", "dot", "cosine"] {
        let table = near(&vector).option("distance_type", distance).option("bypass_vector_index", "true");
        let mut case = json!({"by": "measure", "table": "searched", "column": "vector", "vector": vector,
                              "distance_type": distance, "k": 25, "filter": "part < 20"});
        let filtered = table.clone().option("filter", "part < 20");
        let all = find(&filtered.clone().option("k", "25"), "_distance").await;
        all_found.push(all.clone());
        cases.push(case.clone());
        assert_eq!(find(&filtered.clone().option("k", "5").option("offset", "20"), "_distance").await, all[20..]);
        // Bounds include the smaller and not the larger.
        let (lower, upper) = (all[3].1, all[12].1);
        let bounded = filtered.option("lower_bound", lower.to_string()).option("upper_bound", upper.to_string());
        assert_eq!(find(&bounded.option("k", "100"), "_distance").await, all[3..12]);
        case["filter"] = json!("part = 5");
        case["k"] = json!(10_000);
        let few = table.clone().option("filter", "part = 5").option("k", "10000");
        let few = find(&few, "_distance").await;
        assert_eq!(few.len(), 100, "{distance}: the filter must select before the search");
        all_found.push(few);
        cases.push(case);
    }
    all_found.iter().zip(expected(&cases)).for_each(|(found, expected)| assert_same(found, &expected));
    // With the filter behind the search, fewer are left; that has to be asked for.
    let behind = near(&vector).option("filter", "part = 5").option("prefilter", "false").option("k", "50");
    assert!(find(&behind, "_distance").await.len() < 50);
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_searches_by_index_find_what_lances_scanner_finds() {
    let vector = vector();
    let (mut all_found, mut cases) = (Vec::new(), Vec::new());
    for (options, nearest) in [
        (json!({}), json!({})),
        (json!({"nprobes": "8", "refine_factor": "4"}), json!({"nprobes": 8, "refine_factor": 4})),
        (json!({"minimum_nprobes": "1", "maximum_nprobes": "2"}), json!({"minimum_nprobes": 1, "maximum_nprobes": 2})),
        (json!({"minimum_nprobes": "2", "maximum_nprobes": "0"}), json!({"minimum_nprobes": 2})),
        (json!({"nprobes": "8", "fast_search": "true"}), json!({"nprobes": 8, "fast_search": true})),
    ] {
        let table =
            options.as_object().unwrap().iter().fold(near(&vector).option("k", "20"), |table, (name, value)| {
                table.option(name, value.as_str().unwrap())
            });
        let mut case = json!({"by": "scanner", "table": "searched", "k": 20, "prefilter": true,
                              "nearest": {"column": "vector", "q": vector, "k": 20}});
        case["nearest"].as_object_mut().unwrap().extend(nearest.as_object().unwrap().clone());
        if let Some(fast) = case["nearest"].as_object_mut().unwrap().remove("fast_search") {
            case["fast_search"] = fast;
        }
        all_found.push(find(&table, "_distance").await);
        cases.push(case);
    }
    all_found.iter().zip(expected(&cases)).for_each(|(found, expected)| assert_same(found, &expected));
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_words_and_both_find_what_lance_and_its_client_find() {
    let words = |words: &str| TableRef::new("searched").option("full_text_query", words).option("columns", "id,text");
    let (mut all_found, mut cases) = (Vec::new(), Vec::new());
    for (text, filter) in [("banana", None), ("apple banana", Some("part = 7")), ("brown dog", None), ("zebra", None)] {
        let mut table = words(text).option("full_text_columns", "text").option("k", "30");
        let mut case =
            json!({"by": "scanner", "table": "searched", "k": 30, "full_text_query": text, "prefilter": true});
        if let Some(filter) = filter {
            table = table.option("filter", filter);
            case["filter"] = filter.into();
        }
        let found = find(&table, "_score").await;
        assert_eq!(found.is_empty(), text == "zebra");
        all_found.push(found);
        cases.push(case);
    }
    let all = find(&words("number").option("k", "10000"), "_score").await;
    assert_eq!(all.len(), 3920, "every row with a text has the word");

    // Two rows whose scores differ: of rows with equal scores, the server's order is another one each time, and so are their places.
    let both = near(&vector()).option("full_text_query", "15 17").option("k", "40");
    cases.push(json!({"by": "client", "table": "searched", "k": 40, "vector": vector(), "words": "15 17"}));
    let found = find(&both, "_relevance_score").await;
    assert!(found[0].1 > found[39].1);
    all_found.push(found);
    all_found.iter().zip(expected(&cases)).for_each(|(found, expected)| assert_same(found, &expected));
    let source = open();
    let columns = source.get_table_schema(&both).await.unwrap();
    assert_eq!(columns.names().collect::<Vec<_>>(), ["id", "part", "_distance", "_score", "_relevance_score"]);
    let skipped = find(&both.clone().option("offset", "30").option("k", "10"), "_relevance_score").await;
    assert_eq!(skipped.len(), 10);
    let with_ids = read(&source, &both.option("with_row_id", "true")).await.unwrap();
    assert!(with_ids.batches[0].column_by_name("_rowid").is_some());
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_several_vectors_are_one_table_with_their_number() {
    let source = open();
    let vectors = json!([vector(), vec![0.0; 16], vec![-1.0; 16]]);
    let table = TableRef::new("searched").option("query_vector", vectors.to_string()).option("k", "4");
    let table = table.option("primary_keys", "id");
    let metadata = source.read_table_metadata(&table).await.unwrap();
    assert_eq!(metadata.ingestion_type, IngestionType::Snapshot);
    assert_eq!(metadata.primary_keys, ["id", "query_index"]);
    let rows = read(&source, &table).await.unwrap();
    let index = rows
        .batches
        .iter()
        .flat_map(|batch| batch.column_by_name("query_index").unwrap().as_primitive::<Int64Type>().values().to_vec());
    assert_eq!(index.collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    let first = find(&near(&vector()).option("k", "4"), "_distance").await;
    assert_eq!(find(&table, "_distance").await[..4], first);
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_vectors_of_every_kind_are_found() {
    for (column, size) in [("v_f2_4", 4), ("v_f2_16", 16), ("v_f4_8", 8), ("v_f8_4", 4), ("many_v", 2)] {
        let table = TableRef::new("vectors")
            .option("vector_column", column)
            .option("query_vector", json!(vec![0.5; size]).to_string())
            .option("columns", "id")
            .option("k", "10");
        assert_eq!(find(&table, "_distance").await.len(), 10, "{column}");
    }
    let empty = TableRef::new("empty").option("query_vector", "[1,2,3,4]");
    assert!(find(&empty, "_distance").await.is_empty());
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_vectors_inside_structs_are_found_by_their_path() {
    let vector = [0.5, -1.0, 2.0, 0.25];
    let (mut all_found, mut cases) = (Vec::new(), Vec::new());
    for distance in ["l2", "dot", "cosine"] {
        let table = TableRef::new("inner_vectors")
            .option("vector_column", "s.e")
            .option("query_vector", json!(vector).to_string())
            .option("distance_type", distance)
            .option("filter", "`s`.`n` < 300")
            .option("columns", "id,s")
            .option("k", "1000");
        let found = find(&table, "_distance").await;
        assert_eq!(found.len(), 270, "{distance}: every row that has a struct");
        all_found.push(found);
        cases.push(json!({"by": "measure", "table": "inner_vectors", "column": "s.e", "vector": vector, "k": 1000,
                          "distance_type": distance, "filter": "s.n < 300"}));
    }
    all_found.iter().zip(expected(&cases)).for_each(|(found, expected)| assert_same(found, &expected));
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_searches_of_a_graph_look_as_far_as_they_are_told() {
    let (mut all_found, mut cases) = (Vec::new(), Vec::new());
    for ef in [10, 20, 400] {
        let table = TableRef::new("graph").option("query_vector", json!(vector()).to_string());
        all_found.push(find(&table.option("k", "10").option("ef", ef.to_string()), "_distance").await);
        cases.push(json!({"by": "scanner", "table": "graph", "k": 10,
                          "nearest": {"column": "vector", "q": vector(), "k": 10, "ef": ef}}));
    }
    all_found.iter().zip(expected(&cases)).for_each(|(found, expected)| assert_same(found, &expected));
    let sum = |found: &[(i64, f64)]| found.iter().map(|row| row.1).sum::<f64>();
    assert!(sum(&all_found[2]) < sum(&all_found[0]), "who looks further finds nearer ones: {all_found:?}");
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_searches_that_cannot_be_done_are_refused_before_a_row() {
    let dialects = [open(), open_with(&[("dialect", "namespace")])];
    for source in dialects {
        for (name, options, kind, part) in [
            ("searched", &[("query_vector", "[1,2]")][..], ErrorKind::Config, "another length"),
            ("vectors", &[("query_vector", "[1,2]")], ErrorKind::Config, "several columns of vectors"),
            ("no_vectors", &[("query_vector", "[1,2]")], ErrorKind::Config, "no column of vectors"),
            ("searched", &[("query_vector", "[1]"), ("vector_column", "vectr")], ErrorKind::NotFound, "vector"),
            ("searched", &[("query_vector", "[1]"), ("vector_column", "id")], ErrorKind::Config, "no vectors"),
            ("searched", &[("full_text_query", "a"), ("full_text_columns", "txt")], ErrorKind::NotFound, "txt"),
            ("searched", &[("query_vector", "[NaN]")], ErrorKind::Config, "not a JSON array"),
            (
                "vectors",
                &[("query_vector", "[1,2]"), ("vector_column", "v_u8"), ("distance_type", "hamming")],
                ErrorKind::Config,
                "does not search vectors of this type",
            ),
            (
                "searched",
                &[("query_vector", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]"), ("distance_type", "hamming")],
                ErrorKind::Config,
                "bytes have hamming",
            ),
            ("searched", &[("query_vector", "[[1],[1]]"), ("full_text_query", "a")], ErrorKind::Config, "length"),
        ] {
            let table = options.iter().fold(TableRef::new(name), |table, (name, value)| table.option(*name, *value));
            let error = read(&source, &table).await.err().unwrap();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
