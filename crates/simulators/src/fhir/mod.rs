//! A FHIR R4 server.

mod bundle;
mod capability;
mod config;
mod criteria;
mod examples;
mod history;
mod instant;
mod interactions;
mod json;
mod links;
mod options;
mod oracle;
mod outcome;
mod pages;
mod personality;
mod query;
mod running;
mod search;
mod select;
mod service;
mod store;
mod template;
mod volume;
mod writes;

pub use config::{
    Auth, Config, DateValues, HistoryBehaviour, LateCommit, LinkStyle, PagingBehaviour, PagingStyle, SearchBehaviour,
    Stamps, Ties, Totals, UnknownParameters, Volume,
};
pub use examples::{Example, examples};
pub use instant::StampStyle;
pub use options::OPTIONS;
pub use oracle::Expected;
pub use personality::PERSONALITIES;
pub use running::{RunningServer, Server};
