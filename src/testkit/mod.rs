//! The conformance suite: does a source keep the guarantee of [`read`](crate::read)?
//!
//! The same suite runs on the sources of this crate and on yours. It reads tables as hosts do, kills them, starts them
//! again, makes the server misbehave and changes it, and holds every result against an uninterrupted read:
//!
//! ```
//! use lakeflow_connect::testkit::{Check, MemorySource, MemoryTable, Suite};
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let source = MemorySource::new().table(MemoryTable::cdc("visits"));
//! source.commit("visits", [serde_json::json!({"id": 1, "note": "first"}), serde_json::json!({"id": 2})]);
//! source.commit("visits", [serde_json::json!({"id": 1, "note": "changed"})]);
//!
//! let suite = Suite::new(move || Ok(source.connect())).table("visits").size([("page_rows", "1")]);
//! let report = suite.run().await;
//! report.assert_passed();
//! assert!(report.passed(Check::Units));
//! # }
//! ```
//!
//! What the suite cannot see by itself it is told: how to make pages small ([`Suite::size`]), what must never be printed
//! ([`Suite::secrets`]), how to make the server misbehave ([`Suite::fault`]). A check that cannot try its rule says
//! so in the report instead of passing. Give page sizes of one: most losses are at the border of a page.
//!
//! Tasks that a source spawns log where the suite does not see it, unless the runtime has one thread and the suite's
//! caller has made a [`Witness`] the default subscriber of that thread.

mod check;
mod checks;
mod hooks;
mod lake;
mod memory;
mod probe;
mod report;
mod rows;
mod suite;
mod witness;

pub use check::Check;
pub use hooks::{BadRow, Fault};
pub use memory::{MemorySource, MemoryTable};
pub use report::{Finding, Outcome, Report};
pub use suite::Suite;
pub use witness::Witness;
