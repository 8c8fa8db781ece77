//! The frames that are watched: what was sent of those that are open or may be met again.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Frames that are told apart at most; beyond, closed frames may be sent again, and open ones are found by a search.
pub(crate) const MOST_KNOWN: usize = 40_000;

/// What an event frame's IDOnly WebID ends with: its id, in base64.
const ID_LENGTH: usize = 22;
/// 48 bits in base64.
const DIGEST_LENGTH: usize = 8;
const ENTRY_LENGTH: usize = ID_LENGTH + 2 * DIGEST_LENGTH + 1;

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

/// The frames of one database that are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Packed", into = "Packed")]
pub(crate) struct Known {
    /// What all WebIDs of the database begin with.
    prefix: String,
    frames: BTreeMap<String, Mark>,
}

/// As it stands in an offset.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    frames: String,
}

impl From<Known> for Packed {
    fn from(known: Known) -> Self {
        let mut frames = String::with_capacity(known.frames.len() * ENTRY_LENGTH);
        for (id, mark) in &known.frames {
            frames.push_str(id);
            frames.push_str(&mark.frame.encode());
            frames.push_str(&mark.detail.encode());
            frames.push(if mark.is_open { 'o' } else { 'c' });
        }
        Self { prefix: known.prefix, frames }
    }
}

impl TryFrom<Packed> for Known {
    type Error = &'static str;

    fn try_from(packed: Packed) -> Result<Self, Self::Error> {
        const BROKEN: &str = "the watched event frames are broken";
        if !packed.frames.len().is_multiple_of(ENTRY_LENGTH) || !packed.frames.is_ascii() {
            return Err(BROKEN);
        }
        let mut frames = BTreeMap::new();
        let mut rest = packed.frames.as_str();
        while let Some((entry, behind)) = rest.split_at_checked(ENTRY_LENGTH) {
            let (id, entry) = entry.split_at(ID_LENGTH);
            let (frame, entry) = entry.split_at(DIGEST_LENGTH);
            let (detail, flag) = entry.split_at(DIGEST_LENGTH);
            let mark = Mark {
                frame: Digest::decode(frame).ok_or(BROKEN)?,
                detail: Digest::decode(detail).ok_or(BROKEN)?,
                is_open: flag == "o",
                is_met: false,
            };
            frames.insert(id.to_owned(), mark);
            rest = behind;
        }
        Ok(Self { prefix: packed.prefix, frames })
    }
}

impl Known {
    pub(crate) fn get(&self, webid: &str) -> Option<Mark> {
        self.frames.get(webid.strip_prefix(&self.prefix)?).copied()
    }

    /// Watches a frame; `false` when there is no room for it or its WebID has another form.
    pub(crate) fn put(&mut self, webid: &str, mark: Mark) -> bool {
        if self.frames.is_empty() {
            let length = webid.len().saturating_sub(ID_LENGTH);
            self.prefix = webid.get(..length).unwrap_or_default().to_owned();
        }
        let id = webid.strip_prefix(&self.prefix).filter(|id| id.len() == ID_LENGTH && id.is_ascii());
        let Some(id) = id else { return false };
        // Half of the room is for open frames alone: those must not be lost sight of.
        let room = if mark.is_open { MOST_KNOWN } else { MOST_KNOWN / 2 };
        if self.frames.len() >= room && !self.frames.contains_key(id) {
            return false;
        }
        self.frames.insert(id.to_owned(), mark);
        true
    }

    pub(crate) fn remove(&mut self, webid: &str) {
        if let Some(id) = webid.strip_prefix(&self.prefix) {
            self.frames.remove(id);
        }
    }

    /// WebIDs of the frames that were open when they were last seen.
    pub(crate) fn open(&self) -> impl Iterator<Item = String> {
        self.frames.iter().filter(|(_, mark)| mark.is_open).map(|(id, _)| format!("{}{id}", self.prefix))
    }

    /// Ends a run: what was not met in it will not be met again.
    pub(crate) fn forget_unmet(&mut self) {
        self.frames.retain(|_, mark| std::mem::take(&mut mark.is_met));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
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

    #[test]
    fn a_broken_text_is_refused() {
        for frames in ["x", &"é".repeat(ENTRY_LENGTH), &"!".repeat(ENTRY_LENGTH)] {
            let text = serde_json::json!({"prefix": PREFIX, "frames": frames}).to_string();
            assert!(serde_json::from_str::<Known>(&text).is_err(), "{frames}");
        }
    }
}
