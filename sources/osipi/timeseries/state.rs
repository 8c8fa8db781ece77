//! What an offset says: how far each tag has been read, in a few bytes a tag.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    super::{
        origin::Origin,
        tags::TagKey,
        time::{Micros, Ticks},
    },
    known,
    mark::Mark,
    packing,
};
use crate::{error::Result, read::Offset};

const VERSION: u32 = 1;

/// The most deletions of earlier runs that stay in an offset, in case that they have not been read.
const MOST_GONE: usize = 10_000;
/// The most text of an offset that says what is known of rows.
const MOST_KNOWN: usize = 1_300_000;

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
    /// When the first run began: tells its deletions from those of a read that was begun anew.
    pub(super) born: Micros,
    /// Where the first run began: nothing before it has been sent.
    pub(super) since: Micros,
    /// From where on it is known which rows have been sent; `None` when deletions are not looked for.
    pub(super) known_from: Option<Micros>,
    /// Up to where what is known has been compared with the archive; then again from its beginning.
    pub(super) compared: Micros,
    /// How many deletions there have been; the last of them are `gone`.
    pub(super) deletions: u64,
    pub(super) gone: Vec<Deletion>,
    /// Of a table that ends before now: the end up to which all has been read and nothing can change that is looked for.
    pub(super) settled: Option<Micros>,
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
    #[serde(default, skip_serializing_if = "is_zero")]
    born: Micros,
    #[serde(default, skip_serializing_if = "is_zero")]
    since: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known_from: Option<Micros>,
    #[serde(default, skip_serializing_if = "is_zero")]
    compared: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    feed: Option<String>,
    #[serde(default, skip_serializing_if = "is_none_yet")]
    deletions: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<Micros>,
}

fn is_zero(n: &Micros) -> bool {
    *n == 0
}

fn is_none_yet(n: &u64) -> bool {
    *n == 0
}

impl State {
    /// Reads an offset.
    ///
    /// # Errors
    /// [`OffsetExpired`](crate::ErrorKind::OffsetExpired) for one of another table, server, selection of rows or release.
    pub(super) fn read(origin: &Origin, offset: &Offset) -> Result<Self> {
        let wire: Wire = offset.decode(VERSION)?;
        origin.check(&wire.source)?;
        let broken = || origin.expired("the offset does not have the shape this source writes");
        let tags = wire.tags.as_deref().map(|text| packing::unpack_tags(text).ok_or_else(broken)).transpose()?;
        let is_bound = tags.is_none();
        let mut tags = tags.unwrap_or_default();
        if let Some(text) = &wire.known {
            packing::unpack_known(text, &mut tags).ok_or_else(broken)?;
        }
        if let Some(text) = &wire.feed {
            packing::unpack_feed(text, &mut tags).ok_or_else(broken)?;
        }
        let gone = wire.gone.as_deref().map(|text| packing::unpack_gone(text).ok_or_else(broken)).transpose()?;
        Ok(Self {
            now: wire.now,
            read_at: wire.read_at,
            again: wire.again,
            born: wire.born,
            since: wire.since,
            known_from: wire.known_from,
            compared: wire.compared,
            is_bound,
            tags,
            deletions: wire.deletions,
            gone: gone.unwrap_or_default(),
            settled: wire.settled,
        })
    }

    /// Writes an offset. What is known of the oldest rows is forgotten where it would take too much room.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when there are more tags than an offset can hold.
    pub(super) fn write(&mut self, origin: &Origin) -> Result<Offset> {
        let tags = if self.is_bound { None } else { Some(packing::pack_tags(&self.tags)?) };
        let feed =
            if self.tags.values().any(|m| m.marker.is_some()) { Some(packing::pack_feed(&self.tags)?) } else { None };
        if [&tags, &feed].into_iter().flatten().any(|text| text.len() > Offset::MAX_BYTES / 4) {
            return Err(origin.too_many(self.tags.len()));
        }
        let known = self.pack_known(origin.table())?;
        Offset::encode(
            VERSION,
            &Wire {
                source: origin.hash().into(),
                now: self.now,
                read_at: self.read_at,
                again: self.again.clone(),
                tags,
                born: self.born,
                since: self.since,
                known_from: self.known_from,
                compared: self.compared,
                known,
                feed,
                deletions: self.deletions,
                gone: if self.gone.is_empty() { None } else { Some(packing::pack_gone(&self.gone)?) },
                settled: self.settled,
            },
        )
    }

