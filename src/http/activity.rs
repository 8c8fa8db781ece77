//! Counts of what a client has done.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::connector::Activity;

#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn read(&self) -> Activity {
        Activity {
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}
