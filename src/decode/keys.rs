//! Finding a key among an object's known ones.
//!
//! Records of one table have their members in one order, nearly always. So the key that came after the last one in
//! the record before is tried first, by comparing words. When it is another one, its first word is looked up; only
//! long and escaped keys are searched by name.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{scanner::Scanner, text};
use crate::error::Result;

/// An object's known keys. A clone learns their order by itself.
#[derive(Clone, Debug)]
pub(super) struct KeyTable {
    keys: Box<[Key]>,
    /// The places of the short keys, by the hash of their patterns.
    short: Box<[u32]>,
    /// The first key of the last object.
    first: Place,
}

/// A key's place, noted for the next object.
#[derive(Debug)]
struct Place(AtomicU32);

/// No key.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Key {
    name: Box<str>,
    /// The first 16 bytes of `key":`, zeros after them.
    pattern: u128,
    /// Ones where the pattern has bytes; none for a key that no text spells without escapes.
    mask: u128,
    /// What comes after the pattern.
    tail: Box<[u8]>,
    /// How many bytes pattern and tail have.
    len: usize,
    /// The key that came after this one the last time.
    next: Place,
}

/// Which key is tried first, and where the answer is noted when it was another.
pub(super) struct Hint<'a> {
    place: u32,
    noted: &'a Place,
}

impl Place {
    fn new(place: u32) -> Self {
        Self(AtomicU32::new(place))
    }

    #[inline]
    fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    fn set(&self, place: u32) {
        self.0.store(place, Relaxed);
    }
}

impl Clone for Place {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

impl Key {
    fn new(name: &str, place: u32) -> Self {
        let text = format!("{name}\":").into_bytes();
        let mut pattern = [0; 16];
        pattern.iter_mut().zip(&text).for_each(|(to, from)| *to = *from);
        let plain = name.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\');
        Self {
            name: name.into(),
            pattern: if plain { u128::from_le_bytes(pattern) } else { 1 },
            mask: if plain { u128::MAX >> (128 - 8 * text.len().min(16)) } else { 0 },
            tail: text.get(16..).unwrap_or_default().into(),
            len: text.len(),
            next: Place::new(place + 1),
        }
    }

    /// Whether the pattern is all of it.
    fn is_short(&self) -> bool {
        self.mask != 0 && self.tail.is_empty()
    }

    /// Whether `text` begins with this key, its quote and its colon.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        text.first_chunk::<16>().is_some_and(|chunk| u128::from_le_bytes(*chunk) & self.mask == self.pattern)
            && (self.tail.is_empty() || text.get(16..).is_some_and(|rest| rest.starts_with(&self.tail)))
    }
}

impl KeyTable {
    /// A table of distinct names.
    pub(super) fn new(names: &[String]) -> Self {
        let keys: Box<[Key]> = names.iter().zip(0..).map(|(name, place)| Key::new(name, place)).collect();
        let mut table =
            Self { short: vec![NONE; (keys.len() * 4).next_power_of_two()].into(), keys, first: Place::new(0) };
        for (key, place) in table.keys.iter().zip(0..) {
            if key.is_short() {
                let mut slot = table.slot(key.pattern);
                while table.short[slot] != NONE {
                    slot = (slot + 1) % table.short.len();
                }
                table.short[slot] = place;
            }
        }
        table
    }

    /// Where the search for a short key begins.
    #[inline]
    fn slot(&self, pattern: u128) -> usize {
        let folded = (pattern as u64) ^ ((pattern >> 64) as u64).rotate_left(29);
        let hash = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (hash >> 32) as usize & (self.short.len() - 1)
    }

    /// The short key of a pattern.
    #[inline]
    fn short(&self, pattern: u128) -> Option<(u32, &Key)> {
        let mut slot = self.slot(pattern);
        loop {
            let place = *self.short.get(slot)?;
            let key = self.keys.get(place as usize)?;
            if key.pattern == pattern {
                return Some((place, key));
            }
            slot = (slot + 1) & (self.short.len() - 1);
        }
    }

    /// What to try for an object's first key.
    #[inline]
    pub(super) fn first_hint(&self) -> Hint<'_> {
        Hint { place: self.first.get(), noted: &self.first }
    }

    /// After a value: reads a comma and the key that came next the last time, when that is what stands here.
    #[inline]
    pub(super) fn follow<'a>(&'a self, s: &mut Scanner, hint: &mut Hint<'a>) -> Option<usize> {
        let key = self.keys.get(hint.place as usize)?;
        let text = s.bytes().get(s.position()..)?.strip_prefix(b",\"")?;
        if !key.begins(text) {
            return None;
        }
        s.advance_to(s.position() + 2 + key.len);
        let place = hint.place as usize;
        *hint = Hint { place: key.next.get(), noted: &key.next };
        Some(place)
    }

    /// Reads the key that starts here with its colon; its place among the names when it is known.
    #[inline]
    pub(super) fn read<'a>(&'a self, s: &mut Scanner, hint: &mut Hint<'a>) -> Result<Option<usize>> {
        if let Some(key) = self.keys.get(hint.place as usize)
            && s.bytes().get(s.position() + 1..).is_some_and(|text| key.begins(text))
        {
            s.advance_to(s.position() + 1 + key.len);
            let place = hint.place as usize;
            *hint = Hint { place: key.next.get(), noted: &key.next };
            return Ok(Some(place));
        }
        self.read_another(s, hint)
    }

    #[inline(never)]
    fn read_another<'a>(&'a self, s: &mut Scanner, hint: &mut Hint<'a>) -> Result<Option<usize>> {
        let start = s.position() + 1;
        let found = match s.bytes().get(start..).and_then(text::short_key) {
            Some((pattern, len)) => {
                s.advance_to(start + len);
                self.short(pattern)
            }
            None => self.long(s)?,
        };
        let Some((place, key)) = found else { return Ok(None) };
        if hint.place != place {
            hint.noted.set(place);
        }
        *hint = Hint { place: key.next.get(), noted: &key.next };
        Ok(Some(place as usize))
    }

    /// A key that is long, escaped, or before the end of the text.
    #[inline(never)]
    fn long(&self, s: &mut Scanner) -> Result<Option<(u32, &Key)>> {
        let raw = s.raw_key()?;
        let name = s.unescaped(raw);
        let mut keys = (0..).zip(&self.keys);
        Ok(name.and_then(|name| keys.find(|(_, key)| *key.name == *name)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_known_key_is_found_in_any_order_and_no_other(
            names in prop::collection::hash_set("[a-c]{0,4}|\\PC{0,6}|[ab]{12,18}|[\"\\\\\n]{1,3}", 1..20),
            picks in prop::collection::vec((any::<prop::sample::Index>(), "[a-c]{0,5}"), 0..30),
        ) {
            let list: Vec<String> = names.iter().cloned().collect();
            let table = KeyTable::new(&list);
            let keys: Vec<&str> = picks.iter().flat_map(|(i, other)| [list[i.index(list.len())].as_str(), other]).collect();
            let members: Vec<String> = keys.iter().map(|k| format!("{}:1", serde_json::Value::from(*k))).collect();
            let text = format!("{{{}}}", members.join(","));
            for _ in 0..2 {
                let mut s = Scanner::new(&text);
                let mut hint = table.first_hint();
                s.enter_object().unwrap();
                for key in &keys {
                    prop_assert!(s.next_member().unwrap());
                    let found = table.read(&mut s, &mut hint).unwrap();
                    prop_assert_eq!(found, list.iter().position(|n| n == key));
                    s.skip_value().unwrap();
                }
                prop_assert!(!s.next_member().unwrap());
            }
        }
    }
}
