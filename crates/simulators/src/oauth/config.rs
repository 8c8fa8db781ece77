//! Who may ask for tokens, and what the tokens are like.

use std::time::Duration;

/// A token server.
#[derive(Clone, Debug)]
pub struct TokenServerConfig {
    /// The registered clients.
    pub clients: Vec<Client>,
    /// How long a token lives by the server's clock; default 300 seconds.
    pub lifetime: Duration,
    /// A token also ends after this many requests.
    pub uses: Option<u32>,
    /// The scope that is granted whatever was asked for.
    pub granted_scope: Option<String>,
    /// The only scopes that are granted, all of them when none is asked for; without a list those of SMART are,
    /// `system/...`.
    pub scopes: Option<Vec<String>>,
    /// Whether a token request must name a scope; default true, as the SMART profile demands.
    pub requires_scope: bool,
    /// Whether `.well-known/smart-configuration` exists; default true.
    pub discovery: bool,
}

impl Default for TokenServerConfig {
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            lifetime: Duration::from_secs(300),
            uses: None,
            granted_scope: None,
            scopes: None,
            requires_scope: true,
            discovery: true,
        }
    }
}

/// One registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// The `client_id`.
    pub id: String,
    /// How it proves that it is this client.
    pub credential: ClientCredential,
}

/// How a client authenticates at the token endpoint.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    /// A secret in the HTTP Basic header only.
    SecretBasic(String),
    /// A secret in the form body only.
    SecretPost(String),
    /// A secret in either place.
    Secret(String),
    /// A signed assertion (RS384 or ES384), verified with a registered public key.
    PrivateKeyJwt {
        /// The registered keys: a JWK Set as JSON.
        jwks: String,
        /// The registered `jku`; an assertion with another one is refused.
        jku: Option<String>,
    },
}
