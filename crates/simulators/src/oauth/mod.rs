//! The token server that simulators share: OAuth2 client credentials and SMART backend services.

mod config;
mod keys;
mod server;

pub use config::{Client, ClientCredential, TokenServerConfig};
pub use keys::TestKey;
pub use server::{Grant, TokenServer};
