//! The HTTP client against real sockets.

mod auth;
mod jwt;
mod links;
mod negotiate;
mod protocols;
mod retry;
mod secrecy;
mod support;
mod tls;
mod transport;
