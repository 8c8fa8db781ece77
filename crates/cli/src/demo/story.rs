//! What the demo tells.

use std::{path::PathBuf, sync::Arc};

use console::style;
use serde_json::{Map, Value, json};

use super::scene::Played;
use crate::{
    output::{Console, bytes, count, duration, rate},
    syncing::RunOutcome,
};

/// Tells what happens, or nothing but the end when results are JSON.
pub(super) struct Story {
    console: Arc<Console>,
}

/// What a sync moved.
pub(super) struct Moved<'a> {
    pub(super) outcome: &'a RunOutcome,
    pub(super) requests: u64,
}

/// What is known at the end.
pub(super) struct Finale {
    pub(super) played: Vec<Played>,
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

    fn chapter(&self, title: &str, more: &str) {
        let more = if more.is_empty() { String::new() } else { format!("  {}", style(more).dim()) };
        self.tell(&format!("\n{}{more}", style(title).bold()));
    }

    pub(super) fn title(&self) {
        self.tell(&style("lakeflow demo").bold().to_string());
    }

    pub(super) fn opening(&self, system: &str) {
        self.tell(&format!("\n{system}"));
    }

    pub(super) fn first_sync(&self, rounds: u32) {
        if rounds == 0 {
            self.chapter("First sync", "everything that the server has");
        } else {
            self.chapter("First sync", "this directory has seen the demo before: only what is missing moves");
        }
    }

    pub(super) fn moved(&self, moved: &Moved<'_>) {
        let rows: u64 = moved.outcome.receipts().map(|r| r.counts.rows_read).sum();
        let elapsed = moved.outcome.elapsed;
        let speed = if rows < 1000 { String::new() } else { format!(" ({})", rate(rows, elapsed)) };
        let (rows, requests) = (count(rows), count(moved.requests));
        self.tell(&format!("  {rows} rows in {}{speed}, {requests} requests", duration(elapsed)));
    }

    pub(super) fn changes(&self, told: &str, second: &str) {
        self.chapter("At the source", told);
        self.chapter("Second sync", second);
    }

    pub(super) fn finale(&self, finale: &Finale) {
        if self.console.is_json() {
            self.console.print_json(&finale.to_json());
            return;
        }
        let to = finale.to.display();
        self.chapter("Verified", "row by row against the servers");
        for played in &finale.played {
            let rows = count(played.rows);
            let tables = if played.tables == 1 { "a table".to_owned() } else { format!("{} tables", played.tables) };
            self.tell(&format!(
                "  {} {}: {rows} rows in {tables}, {}",
                style("✓").green(),
                played.source,
                played.compared
            ));
        }
        self.tell("    nothing lost, nothing twice, nothing changed");
        self.tell("");
        if let Some(peak) = finale.peak {
            self.tell(&format!("  Peak memory   {}, the servers included", bytes(peak)));
        }
        if cfg!(debug_assertions) {
            self.tell("  Speed         this is a debug build; one with --release is many times as fast");
        }
        self.tell(&format!("  Delta tables  {to}"));
        self.chapter("Next", "");
        self.tell(&format!("  lakeflow demo --to {to}"));
        self.tell(&style("      goes on from here: the servers change again, and only that moves").dim().to_string());
        self.tell(&format!("  python -c \"import polars; print(polars.read_delta('{to}/pi_timeseries'))\""));
        self.tell(&style("      any Delta reader opens the tables: pip install polars deltalake").dim().to_string());
        self.tell("  lakeflow check --source fhir --option base_url=https://YOUR-SERVER/fhir");
        self.tell("  lakeflow check --source osipi --option pi_base_url=YOUR-SERVER --option username=...");
        self.tell("  lakeflow check --source lancedb --option uri=db://YOUR-DATABASE --option api_key=...");
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
        let of = |played: &Played| {
            json!({
                "first_sync": sync(&played.first),
                "changes_at_the_source": played.changes.counts,
                "second_sync": sync(&played.second),
                "verified_rows": played.rows,
            })
        };
        let sources: Map<String, Value> = self.played.iter().map(|p| (p.source.to_owned(), of(p))).collect();
        json!({
            "event": "demo_end",
            "sources": sources,
            "verified_rows": self.played.iter().map(|p| p.rows).sum::<u64>(),
            "peak_memory_bytes": self.peak,
            "destination": self.to,
        })
    }
}
