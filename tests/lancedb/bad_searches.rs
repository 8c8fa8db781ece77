//! Searches and logins that cannot be: refused before a row, on servers of both dialects.

use std::sync::Arc;

use futures::TryStreamExt;
use lakeflow_connect::{
    Context, Error, ErrorKind, LakeflowConnect, Options, ReadEvent, ReadRequest, Registry, Result, TableRef,
};
use lakeflow_simulators::lancedb::{Config, RunningServer, Server};

const TOKEN: &str = "marker-token-7K-0123456789";

fn serve(settings: &[(&str, &str)]) -> RunningServer {
    let mut config = Config::default();
    for (name, value) in [("tables", "documents"), ("rows", "50"), ("dimension", "4")].iter().chain(settings) {
        config.set(name, value).unwrap();
    }
    Server::start(config).unwrap()
}

fn connect(server: &RunningServer, options: &[(&str, &str)]) -> Arc<dyn LakeflowConnect> {
    let options = options.iter().copied().collect::<Options>().with("host_override", server.base_url());
    Registry::builtin().connect("lancedb", &options.with("database", "shop"), &Context::new()).unwrap()
}

async fn read(source: &Arc<dyn LakeflowConnect>, options: &[(&str, &str)]) -> Result<Vec<ReadEvent>> {
    let table = options.iter().fold(TableRef::new("documents"), |table, (name, value)| table.option(*name, *value));
    source.read_table(ReadRequest::new(table)).try_collect().await
}

async fn refused(source: &Arc<dyn LakeflowConnect>, options: &[(&str, &str)]) -> Error {
    let error = read(source, options).await.expect_err("the read must fail");
    assert_eq!(source.activity().retries, 0, "{options:?}");
    error
}

#[tokio::test]
async fn vectors_that_fit_no_column_are_refused_before_a_row() {
    for dialect in ["cloud", "namespace"] {
        let server = serve(&[("dialect", dialect)]);
        let source = connect(&server, &[]);
        for (options, kind, part) in [
            (&[("query_vector", "[1,2,3]")][..], ErrorKind::Config, "another length"),
            (&[("query_vector", "[1,2,3,4,5]")], ErrorKind::Config, "another length"),
            (&[("query_vector", "[1,2,3,NaN]")], ErrorKind::Config, "query_vector"),
            (&[("query_vector", "[1,2,3,1e39]")], ErrorKind::Config, "query_vector"),
            (&[("query_vector", "[]")], ErrorKind::Config, "query_vector"),
            (&[("query_vector", "[1,2,3,4]"), ("vector_column", "embeding")], ErrorKind::NotFound, "'embedding'"),
            (&[("query_vector", "[1,2,3,4]"), ("vector_column", "body")], ErrorKind::Config, "no vectors"),
            (&[("query_vector", "[1,2,3,4]"), ("k", "10001")], ErrorKind::Config, "k"),
        ] {
            let error = refused(&source, options).await;
            assert_eq!(error.kind(), kind, "{dialect} {options:?}: {error}");
            assert!(error.to_string().contains(part), "{dialect} {options:?}: {error}");
        }
        let searched = server.questions().iter().filter(|q| q.path.contains("/query") && q.body["k"] != 1).count();
        assert_eq!(searched, 0, "a server was asked for neighbours of no vector");
        assert!(!read(&source, &[("query_vector", "[1,2,3,4]")]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_bearer_token_logs_in_and_a_wrong_one_is_refused_once_and_never_shown() {
    for dialect in ["cloud", "namespace"] {
        let server = serve(&[("dialect", dialect), ("auth", &format!("bearer:{TOKEN}"))]);
        assert!(!read(&connect(&server, &[("auth_token", TOKEN)]), &[]).await.unwrap().is_empty());
        for options in [&[("auth_token", "marker-wrong-1")][..], &[("api_key", "marker-wrong-1")], &[]] {
            let error = refused(&connect(&server, options), &[]).await;
            assert_eq!(error.kind(), ErrorKind::Auth, "{dialect}: {error}");
            assert!(!format!("{error} {error:?}").contains("marker-"), "{dialect}: {error:?}");
        }
    }
}
