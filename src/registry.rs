//! Finding a source by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    clock::{Clock, SystemClock},
    connector::LakeflowConnect,
    error::{Error, Result},
    http::NegotiateProvider,
    options::{OptionDoc, OptionKind, Options},
};

/// Makes connections of one kind of source. A crate of your own implements this and [`LakeflowConnect`].
pub trait SourceFactory: Send + Sync + 'static {
    /// What the source is called and takes.
    fn descriptor(&self) -> &SourceDescriptor;

    /// Checks options and makes a connection. No I/O happens before the first method is called on it.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) with every problem in the options.
    fn connect(&self, options: &Options, context: &Context) -> Result<Arc<dyn LakeflowConnect>>;

    /// What tells the system of these options from another one of its kind: its address, the same however it is written.
    ///
    /// Hosts store it beside offsets, which belong to one system. `None`: the options do not say. The default is the text of the
    /// required [`Url`](OptionKind::Url) option. Never holds a secret; nothing is sent.
    fn identity(&self, options: &Options) -> Option<String> {
        let docs = self.descriptor().options;
        let address = docs.iter().find(|doc| doc.required && matches!(doc.kind, OptionKind::Url))?;
        let mut names = [address.name].into_iter().chain(address.aliases.iter().copied());
        let text = names.find_map(|name| options.get(name))?;
        Some(text.trim().trim_end_matches('/').to_owned())
    }
}

/// What a source is called, does and takes.
#[derive(Clone, Debug)]
pub struct SourceDescriptor {
    /// Its name, as `--source` takes it.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// One sentence.
    pub about: &'static str,
    /// Its options, connection and table.
    pub options: &'static [OptionDoc],
}

/// What the host lends to a source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// The security library for logins by HTTP Negotiate; that of this build when absent.
    pub negotiate: Option<Arc<dyn NegotiateProvider>>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            user_agent: concat!("lakeflow-connect/", env!("CARGO_PKG_VERSION")).to_owned(),
            negotiate: None,
        }
    }
}

impl Context {
    /// The machine's clock and this crate's user agent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lends another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sends another user agent.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Lends another security library for logins by HTTP Negotiate, such as that of Windows: sources then log in with
    /// it where they would with Kerberos.
    #[must_use]
    pub fn negotiate(mut self, provider: Arc<dyn NegotiateProvider>) -> Self {
        self.negotiate = Some(provider);
        self
    }
}

/// The sources a program knows. A value, not a global.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn SourceFactory>>);

impl Registry {
    /// No sources.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The sources of this crate whose features are on.
    pub fn builtin() -> Self {
        crate::sources::register(Self::empty())
    }

    /// Adds a source; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, factory: impl SourceFactory) -> Self {
        self.0.insert(factory.descriptor().name, Arc::new(factory));
        self
    }

    /// The sources in alphabetical order.
    pub fn sources(&self) -> impl Iterator<Item = &SourceDescriptor> {
        self.0.values().map(|f| f.descriptor())
    }

    /// The source of that name or alias; case does not count.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) with near matches, or with the list of what is there.
    pub fn source(&self, name: &str) -> Result<&dyn SourceFactory> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        let found = self.0.values().find(|f| {
            let d = f.descriptor();
            is(d.name) || d.aliases.iter().any(|a| is(a))
        });
        found.map(|f| &**f).ok_or_else(|| {
            let error = Error::unknown("source", name, self.0.keys().copied());
            if error.help_text().is_some() {
                return error;
            }
            let names: Vec<&str> = self.0.keys().copied().collect();
            error.help(format!("there are: {}", names.join(", ")))
        })
    }

    /// Connects to a source.
    ///
    /// # Errors
    /// As [`Registry::source`] and [`SourceFactory::connect`].
    pub fn connect(&self, name: &str, options: &Options, context: &Context) -> Result<Arc<dyn LakeflowConnect>> {
        self.source(name)?.connect(options, context)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
