//! Lists, descriptions, scans and searches.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{Float32Type, Int32Type},
};
use lakeflow_simulators::lancedb::{Config, Server};
use serde_json::{Value, json};

use crate::{
    lancedb_support::{ids, numbers, post, refused, rows, table, told},
    support::{get, json as got},
};

#[tokio::test]
async fn tables_are_listed_by_pages_and_the_default_page_is_short() {
    let mut config = Config::default();
    config.set("tables", "25").unwrap();
    config.set("rows", "1").unwrap();
    let server = Server::start(config).unwrap();
    let (mut names, mut url) = (Vec::new(), format!("{}/v1/table/", server.base_url()));
    let mut pages = 0;
    loop {
        let page = got(&url).await;
        names.extend(page["tables"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()));
        pages += 1;
        let Some(token) = page["page_token"].as_str() else { break };
        url = format!("{}/v1/table/?page_token={token}", server.base_url());
    }
    assert_eq!((pages, names), (3, server.database().tables()));
    assert_eq!(
        got(&format!("{}/v1/table?limit=1000", server.base_url())).await["tables"].as_array().unwrap().len(),
        25
    );
    assert_eq!(get(&format!("{}/v1/table?limit=x", server.base_url())).await.status(), 400);
}

#[tokio::test]
async fn namespaces_have_their_own_lists() {
    let mut config = Config::default();
    config.set("tables", "people,plant$readings,plant$unit1$tags").unwrap();
    config.set("dialect", "namespace").unwrap();
    let server = Server::start(config).unwrap();
    server.database().declare("plant$planned").unwrap();
    let list = |path: &str| format!("{}/v1/{path}", server.base_url());
    assert_eq!(got(&list("table")).await["tables"], json!(["people"]));
    assert_eq!(got(&list("namespace/$/list")).await["namespaces"], json!(["plant"]));
    assert_eq!(got(&list("namespace/plant/list")).await["namespaces"], json!(["unit1"]));
    assert_eq!(got(&list("namespace/plant/table/list")).await["tables"], json!(["planned", "readings"]));
    assert_eq!(got(&list("namespace/plant/table/list?include_declared=false")).await["tables"], json!(["readings"]));
    assert_eq!(got(&list("namespace/plant$unit1/table/list")).await["tables"], json!(["tags"]));
    let absent = get(&list("namespace/none/table/list")).await;
    assert_eq!(absent.status(), 404);
    assert_eq!(serde_json::from_str::<Value>(&absent.text().await.unwrap()).unwrap()["code"], 1);
    assert_eq!(told(&server, "table/plant$readings/count_rows", &json!({})).await, json!(1000));
    assert_eq!(refused(&server, "table/plant$planned/query", &json!({"k": 1, "vector": {}})).await.0, 404);
}

#[tokio::test]
async fn a_key_is_asked_for_everywhere() {
    let server = table(3, |config| config.set("auth", "api-key:sk_right").unwrap());
    for key in [None, Some("sk_wrong")] {
        for path in ["v1/table/", "v1/table/t/describe/"] {
            let url = format!("{}/{path}", server.base_url());
            let request = if path.ends_with("table/") {
                crate::support::client().get(url)
            } else {
                crate::support::client().post(url)
            };
            let request = key.into_iter().fold(request, |request, key| request.header("x-api-key", key));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401);
            assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
            assert!(!response.text().await.unwrap().contains("sk_"));
        }
    }
    let url = format!("{}/v1/table/t/describe/", server.base_url());
    let response = crate::support::client().post(url).header("x-api-key", "sk_right").send().await.unwrap();
    assert_eq!(response.headers()["phalanx-version"], "0.5.0");
    assert_eq!(response.headers()["x-lancedb-version"], "2");
}

#[tokio::test]
async fn each_dialect_describes_tables_in_its_own_words() {
    let server = table(3, |_| {});
    let cloud = told(&server, "table/t/describe/", &json!({})).await;
    let fields = cloud["schema"]["fields"].as_array().unwrap();
    let words: Vec<&str> = fields.iter().map(|field| field["type"]["type"].as_str().unwrap()).collect();
    assert_eq!(words, ["int64", "string", "string", "string", "list", "double", "timestamp:us:UTC", "fixed_size_list"]);
    assert_eq!((&cloud["version"], &fields[7]["type"]["length"]), (&json!(2), &json!(4)));
    assert_eq!(told(&server, "table/t/describe", &json!({"version": 1})).await["version"], 1);

    let server = table(3, |config| config.set("dialect", "namespace").unwrap());
    let short = told(&server, "table/t/describe", &json!({})).await;
    assert!(short.get("version").is_none() && short["location"].is_string());
    let long = told(&server, "table/t/describe?load_detailed_metadata=true", &json!({})).await;
    let fields = long["schema"]["fields"].as_array().unwrap();
    let words: Vec<&str> = fields.iter().map(|field| field["type"]["type"].as_str().unwrap()).collect();
    assert_eq!(words, ["int64", "utf8", "utf8", "utf8", "list", "float64", "timestamp", "fixed_size_list"]);
    assert_eq!(long["metadata"]["total_rows"], "3");
    let empty =
        crate::support::client().post(format!("{}/v1/table/t/describe", server.base_url())).send().await.unwrap();
    assert_eq!(empty.status(), 400);
}

