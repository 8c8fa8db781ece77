//! A LanceDB server: versioned tables of vectors behind the REST interface of LanceDB Cloud, or of the Lance REST Namespace.

mod answers;
mod config;
mod database;
mod encode;
mod filter;
mod generate;
mod lists;
mod options;
mod personality;
mod query;
mod refusal;
mod routes;
mod running;
mod schema;
mod service;
mod table;

pub use config::{Auth, Compression, Config, Dialect, Framing, Limits, TableSpec, Wire};
pub use database::Database;
pub use options::OPTIONS;
pub use personality::PERSONALITIES;
pub use running::{RunningServer, Server};
pub use service::Question;
pub use table::{Index, IndexKind, RowIds};
