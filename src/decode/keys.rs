//! Finding a key among an object's known ones.
//!
//! Records of one table have their members in one order, nearly always. So the key that came after the last one in
//! the record before is tried first, by comparing words; only when it is another one is its end
//! searched and a table asked.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{fault::Step, scanner::Scanner};

/// An object's known keys.
#[derive(Debug)]
pub(super) struct KeyTable {
    keys: Box<[Key]>,
    /// The places of the keys of each length.
    by_length: Box<[Vec<u32>]>,
    /// The first key of the last object.
    first: AtomicU32,
}

#[derive(Debug)]
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
    next: AtomicU32,
}

/// Which key is tried first, and where the answer is noted when it was another.
pub(super) struct Hint<'a> {
    place: u32,
    noted: &'a AtomicU32,
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
            next: AtomicU32::new(place + 1),
        }
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
        let longest = names.iter().map(String::len).max().unwrap_or(0);
        let mut by_length = vec![Vec::new(); longest + 1];
        for (name, place) in names.iter().zip(0..) {
            by_length[name.len()].push(place);
        }
        Self {
            keys: names.iter().zip(0..).map(|(name, place)| Key::new(name, place)).collect(),
            by_length: by_length.into(),
            first: AtomicU32::new(0),
        }
    }

    /// What to try for an object's first key.
    #[inline]
    pub(super) fn first_hint(&self) -> Hint<'_> {
        Hint { place: self.first.load(Relaxed), noted: &self.first }
    }

    /// Reads the key that starts here with its colon; its place among the names when it is known.
    #[inline]
    pub(super) fn read<'a>(&'a self, s: &mut Scanner, hint: &mut Hint<'a>) -> Step<Option<usize>> {
        if let Some(key) = self.keys.get(hint.place as usize)
            && s.bytes().get(s.position() + 1..).is_some_and(|text| key.begins(text))
        {
            s.advance_to(s.position() + 1 + key.len);
            let place = hint.place as usize;
            *hint = Hint { place: key.next.load(Relaxed), noted: &key.next };
            return Ok(Some(place));
        }
        self.read_another(s, hint)
    }

    #[inline(never)]
    fn read_another<'a>(&'a self, s: &mut Scanner, hint: &mut Hint<'a>) -> Step<Option<usize>> {
        let raw = s.raw_key()?;
        let place = if raw.escaped {
            s.unescaped(raw).and_then(|name| self.place(name.as_bytes()))
        } else {
            self.place(s.plain_bytes(raw))
        };
        let Some((place, key)) = place else { return Ok(None) };
        if hint.place != place {
            hint.noted.store(place, Relaxed);
        }
        *hint = Hint { place: key.next.load(Relaxed), noted: &key.next };
        Ok(Some(place as usize))
    }

    fn place(&self, name: &[u8]) -> Option<(u32, &Key)> {
        let candidates = self.by_length.get(name.len())?.iter();
        candidates
            .filter_map(|place| Some((*place, self.keys.get(*place as usize)?)))
            .find(|(_, key)| key.name.as_bytes() == name)
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
