//! Numbers of many tags in few bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use super::{super::tags::TagKey, mark::Mark, state::Deletion};
use crate::error::{Error, ErrorKind, Result};

/// Seven bits to a byte, the sign in the lowest.
fn put(out: &mut Vec<u8>, number: i64) {
    let mut rest = (number.wrapping_shl(1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn number(&mut self) -> Option<i64> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.0.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    fn text(&mut self) -> Option<Box<str>> {
        let len = self.count()?;
        let bytes: Vec<u8> = self.0.by_ref().take(len).copied().collect();
        String::from_utf8(bytes).ok().map(Into::into)
    }

    fn count(&mut self) -> Option<usize> {
        // No more things than bytes can follow.
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())
    }
}

/// Marks as text: column by column and as differences, so that tags that stand alike cost next to nothing once compressed.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) when compression fails, which is a bug.
pub(super) fn pack_tags(tags: &BTreeMap<TagKey, Mark>) -> Result<String> {
    let mut out = Vec::with_capacity(tags.len() * 12);
    let mut servers: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    let mut others = Vec::new();
    for key in tags.keys() {
        match key {
            TagKey::Point { server, number } => servers.entry(server).or_default().push(*number),
            TagKey::Other(hash) => others.push(*hash),
        }
    }
    put(&mut out, servers.len() as i64);
    for (server, numbers) in servers {
        put(&mut out, server.len() as i64);
        out.extend_from_slice(server.as_bytes());
        put(&mut out, numbers.len() as i64);
        differences(&mut out, numbers.into_iter().map(i64::from));
    }
    put(&mut out, others.len() as i64);
    others.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
    differences(&mut out, tags.values().map(|m| m.next));
    tags.values().for_each(|m| put(&mut out, m.held.map_or(-1, i64::from)));
    tags.values().for_each(|m| put(&mut out, (m.gaps.len() as i64) << 1 | i64::from(m.done)));
    differences(&mut out, tags.values().flat_map(|m| m.gaps.iter().map(|gap| gap.0)));
    differences(&mut out, tags.values().flat_map(|m| m.gaps.iter().map(|gap| gap.1)));
    compressed(&out)
}

fn differences(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    let mut last = 0i64;
    for number in numbers {
        put(out, number.wrapping_sub(last));
        last = number;
    }
}

/// What [`pack_tags`] wrote; `None` for anything else.
pub(super) fn unpack_tags(text: &str) -> Option<BTreeMap<TagKey, Mark>> {
    read_tags(Bytes(expanded(text)?.iter()))
}

/// What is known of the rows of the tags as text, in the order of the tags.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) when compression fails, which is a bug.
pub(super) fn pack_known(tags: &BTreeMap<TagKey, Mark>) -> Result<String> {
    let mut out = Vec::new();
    tags.values().for_each(|m| put(&mut out, m.known.len() as i64));
    differences(&mut out, tags.values().flat_map(|m| m.known.iter().map(|k| k.0)));
    // Nearly all instants have one row.
    let ties = || tags.values().flat_map(|m| m.known.iter().map(|k| k.1)).zip(0i64..).filter(|(rows, _)| *rows != 1);
    put(&mut out, ties().count() as i64);
    differences(&mut out, ties().map(|(_, place)| place));
    ties().for_each(|(rows, _)| put(&mut out, i64::from(rows)));
    compressed(&out)
}

/// Adds what [`pack_known`] wrote to the same tags; `None` for anything else.
pub(super) fn unpack_known(text: &str, tags: &mut BTreeMap<TagKey, Mark>) -> Option<()> {
    let bytes = expanded(text)?;
    let mut bytes = Bytes(bytes.iter());
    let counts: Vec<usize> = (0..tags.len()).map(|_| bytes.count()).collect::<Option<_>>()?;
    let total = counts.iter().try_fold(0usize, |sum, count| sum.checked_add(*count))?;
    let mut known: Vec<(i64, u32)> = sums(&mut bytes, total)?.into_iter().map(|at| (at, 1)).collect();
    let ties = bytes.count()?;
    for place in sums(&mut bytes, ties)? {
        known.get_mut(usize::try_from(place).ok()?)?.1 = u32::try_from(bytes.number()?).ok()?;
    }
    let mut known = known.into_iter();
    for (mark, count) in tags.values_mut().zip(counts) {
        mark.known = known.by_ref().take(count).collect();
    }
    (bytes.0.len() == 0).then_some(())
}

/// The markers of the tags as text, in the order of the tags.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) when compression fails, which is a bug.
pub(super) fn pack_feed(tags: &BTreeMap<TagKey, Mark>) -> Result<String> {
    let mut out = Vec::with_capacity(tags.len() * 20);
    for mark in tags.values() {
        let text = mark.marker.as_deref().unwrap_or_default();
        match text.split_once('_').and_then(|(id, place)| Some((id_bytes(id)?, place_of(place)?))) {
            // The form that servers use: 16 bytes and a number.
            Some((id, place)) => {
                put(&mut out, -1);
                out.extend_from_slice(&id);
                put(&mut out, place);
            }
            None => {
                put(&mut out, text.len() as i64);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
    compressed(&out)
}

fn id_bytes(text: &str) -> Option<[u8; 16]> {
    let id = u128::from_str_radix(text, 16).ok()?;
    (format!("{id:032x}") == text).then(|| id.to_be_bytes())
}

fn place_of(text: &str) -> Option<i64> {
    let place: i64 = text.parse().ok()?;
    (place.to_string() == text).then_some(place)
}

/// Adds what [`pack_feed`] wrote to the same tags; `None` for anything else.
pub(super) fn unpack_feed(text: &str, tags: &mut BTreeMap<TagKey, Mark>) -> Option<()> {
    let bytes = expanded(text)?;
    let mut bytes = Bytes(bytes.iter());
    for mark in tags.values_mut() {
        let len = bytes.number()?;
        if len == -1 {
            let id: Vec<u8> = bytes.0.by_ref().take(16).copied().collect();
            let id = u128::from_be_bytes(id.try_into().ok()?);
            mark.marker = Some(format!("{id:032x}_{}", bytes.number()?).into());
            continue;
        }
        let len = usize::try_from(len).ok().filter(|len| *len <= bytes.0.len())?;
        let text: Vec<u8> = bytes.0.by_ref().take(len).copied().collect();
        let text = String::from_utf8(text).ok()?;
        mark.marker = (!text.is_empty()).then(|| text.into());
    }
    (bytes.0.len() == 0).then_some(())
}

/// Deletions as text.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) when compression fails, which is a bug.
pub(super) fn pack_gone(gone: &[Deletion]) -> Result<String> {
    let mut out = Vec::with_capacity(gone.len() * 8);
    let tags: BTreeSet<&str> = gone.iter().map(|d| &*d.tag).collect();
    let places: BTreeMap<&str, i64> = tags.iter().copied().zip(0..).collect();
    put(&mut out, tags.len() as i64);
    for tag in tags {
        put(&mut out, tag.len() as i64);
        out.extend_from_slice(tag.as_bytes());
    }
    put(&mut out, gone.len() as i64);
    differences(&mut out, gone.iter().map(|d| places.get(&*d.tag).copied().unwrap_or_default()));
    differences(&mut out, gone.iter().map(|d| d.at));
    differences(&mut out, gone.iter().map(|d| i64::from(d.sequence)));
    differences(&mut out, gone.iter().map(|d| d.seen));
    compressed(&out)
}

/// What [`pack_gone`] wrote; `None` for anything else.
pub(super) fn unpack_gone(text: &str) -> Option<Vec<Deletion>> {
    let bytes = expanded(text)?;
    let mut bytes = Bytes(bytes.iter());
    let tags: Vec<Box<str>> = (0..bytes.count()?).map(|_| bytes.text()).collect::<Option<_>>()?;
    let count = bytes.count()?;
    let (places, at) = (sums(&mut bytes, count)?, sums(&mut bytes, count)?);
    let (sequence, seen) = (sums(&mut bytes, count)?, sums(&mut bytes, count)?);
    let rows = places.into_iter().zip(at).zip(sequence).zip(seen);
    rows.map(|(((place, at), sequence), seen)| {
        let tag = tags.get(usize::try_from(place).ok()?)?.clone();
        Some(Deletion { tag, at, sequence: u32::try_from(sequence).ok()?, seen })
    })
    .collect()
}

fn compressed(bytes: &[u8]) -> Result<String> {
    let broken = |e| Error::new(ErrorKind::Internal, "the offset could not be compressed").caused_by(e);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(bytes).map_err(broken)?;
    Ok(STANDARD_NO_PAD.encode(zlib.finish().map_err(broken)?))
}

fn expanded(text: &str) -> Option<Vec<u8>> {
    /// Larger than any offset that was written.
    const MOST: u64 = 256 << 20;
    let zlib = STANDARD_NO_PAD.decode(text).ok()?;
    let mut bytes = Vec::new();
    ZlibDecoder::new(&*zlib).take(MOST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn read_tags(mut bytes: Bytes) -> Option<BTreeMap<TagKey, Mark>> {
    let mut keys = Vec::new();
    for _ in 0..bytes.count()? {
        let server = bytes.text()?;
        let count = bytes.count()?;
        for number in sums(&mut bytes, count)? {
            keys.push(TagKey::Point { server: server.clone(), number: i32::try_from(number).ok()? });
        }
    }
    for _ in 0..bytes.count()? {
        let hash: Vec<u8> = bytes.0.by_ref().take(8).copied().collect();
        keys.push(TagKey::Other(u64::from_le_bytes(hash.try_into().ok()?)));
    }
    let next = sums(&mut bytes, keys.len())?;
    let held: Vec<i64> = (0..keys.len()).map(|_| bytes.number()).collect::<Option<_>>()?;
    let flags: Vec<i64> = (0..keys.len()).map(|_| bytes.number()).collect::<Option<_>>()?;
    let total = flags.iter().try_fold(0usize, |sum, flags| sum.checked_add(usize::try_from(*flags >> 1).ok()?))?;
    let from = sums(&mut bytes, total)?;
    let to = sums(&mut bytes, total)?;
    let mut gaps = from.into_iter().zip(to);
    let mut tags = BTreeMap::new();
    for (((key, next), held), flags) in keys.into_iter().zip(next).zip(held).zip(flags) {
        let gaps: Vec<_> = gaps.by_ref().take(usize::try_from(flags >> 1).ok()?).collect();
        let held = if held < 0 { None } else { Some(u32::try_from(held).ok()?) };
        tags.insert(key, Mark { next, held, gaps, done: flags & 1 == 1, ..Mark::default() });
    }
    (bytes.0.len() == 0).then_some(tags)
}

fn sums(bytes: &mut Bytes, count: usize) -> Option<Vec<i64>> {
    if count > bytes.0.len() {
        return None;
    }
    let mut last = 0i64;
    (0..count)
        .map(|_| {
            last = last.wrapping_add(bytes.number()?);
            Some(last)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn broken_bytes_are_refused_and_nothing_worse(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read_tags(Bytes(bytes.iter()));
            let text = compressed(&bytes).unwrap();
            let _ = (unpack_tags(&text), unpack_gone(&text), unpack_tags("not base64"));
            let mut tags = BTreeMap::from([(TagKey::Other(1), Mark::default()), (TagKey::Other(2), Mark::default())]);
            let _ = (unpack_known(&text, &mut tags), unpack_feed(&text, &mut tags));
        }

        #[test]
        fn numbers_come_back_as_they_were(numbers in prop::collection::vec(any::<i64>(), 0..50)) {
            let mut out = Vec::new();
            differences(&mut out, numbers.iter().copied());
            let mut bytes = Bytes(out.iter());
            prop_assert_eq!(sums(&mut bytes, numbers.len()), Some(numbers));
        }
    }
}
