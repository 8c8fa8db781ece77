//! The frames that are watched: what was sent of those that are open or may be met again.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::packed::{Entry, Frames};

/// Frames that are told apart at most; beyond, closed frames may be sent again, and open ones are found by a search.
pub(crate) const MOST_KNOWN: usize = 40_000;

/// 48 bits in base64.
const DIGEST_LENGTH: usize = 8;

/// Stands for what was sent: 48 bits of a hash, to see whether a frame has changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    /// Of a frame that was not read.
    pub(crate) const NONE: Self = Self(0);

    /// Of several texts, in any order: servers send lists as they like.
    pub(crate) fn of_all<T: AsRef<[u8]>>(texts: &[T]) -> Self {
        let sum = texts.iter().fold(texts.len() as u64, |sum, text| sum.wrapping_add(Self::of(text.as_ref()).0));
        Self::of(&sum.to_be_bytes())
    }

    pub(crate) fn of(text: &[u8]) -> Self {
        use sha2::{Digest as _, Sha256};
        Self(Sha256::digest(text).iter().take(6).fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
    }

    fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.to_be_bytes().split_at(2).1)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 6).then(|| Self(bytes.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte))))
    }
}

/// What is known of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) frame: Digest,
    /// Of what belongs to it in other answers: values, annotations.
    pub(crate) detail: Digest,
    pub(crate) is_open: bool,
    /// It was met in this run and may be met again in the next.
    pub(crate) is_met: bool,
}

impl Entry for Mark {
    const LENGTH: usize = 2 * DIGEST_LENGTH + 1;

    fn pack(&self, text: &mut String) {
        text.push_str(&self.frame.encode());
        text.push_str(&self.detail.encode());
        text.push(if self.is_open { 'o' } else { 'c' });
    }

    fn unpack(text: &str) -> Option<Self> {
        let (frame, text) = text.split_at_checked(DIGEST_LENGTH)?;
        let (detail, flag) = text.split_at_checked(DIGEST_LENGTH)?;
        let (frame, detail) = (Digest::decode(frame)?, Digest::decode(detail)?);
        Some(Self { frame, detail, is_open: flag == "o", is_met: false })
    }
}

/// The frames of one database that are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Known(Frames<Mark>);

impl Known {
    pub(crate) fn get(&self, webid: &str) -> Option<Mark> {
        self.0.get(webid).copied()
    }

    /// Watches a frame; `false` when there is no room for it or its WebID has another form.
    pub(crate) fn put(&mut self, webid: &str, mark: Mark) -> bool {
        // Half of the room is for open frames alone: those must not be lost sight of.
        let room = if mark.is_open { MOST_KNOWN } else { MOST_KNOWN / 2 };
        let has_room = self.0.len() < room || self.0.get(webid).is_some();
        has_room && self.0.insert(webid, mark)
    }

    pub(crate) fn remove(&mut self, webid: &str) {
        self.0.remove(webid);
    }

    /// WebIDs of all frames that are watched.
    pub(crate) fn webids(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(webid, _)| webid)
    }

    /// WebIDs of the frames that were open when they were last seen.
    pub(crate) fn open(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter(|(_, mark)| mark.is_open).map(|(webid, _)| webid)
    }

    /// Ends a run: what was not met in it will not be met again.
    pub(crate) fn forget_unmet(&mut self) {
        self.0.retain(|mark| std::mem::take(&mut mark.is_met));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "I1Fm1MOyoREAMyJEVWZ3iJmquw";

    fn webid(n: usize) -> String {
        format!("{PREFIX}{n:022}")
    }

    fn mark(text: &str, is_open: bool) -> Mark {
        Mark { frame: Digest::of(text.as_bytes()), detail: Digest::default(), is_open, is_met: false }
    }

    #[test]
    fn what_is_known_comes_back_from_an_offset() {
        let mut known = Known::default();
        assert!(known.put(&webid(1), mark("a", true)) && known.put(&webid(2), mark("b", false)));
        let text = serde_json::to_string(&known).unwrap();
        let again: Known = serde_json::from_str(&text).unwrap();
        assert_eq!(again, known);
        assert_eq!(again.get(&webid(1)), Some(mark("a", true)));
        assert_eq!(again.open().collect::<Vec<_>>(), [webid(1)]);
        assert_eq!(serde_json::to_string(&Known::default()).unwrap(), "{}");
    }

    #[test]
    fn an_offset_stays_bounded_and_keeps_room_for_open_frames() {
        let mut known = Known::default();
        let kept = (0..60_000).filter(|n| known.put(&webid(*n), mark("a", false))).count();
        assert_eq!(kept, MOST_KNOWN / 2);
        let open = (100_000..160_000).filter(|n| known.put(&webid(*n), mark("a", true))).count();
        assert_eq!(open, MOST_KNOWN / 2);
        assert!(serde_json::to_string(&known).unwrap().len() < 2_000_000);
        assert!(!known.put("I1FmOther", mark("a", true)), "a WebID of another form is not watched");
    }
}
