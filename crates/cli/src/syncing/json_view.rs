//! A run as JSON lines on standard output.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use lakeflow_connect::Error;
use lakeflow_sync::{Counts, Observer, TableReceipt};
use serde_json::json;

use super::View;
use crate::output::{Console, error_json};

/// Progress of one table is told no more often than this.
const PACE: Duration = Duration::from_secs(1);

/// Prints every event as one line.
pub(crate) struct JsonView {
    console: Arc<Console>,
    told: Mutex<HashMap<String, Instant>>,
    committed: Mutex<HashMap<String, u64>>,
    reached: Mutex<HashMap<String, DateTime<Utc>>>,
}

impl JsonView {
    pub(crate) fn new(console: &Arc<Console>) -> Self {
        Self {
            console: Arc::clone(console),
            told: Mutex::default(),
            committed: Mutex::default(),
            reached: Mutex::default(),
        }
    }
}

impl Observer for JsonView {
    fn progress(&self, table: &str, counts: &Counts) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if told.get(table).is_some_and(|last| now.duration_since(*last) < PACE) {
            return;
        }
        told.insert(table.to_owned(), now);
        self.console.print_json(&json!({ "event": "progress", "table": table, "counts": counts }));
    }

    fn committed(&self, table: &str, version: u64, counts: &Counts) {
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        if committed.insert(table.to_owned(), version) == Some(version) {
            return;
        }
        let mut line = json!({ "event": "commit", "table": table, "table_version": version, "counts": counts });
        if let Some(watermark) = self.reached.lock().unwrap_or_else(PoisonError::into_inner).get(table) {
            line["watermark"] = json!(watermark);
            line["behind_seconds"] = json!((Utc::now() - watermark).num_seconds().max(0));
        }
        self.console.print_json(&line);
    }

    fn reached(&self, table: &str, watermark: DateTime<Utc>) {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), watermark);
    }
}

impl View for JsonView {
    fn begin(&self, tables: &[String]) {
        self.console.print_json(&json!({ "event": "begin", "tables": tables }));
    }

    fn table_begins(&self, table: &str) {
        self.console.print_json(&json!({ "event": "table_begin", "table": table }));
    }

    fn table_done(&self, receipt: &TableReceipt) {
        self.console.print_json(&json!({ "event": "table_done", "table": receipt.table, "receipt": receipt }));
    }

    fn table_failed(&self, table: &str, error: &Error) {
        self.console.print_json(&json!({ "event": "table_failed", "table": table, "error": error_json(error) }));
    }
}
