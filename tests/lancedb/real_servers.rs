//! The same tables on Lance's own server and on the simulated ones: all readers bring the same rows.

use std::{fs::File, path::Path, sync::Arc};

use arrow_ipc::reader::FileReader;
use lakeflow_connect::{
    Context, LakeflowConnect, Options, Registry, TableRef,
    arrow::{array::RecordBatch, compute::concat_batches},
};
use lakeflow_simulators::lancedb::{Config, RowIds, RunningServer, Server};
use serde_json::json;
use tempfile::TempDir;

use super::{
    real::{Comparison, open, python, tables, variable},
    real_tables::{MADE_BY_TESTS, UNREADABLE},
};

fn rows(path: &Path) -> RecordBatch {
    let reader = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    let schema = reader.schema();
    concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
}

/// A server that holds what Lance reads itself.
fn serve(dialect: &str, names: &[String], folder: &Path) -> RunningServer {
    let mut config = Config::default();
    config.tables.clear();
    config.set("dialect", dialect).unwrap();
    let server = Server::start(config).unwrap();
    for (number, name) in names.iter().enumerate() {
        let mut database = server.database();
        if let Some((namespace, _)) = name.rsplit_once('$') {
            database.create_namespace(namespace);
        }
        let rows = rows(&folder.join(format!("{number}.arrow")));
        database.create_in_fragments(name, &rows, RowIds::Plain, 1_000).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    server
}

fn connect(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    let options = Options::new().with("host_override", server.base_url()).with("database", "lake");
    Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap()
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_lance_and_simulated_servers_and_official_clients_bring_the_same_rows() {
    let adapter = open();
    let mut names = tables(&adapter).await;
    names.retain(|name| name != UNREADABLE && !MADE_BY_TESTS.contains(&name.as_str()));
    assert!(names.len() > 50, "{names:?}");
    let folder = TempDir::new().unwrap();
    let (data, list) = (variable("LAKEFLOW_TEST_LANCE_DATA"), json!(names).to_string());
    python("lance_export.py", &[&data, folder.path().to_str().unwrap()], &list);
    let [cloud, namespace] = ["cloud", "namespace"].map(|dialect| serve(dialect, &names, folder.path()));
    let mut comparison = Comparison::new();
    for source in [adapter, connect(&cloud), connect(&namespace)] {
        for name in &names {
            comparison.read(&source, &TableRef::new(name), json!({})).await;
        }
    }
    print!("{}", comparison.check());
    print!("{}", python("lance_clients.py", &[&data, &variable("LAKEFLOW_TEST_LANCE_URL"), &cloud.base_url()], &list));
}
