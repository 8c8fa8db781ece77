//! A table at one version, and its rows page by page.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use super::{
    client::{Asked, LanceClient, Version},
    config::{QueryOptions, ScanMode, TableOptions, Verify},
    dialect::Query,
    filter::{self, Names, Predicate},
    readable::{Probe, Readable, probe},
    sizer::Sizer,
    types::{Columns, Nanoseconds, TypeOptions},
};
use crate::error::{Error, Result};

/// A table at one version: every request names it, so that all see the same rows.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) client: LanceClient,
    pub(super) table: String,
    pub(super) version: Version,
    /// All columns, as the server has them.
    pub(super) whole: SchemaRef,
    /// Those that are read.
    pub(super) columns: Columns,
    /// Their names, when they are not all.
    pub(super) names: Option<Vec<String>>,
    /// What the user selects.
    pub(super) selected: Option<Predicate>,
    pub(super) parallelism: usize,
    pub(super) scan: ScanMode,
    /// Whether it is proved that no row comes twice.
    pub(super) is_strict: bool,
    pub(super) query: QueryOptions,
    pub(super) sizer: Arc<Sizer>,
}

impl Snapshot {
    /// Opens a table at the version that the options name, else at `number`, else at its latest.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a table, tag or column that there is not; [`Config`](ErrorKind::Config) for a
    /// filter that cannot be used; [`OffsetExpired`](ErrorKind::OffsetExpired) for a version that is not kept.
    pub(super) async fn open(
        client: &LanceClient,
        table: &str,
        options: &TableOptions,
        number: Option<u64>,
        parallelism: usize,
        virtual_columns: &[&str],
    ) -> Result<Self> {
        let client = match &options.branch {
            Some(branch) => client.on_branch(table, branch).await?,
            None => client.clone(),
        };
        let number = match (number, options.version, &options.tag) {
            (Some(number), ..) | (None, Some(number), _) => Some(number),
            (None, None, Some(tag)) => Some(client.tagged(table, tag).await?),
            (None, None, None) => None,
        };
        let version = match number {
            Some(number) => client.version(table, number).await?,
            None => client.latest(table).await?,
        };
        let readable = Readable::of(&client, table, version.number, options).await?;
        let whole = Arc::clone(&readable.probe.schema);
        let selected = match &options.filter {
            Some(text) => Some(Predicate::Checked(filter::checked(text, Names(&whole))?)),
            None => None,
        };
        for name in &options.columns {
            Names(&whole).write(&[name], 0).map_err(|error| error.with("table", table))?;
        }
        let names = names(&whole, options, virtual_columns).or_else(|| (!readable.is_all).then(|| readable.names()));
        let read = match &names {
            Some(names) => probe(&client, table, version.number, Some(names.clone())).await?,
            None => readable.probe,
        };
        let columns = Columns::of(&read.schema, options.types()).map_err(|error| error.with("table", table))?;
        for name in columns.dropped() {
            tracing::warn!(table, column = name, "left out: Spark cannot store a struct without members");
        }
        Ok(Self {
            client,
            table: table.to_owned(),
            version,
            whole,
            columns,
            names,
            selected,
            parallelism,
            scan: options.scan_mode,
            is_strict: options.verify == Verify::Strict,
            query: options.query.clone(),
            sizer: Arc::new(sizer_of(&read, options)),
        })
    }

    /// The same with columns that the server adds.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn adding(mut self, options: &TableOptions, added: &[&str]) -> Result<Self> {
        if added.is_empty() {
            return Ok(self);
        }
        let names = names(&self.whole, options, added);
        let read = probe(&self.client, &self.table, self.version.number, names.clone()).await?;
        self.columns = Columns::of(&read.schema, options.types()).map_err(|error| error.with("table", &self.table))?;
        self.names = names;
        self.sizer = Arc::new(sizer_of(&read, options));
        Ok(self)
    }

    /// The same with some of its columns, named as in Spark.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with near names, for a column that there is not.
    pub(super) fn narrowed(&self, wanted: &[String]) -> Result<Self> {
        let (columns, names) = self.columns.narrowed(wanted).map_err(|error| error.with("table", &self.table))?;
        Ok(Self { columns, names: Some(names), sizer: Arc::new(self.sizer.anew()), ..self.clone() })
    }

    /// The same with one column, named as in Lance; timestamps of nanoseconds are whole numbers.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a column that there is not.
    pub(super) fn only(&self, name: &str) -> Result<Self> {
        let unknown = |_| Error::unknown("column", name, self.whole.fields().iter().map(|field| field.name().as_str()));
        let field = self.whole.field_with_name(name).map_err(unknown)?;
        let server = Arc::new(Schema::new_with_metadata(vec![field.clone()], self.whole.metadata().clone()));
        let options = TypeOptions { nanoseconds: Nanoseconds::Numbers, ..TypeOptions::default() };
        let columns = Columns::of(&server, options)?;
        let sizer = Arc::new(self.sizer.anew());
        Ok(Self { columns, names: Some(vec![name.to_owned()]), sizer, ..self.clone() })
    }

    /// The same columns at another version, which nothing is asked of yet.
    pub(super) fn at(&self, number: u64) -> Self {
        let mut other = self.clone();
        other.version.number = number;
        other
    }

    /// The condition of the user and another one.
    pub(super) fn and(&self, other: Option<Predicate>) -> Option<Predicate> {
        match (self.selected.clone(), other) {
            (Some(selected), Some(other)) => Some(selected.and(other)),
            (selected, other) => selected.or(other),
        }
    }

    /// Looks at some rows where they differ in size, so that the first page is not larger than it should be.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn look_at_sizes(&self) -> Result<()> {
        let Some(limit) = self.sizer.sample() else { return Ok(()) };
        let query =
            Query { version: Some(self.version.number), limit, columns: self.names.clone(), ..Query::default() };
        match self.client.query(&self.table, &query).await? {
            Asked::Answer(answer) => self.sizer.sampled(answer.bytes(), answer.rows()),
            Asked::TooLarge(_) => self.sizer.refuse(limit),
        }
        Ok(())
    }

    /// How many rows a condition selects, beside the user's.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn count(&self, condition: Option<Predicate>) -> Result<u64> {
        let filter = self.and(condition).map(|predicate| predicate.to_text()).transpose()?;
        self.client.count(&self.table, self.version.number, filter.as_deref()).await
    }
}

fn sizer_of(read: &Probe, options: &TableOptions) -> Sizer {
    Sizer::new(&read.schema, read.row_bytes, options.batch_size, options.target_page_bytes)
}

/// The columns to name in requests; `None` for all of the table's own.
fn names(whole: &Schema, options: &TableOptions, virtual_columns: &[&str]) -> Option<Vec<String>> {
    let row_id = options.with_row_id.then_some("_rowid");
    let added: Vec<String> = row_id.into_iter().chain(virtual_columns.iter().copied()).map(str::to_owned).collect();
    if options.columns.is_empty() && added.is_empty() {
        return None;
    }
    let own: Vec<String> = match options.columns.is_empty() {
        true => whole.fields().iter().map(|field| field.name().clone()).collect(),
        false => options.columns.clone(),
    };
    let mut names = own;
    for name in added {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(names)
}
