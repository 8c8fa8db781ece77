//! Scans as neighbours of a made-up vector, for servers that answer nothing else.
//!
//! Rows whose vectors are null are no neighbours: they are asked for apart. Rows whose vectors hold NaN cannot be found this
//! way at all; then the scan ends with an error.

use futures::{StreamExt, TryStreamExt, future::try_join, stream::BoxStream};
use serde_json::Map;

use super::{
    client::Asked,
    dialect::{Query, Search},
    filter::{Names, Predicate},
    ipc::Answer,
    pages::{Page, ROW_ID},
    ranges::{Numbered, both, numbered},
    search::vector_column,
    snapshot::Snapshot,
};
use crate::error::{Error, ErrorKind, Result};

/// What servers add to rows that they found near a vector.
const DISTANCE: &str = "_distance";

/// A scan by neighbours of one vector.
#[derive(Clone, Debug)]
pub(super) struct NeighbourPages {
    search: Search,
    /// What selects rows without a vector.
    without: Predicate,
}

impl NeighbourPages {
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a table without vectors; [`NotFound`](ErrorKind::NotFound) for a column that there
    /// is not.
    pub(super) fn new(snapshot: &Snapshot) -> Result<Self> {
        let column = vector_column(&snapshot.whole, snapshot.query.vector_column.as_deref())
            .map_err(|error| error.with("table", &snapshot.table))?;
        let path: Vec<_> = column.name.split('.').collect();
        let without = Predicate::IsNull(Names(&snapshot.whole).write(&path, 0)?);
        // Of length one: zeros are no neighbours of anything by the cosine.
        let element = if column.is_bytes { 1.0 } else { 1.0 / (column.dimension.max(1) as f32).sqrt() };
        let mut tuning = Map::new();
        tuning.insert("bypass_vector_index".to_owned(), true.into());
        let search = Search {
            vector: Some(vec![element; column.dimension]),
            vector_column: Some(column.name.clone()),
            words: None,
            prefilter: true,
            tuning,
        };
        tracing::warn!(
            table = %snapshot.table,
            column = %column.name,
            "scan_mode=dummy_vector reads the table as neighbours of a made-up vector: many times slower than a plain scan, \
             and rows whose vectors hold NaN are never found, which ends the read with an error; prefer scan_mode=auto"
        );
        Ok(Self { search, without })
    }

    /// The rows that a condition selects, in the order of their ids from page to page.
    pub(super) fn pages(
        self,
        snapshot: Snapshot,
        condition: Option<Predicate>,
        from: u64,
        total: u64,
    ) -> BoxStream<'static, Result<Page>> {
        let parts = numbered(snapshot.clone(), condition.clone(), ROW_ID, from, total);
        let parallelism = snapshot.parallelism;
        let fetched = parts.map_ok(move |part| {
            let (scan, snapshot, condition) = (self.clone(), snapshot.clone(), condition.clone());
            async move { scan.page(&snapshot, condition, part).await }
        });
        fetched.try_buffered(parallelism).boxed()
    }

    async fn page(&self, snapshot: &Snapshot, condition: Option<Predicate>, part: Numbered) -> Result<Page> {
        let mut page = Page::default();
        let mut waiting = vec![part];
        while let Some(part) = waiting.pop() {
            let selected = both(condition.clone(), part.condition(ROW_ID));
            let without = selected.clone().and(self.without.clone());
            let search = Some(self.search.clone());
            match try_join(ask(snapshot, &part, selected, search), ask(snapshot, &part, without, None)).await? {
                (Asked::Answer(near), Asked::Answer(without)) => {
                    let found = (near.rows() + without.rows()) as u64;
                    if found != part.rows() {
                        return Err(lost(snapshot, &part, found));
                    }
                    for mut answer in [near, without] {
                        drop_distances(&mut answer);
                        let rows = answer.rows() as u64;
                        snapshot.take(answer, rows, part.offset, &mut page)?;
                    }
                }
                (Asked::TooLarge(error), _) | (_, Asked::TooLarge(error)) => {
                    let half = snapshot.half(error, part.rows(), part.offset)?;
                    let [first, second] = part.split(half);
                    waiting.extend([second, first]);
                }
            }
        }
        Ok(page)
    }
}

async fn ask(snapshot: &Snapshot, part: &Numbered, selected: Predicate, search: Option<Search>) -> Result<Asked> {
    let query = Query {
        version: Some(snapshot.version.number),
        limit: part.rows() + 1,
        columns: snapshot.names.clone(),
        filter: snapshot.and(Some(selected)).map(|filter| filter.to_text()).transpose()?,
        search,
        ..Query::default()
    };
    snapshot.client.query(&snapshot.table, &query).await
}

fn drop_distances(answer: &mut Answer) {
    for batch in &mut answer.batches {
        if let Ok(place) = batch.schema_ref().index_of(DISTANCE) {
            batch.remove_column(place);
        }
    }
}

fn lost(snapshot: &Snapshot, part: &Numbered, found: u64) -> Error {
    Error::new(ErrorKind::Data, "rows are lost in a scan by neighbours: their vectors hold NaN")
        .with("table", &snapshot.table)
        .with("version", snapshot.version.number)
        .with("offset", part.offset)
        .with("wanted", part.rows())
        .with("found", found)
        .help("leave scan_mode out: a plain scan reads every row")
}
