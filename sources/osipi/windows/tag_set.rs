//! Sets of tags, small enough to stand in an offset.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::super::tags::TagKey;

/// A set of tags. In JSON an object of texts: the differences of sorted numbers, which for points are small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagSet {
    points: BTreeMap<Box<str>, Vec<u64>>,
    others: Vec<u64>,
}

/// Where hashes stand; no WebID begins with it.
const OTHERS: &str = "#";

impl TagSet {
    /// The tags of the set.
    pub(crate) fn into_keys(self) -> impl Iterator<Item = TagKey> {
        let points = self.points.into_iter().flat_map(|(server, numbers)| {
            let number = |n: u64| Some(u32::try_from(n).ok()?.cast_signed());
            numbers.into_iter().filter_map(move |n| Some(TagKey::Point { server: server.clone(), number: number(n)? }))
        });
        points.chain(self.others.into_iter().map(TagKey::Other))
    }
}

impl FromIterator<TagKey> for TagSet {
    fn from_iter<I: IntoIterator<Item = TagKey>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            match key {
                TagKey::Point { server, number } => {
                    set.points.entry(server).or_default().push(u64::from(number.cast_unsigned()));
                }
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
        let points = self.points.iter().map(|(server, ids)| (&**server, pack(ids)));
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
                set.points.insert(server.into(), numbers);
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
    fn thirty_thousand_points_take_about_two_bytes_each() {
        let server: Box<str> = "I1DSnhosP0R7Ck2cVQ4vaosdEA".into();
        let set: TagSet = (0..30_000).map(|n| TagKey::Point { server: server.clone(), number: 1000 + n * 3 }).collect();
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
        fn a_set_comes_back_as_it_was(ids in proptest::collection::vec(any::<i32>(), 0..100), hashes in proptest::collection::vec(any::<u64>(), 0..100)) {
            let points = ids.iter().map(|id| TagKey::Point { server: format!("s{}", id % 3).into(), number: *id });
            let set: TagSet = points.chain(hashes.into_iter().map(TagKey::Other)).collect();
            let text = serde_json::to_string(&set).unwrap();
            let again: TagSet = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&again, &set);
            prop_assert_eq!(again.into_keys().collect::<TagSet>(), set);
        }
    }
}
