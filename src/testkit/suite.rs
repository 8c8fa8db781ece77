//! What to check, and running it.

use std::{fmt, future::Future, sync::Arc};

use tracing::instrument::WithSubscriber;

use super::{
    check::Check,
    checks::Source,
    hooks::{BadRow, Fault, Hook},
    probe::told,
    report::Report,
    witness::Witness,
};
use crate::{
    connector::{LakeflowConnect, TableRef},
    error::Result,
    options::Options,
    registry::{Context, Registry, SourceDescriptor, SourceFactory},
};

type ConnectWith = Arc<dyn Fn(&Options) -> Result<Arc<dyn LakeflowConnect>> + Send + Sync>;
type Connect = Arc<dyn Fn() -> Result<Arc<dyn LakeflowConnect>> + Send + Sync>;
type Count = Arc<dyn Fn() -> usize + Send + Sync>;
type Counter = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The conformance suite for one source.
///
/// The source must hold the same data during the run, apart from what the suite's own hooks change, unless
/// [`Suite::live`] is said. Connections are made anew for each restart, so that nothing survives in memory.
#[derive(Clone)]
pub struct Suite {
    pub(crate) connect: Connect,
    pub(crate) factory: Option<Factory>,
    pub(crate) tables: Vec<TableRef>,
    pub(crate) sizes: Vec<Size>,
    pub(crate) expected: Vec<(String, Count)>,
    pub(crate) tie_scope: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) private_values: Vec<String>,
    pub(crate) counter: Option<Counter>,
    pub(crate) requests_ahead: u64,
    pub(crate) max_stops: usize,
    pub(crate) faults: Vec<Fault>,
    pub(crate) bad_rows: Vec<BadRow>,
    pub(crate) change: Option<Hook>,
    pub(crate) live: bool,
}

/// A source's own description, and how it connects with other options.
#[derive(Clone)]
pub(crate) struct Factory {
    pub(crate) descriptor: SourceDescriptor,
    pub(crate) connect: ConnectWith,
    pub(crate) options: Options,
}

/// One way to make batches smaller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Size {
    pub(crate) options: Vec<(String, String)>,
    pub(crate) max_records: Option<u64>,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
        words.extend(self.max_records.map(|n| format!("max_records={n}")));
        f.write_str(if words.is_empty() { "the given options".to_owned() } else { words.join(" ") }.as_str())
    }
}

impl Suite {
    /// Checks what `connect` connects to. It is called often and must make a new connection each time.
    pub fn new(connect: impl Fn() -> Result<Arc<dyn LakeflowConnect>> + Send + Sync + 'static) -> Self {
        Self {
            connect: Arc::new(connect),
            factory: None,
            tables: Vec::new(),
            sizes: Vec::new(),
            expected: Vec::new(),
            tie_scope: Vec::new(),
            secrets: Vec::new(),
            private_values: Vec::new(),
            counter: None,
            requests_ahead: 8,
            max_stops: 200,
            faults: Vec::new(),
            bad_rows: Vec::new(),
            change: None,
            live: false,
        }
    }

    /// Checks a source through its factory: its connection options too, and its secret options are watched.
    pub fn of(factory: impl SourceFactory, options: Options, context: Context) -> Self {
        let descriptor = factory.descriptor().clone();
        Self::described(descriptor, options, Arc::new(move |options| factory.connect(options, &context)))
    }

    /// As [`Suite::of`], for a source by its name in a registry.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when the registry does not have it.
    pub fn registered(registry: &Registry, name: &str, options: Options, context: Context) -> Result<Self> {
        let descriptor = registry.source(name)?.descriptor().clone();
        let (registry, name) = (registry.clone(), name.to_owned());
        let connect = move |options: &Options| registry.connect(&name, options, &context);
        Ok(Self::described(descriptor, options, Arc::new(connect)))
    }

    fn described(descriptor: SourceDescriptor, options: Options, connect: ConnectWith) -> Self {
        let secrets = descriptor.options.iter().filter(|doc| doc.is_secret());
        let secrets: Vec<String> = secrets.filter_map(|doc| options.get(doc.name)).flat_map(lines).collect();
        let given = Factory { descriptor, connect, options };
        let made = given.clone();
        let suite = Self::new(move || (made.connect)(&made.options));
        Self { factory: Some(given), ..suite.secrets(secrets) }
    }

    /// Adds a table; all that the source lists when none is added.
    #[must_use]
    pub fn table(mut self, table: impl Into<TableRef>) -> Self {
        self.tables.push(table.into());
        self
    }

