//! A table at one version, and its rows page by page.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow::datatypes::{Schema, SchemaRef};

use super::{
    client::{LanceClient, Version},
    config::{QueryOptions, ScanMode, TableOptions, Verify},
    filter::{self, Names, Predicate},
    readable::{Readable, schema},
    types::{Columns, Nanoseconds, TypeOptions},
};
use crate::error::{Error, Result};

/// The most rows of a page.
const MOST_ROWS: u64 = 10_000;

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

/// Rows of a page, out of what rows have turned out to need.
#[derive(Debug)]
pub(super) struct Sizer {
    fixed: Option<u64>,
    target: u64,
    /// Bytes of a row, in hundredths.
    row: AtomicU64,
}

impl Sizer {
    pub(super) fn rows(&self) -> u64 {
        self.fixed.unwrap_or_else(|| {
            let row = self.row.load(Ordering::Relaxed).max(100);
            (self.target * 100 / row).clamp(1, MOST_ROWS)
        })
    }

    pub(super) fn learn(&self, bytes: usize, rows: usize) {
        if rows > 0 {
            self.row.store((bytes as u64).saturating_mul(100) / rows as u64, Ordering::Relaxed);
        }
    }
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
        let whole = Arc::clone(&readable.schema);
        let selected = match &options.filter {
            Some(text) => Some(Predicate::Checked(filter::checked(text, Names(&whole))?)),
            None => None,
        };
        for name in &options.columns {
            Names(&whole).write(&[name], 0).map_err(|error| error.with("table", table))?;
        }
        let names = names(&whole, options, virtual_columns).or_else(|| (!readable.is_all).then(|| readable.names()));
        let read = match &names {
            Some(names) => schema(&client, table, version.number, Some(names.clone())).await?,
            None => Arc::clone(&whole),
        };
        let columns = Columns::of(&read, options.types()).map_err(|error| error.with("table", table))?;
        for name in columns.dropped() {
            tracing::warn!(table, column = name, "left out: Spark cannot store a struct without members");
        }
        let sizer = Sizer {
            fixed: options.batch_size.map(u64::from),
            target: options.target_page_bytes as u64,
            row: AtomicU64::new(u64::from(width(&read)) * 100),
        };
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
            sizer: Arc::new(sizer),
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
        let read = schema(&self.client, &self.table, self.version.number, names.clone()).await?;
        self.columns = Columns::of(&read, options.types()).map_err(|error| error.with("table", &self.table))?;
        self.names = names;
        Ok(self)
    }

    /// The same with some of its columns, named as in Spark.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with near names, for a column that there is not.
    pub(super) fn narrowed(&self, wanted: &[String]) -> Result<Self> {
        let (columns, names) = self.columns.narrowed(wanted).map_err(|error| error.with("table", &self.table))?;
        Ok(Self { columns, names: Some(names), ..self.clone() })
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
        Ok(Self { columns: Columns::of(&server, options)?, names: Some(vec![name.to_owned()]), ..self.clone() })
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

    /// How many rows a condition selects, beside the user's.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn count(&self, condition: Option<Predicate>) -> Result<u64> {
        let filter = self.and(condition).map(|predicate| predicate.to_text()).transpose()?;
        self.client.count(&self.table, self.version.number, filter.as_deref()).await
    }
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

/// Bytes of a row before one was seen.
fn width(schema: &Schema) -> u32 {
    let widths = schema.fields().iter().map(|field| bytes_of(field.data_type()));
    widths.fold(0_u32, u32::saturating_add)
}

fn bytes_of(data_type: &arrow::datatypes::DataType) -> u32 {
    use arrow::datatypes::DataType as T;
    match data_type {
        T::FixedSizeList(element, size) => {
            bytes_of(element.data_type()).saturating_mul(u32::try_from(*size).unwrap_or(1))
        }
        T::FixedSizeBinary(size) => u32::try_from(*size).unwrap_or(16),
        T::Struct(fields) => fields.iter().map(|field| bytes_of(field.data_type())).fold(0, u32::saturating_add),
        other => other.primitive_width().map_or(64, |width| width as u32),
    }
}
