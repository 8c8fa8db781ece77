//! The two forms of requests: that of LanceDB Cloud, and that of the Lance REST Namespace.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::error::{Error, ErrorKind, Result};

/// Which form a server reads. Paths and answers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// LanceDB Cloud and Enterprise: what the official client sends.
    Cloud,
    /// Servers of the Lance REST Namespace.
    Namespace,
}

impl Dialect {
    fn other(self) -> Self {
        match self {
            Self::Cloud => Self::Namespace,
            Self::Namespace => Self::Cloud,
        }
    }
}

/// What a server speaks: as the user says, else found out with one question, and corrected at most once.
#[derive(Debug)]
pub(super) struct Spoken {
    found: OnceCell<Dialect>,
    is_given: bool,
    /// The question misled.
    is_other: AtomicBool,
}

impl Spoken {
    pub(super) fn new(given: Option<Dialect>) -> Self {
        Self { found: OnceCell::new_with(given), is_given: given.is_some(), is_other: AtomicBool::new(false) }
    }

    /// The dialect; `ask` finds it out, once.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) async fn or_ask<F: Future<Output = Result<Dialect>>>(&self, ask: impl FnOnce() -> F) -> Result<Dialect> {
        let found = *self.found.get_or_try_init(ask).await?;
        Ok(if self.is_other.load(Ordering::Acquire) { found.other() } else { found })
    }

    /// Goes over to the other dialect after the server refused this one; whether the request may be said again.
    pub(super) fn correct(&self, refused: Dialect) -> bool {
        if self.is_given {
            return false;
        }
        let is_first = !self.is_other.swap(true, Ordering::AcqRel);
        if is_first {
            tracing::warn!(spoken = ?refused, now = ?refused.other(), "the server reads the other form of requests; set 'dialect'");
        }
        // Another request may have been refused first, in the same words.
        is_first || self.found.get() == Some(&refused)
    }
}

/// The largest number that requests of the Namespace hold.
const MOST_OF_NAMESPACE: u64 = i32::MAX as u64;

/// Rows to ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    /// The version to read; the latest when absent.
    pub(super) version: Option<u64>,
    /// At most this many rows; never 0, which servers read as no bound.
    pub(super) limit: u64,
    pub(super) offset: u64,
    /// Names of columns; all when absent.
    pub(super) columns: Option<Vec<String>>,
    /// A condition in the server's words.
    pub(super) filter: Option<String>,
    /// Neighbours or words to look for; a plain scan when absent.
    pub(super) search: Option<Search>,
}

/// What to search for.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    pub(super) vector: Option<Vec<f32>>,
    pub(super) vector_column: Option<String>,
    /// Words, and the columns that may hold them.
    pub(super) words: Option<(String, Vec<String>)>,
    /// Whether the filter selects before the search does.
    pub(super) prefilter: bool,
    /// Further members that both dialects spell alike.
    pub(super) tuning: Map<String, Value>,
}

impl Query {
    /// The body of the request.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for an offset beyond what the dialect can say.
    pub(super) fn body(&self, dialect: Dialect) -> Result<Value> {
        let mut body = self.search.as_ref().map(|search| search.tuning.clone()).unwrap_or_default();
        let vector = self.search.as_ref().and_then(|search| search.vector.as_deref());
        if dialect == Dialect::Namespace && self.offset > MOST_OF_NAMESPACE {
            return Err(Error::new(ErrorKind::Unsupported, "the server cannot be asked for rows beyond 2147483647")
                .help("set scan_mode to row_range"));
        }
        let limit = match dialect {
            Dialect::Cloud => self.limit,
            Dialect::Namespace => self.limit.min(MOST_OF_NAMESPACE),
        };
        body.insert("k".to_owned(), limit.into());
        // Always said: servers differ in what they do when it is not.
        let prefilter = self.search.as_ref().is_none_or(|search| search.prefilter);
        body.insert("prefilter".to_owned(), prefilter.into());
        body.insert(
            "vector".to_owned(),
            match (dialect, vector) {
                (Dialect::Cloud, vector) => json!(vector.unwrap_or_default()),
                (Dialect::Namespace, None) => json!({}),
                (Dialect::Namespace, Some(vector)) => json!({ "single_vector": vector }),
            },
        );
        if self.offset > 0 {
            body.insert("offset".to_owned(), self.offset.into());
        }
        if let Some(version) = self.version {
            body.insert("version".to_owned(), version.into());
        }
        if let Some(columns) = &self.columns {
            body.insert(
                "columns".to_owned(),
                match dialect {
                    Dialect::Cloud => json!(columns),
                    Dialect::Namespace => json!({ "column_names": columns }),
                },
            );
        }
        if let Some(filter) = &self.filter {
            body.insert("filter".to_owned(), filter.as_str().into());
        }
        if let Some(search) = &self.search {
            search.add(dialect, &mut body);
        }
        Ok(Value::Object(body))
    }
}

