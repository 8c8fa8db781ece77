//! How an author lets the suite act on the server under test.

use std::{fmt, future::Future, sync::Arc};

use futures::future::BoxFuture;

/// Something the author does to the server.
#[derive(Clone)]
pub(crate) struct Hook(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>);

impl Hook {
    pub(crate) fn new<F, Fut>(act: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(act())))
    }

    pub(crate) async fn act(&self) {
        (self.0)().await;
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

/// A way in which the server misbehaves, from when it is begun until it is ended.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) name: String,
    pub(crate) begin: Hook,
    pub(crate) end: Hook,
}

impl Fault {
    /// A fault of this name; `begin` switches it on.
    ///
    /// A fault may pass by itself (the next three answers are 503) or stay until [`Fault::ended_by`].
    pub fn new<F, Fut>(name: impl Into<String>, begin: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self { name: name.into(), begin: Hook::new(begin), end: Hook::new(|| async {}) }
    }

    /// Switches the fault off.
    #[must_use]
    pub fn ended_by<F, Fut>(mut self, end: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.end = Hook::new(end);
        self
    }
}

/// A record with a value that does not fit its column, which the author's server can serve.
#[derive(Clone, Debug)]
pub struct BadRow {
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) value: String,
    pub(crate) begin: Hook,
    pub(crate) end: Hook,
}

impl BadRow {
    /// In `table`, one record more than before has `value` (a text that is nowhere else) in `column`, from `begin` on.
    pub fn new<F, Fut>(table: impl Into<String>, column: impl Into<String>, value: impl Into<String>, begin: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            table: table.into(),
            column: column.into(),
            value: value.into(),
            begin: Hook::new(begin),
            end: Hook::new(|| async {}),
        }
    }

    /// Takes the record away again.
    #[must_use]
    pub fn ended_by<F, Fut>(mut self, end: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.end = Hook::new(end);
        self
    }
}
