//! Your own servers, for the tests that read them.

use std::{collections::BTreeMap, fs, path::Path};

use lakeflow_connect::Options;
use serde_json::Value;

/// The example file of a source's folder, filled in, beside itself and ignored by git.
pub(crate) fn dev_config(source: &str) -> Options {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sources").join(source).join("configs/dev_config.json");
    let text = fs::read_to_string(path).expect("write dev_config.json first: see docs/testing.md");
    let members: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    members.into_iter().map(|(name, value)| (name, text(value))).collect()
}
