//! What a tag is known by in an offset.

use std::fmt;

use sha2::{Digest, Sha256};

use super::super::webid::WebId;

/// What a tag is known by in an offset: a point by its server and number, everything else by a hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) enum TagKey {
    Point { server: Box<str>, number: i32 },
    Other(u64),
}

impl TagKey {
    pub(in super::super) fn of(webid: &WebId) -> Self {
        match webid.point_parts() {
            Some((server, number)) => Self::Point { server: server.as_str().into(), number },
            None => Self::Other(hash64(webid.as_str())),
        }
    }

    /// The WebID, where it can be told.
    pub(in super::super) fn webid(&self) -> Option<WebId> {
        match self {
            Self::Point { server, number } => WebId::point_of(server, *number),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for TagKey {
    /// A point's WebID; of an attribute a hash of it, which is all that an offset holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.webid(), self) {
            (Some(webid), _) => webid.fmt(f),
            (None, Self::Other(hash)) => write!(f, "#{hash:016x}"),
            (None, Self::Point { number, .. }) => number.fmt(f),
        }
    }
}

/// The first 64 bits of a text's SHA-256.
pub(in super::super) fn hash64(text: &str) -> u64 {
    Sha256::digest(text.as_bytes()).iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_known_by_its_number_and_an_attribute_by_a_hash() {
        let point = "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA";
        let key = TagKey::of(&WebId::parse(point).unwrap());
        assert_eq!(key, TagKey::Point { server: "I1DSnhosP0R7Ck2cVQ4vaosdEA".into(), number: 1207 });
        assert_eq!(key.to_string(), point);
        let attribute = "I1AbE1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8AIiIRETMzRERVVWZmd3eIiA";
        let key = TagKey::of(&WebId::parse(attribute).unwrap());
        assert!(matches!(key, TagKey::Other(_)) && key.webid().is_none());
        assert!(key.to_string().starts_with('#'));
    }
}
