//! One failed try, and the error it becomes.

use std::{error::Error as StdError, io, time::Duration};

use reqwest::Method;
use url::Url;

use super::{
    auth::Auth,
    classify::{Outcome, is_transient},
    redact,
};
use crate::error::{Error, ErrorKind, Retry};

/// What is known about a try that did not give an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) url: Url,
    pub(super) request_id: Option<String>,
    /// What the server asked for in `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// A source's safe summary of the body.
    pub(super) detail: Option<String>,
    pub(super) cause: Option<reqwest::Error>,
}

/// How a request was made, for messages.
pub(super) struct Circumstances<'a> {
    pub(super) method: &'a Method,
    pub(super) auth: Option<&'a Auth>,
    pub(super) tries: u32,
    pub(super) elapsed: Duration,
    pub(super) retry: Retry,
}

impl Failure {
    /// A failure below HTTP.
    pub(super) fn transport(error: reqwest::Error, url: Url) -> Self {
        let tls = find_cause::<rustls::Error>(&error);
        let outcome = if tls.is_some_and(|e| is_about_theirs(e) || is_about_ours(e)) {
            Outcome::Untrusted
        } else if error.is_dns() && says_no_such_host(&error) {
            Outcome::Unknown
        } else if error.is_connect() {
            Outcome::Unreachable
        } else {
            Outcome::Broken
        };
        let cause = Some(error.without_url());
        Self { outcome, url, request_id: None, retry_after: None, detail: None, cause }
    }

    /// An answer that says itself that it is an error.
    pub(super) fn faulty(detail: String, url: Url) -> Self {
        Self { outcome: Outcome::Faulty, url, request_id: None, retry_after: None, detail: Some(detail), cause: None }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Status(status) | Outcome::Refused(status) => Some(status),
            _ => None,
        }
    }

    pub(super) fn into_error(self, how: &Circumstances<'_>) -> Error {
        let (kind, message, help) = match self.outcome {
            Outcome::Status(status) => of_status(status, how.auth),
            Outcome::Refused(_) => (ErrorKind::Config, "the server cannot do what it was asked for", None),
            _ => self.of_transport(),
        };
        let mut error = Error::new(kind, message).retryable(how.retry);
        error = error.with("method", how.method).with("url", redact::url(&self.url));
        if let Some(status) = self.status() {
            error = error.with("status", status);
        }
        if let Some(detail) = &self.detail {
            error = error.with("detail", redact::text(detail, 500));
        }
        if let Some(reason) = self.cause.as_ref().and_then(safe_reason) {
            error = error.with("reason", reason);
        }
        if let Some(id) = &self.request_id {
            error = error.with("request_id", id);
        }
        if let Some(wait) = self.retry_after {
            error = error.with("retry_after_seconds", wait.as_secs());
        }
        error = error.with("tries", how.tries).with("elapsed_ms", how.elapsed.as_millis());
        if let Some(help) = help {
            error = error.help(help);
        }
        match self.cause {
            Some(cause) => error.caused_by(cause),
            None => error,
        }
    }

    fn of_transport(&self) -> (ErrorKind, &'static str, Option<&'static str>) {
        let cause = self.cause.as_ref();
        let is = |what: fn(&reqwest::Error) -> bool| cause.is_some_and(what);
        let (message, help) = match self.outcome {
            Outcome::Untrusted if cause.and_then(|c| find_cause(c)).is_some_and(is_about_ours) => (
                "the server wants a client certificate, or another one",
                "give one that the server knows with client_certificate and client_key",
            ),
            Outcome::Untrusted => (
                "the server's TLS certificate was not accepted",
                "add the authority that signed it with ca_certificate, and check that the address names the server",
            ),
            Outcome::Faulty => (
                "the server reports an error inside an answer that looks good",
                "run again later; if it stays so look at the server",
            ),
            Outcome::Unknown => (
                "there is no host of this name",
                "is base_url right? check its spelling; if it is right, check DNS and VPN of this machine",
            ),
            _ if is(reqwest::Error::is_dns) => (
                "could not resolve the server's host name",
                "is base_url right? check its spelling, and DNS from this machine",
            ),
            Outcome::Unreachable if is(reqwest::Error::is_timeout) => (
                "the connection to the server timed out",
                "is base_url right, and is the server reachable from this machine (firewall, VPN, proxy)? over a slow \
                 network raise connect_timeout_seconds",
            ),
            Outcome::Unreachable => (
                "could not connect to the server",
                "is base_url right (host, port, http or https), and is the server running and reachable from this machine?",
            ),
            _ if is(reqwest::Error::is_timeout) => (
                "the server did not answer in time",
                "raise request_timeout_seconds or read_timeout_seconds, or ask for less at a time",
            ),
            _ => (
                "the server's answer broke off",
                "run again; if it stays so look at the server and at proxies in between",
            ),
        };
        (ErrorKind::Unavailable, message, Some(help))
    }
}

