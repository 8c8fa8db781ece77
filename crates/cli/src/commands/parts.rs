//! State in the source's own words: up to when a table was read, and each part that is read by itself.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use chrono::{DateTime, TimeDelta, Utc};
use lakeflow_connect::{Error, ErrorKind, OffsetPart, Registry, Result, TableRef, clock::SystemClock};
use lakeflow_sync::{
    FlowKind,
    state::{self, FlowState},
};
use serde_json::{Map, Value, json};

use super::run::Connected;
use crate::{
    args::Selection,
    exit,
    lake::Lake,
    output::{Console, Table, count},
    pipeline::TableSpec,
};

/// Parts are told to lag when they are further than this behind the newest.
const LAG: TimeDelta = TimeDelta::hours(1);

/// The source that tables came from.
pub(super) struct Origin(Connected);

impl Origin {
    /// The source that a command names; nothing when it names none and does not need one.
    pub(super) fn of(
        selection: &Selection,
        needed: bool,
        registry: &Registry,
        console: &Console,
    ) -> Result<Option<Self>> {
        if !needed && selection.source.is_none() && selection.pipeline.is_none() {
            return Ok(None);
        }
        // Tables are named by their place in the directory here.
        let selection = Selection { tables: Vec::new(), ..selection.clone() };
        Connected::open(&selection, registry, console).map(|connected| Some(Self(connected)))
    }

    /// Where the pipeline file says that the tables are.
    pub(super) fn destination(&self) -> Option<&PathBuf> {
        self.0.pipeline.destination.as_ref()
    }

    /// Up to when a table was read.
    pub(super) fn watermark(&self, path: &Path, state: &FlowState) -> Option<DateTime<Utc>> {
        let table = self.table(path, state).ok()?;
        self.0.connector.watermark(&table, state.offset.as_ref()?)
    }

    /// The source's table that lands at a path, with its options.
    fn table(&self, path: &Path, state: &FlowState) -> Result<TableRef> {
        let pipeline = &self.0.pipeline;
        if state.source != pipeline.source {
            return Err(Error::new(ErrorKind::Config, "the table was synced from another source")
                .with("table", path.display())
                .with("was", &state.source)
                .with("is", pipeline.source));
        }
        let specs = pipeline.tables([state.table.clone()])?;
        let mut specs: Vec<_> = specs.iter().filter(|spec| spec.source_table == state.table).collect();
        specs.sort_by_key(|spec| (spec.destination != path, spec.configuration.lane != state.lane));
        let spec = specs.first();
        Ok(spec.map_or_else(|| TableSpec::new(&state.table).table_ref(), |spec| spec.table_ref()))
    }
}

/// How far the parts of a flow are, together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Statistics {
    parts: usize,
    unread: usize,
    lagging: usize,
    oldest: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
}

impl Statistics {
    fn of(parts: &[OffsetPart]) -> Self {
        let instant = |p: &OffsetPart| DateTime::parse_from_rfc3339(p.watermark.as_deref()?).ok().map(|at| at.to_utc());
        let reached: Vec<DateTime<Utc>> = parts.iter().filter_map(instant).collect();
        let newest = reached.iter().max().copied();
        Self {
            parts: parts.len(),
            unread: parts.iter().filter(|p| p.watermark.is_none()).count(),
            lagging: reached.iter().filter(|at| newest.is_some_and(|newest| newest - **at > LAG)).count(),
            oldest: reached.iter().min().copied(),
            newest,
        }
    }

    fn sentence(&self) -> String {
        let mut text = format!("{} parts", count(self.parts as u64));
        if let (Some(oldest), Some(newest)) = (self.oldest, self.newest) {
            text.push_str(&format!(
                ", read up to {} (oldest) and {} (newest)",
                oldest.to_rfc3339(),
                newest.to_rfc3339()
            ));
        }
        if self.lagging > 0 {
            text.push_str(&format!(", {} more than an hour behind the newest", count(self.lagging as u64)));
        }
        if self.unread > 0 {
            text.push_str(&format!(", {} without a row so far", count(self.unread as u64)));
        }
        text
    }
}

