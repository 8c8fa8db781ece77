//! Token requests to tokens.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde::Deserialize;
use serde_json::json;

use super::config::{Client, ClientCredential, TokenServerConfig};
use crate::{
    clock::SimClock,
    server::{Reply, Request},
};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The most that `exp` may lie ahead, in seconds.
const LONGEST_ASSERTION: i64 = 300;

/// What a valid token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The granted scope, words separated by spaces.
    pub scope: String,
}

impl Grant {
    /// Whether the scope covers reading (or writing) a resource type; understands `system/X.read` and
    /// `system/X.rs`.
    pub fn allows(&self, resource_type: &str, reads: bool) -> bool {
        self.scope.split_whitespace().any(|word| {
            let Some((target, rights)) = word.strip_prefix("system/").and_then(|word| word.split_once('.')) else {
                return false;
            };
            let letters = rights.bytes().all(|right| b"cruds".contains(&right));
            let right = match (reads, letters) {
                (true, true) => rights.contains('r'),
                (false, true) => rights.contains('u'),
                (true, false) => matches!(rights, "read" | "*"),
                (false, false) => matches!(rights, "write" | "*"),
            };
            (target == "*" || target == resource_type) && right
        })
    }
}

/// A token endpoint and the tokens it gave out.
#[derive(Debug)]
pub struct TokenServer {
    config: TokenServerConfig,
    url: String,
    clock: SimClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: HashMap<String, Token>,
    used_assertions: HashSet<String>,
    random: fastrand::Rng,
    issued: u64,
}

#[derive(Debug)]
struct Token {
    grant: Grant,
    ends: i64,
    uses: Option<u32>,
}

/// A refused token request: status, OAuth error code, description.
struct Refusal(u16, &'static str, String);

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<serde_json::Value>,
    exp: Option<i64>,
    nbf: Option<i64>,
    jti: Option<String>,
}

impl TokenServer {
    /// A token server whose endpoint clients know as `url`; `seed` decides the tokens.
    pub fn new(config: TokenServerConfig, url: String, clock: SimClock, seed: u64) -> Self {
        let state = State {
            tokens: HashMap::new(),
            used_assertions: HashSet::new(),
            random: fastrand::Rng::with_seed(seed),
            issued: 0,
        };
        Self { config, url, clock, state: Mutex::new(state) }
    }

    /// The token endpoint, which is also the audience of assertions.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends every token.
    pub fn revoke_all(&self) {
        self.state().tokens.clear();
    }

    /// How many tokens were given out.
    pub fn issued(&self) -> u64 {
        self.state().issued
    }

    /// What a token allows; nothing when it is unknown or has ended. Counts as one use.
    pub fn grant(&self, token: &str) -> Option<Grant> {
        let now = self.clock.now().timestamp();
        let mut state = self.state();
        let known = state.tokens.get_mut(token)?;
        if known.ends <= now || known.uses == Some(0) {
            state.tokens.remove(token);
            return None;
        }
        known.uses = known.uses.map(|uses| uses - 1);
        Some(known.grant.clone())
    }

    /// Answers a request to the token endpoint.
    pub fn answer(&self, request: &Request) -> Reply {
        match self.issue(request) {
            Ok(body) => Reply::new(200, "application/json", body),
            Err(Refusal(status, code, description)) => {
                let body = json!({"error": code, "error_description": description});
                let reply = Reply::new(status, "application/json", body.to_string());
                if status == 401 { reply.with("www-authenticate", "Basic realm=\"token\"") } else { reply }
            }
        }
        .with("cache-control", "no-store")
    }

