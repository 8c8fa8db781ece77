//! Hashes that stand for a resource and for one version of it; the same in every release, because offsets hold them.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use twox_hash::XxHash3_128;

/// XXH3 over 128 bits: wide enough that two versions never share one by chance.
///
/// Aligned to eight bytes as [`Instant`](super::instant::Instant) is, and for the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(8))]
pub(super) struct Hash(u128);

impl Hash {
    /// The hash of one text.
    pub(super) fn of(text: &str) -> Self {
        Self(XxHash3_128::oneshot(text.as_bytes()))
    }

    /// This hash carried on over another text; the border between the two counts.
    pub(super) fn and(self, text: &str) -> Self {
        /// Odd, so that no bit of either hash is lost.
        const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        Self((self.0.rotate_left(64) ^ Self::of(text).0).wrapping_mul(SPREAD))
    }

    /// Sixty-four bits of it, for counting.
    pub(super) fn short(self) -> u64 {
        self.0 as u64
    }

    /// A sum of hashes, the same in any order: equal sums stand for equal sets.
    pub(super) fn combine(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The sum of nothing.
    pub(super) const NONE: Self = Self(0);
}

/// Turns hashes into such as may stand in an offset: what they stand for cannot be compared across tables or servers.
#[derive(Clone, Debug)]
pub(super) struct Seal(hmac::Key);

impl Seal {
    /// The seal of one table of one server.
    pub(super) fn new(table: Hash) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &table.0.to_be_bytes()))
    }

    /// The hash as an offset holds it.
    pub(super) fn seal(&self, hash: Hash) -> Hash {
        let tag = hmac::sign(&self.0, &hash.0.to_be_bytes());
        let half = tag.as_ref().iter().take(16);
        Hash(half.fold(0, |sealed, byte| sealed << 8 | u128::from(*byte)))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0.to_be_bytes()))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| de::Error::custom("not a hash"))?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| de::Error::custom("not a hash"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_same_in_every_release() {
        assert_eq!(serde_json::to_string(&Hash::of("a")).unwrap(), r#""qW-vcFrxaDTmxjK2HpZOHw""#);
        let hash = Hash::of("patient-1").and("2");
        assert_eq!(serde_json::from_str::<Hash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
    }

    #[test]
    fn a_sealed_hash_is_another_one_for_every_table() {
        let (version, seal) = (Hash::of("patient-1"), |table: &str| Seal::new(Hash::of(table)));
        assert_eq!(seal("a").seal(version), seal("a").seal(version));
        assert_ne!(seal("a").seal(version), seal("b").seal(version));
        assert_ne!(seal("a").seal(version), version);
    }

    #[test]
    fn the_border_between_id_and_version_counts() {
        assert_ne!(Hash::of("a1").and("2"), Hash::of("a").and("12"));
        assert_ne!(Hash::of("a").and(""), Hash::of("a"));
    }

    #[test]
    fn a_set_has_one_sum_in_any_order() {
        let (a, b) = (Hash::of("a"), Hash::of("b"));
        assert_eq!(Hash::NONE.combine(a).combine(b), b.combine(a));
        assert_ne!(a.combine(b), a);
    }
}
