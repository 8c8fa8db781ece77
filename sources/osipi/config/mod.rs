//! The options: what a user may set, checked before anything is sent.

mod connection;
mod docs;
mod table;
mod times;

pub(super) use connection::{AuthType, Connection, OauthClientAuth};
pub(super) use docs::OPTIONS;
pub(super) use table::{ChangeCapture, Compat, OnTagError, SnapshotPolicy, TableOptions, Traversal};
