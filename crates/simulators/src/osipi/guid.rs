//! GUIDs as WebIDs carry them: sixteen bytes whose first three groups are little-endian.

use std::fmt;

use super::hash::mix;

/// A GUID; its text is the usual hyphenated one in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The GUID whose bytes are in the order of its text.
    pub const fn from_text_order(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A GUID that depends on the seed, a name and a number, and on nothing else.
    pub fn made(seed: u64, name: &str, number: u64) -> Self {
        let name = name.bytes().fold(seed, |sum, byte| mix(sum, u64::from(byte), 0));
        let (high, low) = (mix(name, number, 1), mix(name, number, 2));
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        // Version 4, variant 1, as generated GUIDs have.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// Reads the hyphenated text, with or without braces.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(text);
        let hyphens = [8, 13, 18, 23];
        if text.len() != 36 || hyphens.iter().any(|at| text.as_bytes().get(*at) != Some(&b'-')) {
            return None;
        }
        let digits: Vec<u32> = text.chars().filter(|c| *c != '-').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair.first()? * 16 + pair.last()?).ok()?;
        }
        (digits.len() == 32).then_some(Self(bytes))
    }

    /// The bytes in the mixed order of WebIDs.
    pub(crate) fn mixed(self) -> [u8; 16] {
        Self::swapped(self.0)
    }

    /// The GUID of bytes in the mixed order of WebIDs.
    pub(crate) fn from_mixed(bytes: [u8; 16]) -> Self {
        Self(Self::swapped(bytes))
    }

    fn swapped([a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16]) -> [u8; 16] {
        let mut out = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
        out[8..].copy_from_slice(&rest);
        out
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
