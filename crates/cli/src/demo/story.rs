//! What the demo tells.

use std::{path::PathBuf, sync::Arc};

use console::style;
use serde_json::{Value, json};

use super::server::{Changes, DemoServer};
use crate::{
    output::{Console, bytes, count, duration, rate},
    syncing::RunOutcome,
};

/// Tells what happens, or nothing but the end when results are JSON.
pub(super) struct Story {
    console: Arc<Console>,
}

/// What is known at the end.
pub(super) struct Finale {
    pub(super) first: RunOutcome,
    pub(super) second: RunOutcome,
    pub(super) changes: Changes,
    pub(super) rows: u64,
    pub(super) tables: usize,
    pub(super) peak: Option<u64>,
    pub(super) to: PathBuf,
}

impl Story {
    pub(super) fn new(console: &Arc<Console>) -> Self {
        Self { console: Arc::clone(console) }
    }

    fn tell(&self, text: &str) {
        if !self.console.is_json() {
            self.console.print(text);
        }
    }

    fn title(&self, title: &str, more: &str) {
        let more = if more.is_empty() { String::new() } else { format!("  {}", style(more).dim()) };
        self.tell(&format!("\n{}{more}", style(title).bold()));
    }

    pub(super) fn opening(&self, demo: &DemoServer) {
        let resources: usize = DemoServer::tables().map(|name| demo.server().ids(name).len()).sum();
        self.tell(&style("lakeflow demo").bold().to_string());
        self.tell(&format!(
            "A FHIR R4 server with {} resources, copies of the official HL7 examples, runs at\n{}",
            count(resources as u64),
            demo.server().base_url(),
        ));
    }

    pub(super) fn first_sync(&self, demo: &DemoServer) {
        if demo.rounds() == 0 {
            self.title("First sync", "everything that the server has");
        } else {
            self.title("First sync", "this directory has seen the demo before: only what is missing moves");
        }
    }

    pub(super) fn moved(&self, outcome: &RunOutcome, requests: u64) {
        let rows: u64 = outcome.receipts().map(|r| r.counts.rows_read).sum();
        let speed = if rows < 1000 { String::new() } else { format!(" ({})", rate(rows, outcome.elapsed)) };
        self.tell(&format!(
            "  {} rows in {}{speed}, {} requests",
            count(rows),
            duration(outcome.elapsed),
            count(requests),
        ));
    }

    pub(super) fn changes(&self, changes: Changes) {
        self.title(
            "At the source",
            &format!("{} resources change, {} are new", count(changes.changed), count(changes.created)),
        );
        self.title("Second sync", "only what changed");
    }

    pub(super) fn finale(&self, finale: &Finale) {
        if self.console.is_json() {
            self.console.print_json(&finale.to_json());
            return;
        }
        let to = finale.to.display();
        self.title("Verified", "row by row against the server");
        self.tell(&format!(
            "  {} {} rows in {} tables, each resource byte for byte as the server holds it:",
            style("✓").green(),
            count(finale.rows),
            finale.tables,
        ));
        self.tell("    nothing lost, nothing twice, nothing changed");
        self.tell("");
        if let Some(peak) = finale.peak {
            self.tell(&format!("  Peak memory   {}, the server included", bytes(peak)));
        }
        if cfg!(debug_assertions) {
            self.tell("  Speed         this is a debug build; one with --release is many times as fast");
        }
        self.tell(&format!("  Delta tables  {to}"));
        self.title("Next", "");
        self.tell(&format!("  lakeflow demo --to {to}"));
        self.tell(&style("      goes on from here: the server changes again, and only that moves").dim().to_string());
        self.tell(&format!("  python -c \"import polars; print(polars.read_delta('{to}/Patient'))\""));
        self.tell(&style("      any Delta reader opens the tables: pip install polars deltalake").dim().to_string());
        self.tell("  lakeflow check --source fhir --option base_url=https://YOUR-SERVER/fhir");
        self.tell(
            &style("      your own server: what works, what does not, and what to do about it").dim().to_string(),
        );
    }
}

impl Finale {
    fn to_json(&self) -> Value {
        let sync = |outcome: &RunOutcome| {
            json!({
                "elapsed_seconds": outcome.elapsed.as_secs_f64(),
                "tables": outcome.receipts().collect::<Vec<_>>(),
            })
        };
        json!({
            "event": "demo_end",
            "first_sync": sync(&self.first),
            "changes_at_the_source": self.changes,
            "second_sync": sync(&self.second),
            "verified_rows": self.rows,
            "peak_memory_bytes": self.peak,
            "destination": self.to,
        })
    }
}