    /// Where a run ends, and nothing else.
    pub(super) fn bound(now: Micros) -> Self {
        Self { now, is_bound: true, ..Self::default() }
    }

    /// Whether every tag has been read up to the end of the run.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_bound && self.tags.values().all(Mark::is_complete)
    }

    /// Notes a deletion.
    pub(super) fn delete(&mut self, deletion: Deletion) {
        self.deletions += 1;
        self.gone.push(deletion);
    }

    /// Takes back the deletion of a row that is there after all. It stays in its place, where it may have been read before, and
    /// was seen so early that no row is older.
    pub(super) fn undelete(&mut self, tag: &str, at: Micros, sequence: u32) {
        let is = |d: &&mut Deletion| &*d.tag == tag && d.at == at && d.sequence == sequence;
        self.gone.iter_mut().filter(is).for_each(|deletion| deletion.seen = 0);
    }

    /// Drops the oldest deletions of runs before the last one when there are many.
    pub(super) fn forget_deletions(&mut self) {
        let over = self.gone.len().saturating_sub(MOST_GONE);
        let older = self.gone.iter().take_while(|d| d.seen < self.read_at).count();
        self.gone.drain(..over.min(older));
    }

    /// Looks for deletions from `from` on, or, with `None`, no more.
    pub(super) fn know_from(&mut self, from: Option<Micros>) {
        self.known_from = from.map(|from| self.known_from.map_or(from, |known| known.max(from)));
        let from = self.known_from.unwrap_or(Micros::MAX);
        self.tags.values_mut().for_each(|mark| known::forget_before(&mut mark.known, from));
    }

    /// Forgets the older half of the rows that are known.
    fn know_less(&mut self, table: &'static str) {
        let mut times: Vec<Micros> = self.tags.values().flat_map(|m| m.known.iter().map(|k| k.0)).collect();
        let middle = times.len() / 2;
        if times.is_empty() {
            return;
        }
        let (_, median, _) = times.select_nth_unstable(middle);
        let from = *median + 1;
        tracing::warn!(
            table,
            since = %Ticks::from_micros(from),
            "deleted events are found from here on only: more would not fit into the state of the table"
        );
        self.know_from(Some(from));
    }

    fn pack_known(&mut self, table: &'static str) -> Result<Option<String>> {
        if self.known_from.is_none() {
            return Ok(None);
        }
        loop {
            if self.tags.values().map(|m| m.known.len()).sum::<usize>() <= known::MOST {
                let text = packing::pack_known(&self.tags)?;
                if text.len() <= MOST_KNOWN {
                    return Ok(Some(text));
                }
            }
            self.know_less(table);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    const NOW: Micros = 1_772_345_160_000_000;

    fn point(number: i32) -> TagKey {
        TagKey::Point { server: "I1DSnhosP0R7Ck2cVQ4vaosdEA".into(), number }
    }

    fn origin() -> Origin {
        Origin::new("https://pi/piwebapi", "pi_timeseries", "")
    }

    fn size_of(next: impl Fn(i32) -> Micros) -> usize {
        let mark = |n| Mark { next: next(n), held: Some(1), gaps: Vec::new(), done: true, ..Mark::default() };
        let tags = (0..30_000).map(|n| (point(1_000 + n * 3), mark(n))).collect();
        let mut state = State { now: NOW, tags, ..State::default() };
        state.write(&origin()).unwrap().to_json().len()
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
        let offset = State::bound(NOW).write(&origin()).unwrap();
        assert!(State::read(&origin(), &offset).unwrap().is_bound);
        assert!(State::read(&Origin::new("https://pi/piwebapi/", "pi_timeseries", ""), &offset).is_ok());
        for other in [
            Origin::new("https://other/piwebapi", "pi_timeseries", ""),
            Origin::new("https://pi/piwebapi", "pi_streamset_recorded", ""),
            Origin::new("https://pi/piwebapi", "pi_timeseries", "filter"),
        ] {
            assert_eq!(State::read(&other, &offset).unwrap_err().kind(), ErrorKind::OffsetExpired);
        }
        for (from, to) in [("\"v\":1", "\"v\":9"), ("\"now\":", "\"tags\":\"AAAA\",\"now\":")] {
            let broken = Offset::from_json(&offset.to_json().replace(from, to)).unwrap();
            assert_eq!(State::read(&origin(), &broken).unwrap_err().kind(), ErrorKind::OffsetExpired);
        }
    }

    fn deletion(at: Micros, seen: Micros) -> Deletion {
        Deletion { tag: "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA".into(), at, sequence: 0, seen }
    }

    #[test]
    fn old_deletions_go_when_there_are_many_and_those_of_the_last_run_stay() {
        let mut state = State { read_at: 8, ..State::default() };
        (0..5).for_each(|at| state.delete(deletion(at, 7)));
        (0..MOST_GONE as i64).for_each(|at| state.delete(deletion(at, 8)));
        state.forget_deletions();
        assert_eq!((state.gone.len(), state.deletions), (MOST_GONE, MOST_GONE as u64 + 5));
        state.undelete("I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA", 7, 0);
        assert_eq!((state.gone.len(), state.gone[7].seen, state.gone[8].seen), (MOST_GONE, 0, 8));
        let offset = state.write(&origin()).unwrap();
        assert!(offset.to_json().len() < Offset::MAX_BYTES / 16);
        assert_eq!(State::read(&origin(), &offset).unwrap(), state);
    }

    #[test]
    fn thirty_thousand_tags_with_markers_and_known_rows_stay_within_half_of_what_a_host_stores() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut tags = BTreeMap::new();
        for n in 0..30_000 {
            let known = (0..40).map(|k| (NOW + k * 60_000_000 + random.i64(0..50_000_000), 1)).collect();
            let marker = format!("{:032x}_{}", random.u128(..), random.u32(0..99_999));
            let next = NOW + random.i64(0..50_000_000);
            let mark = Mark { next, held: Some(1), done: true, known, marker: Some(marker.into()), gaps: Vec::new() };
            tags.insert(point(n), mark);
        }
        let mut state = State { now: NOW, tags, known_from: Some(NOW), ..State::default() };
        let offset = state.write(&origin()).unwrap();
        assert!(offset.to_json().len() < Offset::MAX_BYTES * 2 / 3, "{}", offset.to_json().len());
        let back = State::read(&origin(), &offset).unwrap();
        assert_eq!(back, state);
        let kept: usize = back.tags.values().map(|m| m.known.len()).sum();
        assert!(kept > 100_000 && back.known_from > Some(NOW), "{kept}");
    }

    fn mark() -> impl Strategy<Value = Mark> {
        let gaps = prop::collection::vec((any::<i32>(), 1i64..1_000_000), 0..3);
        let known = prop::collection::btree_map(any::<i32>(), 1u32..4, 0..4);
        let marker = prop::option::of("[0-9a-f]{32}_[0-9]{1,9}|[a-z0-9A-F_-]{1,40}");
        (any::<i64>(), prop::option::of(any::<u32>()), gaps, any::<bool>(), known, marker).prop_map(
            |(next, held, gaps, done, known, marker)| {
                let gaps = gaps.into_iter().map(|(from, len)| (i64::from(from), i64::from(from) + len)).collect();
                let known = known.into_iter().map(|(at, rows)| (i64::from(at), rows)).collect();
                Mark { next, held, gaps, done, known, marker: marker.map(Into::into) }
            },
        )
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
            let known_from = Some(Micros::MIN);
            let mut state = State { now: NOW, read_at: 7, again, tags, known_from, ..State::default() };
            let offset = state.write(&origin()).unwrap();
            prop_assert_eq!(State::read(&origin(), &Offset::from_json(&offset.to_json()).unwrap()).unwrap(), state);
        }
    }
}
