//! A Bloom filter of key hashes: which keys are certainly new.
//!
//! Blocks of one cache line; a key sets one bit in each of the block's eight words. With 25 bits to a key, about one
//! new key in 20,000 is taken for a known one; those are looked up exactly, so the filter only ever costs time.

const WORDS: usize = 8;
const KEYS_PER_LAYER: u64 = 10_000_000;
const MAX_LAYERS: usize = 4;

/// A set of hashes that may claim too much, never too little.
#[derive(Debug)]
pub(crate) struct KeyFilter {
    layers: Vec<Vec<[u64; WORDS]>>,
    blocks: usize,
    keys: u64,
}

impl KeyFilter {
    /// An empty filter whose first layer has `bytes` (rounded to cache lines); up to three more are added as it fills.
    pub(crate) fn new(bytes: usize) -> Self {
        let blocks = (bytes / (WORDS * 8)).max(1);
        Self { layers: vec![vec![[0; WORDS]; blocks]], blocks, keys: 0 }
    }

    /// Adds a hash; whether it may have been there before.
    pub(crate) fn insert(&mut self, hash: u64) -> bool {
        if self.contains(hash) {
            return true;
        }
        let limit = KEYS_PER_LAYER * self.blocks as u64 / (32 * 1024 * 1024 / 64);
        if self.keys >= limit.max(1) * self.layers.len() as u64 && self.layers.len() < MAX_LAYERS {
            self.layers.push(vec![[0; WORDS]; self.blocks]);
        }
        self.keys += 1;
        let block = self.block(hash);
        if let Some(layer) = self.layers.last_mut() {
            for (word, bit) in layer[block].iter_mut().zip(bits(hash)) {
                *word |= bit;
            }
        }
        false
    }

    /// Whether a hash may have been added.
    pub(crate) fn contains(&self, hash: u64) -> bool {
        let block = self.block(hash);
        self.layers.iter().any(|layer| layer[block].iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0))
    }

    fn block(&self, hash: u64) -> usize {
        // The high half picks the block without a division.
        (((hash >> 32) * self.blocks as u64) >> 32) as usize
    }
}

/// One bit for each word, from all of the hash.
fn bits(hash: u64) -> [u64; WORDS] {
    let mut mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    std::array::from_fn(|i| 1 << ((mixed >> (i * 6)) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    #[test]
    fn what_was_added_is_always_found() {
        let mut filter = KeyFilter::new(1 << 12);
        for n in 0..10_000 {
            filter.insert(hash(n));
        }
        assert!((0..10_000).all(|n| filter.contains(hash(n))));
        assert_eq!(filter.layers.len(), MAX_LAYERS);
    }

    #[test]
    fn new_keys_are_seldom_taken_for_known_ones() {
        let mut filter = KeyFilter::new(1 << 20);
        let wrong = (0..300_000).filter(|n| filter.insert(hash(*n))).count();
        assert!(wrong < 60, "{wrong} of 300,000");
    }
}
