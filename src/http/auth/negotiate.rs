//! HTTP Negotiate (SPNEGO): a security library and a server exchange tokens until each knows who the other is.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};

use super::scheme::Credential;
use crate::{
    error::{Error, ErrorKind, Result},
    http::client::Inner,
};

const SCHEME: &str = "Negotiate";
/// The most tokens that one login sends: Kerberos needs one, or two when ends disagree at first.
const MOST_LEGS: u32 = 8;

/// Where the tokens of HTTP Negotiate come from: a security library. It may block, for it runs on threads made for that.
pub trait NegotiateProvider: fmt::Debug + Send + Sync + 'static {
    /// Begins to log in. Each request logs in anew.
    ///
    /// # Errors
    /// [`Auth`](ErrorKind::Auth) when there is nothing to log in with; [`Config`](ErrorKind::Config) for names that
    /// cannot be.
    fn begin(&self) -> Result<Box<dyn NegotiateExchange>>;
}

/// One login: the client's side of it.
pub trait NegotiateExchange: Send {
    /// Takes the server's last token, none at first, and gives the next one to send, if there is one.
    ///
    /// # Errors
    /// [`Auth`](ErrorKind::Auth) when there is no ticket to be had, or the server's token is refused: it does not come
    /// from the server that was meant.
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>>;

    /// Whether both sides know all that they wanted to know.
    fn is_done(&self) -> bool;
}

/// A way to log in by Negotiate.
pub(super) struct Negotiation {
    provider: Arc<dyn NegotiateProvider>,
    /// This server wants more than one token: logins have a connection to themselves, to which such servers bind them.
    is_long: AtomicBool,
}

impl Negotiation {
    pub(super) fn new(provider: Arc<dyn NegotiateProvider>) -> Self {
        Self { provider, is_long: AtomicBool::new(false) }
    }

    pub(super) fn help(&self) -> &'static str {
        "the server refused the ticket: check that kerberos_spn is the service's name, that clocks agree, and that this \
         principal may log in there"
    }
}

impl fmt::Debug for Negotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.provider.fmt(f)
    }
}

/// The login of one request. Dropped, it is forgotten.
pub(in crate::http) struct Exchange {
    negotiation: Arc<Negotiation>,
    side: Option<Box<dyn NegotiateExchange>>,
    legs: u32,
    own_connection: Option<reqwest::Client>,
}

impl Exchange {
    /// Begins a login; gives it and the first token.
    pub(super) async fn begin(negotiation: &Arc<Negotiation>, client: &Inner) -> Result<(Self, Credential)> {
        let own_connection =
            negotiation.is_long.load(Ordering::Relaxed).then(|| client.one_connection()).transpose()?;
        let provider = Arc::clone(&negotiation.provider);
        let side = blocking(move || provider.begin()).await?;
        let mut exchange = Self { negotiation: Arc::clone(negotiation), side: Some(side), legs: 0, own_connection };
        let first = exchange.step(None).await?.ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the security library gives no token to begin a login with")
        })?;
        Ok((exchange, first))
    }

    /// The connection of this login, when it has one to itself.
    pub(in crate::http) fn http(&self) -> Option<&reqwest::Client> {
        self.own_connection.as_ref()
    }

    /// The answer to a 401, when the server wants to hear more rather than nothing of it.
    pub(in crate::http) async fn next(&mut self, answer: &HeaderMap, client: &Inner) -> Result<Option<Credential>> {
        let Some(token) = token_of(answer)? else { return Ok(None) };
        let next = self.step(Some(token)).await?;
        if next.is_some() && self.own_connection.is_none() {
            // Another request may be next on that connection, and the server take it for the same login.
            self.negotiation.is_long.store(true, Ordering::Relaxed);
            let (again, first) = Self::begin(&Arc::clone(&self.negotiation), client).await?;
            *self = again;
            return Ok(Some(first));
        }
        Ok(next.filter(|_| self.legs <= MOST_LEGS))
    }

    /// Holds the server to its proof of who it is, when it gives one.
    ///
    /// # Errors
    /// [`Auth`](ErrorKind::Auth) when the proof is wrong: the answer comes from somebody else.
    pub(in crate::http) async fn check(&mut self, answer: &HeaderMap) -> Result<()> {
        let Some(token) = token_of(answer)? else { return Ok(()) };
        let unproven = || {
            Error::new(ErrorKind::Auth, "the server could not prove that it is the one that was meant")
                .help("check kerberos_spn, and that nothing stands between this machine and the server")
        };
        let more = self.step(Some(token)).await.map_err(|error| unproven().caused_by(error))?;
        match (more, self.side.as_ref().is_some_and(|side| side.is_done())) {
            (None, true) => Ok(()),
            _ => Err(unproven()),
        }
    }

    async fn step(&mut self, token: Option<Vec<u8>>) -> Result<Option<Credential>> {
        let Some(mut side) = self.side.take() else { return Ok(None) };
        self.legs += 1;
        let (side, next) = blocking(move || {
            let next = side.step(token.as_deref())?;
            Ok((side, next))
        })
        .await?;
        self.side = Some(side);
        let value = next.map(|next| format!("{SCHEME} {}", STANDARD.encode(next)));
        Ok(value.and_then(|value| Credential::new(AUTHORIZATION, &value, 0)))
    }
}

/// The token in an answer; none when there is no `Negotiate`, or nothing behind it.
fn token_of(answer: &HeaderMap) -> Result<Option<Vec<u8>>> {
    let challenges = answer.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = challenges.flat_map(listed).filter_map(|challenge| {
        let (scheme, token) = challenge.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim()).filter(|token| !token.is_empty())
    });
    let decoded = tokens.next().map(|token| STANDARD.decode(token)).transpose();
    decoded.map_err(|_| Error::new(ErrorKind::Protocol, "the server's Negotiate token is not base64"))
}

/// The parts of a header between commas, but for those in quotes.
fn listed(value: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    value.split(move |c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    })
}

/// Runs what may wait for a key distribution centre.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| Error::new(ErrorKind::Internal, "the security library did not return").caused_by(error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(headers: &[&str]) -> Option<Vec<u8>> {
        let headers = headers.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap()));
        // One `append` for each: a map from pairs would keep the last only.
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        token_of(&map).unwrap()
    }

    #[test]
    fn a_token_is_found_among_other_challenges() {
        assert_eq!(token(&["Basic realm=\"a, Negotiate b\"", "Negotiate b25l"]), Some(b"one".to_vec()));
        assert_eq!(token(&["Bearer, negotiate  b25l , Basic realm=x"]), Some(b"one".to_vec()));
        for nothing in [&["Negotiate"][..], &["Negotiate "], &["NTLM b25l"], &[]] {
            assert_eq!(token(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_told_without_being_shown() {
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, "Negotiate MARKER!".parse().unwrap())]);
        let error = token_of(&headers).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(!format!("{error:?}").contains("MARKER"));
    }
}
