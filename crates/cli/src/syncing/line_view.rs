//! A run for people: a row per finished table, and one progress line while it goes on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use lakeflow_connect::{Error, Retrying};
use lakeflow_sync::{Counts, Observer, TableReceipt};

use super::View;
use crate::output::{Console, bytes, count, duration, rate};

/// Prints finished tables on standard output and progress on standard error, when that is a terminal.
pub(crate) struct LineView {
    console: Arc<Console>,
    line: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: usize,
    finished: usize,
    widest: usize,
    running: BTreeMap<String, Counts>,
    reached: BTreeMap<String, DateTime<Utc>>,
    rows: u64,
    bytes: u64,
    began: Option<Instant>,
    /// What is waited for, in words.
    waits: String,
}

impl LineView {
    pub(crate) fn new(console: &Arc<Console>) -> Self {
        let line = console.has_progress_line().then(|| {
            let line = ProgressBar::new_spinner();
            if let Ok(look) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
                line.set_style(look);
            }
            line.enable_steady_tick(Duration::from_millis(120));
            line
        });
        Self { console: Arc::clone(console), line, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self, state: &State) {
        if let Some(line) = &self.line {
            line.set_message(state.describe(Utc::now()));
        }
    }

    fn above(&self, print: impl FnOnce()) {
        match &self.line {
            Some(line) => line.suspend(print),
            None => print(),
        }
    }

    fn finish(&self, table: &str, counts: Option<&Counts>) -> usize {
        let mut state = self.state();
        let seen = state.running.remove(table);
        state.reached.remove(table);
        if let Some(counts) = counts.or(seen.as_ref()) {
            state.rows += counts.rows_read + counts.deletes_read;
            state.bytes += counts.bytes_read;
        }
        state.finished += 1;
        self.refresh(&state);
        state.widest
    }
}

impl State {
    /// `12,300 rows · 4.5 MB · 23,000 rows/s · 3 of 14 tables done · Observation · 2 h 10 min behind`
    fn describe(&self, now: DateTime<Utc>) -> String {
        let running: Vec<&str> = self.running.keys().map(String::as_str).collect();
        let rows = self.rows + self.running.values().map(|c| c.rows_read + c.deletes_read).sum::<u64>();
        let size = self.bytes + self.running.values().map(|c| c.bytes_read).sum::<u64>();
        let elapsed = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        let behind = self.reached.values().min().and_then(|oldest| (now - *oldest).to_std().ok());
        format!(
            "{} rows · {} · {} · {} of {} tables done · {}{}{}",
            count(rows),
            bytes(size),
            rate(rows, elapsed),
            self.finished,
            self.tables,
            running.join(", "),
            behind.map_or_else(String::new, |behind| format!(" · {} behind", duration(behind))),
            self.waits,
        )
    }
}

impl Observer for LineView {
    fn progress(&self, table: &str, counts: &Counts) {
        let mut state = self.state();
        state.running.insert(table.to_owned(), *counts);
        self.refresh(&state);
    }

    fn reached(&self, table: &str, watermark: DateTime<Utc>) {
        let mut state = self.state();
        state.reached.insert(table.to_owned(), watermark);
        self.refresh(&state);
    }
}

impl View for LineView {
    fn begin(&self, tables: &[String]) {
        let mut state = self.state();
        state.tables = tables.len();
        state.began = Some(Instant::now());
        state.widest = tables.iter().map(|name| console::measure_text_width(name)).max().unwrap_or(0).max(5);
        let heading = row(state.widest, "table", ["new", "changed", "removed", "same", "time"]);
        drop(state);
        self.above(|| self.console.print(&style(heading).dim().to_string()));
    }

    fn table_begins(&self, table: &str) {
        let mut state = self.state();
        state.running.insert(table.to_owned(), Counts::default());
        self.refresh(&state);
    }

    fn table_done(&self, receipt: &TableReceipt) {
        let widest = self.finish(&receipt.table, Some(&receipt.counts));
        let c = &receipt.counts;
        let numbers = [c.rows_inserted, c.rows_updated, c.rows_deleted, c.rows_unchanged].map(count);
        let time = duration(receipt.elapsed);
        let [new, changed, removed, same] = &numbers;
        let mut text = row(widest, &receipt.table, [new, changed, removed, same, &time]);
        if c.rows_quarantined > 0 {
            text.push_str(&format!("   {} put aside", count(c.rows_quarantined)));
        }
        if !receipt.caught_up {
            text.push_str("   stopped early");
        }
        self.above(|| self.console.print(&text));
    }

    fn table_failed(&self, table: &str, _: &Error) {
        let widest = self.finish(table, None);
        self.above(|| self.console.print(&format!("  {table:widest$}  {}", style("failed").red())));
    }

    fn retrying(&self, retrying: Option<Retrying>, reached: bool) {
        let mut state = self.state();
        let waits = waits(retrying, reached);
        if state.waits != waits {
            state.waits = waits;
            self.refresh(&state);
        }
    }

    fn end(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

/// ` · no answer yet, try 3 of 6`
fn waits(retrying: Option<Retrying>, reached: bool) -> String {
    retrying.map_or_else(String::new, |Retrying { next, most }| {
        let what = if reached { "asking again" } else { "no answer yet" };
        format!(" · {what}, try {next} of {most}")
    })
}

fn row(widest: usize, table: &str, cells: [&str; 5]) -> String {
    let [new, changed, removed, same, time] = cells;
    format!("  {table:widest$}  {new:>10}  {changed:>9}  {removed:>9}  {same:>9}  {time:>11}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_is_furthest_behind_says_how_far() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let mut state = State { tables: 2, ..State::default() };
        state.running.insert("A".to_owned(), Counts::default());
        assert!(state.describe(now).ends_with("0 of 2 tables done · A"));
        state.reached.insert("A".to_owned(), now - chrono::TimeDelta::minutes(130));
        state.reached.insert("B".to_owned(), now - chrono::TimeDelta::minutes(1));
        assert!(state.describe(now).ends_with(" · A · 2 h 10 min behind"), "{}", state.describe(now));
    }

    #[test]
    fn what_is_waited_for_is_told_as_long_as_it_is() {
        let third = Some(Retrying { next: 3, most: 6 });
        assert_eq!(waits(third, false), " · no answer yet, try 3 of 6");
        assert_eq!(waits(third, true), " · asking again, try 3 of 6");
        assert_eq!(waits(None, true), "");
        let state = State { waits: waits(third, false), ..State::default() };
        assert!(state.describe(Utc::now()).ends_with(" · no answer yet, try 3 of 6"));
    }

    #[test]
    fn rows_align_under_their_headings() {
        let heading = row(11, "table", ["new", "changed", "removed", "same", "time"]);
        let line = row(11, "Observation", ["1,234,567", "0", "0", "12", "3 min 05 s"]);
        assert_eq!(heading.len(), line.len());
        assert!(line.len() < 80);
    }
}
