//! The receipt of a run: what moved, from where to where, in one JSON file without secrets.

use std::{fs, io::Write, path::PathBuf};

use lakeflow_connect::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{Jobs, RunOutcome};
use crate::{
    files, memory,
    output::{Console, error_json},
};

/// The format of the file; it changes when a reader of the old one would break.
const FORMAT: u32 = 1;

/// Writes the receipt below the destination; its path, or `None` on an object store.
pub(crate) fn write(jobs: &Jobs, outcome: &RunOutcome, console: &Console) -> Result<Option<PathBuf>> {
    let Some(folder) = jobs.lake.receipts() else { return Ok(None) };
    let name = format!("{}-{}.json", outcome.started_at.format("%Y%m%dT%H%M%S%.3fZ"), std::process::id());
    let path = folder.join(name);
    let text = console.redact(&format!("{:#}\n", content(jobs, outcome)));
    let save = || {
        fs::create_dir_all(&folder)?;
        // A new name first: a receipt is whole or not there.
        let unfinished = path.with_extension("tmp");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&unfinished, &path)
    };
    save().map_err(|why| {
        Error::new(ErrorKind::Sink, format!("the receipt could not be written: {}", files::why(&why)))
            .with("file", path.display())
            .help("the tables are not affected")
    })?;
    Ok(Some(path))
}

fn content(jobs: &Jobs, outcome: &RunOutcome) -> Value {
    let table = |t: &super::TableOutcome| match &t.result {
        Ok(receipt) => {
            let mut value = json!(receipt);
            value["ok"] = Value::Bool(true);
            value
        }
        Err(error) => json!({ "ok": false, "table": t.table, "error": error_json(error) }),
    };
    json!({
        "format": FORMAT,
        "program": concat!("lakeflow ", env!("CARGO_PKG_VERSION")),
        "source": jobs.source,
        "connection": jobs.connection,
        "destination": jobs.lake.shown(),
        "started_at": outcome.started_at,
        "elapsed_seconds": outcome.elapsed.as_secs_f64(),
        "peak_memory_bytes": memory::peak(),
        "interrupted": outcome.interrupted,
        "exit_code": outcome.exit_code(),
        "activity": jobs.connector.activity(),
        "tables": outcome.tables.iter().map(table).collect::<Vec<_>>(),
    })
}
