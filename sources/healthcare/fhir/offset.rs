//! How far a table has been read.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    instant::Instant,
    row_id::{Hash, Seal},
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::Offset,
};

const VERSION: u32 = 1;

/// Versions kept to recognise what is read twice; what is beyond is sent twice.
pub(super) const MOST_SENT: usize = 50_000;

/// The state of a table, as an offset holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// The table's name.
    pub(super) table: String,
    /// Stands for server, table and search criteria: an offset of another one is not ours.
    pub(super) server: Hash,
    /// Everything stamped before this was read at least once.
    pub(super) mark: Instant,
    /// Everything stamped before this has been read and cannot become visible any more.
    pub(super) settled: Instant,
    /// What is still to come of the first load: the resources without a stamp.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) without_stamp_due: bool,
    /// The table was read as a whole, because it could not be read by time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) snapshot: bool,
    /// Versions sent that are stamped between `settled` and `mark`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sent: Vec<Hash>,
}

/// Which table of which server an offset is of.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) table: String,
    server: Hash,
}

impl Origin {
    pub(super) fn new(base_url: &Url, table: &str, search_filter: &str) -> Self {
        let base = base_url.as_str().trim_end_matches('/');
        Self { table: table.to_owned(), server: Hash::of(base).and(table).and(search_filter) }
    }

    /// What versions go through before they stand in an offset.
    pub(super) fn seal(&self) -> Seal {
        Seal::new(self.server)
    }

    /// The state of a table read up to `mark`, of which the part before `settled` is final.
    pub(super) fn state(&self, mark: Instant, settled: Instant) -> State {
        State {
            table: self.table.clone(),
            server: self.server,
            mark,
            settled: settled.min(mark),
            without_stamp_due: false,
            snapshot: false,
            sent: Vec::new(),
        }
    }

    /// Reads an offset back.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when it is not of this table on this server.
    pub(super) fn read(&self, offset: &Offset) -> Result<State> {
        let expired = |why: &'static str| {
            Error::new(ErrorKind::OffsetExpired, why).with("table", &self.table).help(
                "use the offset's own connection and options, or reset the table's state to read it in full again",
            )
        };
        let state: State = offset.decode(VERSION).map_err(|e| e.with("table", &self.table))?;
        if state.table != self.table {
            return Err(expired("the offset is of another table"));
        }
        if state.server != self.server {
            return Err(expired("the offset is of another server, or of other search criteria"));
        }
        if state.settled > state.mark {
            return Err(expired("the offset does not have the shape this source writes"));
        }
        Ok(state)
    }
}

/// Leaves of the versions to recognise only the newest, as many as an offset holds.
pub(super) fn keep_newest<T>(noted: &mut Vec<T>, stamp: impl Fn(&T) -> Instant) {
    if noted.len() > MOST_SENT {
        noted.sort_unstable_by_key(|one| Reverse(stamp(one)));
        noted.truncate(MOST_SENT);
    }
}

impl State {
    /// The state as an offset.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) for a bug.
    pub(super) fn offset(&self) -> Result<Offset> {
        Offset::encode(VERSION, self)
    }

    /// The state with these versions as what was sent.
    pub(super) fn with_sent(mut self, sent: impl Iterator<Item = Hash>) -> Self {
        self.sent = sent.take(MOST_SENT).collect();
        self.sent.sort_unstable();
        self.sent.dedup();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn origin(url: &str, table: &str) -> Origin {
        Origin::new(&Url::parse(url).unwrap(), table, "")
    }

    #[test]
    fn an_offset_comes_back_as_it_was() {
        let origin = origin("https://host/fhir", "Patient");
        let state = origin
            .state(at("2024-01-02T00:00:00Z"), at("2024-01-01T23:58:00Z"))
            .with_sent([Hash::of("b"), Hash::of("a"), Hash::of("b")].into_iter());
        assert_eq!(state.sent.len(), 2);
        assert_eq!(origin.read(&state.offset().unwrap()).unwrap(), state);
    }

    #[test]
    fn an_offset_of_another_server_table_or_version_is_expired() {
        let ours = origin("https://host/fhir", "Patient");
        let offset = |o: &Origin| o.state(at("2024-01-02T00:00:00Z"), at("2024-01-02T00:00:00Z")).offset().unwrap();
        assert!(
            ours.read(&offset(&origin("https://host/fhir/", "Patient"))).is_ok(),
            "a trailing slash makes no difference"
        );
        for other in [origin("https://host/other", "Patient"), origin("https://host/fhir", "Observation")] {
            assert_eq!(ours.read(&offset(&other)).unwrap_err().kind(), ErrorKind::OffsetExpired);
        }
        let next_version = offset(&ours).to_json().replace("\"v\":1", "\"v\":2");
        assert_eq!(ours.read(&Offset::from_json(&next_version).unwrap()).unwrap_err().kind(), ErrorKind::OffsetExpired);
    }

    #[test]
    fn an_offset_stays_small_whatever_was_sent() {
        let state = origin("https://host/fhir", "Patient").state(Instant::EPOCH, Instant::EPOCH);
        let state = state.with_sent((0..200_000).map(|n| Hash::of(&n.to_string())));
        assert!(state.offset().unwrap().to_json().len() < Offset::MAX_BYTES / 2);
    }
}
