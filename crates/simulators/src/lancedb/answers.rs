//! Answers with rows that are kept ready: a server that costs next to nothing, so that its reader is what is measured.

use std::collections::HashMap;

use bytes::Bytes;

use super::config::Wire;

/// What an answer is the answer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) table: String,
    /// Of the version: no two are alike.
    pub(crate) e_tag: String,
    pub(crate) body: Bytes,
    pub(crate) wire: Wire,
}

/// Encoded answers, as they were sent the first time, up to so many bytes; later ones are made anew each time.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    most: usize,
    held: usize,
    ready: HashMap<Asked, Bytes>,
}

impl Answers {
    pub(crate) fn of_at_most(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    pub(crate) fn are_kept(&self) -> bool {
        self.most > 0
    }

    pub(crate) fn find(&self, asked: &Asked) -> Option<Bytes> {
        self.ready.get(asked).cloned()
    }

    pub(crate) fn keep(&mut self, asked: Asked, answer: &Bytes) {
        if answer.len() <= self.most.saturating_sub(self.held) && self.ready.insert(asked, answer.clone()).is_none() {
            self.held += answer.len();
        }
    }
}
