//! What an offset says: how far each tag has been read, in a few bytes a tag.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    super::{time::Micros, webid::WebId},
    mark::Mark,
    packing,
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::Offset,
};

const VERSION: u32 = 1;

/// The most deletions that wait in an offset to be read.
pub(super) const MOST_GONE: usize = 50_000;

/// What a tag is known by in an offset: a point by its server and number, everything else by a hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TagKey {
    Point { server: Box<str>, number: i32 },
    Other(u64),
}

impl TagKey {
    pub(super) fn of(webid: &WebId) -> Self {
        match webid.point_parts() {
            Some((server, number)) => Self::Point { server: server.as_str().into(), number },
            None => Self::Other(hash64(webid.as_str())),
        }
    }

    /// The WebID, where it can be told.
    pub(super) fn webid(&self) -> Option<WebId> {
        match self {
            Self::Point { server, number } => WebId::point_of(server, *number),
            Self::Other(_) => None,
        }
    }
}

/// A row that was sent and is no longer in the archive, waiting to be read as a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    /// The tag's WebID.
    pub(super) tag: Box<str>,
    pub(super) at: Micros,
    pub(super) sequence: u32,
    /// When it was seen to be gone.
    pub(super) seen: Micros,
}

/// How far a table has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The end of the last run, by the server's clock.
    pub(super) now: Micros,
    /// When the last run began, by the clock of this machine.
    pub(super) read_at: Micros,
    /// For each age at which time is read again: up to where that has been done.
    pub(super) again: Vec<Micros>,
    pub(super) tags: BTreeMap<TagKey, Mark>,
    /// How many deletions there have been; the last of them are `gone`.
    pub(super) deletions: u64,
    pub(super) gone: Vec<Deletion>,
    /// Says only where a run ends, not how far its tags have been read.
    pub(super) is_bound: bool,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    source: Box<str>,
    now: Micros,
    #[serde(default, skip_serializing_if = "is_zero")]
    read_at: Micros,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<String>,
    #[serde(default, skip_serializing_if = "is_none_yet")]
    deletions: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<String>,
}

fn is_zero(n: &Micros) -> bool {
    *n == 0
}

fn is_none_yet(n: &u64) -> bool {
    *n == 0
}

/// Which table of which server an offset is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// A hash, as addresses are nobody's business.
    hash: Box<str>,
    table: &'static str,
}

impl Origin {
    /// `meaning` is what of the options decides which rows there are.
    pub(super) fn new(base: &str, table: &'static str, meaning: &str) -> Self {
        let text = format!("{}\n{table}\n{meaning}", base.trim_end_matches('/'));
        Self { hash: format!("{:016x}", hash64(&text)).into(), table }
    }

    /// Reads an offset.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) for one of another table, server, selection of rows or release.
    pub(super) fn read(&self, offset: &Offset) -> Result<State> {
        let wire: Wire = offset.decode(VERSION)?;
        if wire.source != self.hash {
            return Err(expired("the offset is of another server, table or filter").with("table", self.table));
        }
        let broken = || expired("the offset does not have the shape this source writes").with("table", self.table);
        let tags = wire.tags.as_deref().map(|text| packing::unpack_tags(text).ok_or_else(broken)).transpose()?;
        let gone = wire.gone.as_deref().map(|text| packing::unpack_gone(text).ok_or_else(broken)).transpose()?;
        Ok(State {
            now: wire.now,
            read_at: wire.read_at,
            again: wire.again,
            is_bound: tags.is_none(),
            tags: tags.unwrap_or_default(),
            deletions: wire.deletions,
            gone: gone.unwrap_or_default(),
        })
    }

    /// Writes an offset.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when there are more tags than an offset can hold.
    pub(super) fn write(&self, state: &State) -> Result<Offset> {
        let tags = if state.is_bound { None } else { Some(packing::pack_tags(&state.tags)?) };
        if tags.as_ref().is_some_and(|tags| tags.len() > Offset::MAX_BYTES / 2) {
            return Err(Error::new(ErrorKind::Config, "there are more tags than the state of one table can hold")
                .with("table", self.table)
                .with("tags", state.tags.len())
                .help("spread them over several tables, for example by 'nameFilter'"));
        }
        Offset::encode(
            VERSION,
            &Wire {
                source: self.hash.clone(),
                now: state.now,
                read_at: state.read_at,
                again: state.again.clone(),
                tags,
                deletions: state.deletions,
                gone: if state.gone.is_empty() { None } else { Some(packing::pack_gone(&state.gone)?) },
            },
        )
    }
}

impl State {
    /// Where a run ends, and nothing else.
    pub(super) fn bound(now: Micros) -> Self {
        Self { now, is_bound: true, ..Self::default() }
    }