    fn issue(&self, request: &Request) -> Result<String, Refusal> {
        if request.method != hyper::Method::POST {
            return Err(Refusal(400, "invalid_request", "a token request is a POST".into()));
        }
        let form: HashMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str);
        match field("grant_type") {
            Some("client_credentials") => {}
            Some(_) => {
                return Err(Refusal(400, "unsupported_grant_type", "only client_credentials is supported".into()));
            }
            None => return Err(Refusal(400, "invalid_request", "grant_type is missing".into())),
        }
        self.authenticate(request, &form)?;
        let asked = field("scope").unwrap_or_default();
        if asked.is_empty() && self.config.requires_scope {
            return Err(Refusal(400, "invalid_scope", "scope is missing".into()));
        }
        let scope = self.config.granted_scope.clone().unwrap_or_else(|| match (asked, &self.config.scopes) {
            ("", None) => "system/*.rs".to_owned(),
            ("", Some(known)) => known.join(" "),
            (asked, _) => asked.to_owned(),
        });
        let mut words = scope.split_whitespace();
        let granted = match &self.config.scopes {
            None => words.any(|word| word.starts_with("system/")),
            Some(known) => words.all(|word| known.iter().any(|known| known == word)),
        };
        if !granted {
            return Err(Refusal(400, "invalid_scope", "this scope is not granted".into()));
        }
        let seconds = self.config.lifetime.as_secs();
        let mut state = self.state();
        state.issued += 1;
        let (issued, random) = (state.issued, state.random.u128(..));
        let token = format!("sim-{issued}-{random:032x}");
        let ends = self.clock.now().timestamp().saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
        let grant = Grant { scope: scope.clone() };
        state.tokens.insert(token.clone(), Token { grant, ends, uses: self.config.uses });
        let body = json!({"access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": scope});
        Ok(body.to_string())
    }

    fn authenticate(&self, request: &Request, form: &HashMap<String, String>) -> Result<(), Refusal> {
        let denied = |why: &str| Refusal(401, "invalid_client", why.to_owned());
        let field = |name: &str| form.get(name).map(String::as_str);
        if let Some(kind) = field("client_assertion_type") {
            if kind != ASSERTION_TYPE {
                return Err(Refusal(400, "invalid_request", "unknown client_assertion_type".into()));
            }
            let assertion = field("client_assertion").unwrap_or_default();
            return self.check_assertion(assertion).map_err(|why| Refusal(400, "invalid_client", why));
        }
        let basic = request.header("authorization").and_then(basic_credentials);
        let (in_header, id, secret) = match (&basic, field("client_id"), field("client_secret")) {
            (Some((id, secret)), _, None) => (true, id.as_str(), secret.as_str()),
            (None, Some(id), Some(secret)) => (false, id, secret),
            (Some(_), _, Some(_)) => {
                return Err(Refusal(400, "invalid_request", "credentials in more than one place".into()));
            }
            _ => return Err(denied("no client credentials")),
        };
        let client = self.client(id).ok_or_else(|| denied("unknown client"))?;
        let fits = match &client.credential {
            ClientCredential::Secret(wanted) => secret == wanted,
            ClientCredential::SecretBasic(wanted) => in_header && secret == wanted,
            ClientCredential::SecretPost(wanted) => !in_header && secret == wanted,
            ClientCredential::PrivateKeyJwt { .. } => false,
        };
        if fits { Ok(()) } else { Err(denied("wrong client credentials")) }
    }

    fn client(&self, id: &str) -> Option<&Client> {
        self.config.clients.iter().find(|client| client.id == id)
    }

    fn check_assertion(&self, assertion: &str) -> Result<(), String> {
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| "the assertion is no JWT")?;
        if !matches!(header.alg, Algorithm::RS384 | Algorithm::ES384) {
            return Err("the assertion must be signed with RS384 or ES384".into());
        }
        if header.typ.as_deref() != Some("JWT") {
            return Err("typ of the assertion must be JWT".into());
        }
        let kid = header.kid.as_deref().ok_or("the assertion has no kid")?;
        let (client, jwks) = self
            .config
            .clients
            .iter()
            .find_map(|client| match &client.credential {
                ClientCredential::PrivateKeyJwt { jwks, jku } => {
                    let keys: JwkSet = serde_json::from_str(jwks).ok()?;
                    keys.find(kid).is_some().then_some((client, (keys, jku)))
                }
                _ => None,
            })
            .ok_or("no client has registered this kid")?;
        let (keys, jku) = jwks;
        if header.jku.is_some() && header.jku != *jku {
            return Err("jku is not the registered one".into());
        }
        let jwk = keys.find(kid).ok_or("no client has registered this kid")?;
        let key = DecodingKey::from_jwk(jwk).map_err(|_| "the registered key is unusable")?;
        let mut validation = Validation::new(header.alg);
        // Times are checked against the simulated clock, the audience against the exact endpoint.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation)
            .map_err(|_| "the signature of the assertion is wrong")?
            .claims;
        self.check_claims(&claims, client)
    }

    fn check_claims(&self, claims: &Claims, client: &Client) -> Result<(), String> {
        let id = Some(client.id.as_str());
        if claims.iss.as_deref() != id || claims.sub.as_deref() != id {
            return Err("iss and sub must both be the client_id".into());
        }
        let audience = match &claims.aud {
            Some(serde_json::Value::String(audience)) => audience == &self.url,
            Some(serde_json::Value::Array(all)) => all.iter().any(|audience| audience == self.url.as_str()),
            _ => false,
        };
        if !audience {
            return Err("aud must be the URL of the token endpoint".into());
        }
        let now = self.clock.now().timestamp();
        match claims.exp {
            None => return Err("exp is missing".into()),
            Some(exp) if exp <= now => return Err("the assertion has expired".into()),
            Some(exp) if exp > now + LONGEST_ASSERTION => return Err("exp is more than five minutes ahead".into()),
            Some(_) => {}
        }
        if claims.nbf.is_some_and(|nbf| nbf > now) {
            return Err("nbf lies ahead".into());
        }
        let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty()).ok_or("jti is missing")?;
        if !self.state().used_assertions.insert(jti.to_owned()) {
            return Err("this jti was used before".into());
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// User and password of a Basic header; both form-encoded, as OAuth2 wants.
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        url::form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}
