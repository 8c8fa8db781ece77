//! Finding a key among an object's known ones.

/// Known keys by a hash of length, first and last byte, chosen so that they rarely meet.
#[derive(Debug)]
pub(super) struct KeyTable {
    names: Box<[Box<[u8]>]>,
    /// First entry of each bucket, plus one; 0 is none.
    buckets: Box<[u16]>,
    /// The next entry of the same bucket, plus one.
    next: Box<[u16]>,
    seed: u32,
    shift: u32,
}

#[inline]
fn hash(name: &[u8], seed: u32, shift: u32) -> usize {
    let edge = |b: Option<&u8>| b.map_or(0, |b| u32::from(*b));
    let middle = name.get(name.len() / 2);
    let mix = (name.len() as u32) ^ edge(name.first()) << 8 ^ edge(name.last()) << 16 ^ edge(middle) << 24;
    (mix.wrapping_mul(seed) >> shift) as usize
}

impl KeyTable {
    /// A table of distinct names, at most 65,534.
    pub(super) fn new(names: Vec<String>) -> Self {
        let names: Box<[Box<[u8]>]> = names.into_iter().map(|n| n.into_bytes().into_boxed_slice()).collect();
        let bits = (names.len() * 4).next_power_of_two().trailing_zeros().clamp(1, 16);
        let shift = 32 - bits;
        let collisions = |seed: u32| {
            let mut seen = vec![false; 1 << bits];
            names.iter().filter(|n| std::mem::replace(&mut seen[hash(n, seed, shift)], true)).count()
        };
        let seeds = (0..64u32).map(|i| 0x9E37_79B1_u32.wrapping_mul(2 * i + 1));
        let seed = seeds.min_by_key(|s| collisions(*s)).unwrap_or(0x9E37_79B1);
        let mut buckets = vec![0u16; 1 << bits].into_boxed_slice();
        let mut next = vec![0u16; names.len()].into_boxed_slice();
        for (i, name) in names.iter().enumerate() {
            let bucket = &mut buckets[hash(name, seed, shift)];
            next[i] = std::mem::replace(bucket, (i + 1) as u16);
        }
        Self { names, buckets, next, seed, shift }
    }

    /// The place of a key among the names.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        let mut entry = *self.buckets.get(hash(key, self.seed, self.shift))?;
        loop {
            let at = usize::from(entry.checked_sub(1)?);
            if **self.names.get(at)? == *key {
                return Some(at);
            }
            entry = *self.next.get(at)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_known_key_is_found_and_no_other(names in prop::collection::hash_set("[a-c]{0,4}|\\PC{0,6}", 0..40), other in "[a-c]{0,4}") {
            let list: Vec<String> = names.iter().cloned().collect();
            let table = KeyTable::new(list.clone());
            for (i, name) in list.iter().enumerate() {
                prop_assert_eq!(table.find(name.as_bytes()), Some(i));
            }
            let known: HashSet<_> = names;
            prop_assert_eq!(table.find(other.as_bytes()).is_some(), known.contains(&other));
        }
    }
}