fn of_status(status: u16, auth: Option<&Auth>) -> (ErrorKind, &'static str, Option<&'static str>) {
    match status {
        401 => (
            ErrorKind::Auth,
            "the server did not accept the credentials",
            Some(auth.map_or("the request was sent without credentials on purpose", Auth::help)),
        ),
        403 => (
            ErrorKind::Permission,
            "the credentials do not allow this request",
            Some("grant this user or client (scope, role) the right to read it"),
        ),
        404 | 410 => (ErrorKind::NotFound, "the server has nothing at this address", Some("is base_url right?")),
        407 => (
            ErrorKind::Auth,
            "the proxy wants credentials",
            Some("give them in the proxy option: http://user:password@host:port"),
        ),
        429 => (
            ErrorKind::RateLimited,
            "the server asks for fewer requests",
            Some("run again later, or set requests_per_second or a lower max_concurrency"),
        ),
        300..=399 => (
            ErrorKind::Protocol,
            "the server redirects this request",
            Some("set base_url to the address that the server redirects to"),
        ),
        _ if is_transient(status) => {
            (ErrorKind::Unavailable, "the server cannot answer at the moment", Some("run again later"))
        }
        405 | 501 => (
            ErrorKind::Protocol,
            "the server refused the request",
            Some("is the address right? the server, or a proxy before it, does not know such requests there"),
        ),
        409 => (
            ErrorKind::Protocol,
            "the server refused the request",
            Some("the server cannot answer this as things stand there: look at what it says, and at its log"),
        ),
        413 => (
            ErrorKind::Protocol,
            "the server refused the request",
            Some("it is too large for the server, or for a proxy before it: allow larger ones there"),
        ),
        _ => (ErrorKind::Protocol, "the server refused the request", None),
    }
}

/// Whether an error is that no connection to the server came about: refused, not resolved, not trusted, timed out.
#[cfg(feature = "fhir")]
pub(crate) fn is_unconnected(error: &Error) -> bool {
    find_cause::<reqwest::Error>(error).is_some_and(reqwest::Error::is_connect)
}

/// Text about a transport failure that cannot hold data: names of conditions, never what was sent or received.
fn safe_reason(error: &reqwest::Error) -> Option<String> {
    if let Some(tls) = find_cause::<rustls::Error>(error) {
        return Some(redact::text(&tls.to_string(), 200).into_owned());
    }
    find_cause::<io::Error>(error)
        .map(|e| e.kind())
        .filter(|kind| *kind != io::ErrorKind::Other)
        .map(|kind| kind.to_string())
}

/// Whether the resolver says that a name does not exist, rather than that it could not find out. Its code is gone by here,
/// only its words are left: those of glibc, musl, the BSDs and macOS, and Windows.
fn says_no_such_host(error: &(dyn StdError + 'static)) -> bool {
    const WORDS: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
        "(os error 11001)",
    ];
    let mut root = error;
    while let Some(next) = root.source() {
        root = next;
    }
    let text = root.to_string();
    WORDS.iter().any(|words| text.contains(words))
}

/// Whether we did not accept the server's certificate.
fn is_about_theirs(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
}

/// Whether the server did not accept ours, or the lack of one.
fn is_about_ours(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        error,
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
        )
    )
}

/// The first error of type `T` underneath; also those that an `io::Error` wraps, which `source()` steps over.
fn find_cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_is_told_from_one_that_could_not_be_looked_up() {
        let resolver = |words: &str| io::Error::other(format!("failed to lookup address information: {words}"));
        for words in ["Name or service not known", "Name does not resolve", "No such host is known. (os error 11001)"] {
            assert!(says_no_such_host(&resolver(words)), "{words}");
        }
        for words in ["Temporary failure in name resolution", "Try again", "Non-recoverable failure in name resolution"]
        {
            assert!(!says_no_such_host(&resolver(words)), "{words}");
        }
    }
}
