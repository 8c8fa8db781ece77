//! Flows by name: in the log as application ids, in the store as folders.

use serde::{Deserialize, Serialize};

/// Beside the data, ignored by Delta readers and vacuum: a folder for each flow of the table.
pub(crate) const FOLDER: &str = "_lakeflow";

/// Which stream of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlowKind {
    /// Rows.
    Rows,
    /// Deletions.
    Deletes,
}

impl FlowKind {
    /// The name in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Deletes => "deletes",
        }
    }
}

/// Names a flow for ever: it is part of the table's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlowId {
    pub(crate) source: String,
    pub(crate) table: String,
    /// One of several flows of the same rows that are read apart.
    pub(crate) lane: Option<String>,
    pub(crate) kind: FlowKind,
}

impl FlowId {
    pub(crate) fn app_id(&self) -> String {
        let app_id = format!("lakeflow:{}:{}:{}", self.source, self.table, self.kind.as_str());
        match &self.lane {
            None => app_id,
            Some(lane) => format!("{app_id}:{lane}"),
        }
    }

    /// The flow of an application id; `None` for ids of other programs.
    pub(crate) fn of_app_id(app_id: &str) -> Option<Self> {
        let (source, rest) = app_id.strip_prefix("lakeflow:")?.split_once(':')?;
        let kind_of = |word: &str| [FlowKind::Rows, FlowKind::Deletes].into_iter().find(|k| k.as_str() == word);
        let (before, last) = rest.rsplit_once(':')?;
        let (table, kind, lane) = match kind_of(last) {
            Some(kind) => (before, kind, None),
            None => {
                let (table, kind) = before.rsplit_once(':')?;
                (table, kind_of(kind)?, Some(last.to_owned()))
            }
        };
        Some(Self { source: source.to_owned(), table: table.to_owned(), lane, kind })
    }

    /// Whether both are flows of the same rows, be it in different lanes.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        (&self.source, &self.table) == (&other.source, &other.table)
    }

    /// The folder of its documents: a name that any store accepts, different for different flows.
    pub(crate) fn folder(&self) -> String {
        let app_id = self.app_id();
        let readable: String =
            app_id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(80).collect();
        format!("{FOLDER}/{readable}-{:016x}", lasting_hash(&app_id))
    }
}

/// FNV-1a: a hash that stays the same across releases, for names of files.
pub(crate) fn lasting_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_id_says_which_flow_it_is_of() {
        for (table, lane) in [("t", None), ("a:b", None), ("t", Some("backfill")), ("a:rows", Some("live-2"))] {
            for kind in [FlowKind::Rows, FlowKind::Deletes] {
                let lane = lane.map(str::to_owned);
                let flow = FlowId { source: "s".to_owned(), table: table.to_owned(), lane, kind };
                assert_eq!(FlowId::of_app_id(&flow.app_id()), Some(flow));
            }
        }
        assert_eq!(FlowId::of_app_id("lakeflow:s:t:rows").map(|flow| flow.lane), Some(None));
        for other in ["lakeflow:s", "lakeflow:s:t:other", "spark:s:t:rows"] {
            assert_eq!(FlowId::of_app_id(other), None, "{other}");
        }
    }
}
