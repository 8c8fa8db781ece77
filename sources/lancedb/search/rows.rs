//! The rows that a search finds.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};
use futures::{StreamExt, TryStreamExt, future::try_join, stream};
use serde_json::{Map, Value};

use super::{
    super::{
        client::Asked,
        config::{QueryOptions, TableOptions},
        dialect::{Query, Search},
        ipc::Answer,
        keys::primary_keys,
        snapshot::Snapshot,
        types::{Columns, TypeOptions},
    },
    fusion::{DISTANCE, SCORE, fused},
    target::{find, vector_column},
    vectors::vectors,
};
use crate::{
    connector::{IngestionType, TableMetadata},
    error::{Error, ErrorKind, Result},
    read::{ReadEvent, Records},
    stream::Events,
    types::StructType,
};

/// Which of several vectors a row was found for, from 0.
const QUERY_INDEX: &str = "query_index";

/// A search over one version of a table.
#[derive(Clone, Debug)]
pub(in super::super) struct Searched {
    snapshot: Snapshot,
    /// One for each vector, or one for the words.
    neighbours: Vec<Search>,
    words: Option<Search>,
    k: usize,
    /// Found rows that are left out, the best.
    skip: usize,
    types: TypeOptions,
    keys: Vec<String>,
}

impl Searched {
    /// The search that the options ask for.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for vectors of another length than the column's, for a column that holds none, and for
    /// several vectors with words; [`NotFound`](ErrorKind::NotFound) for a column that there is not.
    pub(in super::super) fn new(snapshot: Snapshot, options: &TableOptions) -> Result<Self> {
        let query = &options.query;
        let neighbours = match &query.query_vector {
            Some(given) => neighbours(&snapshot, query, given).map_err(|error| error.with("table", &snapshot.table))?,
            None => Vec::new(),
        };
        let words = match &query.full_text_query {
            Some(words) => Some(of_words(&snapshot, query, words)?),
            None => None,
        };
        if words.is_some() && neighbours.len() > 1 {
            return Err(Error::new(ErrorKind::Config, "words are searched for with one vector, not with several")
                .with("vectors", neighbours.len())
                .help("read one table for each vector"));
        }
        let keys = primary_keys(&snapshot.table, &snapshot.whole, options)?;
        let (k, skip) = (query.k as usize, query.offset as usize);
        Ok(Self { snapshot, neighbours, words, k, skip, types: options.types(), keys })
    }

    /// The schema of what is found: the table's columns, and how well each row fits.
    ///
    /// # Errors
    /// Those of the search, which is done with one row.
    pub(in super::super) async fn schema(&self) -> Result<StructType> {
        let one = Self { k: 1, skip: 0, ..self.clone() };
        let found = one.found(0).await?;
        Ok(Columns::of(found.schema_ref(), self.types)?.schema())
    }

    /// How what is found is stored: as a whole, each time.
    ///
    /// # Errors
    /// As [`Searched::schema`].
    pub(in super::super) async fn metadata(&self) -> Result<TableMetadata> {
        let schema = self.schema().await?;
        let mut primary_keys = self.keys.clone();
        if !primary_keys.iter().all(|key| schema.field(key).is_some()) {
            primary_keys.clear();
        }
        if self.neighbours.len() > 1 && !primary_keys.is_empty() {
            primary_keys.push(QUERY_INDEX.to_owned());
        }
        Ok(TableMetadata { primary_keys, cursor_field: None, ingestion_type: IngestionType::Snapshot })
    }

    /// Sends what is found, the best first.
    ///
    /// # Errors
    /// Those of the client.
    pub(in super::super) async fn read(self, parallelism: usize, events: &Events) -> Result<()> {
        let searches = self.neighbours.len().max(1);
        let found = stream::iter(0..searches).map(|number| self.found(number)).buffered(parallelism);
        let mut found = std::pin::pin!(found);
        let mut columns = None;
        while let Some(batch) = found.try_next().await? {
            let columns = match &columns {
                Some(columns) => columns,
                None => columns.insert(Columns::of(batch.schema_ref(), self.types)?),
            };
            let batch = columns.convert(&batch).map_err(|error| error.with("table", &self.snapshot.table))?;
            events.send(ReadEvent::Records(Records::Arrow(batch))).await?;
        }
        Ok(())
    }

    /// What one of the searches finds, in the server's types.
    async fn found(&self, number: usize) -> Result<RecordBatch> {
        let batch = match (self.neighbours.get(number), &self.words) {
            (Some(neighbours), Some(words)) => {
                let (neighbours, words) = try_join(self.ask(neighbours, true), self.ask(words, true)).await?;
                let both = fused(&neighbours, &words, self.skip, self.k)?;
                return self.without_row_id(both);
            }
            (Some(search), None) | (None, Some(search)) => self.rest_of(self.ask(search, false).await?)?,
            (None, None) => return Err(Error::new(ErrorKind::Internal, "there is nothing to search for")),
        };
        match self.neighbours.len() {
            0 | 1 => Ok(batch),
            _ => with_index(&batch, number),
        }
    }

