//! The HTTP client against real sockets.

mod auth;
mod discovery;
mod jwt;
mod links;
mod load;
pub(crate) mod negotiate;
mod protocols;
mod retry;
pub(crate) mod secrecy;
mod support;
pub(crate) mod tls;
mod transport;