impl Search {
    fn add(&self, dialect: Dialect, body: &mut Map<String, Value>) {
        if dialect == Dialect::Namespace && body.get("maximum_nprobes").is_some_and(|most| most == 0) {
            // There, no bound is said by saying none.
            body.remove("maximum_nprobes");
        }
        if let Some(column) = &self.vector_column {
            body.insert("vector_column".to_owned(), column.as_str().into());
        }
        if let Some((words, columns)) = &self.words {
            let mut query = json!({ "query": words });
            if !columns.is_empty() {
                query["columns"] = json!(columns);
            }
            let query = if dialect == Dialect::Cloud { query } else { json!({ "string_query": query }) };
            body.insert("full_text_query".to_owned(), query);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dialect_that_was_found_is_corrected_once_and_one_that_was_given_never() {
        let found = Spoken::new(None);
        assert_eq!(found.or_ask(|| async { Ok(Dialect::Cloud) }).await.unwrap(), Dialect::Cloud);
        assert!(found.correct(Dialect::Cloud) && found.correct(Dialect::Cloud), "two requests under way");
        assert_eq!(found.or_ask(|| async { Ok(Dialect::Cloud) }).await.unwrap(), Dialect::Namespace);
        assert!(!found.correct(Dialect::Namespace));
        let given = Spoken::new(Some(Dialect::Cloud));
        assert!(!given.correct(Dialect::Cloud));
    }

    #[test]
    fn a_scan_needs_no_vector_in_either_dialect() {
        let query = Query {
            version: Some(7),
            limit: 10_000,
            offset: 20_000,
            columns: Some(vec!["id".to_owned()]),
            filter: Some("`id` > 5".to_owned()),
            ..Query::default()
        };
        assert_eq!(
            query.body(Dialect::Cloud).unwrap(),
            json!({"k": 10_000, "offset": 20_000, "prefilter": true, "vector": [], "version": 7, "columns": ["id"],
                   "filter": "`id` > 5"})
        );
        assert_eq!(
            query.body(Dialect::Namespace).unwrap(),
            json!({"k": 10_000, "offset": 20_000, "prefilter": true, "vector": {}, "version": 7,
                   "columns": {"column_names": ["id"]}, "filter": "`id` > 5"})
        );
    }

    #[test]
    fn what_a_dialect_cannot_say_is_an_error_and_not_another_question() {
        let query = Query { limit: u64::MAX, offset: 1 << 31, ..Query::default() };
        assert!(query.body(Dialect::Cloud).is_ok());
        assert_eq!(query.body(Dialect::Namespace).unwrap_err().kind(), ErrorKind::Unsupported);
        let first = Query { limit: u64::MAX, ..Query::default() };
        assert_eq!(first.body(Dialect::Namespace).unwrap()["k"], i32::MAX);
    }

    #[test]
    fn a_search_names_its_vector_and_column() {
        let search = Search { vector: Some(vec![0.5, 1.0]), vector_column: Some("v".to_owned()), ..Search::default() };
        let query = Query { limit: 3, search: Some(search), ..Query::default() };
        assert_eq!(query.body(Dialect::Cloud).unwrap()["vector"], json!([0.5, 1.0]));
        let body = query.body(Dialect::Namespace).unwrap();
        assert_eq!((&body["vector"], &body["vector_column"]), (&json!({"single_vector": [0.5, 1.0]}), &json!("v")));
    }
}
