//! The one error type: what happened, where, whether to try again, and what to do next.
//!
//! An error never holds a secret, a patient's value or a response body: context values are names,
//! numbers and redacted URLs. `Display` is one line.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option is missing, unknown or has a bad value.
    Config,
    /// The credentials were not accepted.
    Auth,
    /// The credentials were accepted but do not allow this.
    Permission,
    /// A source, table, column or resource does not exist.
    NotFound,
    /// The server asked for fewer requests and retries were spent.
    RateLimited,
    /// The server could not be reached or did not answer well, and retries were spent.
    Unavailable,
    /// The server answered with something that is not the protocol it should speak.
    Protocol,
    /// A value does not fit the table's schema.
    Data,
    /// The source can no longer honour an offset; the host must decide to read in full again.
    OffsetExpired,
    /// The source does not have this ability.
    Unsupported,
    /// The place to write to refused: another writer, another schema, no space, no permission.
    Sink,
    /// A bug in this program.
    Internal,
}

impl ErrorKind {
    /// The kind's name in snake case, as logs and JSON output print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::Data => "data",
            Self::OffsetExpired => "offset_expired",
            Self::Unsupported => "unsupported",
            Self::Sink => "sink",
            Self::Internal => "internal",
        }
    }
}

/// Whether trying again can help. Hosts obey it; they do not guess from the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// A later run may succeed; the delay is what the server asked for.
    Later(Option<Duration>),
    /// Retries were already spent in this call; a later run may succeed.
    Exhausted,
}

/// What went wrong, one pointer wide.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    retry: Retry,
    message: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    help: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error that is not worth a retry.
    ///
    /// ```
    /// use lakeflow_connect::{Error, ErrorKind};
    /// let e = Error::new(ErrorKind::NotFound, "there is no table named 'Patien'")
    ///     .with("source", "fhir")
    ///     .help("did you mean 'Patient'?");
    /// assert_eq!(e.to_string(), "there is no table named 'Patien' (source=fhir); did you mean 'Patient'?");
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Repr {
            kind,
            retry: Retry::Never,
            message: message.into(),
            context: Vec::new(),
            help: None,
            source: None,
        }))
    }

    /// Adds one fact about where it happened: a table, a status, a URL without its query.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(text.into());
        self
    }

    /// Sets the retry verdict; [`Retry::Never`] when not called.
    #[must_use]
    pub fn retryable(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Keeps the error underneath for [`std::error::Error::source`]; `Display` does not print it,
    /// so a cause whose text may quote data stays out of logs unless a host asks for it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The message alone, without context and help.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next, where it is known.
    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The facts added by [`Error::with`], in order.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(k, v)| (*k, v.as_str()))
    }

    /// The value of one fact.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.context().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// `NotFound` for a name, with the nearest known names as help.
    pub fn unknown<'a>(what: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let error = Self::new(ErrorKind::NotFound, format!("there is no {what} named '{name}'"));
        match crate::near::near_matches(name, known).as_slice() {
            [] => error,
            near => error.help(format!("did you mean {}?", crate::near::quoted_list(near))),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.kind.as_str())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}