    /// Whether every tag has been read up to the end of the run.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_bound && self.tags.values().all(Mark::is_complete)
    }

    /// Notes a deletion; the oldest are dropped when nobody reads them.
    pub(super) fn delete(&mut self, deletion: Deletion) {
        self.deletions += 1;
        self.gone.push(deletion);
        if self.gone.len() > MOST_GONE {
            let drop = self.gone.len() - MOST_GONE;
            self.gone.drain(..drop);
        }
    }
}

fn hash64(text: &str) -> u64 {
    Sha256::digest(text.as_bytes()).iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

fn expired(why: &'static str) -> Error {
    Error::new(ErrorKind::OffsetExpired, why).help("reset the table's state to read it in full again")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Micros = 1_772_345_160_000_000;

    fn point(number: i32) -> TagKey {
        TagKey::Point { server: "I1DSnhosP0R7Ck2cVQ4vaosdEA".into(), number }
    }

    fn origin() -> Origin {
        Origin::new("https://pi/piwebapi", "pi_timeseries", "")
    }

    fn size_of(next: impl Fn(i32) -> Micros) -> usize {
        let mark = |n| Mark { next: next(n), held: Some(1), gaps: Vec::new(), done: true };
        let tags = (0..30_000).map(|n| (point(1_000 + n * 3), mark(n))).collect();
        let state = State { now: NOW, tags, ..State::default() };
        origin().write(&state).unwrap().to_json().len()
    }

    #[test]
    fn thirty_thousand_tags_that_stand_alike_take_a_few_kilobytes_and_others_a_few_bytes_each() {
        let alike = size_of(|_| NOW);
        assert!(alike < 4_000, "{alike}");
        let scattered = size_of(|n| NOW - i64::from(n.wrapping_mul(1_103_515_245) & 0x3fff_ffff));
        assert!(scattered < 300_000, "{scattered}");
    }

    #[test]
    fn an_offset_of_another_place_or_release_is_expired() {
        let offset = origin().write(&State::bound(NOW)).unwrap();
        assert!(origin().read(&offset).unwrap().is_bound);
        assert!(Origin::new("https://pi/piwebapi/", "pi_timeseries", "").read(&offset).is_ok());
        for other in [
            Origin::new("https://other/piwebapi", "pi_timeseries", ""),
            Origin::new("https://pi/piwebapi", "pi_streamset_recorded", ""),
            Origin::new("https://pi/piwebapi", "pi_timeseries", "filter"),
        ] {
            assert_eq!(other.read(&offset).unwrap_err().kind(), ErrorKind::OffsetExpired);
        }
        for (from, to) in [("\"v\":1", "\"v\":9"), ("\"now\":", "\"tags\":\"AAAA\",\"now\":")] {
            let broken = Offset::from_json(&offset.to_json().replace(from, to)).unwrap();
            assert_eq!(origin().read(&broken).unwrap_err().kind(), ErrorKind::OffsetExpired);
        }
    }

    #[test]
    fn deletions_that_nobody_reads_do_not_grow_without_end() {
        let mut state = State::default();
        for at in 0..MOST_GONE as i64 + 10 {
            state.delete(Deletion {
                tag: "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA".into(),
                at: NOW + at,
                sequence: 0,
                seen: NOW,
            });
        }
        assert_eq!((state.gone.len(), state.deletions), (MOST_GONE, MOST_GONE as u64 + 10));
        assert_eq!(state.gone[0].at, NOW + 10);
        let offset = origin().write(&state).unwrap();
        assert!(offset.to_json().len() < Offset::MAX_BYTES / 8);
        assert_eq!(origin().read(&offset).unwrap(), state);
    }

    fn mark() -> impl Strategy<Value = Mark> {
        let gaps = prop::collection::vec((any::<i32>(), 1i64..1_000_000), 0..3);
        (any::<i64>(), prop::option::of(any::<u32>()), gaps, any::<bool>()).prop_map(|(next, held, gaps, done)| {
            let gaps = gaps.into_iter().map(|(from, len)| (i64::from(from), i64::from(from) + len)).collect();
            Mark { next, held, gaps, done }
        })
    }

    proptest! {
        #[test]
        fn a_state_comes_back_as_it_was(
            points in prop::collection::btree_map(any::<i32>(), mark(), 0..20),
            others in prop::collection::btree_map(any::<u64>(), mark(), 0..5),
            again in prop::collection::vec(any::<i64>(), 0..3),
        ) {
            let points = points.into_iter().map(|(n, m)| (point(n), m));
            let tags = points.chain(others.into_iter().map(|(h, m)| (TagKey::Other(h), m))).collect();
            let state = State { now: NOW, read_at: 7, again, tags, ..State::default() };
            let offset = origin().write(&state).unwrap();
            prop_assert_eq!(origin().read(&Offset::from_json(&offset.to_json()).unwrap()).unwrap(), state);
        }
    }
}
