//! Event frames by WebID, small enough for an offset: what all WebIDs begin with once, then each id with a text of fixed length.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an event frame's IDOnly WebID ends with: its id, in base64.
const ID_LENGTH: usize = 22;

/// What is kept of one frame.
pub(super) trait Entry: Clone {
    /// Bytes of its text, which is ASCII.
    const LENGTH: usize;

    /// Appends its text.
    fn pack(&self, text: &mut String);

    /// Reads its text back; `None` for any other.
    fn unpack(text: &str) -> Option<Self>;
}

/// The frames of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Packed", into = "Packed", bound = "E: Entry")]
pub(super) struct Frames<E> {
    /// What all WebIDs of the database begin with.
    prefix: String,
    entries: BTreeMap<String, E>,
}

impl<E> Default for Frames<E> {
    fn default() -> Self {
        Self { prefix: String::new(), entries: BTreeMap::new() }
    }
}

/// As they stand in an offset.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    frames: String,
}

impl<E: Entry> From<Frames<E>> for Packed {
    fn from(all: Frames<E>) -> Self {
        let mut frames = String::with_capacity(all.entries.len() * (ID_LENGTH + E::LENGTH));
        for (id, entry) in &all.entries {
            frames.push_str(id);
            entry.pack(&mut frames);
        }
        Self { prefix: all.prefix, frames }
    }
}

impl<E: Entry> TryFrom<Packed> for Frames<E> {
    type Error = &'static str;

    fn try_from(packed: Packed) -> Result<Self, Self::Error> {
        const BROKEN: &str = "the event frames of the offset are broken";
        let length = ID_LENGTH + E::LENGTH;
        if !packed.frames.len().is_multiple_of(length) || !packed.frames.is_ascii() {
            return Err(BROKEN);
        }
        let mut entries = BTreeMap::new();
        let mut rest = packed.frames.as_str();
        while let Some((frame, behind)) = rest.split_at_checked(length) {
            let (id, entry) = frame.split_at(ID_LENGTH);
            entries.insert(id.to_owned(), E::unpack(entry).ok_or(BROKEN)?);
            rest = behind;
        }
        Ok(Self { prefix: packed.prefix, entries })
    }
}

impl<E> Frames<E> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, webid: &str) -> Option<&E> {
        self.entries.get(webid.strip_prefix(&self.prefix)?)
    }

    /// Keeps a frame; `false` when its WebID has another form than those that are there.
    pub(super) fn insert(&mut self, webid: &str, entry: E) -> bool {
        if self.entries.is_empty() {
            let length = webid.len().saturating_sub(ID_LENGTH);
            self.prefix = webid.get(..length).unwrap_or_default().to_owned();
        }
        let id = webid.strip_prefix(&self.prefix).filter(|id| id.len() == ID_LENGTH && id.is_ascii());
        id.map(|id| self.entries.insert(id.to_owned(), entry)).is_some()
    }

    pub(super) fn remove(&mut self, webid: &str) {
        if let Some(id) = webid.strip_prefix(&self.prefix) {
            self.entries.remove(id);
        }
    }

    /// All frames by their WebIDs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (String, &E)> {
        self.entries.iter().map(|(id, entry)| (format!("{}{id}", self.prefix), entry))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &E> {
        self.entries.values()
    }

    /// Lets go of those that the test is false for.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&mut E) -> bool) {
        self.entries.retain(|_, entry| is_kept(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "I1Fm1MOyoREAMyJEVWZ3iJmquw";

    impl Entry for char {
        const LENGTH: usize = 1;

        fn pack(&self, text: &mut String) {
            text.push(*self);
        }

        fn unpack(text: &str) -> Option<Self> {
            text.chars().next().filter(|c| c.is_ascii_lowercase())
        }
    }

    fn webid(n: usize) -> String {
        format!("{PREFIX}{n:022}")
    }

    #[test]
    fn frames_come_back_from_an_offset_and_others_than_of_this_database_are_not_taken() {
        let mut frames = Frames::default();
        assert!(frames.insert(&webid(1), 'a') && frames.insert(&webid(2), 'b') && !frames.insert("I1FmOther", 'c'));
        let text = serde_json::to_string(&frames).unwrap();
        let mut again: Frames<char> = serde_json::from_str(&text).unwrap();
        assert_eq!(again, frames);
        assert_eq!(again.get(&webid(2)), Some(&'b'));
        again.remove(&webid(1));
        assert_eq!(again.iter().collect::<Vec<_>>(), [(webid(2), &'b')]);
        assert_eq!(serde_json::to_string(&Frames::<char>::default()).unwrap(), "{}");
    }

    #[test]
    fn a_broken_text_is_refused() {
        for frames in ["x".to_owned(), "é".repeat(23), "!".repeat(23)] {
            let text = serde_json::json!({ "prefix": PREFIX, "frames": frames }).to_string();
            assert!(serde_json::from_str::<Frames<char>>(&text).is_err(), "{frames}");
        }
    }
}
