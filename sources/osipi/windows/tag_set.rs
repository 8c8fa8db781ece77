//! Sets of tags, small enough to stand in an offset.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

/// What a tag is known by in an offset: a point by its number on its server, everything else by a hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TagKey {
    /// A point: what its WebID begins with, and its id.
    Point { server: String, id: u32 },
    /// An attribute: the first 64 bits of a SHA-256 of its WebID.
    Other(u64),
}

/// An IDOnly WebID of a point: `I1DP`, 22 characters of its server, 6 of its id.
const POINT_LENGTH: usize = 32;
const SERVER_LENGTH: usize = 26;

impl TagKey {
    /// The key of a tag, from its IDOnly WebID.
    pub(crate) fn of(webid: &str) -> Self {
        Self::point(webid).unwrap_or_else(|| {
            let digest = Sha256::digest(webid.as_bytes());
            Self::Other(digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
        })
    }

    fn point(webid: &str) -> Option<Self> {
        if webid.len() != POINT_LENGTH || !webid.starts_with("I1DP") {
            return None;
        }
        let (server, id) = webid.split_at_checked(SERVER_LENGTH)?;
        let bytes: [u8; 4] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
        Some(Self::Point { server: server.to_owned(), id: u32::from_le_bytes(bytes) })
    }
}

/// A set of tags. In JSON an object of texts: the differences of sorted numbers, which for points are small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagSet {
    points: BTreeMap<String, Vec<u64>>,
    others: Vec<u64>,
}

/// Where hashes stand; no WebID begins with it.
const OTHERS: &str = "#";

impl TagSet {
    /// The tags of the set.
    pub(crate) fn into_keys(self) -> impl Iterator<Item = TagKey> {
        let points = self.points.into_iter().flat_map(|(server, ids)| {
            ids.into_iter()
                .filter_map(move |id| Some(TagKey::Point { server: server.clone(), id: u32::try_from(id).ok()? }))
        });
        points.chain(self.others.into_iter().map(TagKey::Other))
    }
}

impl FromIterator<TagKey> for TagSet {
    fn from_iter<I: IntoIterator<Item = TagKey>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            match key {
                TagKey::Point { server, id } => set.points.entry(server).or_default().push(u64::from(id)),
                TagKey::Other(hash) => set.others.push(hash),
            }
        }
        for numbers in set.points.values_mut().chain([&mut set.others]) {
            numbers.sort_unstable();
            numbers.dedup();
        }
        set
    }
}

impl Serialize for TagSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points = self.points.iter().map(|(server, ids)| (server.as_str(), pack(ids)));
        let others = (!self.others.is_empty()).then(|| (OTHERS, pack(&self.others)));
        serializer.collect_map(points.chain(others))
    }
}

impl<'de> Deserialize<'de> for TagSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut set = Self::default();
        for (server, text) in BTreeMap::<String, String>::deserialize(deserializer)? {
            let numbers = unpack(&text).ok_or_else(|| D::Error::custom("a set of tags is broken"))?;
            if server == OTHERS {
                set.others = numbers;
            } else {
                set.points.insert(server, numbers);
            }
        }
        Ok(set)
    }
}

/// Sorted numbers as differences, seven bits to a byte, as text.
fn pack(numbers: &[u64]) -> String {
    let mut bytes = Vec::with_capacity(numbers.len() * 2);
    let mut last = 0;
    for number in numbers {
        let mut rest = number.wrapping_sub(last);
        last = *number;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unpack(text: &str) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let (mut last, mut rest, mut shift) = (0u64, 0u64, 0u32);
    for byte in URL_SAFE_NO_PAD.decode(text).ok()? {
        if shift > 63 {
            return None;
        }
        rest |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.checked_add(rest)?;
            numbers.push(last);
            (rest, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_point_is_known_by_its_number() {
        let server = "I1DPnhosP0R7Ck2cVQ4vaosdEA".to_owned();
        assert_eq!(TagKey::of("I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA"), TagKey::Point { server, id: 1207 });
        assert!(matches!(TagKey::of("P1DPUElTUlYxXFNJTlVTT0lE"), TagKey::Other(_)));
        assert!(matches!(TagKey::of("I1DPnhosP0R7Ck2cVQ4vaosdEAtwQ-é"), TagKey::Other(_)), "no panic inside a letter");
    }

    #[test]
    fn thirty_thousand_points_take_about_two_bytes_each() {
        let server = "I1DPnhosP0R7Ck2cVQ4vaosdEA".to_owned();
        let set: TagSet = (0..30_000).map(|n| TagKey::Point { server: server.clone(), id: 1000 + n * 3 }).collect();
        let text = serde_json::to_string(&set).unwrap();
        assert!(text.len() < 60_000, "{}", text.len());
    }

    #[test]
    fn a_broken_set_is_refused() {
        for text in [r##"{"#":"gA"}"##, r##"{"#":"not base64!"}"##, r##"{"#":"____________________AQ"}"##] {
            assert!(serde_json::from_str::<TagSet>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_set_comes_back_as_it_was(ids in proptest::collection::vec(any::<u32>(), 0..100), hashes in proptest::collection::vec(any::<u64>(), 0..100)) {
            let points = ids.iter().map(|id| TagKey::Point { server: format!("s{}", id % 3), id: *id });
            let set: TagSet = points.chain(hashes.into_iter().map(TagKey::Other)).collect();
            let text = serde_json::to_string(&set).unwrap();
            let again: TagSet = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&again, &set);
            prop_assert_eq!(again.into_keys().collect::<TagSet>(), set);
        }
    }
}