    /// Says how many rows a full read of a table must bring now (keys, for a cdc table): without it, a row that no read
    /// ever brings is only found when batches of another size bring it.
    #[must_use]
    pub fn expect_rows(mut self, table: impl Into<String>, rows: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.expected.push((table.into(), Arc::new(rows)));
        self
    }

    /// Adds table options that make batches smaller, such as `[("page_size", "1")]`; the smallest first.
    #[must_use]
    pub fn size<K: Into<String>, V: Into<String>>(mut self, options: impl IntoIterator<Item = (K, V)>) -> Self {
        let options = options.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        self.sizes.push(Size { options, max_records: None });
        self
    }

    /// Adds a `max_records` to read with.
    #[must_use]
    pub fn max_records(mut self, rows: u64) -> Self {
        self.sizes.push(Size { options: Vec::new(), max_records: Some(rows) });
        self
    }

    /// Says that rows with equal cursor values belong together only where these columns are equal too, for a source
    /// whose offsets hold one position for each value of them (a tag, a device).
    #[must_use]
    pub fn ties_within<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.tie_scope = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Adds credentials that must never be printed. Take texts that are nowhere else.
    #[must_use]
    pub fn secrets<S: Into<String>>(mut self, markers: impl IntoIterator<Item = S>) -> Self {
        self.secrets.extend(markers.into_iter().map(Into::into));
        self
    }

    /// Adds values of rows (a patient's name) that must be in rows only. Take texts that are nowhere else.
    #[must_use]
    pub fn private_values<S: Into<String>>(mut self, markers: impl IntoIterator<Item = S>) -> Self {
        self.private_values.extend(markers.into_iter().map(Into::into));
        self
    }

    /// Counts requests where the server sees them; [`LakeflowConnect::activity`] when not given.
    #[must_use]
    pub fn requests(mut self, counter: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.counter = Some(Arc::new(counter));
        self
    }

    /// How many requests a source may make before its first event is taken; 8 when not given.
    #[must_use]
    pub fn requests_ahead(mut self, requests: u64) -> Self {
        self.requests_ahead = requests;
        self
    }

    /// In how many places of one read to stop it; spread evenly when there are more events. 200 when not given.
    #[must_use]
    pub fn max_stops(mut self, stops: usize) -> Self {
        self.max_stops = stops.max(1);
        self
    }

    /// Adds a way in which the server can misbehave.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Adds a record that does not fit its table.
    #[must_use]
    pub fn bad_row(mut self, bad_row: BadRow) -> Self {
        self.bad_rows.push(bad_row);
        self
    }

    /// Lets the suite change the source: every call adds rows to each table under test, and changes some of the
    /// keyed ones. Deletions only where tables report them.
    #[must_use]
    pub fn change<F, Fut>(mut self, change: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.change = Some(Hook::new(change));
        self
    }

    /// Says that others change the source during the run: every read is bounded by an offset taken before it.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// Makes every check on every table.
    pub async fn run(&self) -> Report {
        self.checks(&Check::ALL).await
    }

    /// Makes one check on every table.
    pub async fn check(&self, check: Check) -> Report {
        self.checks(&[check]).await
    }

    async fn checks(&self, checks: &[Check]) -> Report {
        let witness = Arc::new(Witness::new(&self.secrets, &self.private_values));
        let mut report = self.watched(checks, &witness).with_subscriber(Arc::clone(&witness)).await;
        report.redact(&witness);
        report
    }

    async fn watched(&self, checks: &[Check], witness: &Arc<Witness>) -> Report {
        let mut report = Report::default();
        let source = Source { suite: self, witness };
        match self.tables_to_check().await {
            Ok(tables) => {
                for check in checks {
                    report.append(source.check(*check, &tables).await);
                }
            }
            Err(error) => {
                let stop = told(witness, "the tables could not be listed", &error);
                report.push(Check::MetadataIsCoherent, None, Err(stop));
            }
        }
        report
    }

    async fn tables_to_check(&self) -> Result<Vec<TableRef>> {
        if !self.tables.is_empty() {
            return Ok(self.tables.clone());
        }
        let names = (self.connect)()?.list_tables().await?;
        Ok(names.into_iter().map(TableRef::new).collect())
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// The lines of a secret that are long enough to be recognised; keys in PEM have many.
fn lines(secret: &str) -> Vec<String> {
    let long = |line: &&str| line.len() >= 6 && !line.starts_with("-----");
    secret.lines().map(str::trim).filter(long).map(str::to_owned).collect()
}
