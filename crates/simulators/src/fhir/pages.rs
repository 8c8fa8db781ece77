//! Results that the server remembers between pages.

use std::collections::{HashMap, VecDeque};

use super::{config::PagingBehaviour, instant::Nanos};

const KEPT: usize = 512;

/// What a stored result lists.
#[derive(Clone, Debug)]
pub(crate) enum Listed {
    /// Rows of one type, and the elements asked for.
    Rows { table: u32, rows: Vec<u32>, elements: Vec<String> },
    /// Versions: table, row, number.
    Versions(Vec<(u32, u32, u32)>),
}

impl Listed {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Rows { rows, .. } => rows.len(),
            Self::Versions(versions) => versions.len(),
        }
    }
}

/// A stored result.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) listed: Listed,
    pub(crate) total: Option<usize>,
    /// The path below the base that the search was made on.
    pub(crate) path: String,
    served: u32,
    created: Nanos,
}

/// All stored results of a server.
#[derive(Debug)]
pub(crate) struct Pages {
    stored: HashMap<String, Stored>,
    order: VecDeque<String>,
    random: fastrand::Rng,
}

impl Pages {
    pub(crate) fn new(seed: u64) -> Self {
        Self { stored: HashMap::new(), order: VecDeque::new(), random: fastrand::Rng::with_seed(seed) }
    }

    /// Stores a result and returns its id.
    pub(crate) fn store(&mut self, listed: Listed, total: Option<usize>, path: &str, now: Nanos) -> String {
        let (high, low) = (self.random.u64(..), self.random.u64(..));
        let id = format!("{:08x}-{:04x}-{:04x}-{low:016x}", high >> 32, high >> 16 & 0xffff, high & 0xffff);
        self.stored.insert(id.clone(), Stored { listed, total, path: path.to_owned(), served: 0, created: now });
        self.order.push_back(id.clone());
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.stored.remove(&oldest);
        }
        id
    }

    /// A stored result for one more page; nothing when it is unknown or has expired.
    pub(crate) fn open(&mut self, id: &str, behaviour: &PagingBehaviour, now: Nanos) -> Option<&Stored> {
        let stored = self.stored.get_mut(id)?;
        stored.served += 1;
        let age = u128::try_from(now.saturating_sub(stored.created)).unwrap_or(0);
        let worn = behaviour.expires_after_pages.is_some_and(|pages| stored.served > pages);
        let old = behaviour.expires_after.is_some_and(|life| age > life.as_nanos());
        if worn || old {
            self.stored.remove(id);
            return None;
        }
        self.stored.get(id)
    }

    /// Forgets every result.
    pub(crate) fn expire_all(&mut self) {
        self.stored.clear();
        self.order.clear();
    }
}
