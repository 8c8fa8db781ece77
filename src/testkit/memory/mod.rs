//! A correct source without a network, for tests of hosts and of the suite itself.

mod connector;
mod journal;
mod table;

pub use connector::MemorySource;
pub use table::MemoryTable;
