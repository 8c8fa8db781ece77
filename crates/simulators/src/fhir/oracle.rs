//! What a complete read of the server must contain.

use super::{
    instant::MISSING,
    store::{Store, Table, Version},
};

/// The state of one resource: what a destination must hold for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    /// The id.
    pub id: String,
    /// The current version.
    pub version_id: String,
    /// `meta.lastUpdated` as spelled; for a deleted resource the time of its deletion.
    pub last_updated: Option<String>,
    /// The exact text of the resource; nothing when it is deleted.
    pub text: Option<String>,
}

impl Expected {
    /// Whether the resource is deleted.
    pub fn is_deleted(&self) -> bool {
        self.text.is_none()
    }
}

pub(crate) fn expected(store: &Store, table: &Table, row: u32, version: &Version) -> Expected {
    let id = store.id(table, row);
    let text = (!version.is_deleted()).then(|| {
        let mut text = Vec::new();
        store.render(row, &id, version, &mut text);
        String::from_utf8(text).unwrap_or_default()
    });
    let last_updated = (version.stamp != MISSING).then(|| store.style(row).text(version.stamp));
    Expected { id, version_id: version.number.to_string(), last_updated, text }
}