    async fn ask(&self, search: &Search, with_row_id: bool) -> Result<Answer> {
        let mut search = search.clone();
        if with_row_id {
            search.tuning.insert("with_row_id".to_owned(), true.into());
        }
        let filter = self.snapshot.and(None).map(|predicate| predicate.to_text()).transpose()?;
        // Servers skip rows before some rankings and behind others: here it is done after all of them.
        let query = Query {
            version: Some(self.snapshot.version.number),
            limit: (self.k + self.skip) as u64,
            columns: self.snapshot.names.as_ref().map(|names| with_measure(names, &search)),
            filter,
            search: Some(search),
            ..Query::default()
        };
        match self.snapshot.client.query(&self.snapshot.table, &query).await? {
            Asked::Answer(answer) => Ok(answer),
            Asked::TooLarge(error) => {
                Err(error.help("the rows found are larger than the server can answer: lower k, or leave columns out"))
            }
        }
    }

    fn rest_of(&self, answer: Answer) -> Result<RecordBatch> {
        let all = arrow::compute::concat_batches(&answer.schema, &answer.batches)
            .map_err(|error| broken("the server's batches do not fit together").caused_by(error))?;
        let skip = self.skip.min(all.num_rows());
        Ok(all.slice(skip, (all.num_rows() - skip).min(self.k)))
    }

    /// Row ids bring two answers together; who did not ask for them does not get them.
    fn without_row_id(&self, mut batch: RecordBatch) -> Result<RecordBatch> {
        let is_asked_for = self.snapshot.names.iter().flatten().any(|name| name == "_rowid");
        if let (false, Ok(place)) = (is_asked_for, batch.schema_ref().index_of("_rowid")) {
            batch.remove_column(place);
        }
        Ok(batch)
    }
}

/// Servers may leave out how well a row fits when columns are named.
fn with_measure(names: &[String], search: &Search) -> Vec<String> {
    let measure = if search.words.is_some() { SCORE } else { DISTANCE };
    names.iter().cloned().chain([measure.to_owned()]).collect()
}

fn neighbours(snapshot: &Snapshot, query: &QueryOptions, given: &str) -> Result<Vec<Search>> {
    let column = vector_column(&snapshot.whole, query.vector_column.as_deref())?;
    let vectors = vectors(given)?;
    if let Some((place, vector)) = vectors.iter().enumerate().find(|(_, vector)| vector.len() != column.dimension) {
        return Err(Error::new(ErrorKind::Config, "'query_vector' has another length than the vectors of the column")
            .with("column", &column.name)
            .with("expected", column.dimension)
            .with("found", vector.len())
            .with("vector", place + 1));
    }
    // Servers would cut the rest off without a word.
    let is_byte = |number: &f32| f32::from(*number as u8) == *number;
    if column.is_bytes && !vectors.iter().flatten().all(is_byte) {
        return Err(Error::new(
            ErrorKind::Config,
            "'query_vector' has a number that is no byte, and the column has bytes",
        )
        .with("column", &column.name)
        .help("write whole numbers from 0 to 255"));
    }
    let tuning = tuning(query);
    let search = |vector| Search {
        vector: Some(vector),
        vector_column: Some(column.name.clone()),
        words: None,
        prefilter: query.prefilter,
        tuning: tuning.clone(),
    };
    Ok(vectors.into_iter().map(search).collect())
}

fn of_words(snapshot: &Snapshot, query: &QueryOptions, words: &str) -> Result<Search> {
    for column in &query.full_text_columns {
        if find(&snapshot.whole, column).is_none() {
            let known = snapshot.whole.fields().iter().map(|field| field.name().as_str());
            return Err(Error::unknown("column", column, known)
                .with("option", "full_text_columns")
                .with("table", &snapshot.table));
        }
    }
    let words = Some((words.to_owned(), query.full_text_columns.clone()));
    let mut tuning = Map::new();
    if query.fast_search {
        tuning.insert("fast_search".to_owned(), true.into());
    }
    Ok(Search { words, prefilter: query.prefilter, tuning, ..Search::default() })
}

/// What both dialects spell alike.
fn tuning(query: &QueryOptions) -> Map<String, Value> {
    let mut all = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value);
        }
    };
    add("distance_type", query.distance_type.clone().map(Value::from));
    add("nprobes", query.nprobes.map(Value::from));
    add("minimum_nprobes", query.minimum_nprobes.map(Value::from));
    add("maximum_nprobes", query.maximum_nprobes.map(Value::from));
    add("ef", query.ef.map(Value::from));
    add("refine_factor", query.refine_factor.map(Value::from));
    add("lower_bound", query.lower_bound.map(Value::from));
    add("upper_bound", query.upper_bound.map(Value::from));
    add("bypass_vector_index", query.bypass_vector_index.then(|| true.into()));
    add("fast_search", query.fast_search.then(|| true.into()));
    all
}

fn with_index(batch: &RecordBatch, number: usize) -> Result<RecordBatch> {
    let index: ArrayRef = Arc::new(Int64Array::from(vec![number as i64; batch.num_rows()]));
    let field = Arc::new(Field::new(QUERY_INDEX, DataType::Int64, false));
    let fields: Vec<_> = batch.schema_ref().fields().iter().cloned().chain([field]).collect();
    let columns = batch.columns().iter().cloned().chain([index]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| broken("Arrow refused the number of the search").caused_by(error))
}

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, what)
}
