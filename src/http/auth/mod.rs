//! Ways to show who is asking.

mod assertion;
mod discovery;
mod key;
mod oauth;
mod scheme;
mod token;

pub use key::{KeyAlgorithm, SigningKey};
pub use oauth::{ClientAuth, ClientCredentials, PrivateKeyJwt, TokenEndpoint};
pub use scheme::Auth;

pub(super) use scheme::Credential;
