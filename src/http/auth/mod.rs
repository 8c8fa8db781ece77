//! Ways to show who is asking.

mod assertion;
mod discovery;
#[cfg(feature = "kerberos")]
mod kerberos;
mod key;
mod negotiate;
mod oauth;
mod scheme;
mod token;

#[cfg(feature = "kerberos")]
pub use kerberos::Kerberos;
pub use key::{KeyAlgorithm, SigningKey};
pub use negotiate::{NegotiateExchange, NegotiateProvider};
pub use oauth::{ClientAuth, ClientCredentials, PrivateKeyJwt, TokenEndpoint};
pub use scheme::Auth;

pub(super) use negotiate::Exchange;
pub(super) use scheme::Credential;