#[tokio::test]
async fn pages_of_a_version_are_the_oracle_and_say_what_they_hold() {
    let server = table(1_050, |_| {});
    server.database().delete("t", "id % 7 = 0").unwrap();
    let version = server.database().version("t").unwrap();
    let mut pages = Vec::new();
    for offset in (0..).step_by(130) {
        let page = rows(&server, json!({"k": 130, "offset": offset, "version": version})).await;
        if page.num_rows() == 0 {
            break;
        }
        pages.push(page);
    }
    let all = concat_batches(&pages[0].schema(), &pages).unwrap();
    assert_eq!(all, server.database().rows("t", None).unwrap());
    assert_eq!(told(&server, "table/t/count_rows/", &json!({"version": version})).await, json!(all.num_rows()));
    assert_eq!(all.num_rows(), 900);
    // Without a bound, without columns of its own, past the end.
    assert_eq!(rows(&server, json!({"columns": ["_rowoffset"]})).await.num_rows(), 900);
    let end = rows(&server, json!({"k": 5, "offset": 898, "columns": ["_rowoffset", "id"]})).await;
    assert_eq!((numbers(&end, "_rowoffset"), ids(&end).len()), (vec![898, 899], 2));
}

#[tokio::test]
async fn columns_are_projected_by_name_path_and_expression() {
    let server = table(10, |_| {});
    let named = rows(&server, json!({"columns": ["score", "_rowid", "id"], "k": 2})).await;
    let names =
        |batch: &RecordBatch| batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    assert_eq!(names(&named), ["score", "_rowid", "id"]);
    let aliased = rows(&server, json!({"columns": {"next": "id + 1", "loud": "upper(category)"}, "k": 2})).await;
    let mut found = names(&aliased);
    found.sort();
    assert_eq!((found, numbers(&aliased, "next")), (vec!["loud".to_owned(), "next".to_owned()], vec![1, 2]));
    let with_id = rows(&server, json!({"columns": ["id"], "with_row_id": true, "k": 2})).await;
    assert_eq!(names(&with_id), ["id", "_rowid"]);
    for (columns, status) in
        [(json!(["nope"]), 500), (json!(["ID"]), 500), (json!(["id", "id"]), 400), (json!({"a": "nope"}), 500)]
    {
        assert_eq!(
            refused(&server, "table/t/query", &json!({"k": 1, "vector": [], "columns": columns})).await.0,
            status
        );
    }
}

#[tokio::test]
async fn neighbours_are_exact_and_filtered_before_or_after() {
    let server = table(500, |_| {});
    let oracle = server.database().rows("t", None).unwrap();
    let vectors = oracle.column_by_name("embedding").unwrap().as_fixed_size_list();
    let query = [0.5_f32, -0.25, 0.0, 1.0];
    let distance = |row: usize| -> f32 {
        let vector = vectors.value(row);
        vector.as_primitive::<Float32Type>().values().iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let mut wanted: Vec<usize> = (0..500).filter(|row| vectors.is_valid(*row)).collect();
    wanted.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    let found = rows(&server, json!({"vector": query, "k": 20, "columns": ["id"]})).await;
    assert_eq!(ids(&found), wanted[..20].iter().map(|row| *row as i64).collect::<Vec<_>>());
    let measured = found.column_by_name("_distance").unwrap().as_primitive::<Float32Type>();
    assert!((measured.value(0) - distance(wanted[0])).abs() < 1e-5);

    let before = rows(&server, json!({"vector": query, "k": 20, "filter": "id < 50", "prefilter": true})).await;
    let near: Vec<i64> = wanted.iter().filter(|row| **row < 50).take(20).map(|row| *row as i64).collect();
    assert_eq!(ids(&before), near);
    let after = rows(&server, json!({"vector": query, "k": 20, "filter": "id < 50", "prefilter": false})).await;
    assert!(after.num_rows() < 20 && ids(&after).iter().all(|id| *id < 50));
    let later = rows(&server, json!({"vector": query, "k": 20, "offset": 15})).await;
    assert_eq!(ids(&later), wanted[15..20].iter().map(|row| *row as i64).collect::<Vec<_>>());
    let several = rows(&server, json!({"vector": [query, query], "k": 3})).await;
    let index = several.column_by_name("query_index").unwrap().as_primitive::<Int32Type>();
    assert_eq!(index.values(), &[0, 0, 0, 1, 1, 1]);
    // Rows without a vector have no neighbours, whatever is asked for.
    assert_eq!(rows(&server, json!({"vector": query, "k": 5_000})).await.num_rows(), wanted.len());
    assert_eq!(
        rows(&server, json!({"vector": [0, 0, 0, 0], "k": 5_000, "distance_type": "cosine"})).await.num_rows(),
        0
    );
}

#[tokio::test]
async fn words_are_found_where_there_is_an_index() {
    let server = table(200, |_| {});
    let ask = |query: Value| json!({"k": 1000, "vector": [], "full_text_query": query, "columns": ["id", "body"]});
    let response = post(&server, "table/t/query", &ask(json!({"query": "turbine"}))).await;
    let found = crate::lancedb_support::one_batch(&response.bytes().await.unwrap());
    let bodies = found.column_by_name("body").unwrap().as_string::<i32>();
    assert!(found.num_rows() > 10 && bodies.iter().all(|body| body.unwrap().contains("turbine")));
    let scores = found.column_by_name("_score").unwrap().as_primitive::<Float32Type>();
    assert!(scores.values().windows(2).all(|pair| pair[0] >= pair[1]) && scores.value(0) > 0.0);
    let oracle = server.database().rows("t", None).unwrap();
    let all = oracle.column_by_name("body").unwrap().as_string::<i32>();
    assert_eq!(found.num_rows(), all.iter().filter(|body| body.unwrap().contains("turbine")).count());
    let (status, text) = refused(&server, "table/t/query", &ask(json!({"query": "pump", "columns": ["title"]}))).await;
    assert!(status == 500 && text.contains("INVERTED index"));
}
