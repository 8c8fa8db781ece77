//! Randomness without state: everything generated is a function of the seed and its place.

/// 64 well-mixed bits of three numbers (the finaliser of splitmix64, twice).
pub(crate) const fn mix(seed: u64, a: u64, b: u64) -> u64 {
    scramble(scramble(seed ^ a.wrapping_mul(0x9e37_79b9_7f4a_7c15)) ^ b.wrapping_mul(0xd1b5_4a32_d192_ed03))
}

const fn scramble(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number in `0..bound`, evenly spread for bounds far below 2^64.
pub(crate) const fn below(hash: u64, bound: u64) -> u64 {
    ((hash as u128 * bound as u128) >> 64) as u64
}

/// A number in `0.0..1.0`.
pub(crate) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