/// Prints every part of every flow.
pub(super) async fn show(states: &[(PathBuf, FlowState)], origin: &Origin, console: &Console) -> Result<u8> {
    for (path, state) in states {
        let Some(offset) = &state.offset else { continue };
        let table = origin.table(path, state)?;
        let parts = match origin.0.connector.explain_offset(&table, offset).await {
            Ok(parts) => parts,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                console.note(&format!("{} ({}): {}", path.display(), state.flow.as_str(), error.message()));
                continue;
            }
            Err(error) => return Err(error),
        };
        let statistics = Statistics::of(&parts);
        if console.is_json() {
            print_lines(path, state, &parts, &statistics, console);
        } else {
            let flow = state.lane.iter().map(String::as_str).chain([state.flow.as_str()]).collect::<Vec<_>>().join(" ");
            console.heading(&format!("{} ({flow}): {}", path.display(), statistics.sentence()));
            print_table(&parts, console);
        }
    }
    Ok(exit::OK)
}

fn print_lines(path: &Path, state: &FlowState, parts: &[OffsetPart], statistics: &Statistics, console: &Console) {
    for part in parts {
        let details: Map<String, Value> = part.details.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        console.print_json(&json!({
            "destination": path, "lane": state.lane, "flow": state.flow, "part": part.name, "watermark": part.watermark,
            "details": details,
        }));
    }
    console.print_json(&json!({
        "destination": path, "lane": state.lane, "flow": state.flow, "parts": statistics.parts, "unread": statistics.unread,
        "lagging": statistics.lagging, "oldest": statistics.oldest, "newest": statistics.newest,
    }));
}

fn print_table(parts: &[OffsetPart], console: &Console) {
    let Some(first) = parts.first() else { return };
    let details = first.details.iter().map(|(what, _)| what.as_str());
    let mut table = Table::named(["part", "read up to"].into_iter().chain(details).map(str::to_owned));
    for part in parts {
        let details = part.details.iter().map(|(_, value)| value.as_str());
        table.row([part.name.as_str(), part.watermark.as_deref().unwrap_or("")].into_iter().chain(details));
    }
    console.print(&table.render(console.width()));
}

/// Forgets how far some parts were read; the next sync reads them in full and merges them into the rows.
///
/// Only the rows' offset changes: what is known for finding deletions must not be forgotten.
pub(super) async fn reset(
    lake: &Lake,
    states: &[(PathBuf, FlowState)],
    parts: &[String],
    lane: Option<&str>,
    origin: &Origin,
    console: &Console,
) -> Result<u8> {
    // All names are checked before the first table is touched.
    let mut rewound = Vec::new();
    let wanted = |state: &FlowState| state.flow == FlowKind::Rows && (lane.is_none() || state.lane.as_deref() == lane);
    for (path, state) in states.iter().filter(|(_, state)| wanted(state)) {
        let Some(offset) = &state.offset else { continue };
        let table = origin.table(path, state)?;
        rewound.push((path, state, origin.0.connector.forget_parts(&table, offset, parts).await?));
    }
    if rewound.is_empty() {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the tables have no offset: the next sync reads them in full anyway",
        ));
    }
    for (path, state, offset) in rewound {
        state::rewind(&lake.table(path)?, &HashMap::new(), state, offset, &SystemClock).await?;
        if console.is_json() {
            console.print_json(&json!({ "event": "reset", "destination": path, "parts": parts }));
        } else {
            console.print(&format!(
                "{}: {} reset, its rows stay; the next sync reads it in full and the rest goes on",
                path.display(),
                parts.join(", ")
            ));
        }
    }
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_tell_the_oldest_the_newest_and_who_lags() {
        let part = |name: &str, at: Option<&str>| OffsetPart::new(name, at.map(str::to_owned));
        let parts = [
            part("a", Some("2026-03-01T10:00:00.0000000Z")),
            part("b", Some("2026-03-01T11:00:00Z")),
            part("c", Some("2026-03-01T11:30:00Z")),
            part("d", None),
        ];
        let statistics = Statistics::of(&parts);
        assert_eq!((statistics.parts, statistics.lagging, statistics.unread), (4, 1, 1));
        assert_eq!(statistics.oldest.unwrap().to_rfc3339(), "2026-03-01T10:00:00+00:00");
        let text = statistics.sentence();
        assert!(text.starts_with("4 parts") && text.contains("1 more than an hour"), "{text}");
        assert_eq!(Statistics::of(&[]).sentence(), "0 parts");
    }
}
