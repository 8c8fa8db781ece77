//! The bodies of questions, in both dialects, to one form.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::columns::Columns;
use crate::lancedb::{config::Dialect, refusal::Refusal};

/// A question for rows.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) version: Option<u64>,
    /// No bound when absent.
    pub(super) limit: Option<u64>,
    pub(super) offset: u64,
    pub(super) columns: Columns,
    pub(super) filter: Option<String>,
    pub(super) prefilter: bool,
    pub(super) with_row_id: bool,
    pub(super) search: Search,
    pub(super) dialect: Dialect,
}

/// What rows are looked for.
#[derive(Clone, Debug)]
pub(super) enum Search {
    /// All that the filter selects.
    None,
    /// Those next to each of some vectors.
    Vectors(Vec<Vec<f32>>, Nearest),
    /// Those with words.
    Words(Words),
}

/// How neighbours are looked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Nearest {
    pub(super) vector_column: Option<String>,
    pub(super) distance_type: Option<String>,
    pub(super) lower_bound: Option<f32>,
    pub(super) upper_bound: Option<f32>,
}

/// Words to look for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words {
    pub(super) terms: String,
    /// All indexed ones when empty.
    pub(super) columns: Vec<String>,
    /// All of the words, and not any of them.
    pub(super) all: bool,
    /// One after the other.
    pub(super) phrase: bool,
}

/// What both dialects spell alike.
#[derive(Debug, Deserialize)]
struct Common {
    version: Option<i64>,
    filter: Option<String>,
    prefilter: Option<bool>,
    with_row_id: Option<bool>,
    full_text_query: Option<Value>,
    branch: Option<String>,
    #[serde(flatten)]
    nearest: Nearest,
}

#[derive(Debug, Deserialize)]
struct CloudBody {
    k: u64,
    vector: CloudVector,
    offset: Option<u64>,
    columns: Option<CloudColumns>,
    order_by: Option<Value>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CloudVector {
    One(Vec<f32>),
    Many(Vec<Vec<f32>>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CloudColumns {
    Names(Vec<String>),
    Aliases(Map<String, Value>),
}

#[derive(Debug, Deserialize)]
struct NamespaceBody {
    k: i32,
    vector: NamespaceVector,
    offset: Option<i32>,
    columns: Option<NamespaceColumns>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Debug, Deserialize)]
struct NamespaceVector {
    single_vector: Option<Vec<f32>>,
    multi_vector: Option<Vec<Vec<f32>>>,
}

#[derive(Debug, Deserialize)]
struct NamespaceColumns {
    column_names: Option<Vec<String>>,
    column_aliases: Option<Map<String, Value>>,
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(Refusal::body)
}

fn aliases(map: Map<String, Value>) -> Result<Columns, Refusal> {
    let text = |(alias, value): (String, Value)| match value {
        Value::String(text) => Ok((alias, text)),
        _ => Err(Refusal::body("columns: an expression is a string")),
    };
    map.into_iter().map(text).collect::<Result<_, _>>().map(Columns::Aliases)
}

fn names(names: Vec<String>) -> Columns {
    if names.is_empty() { Columns::All } else { Columns::Names(names) }
}

impl Query {
    /// # Errors
    /// For a body that the dialect does not have.
    pub(crate) fn parse(dialect: Dialect, body: &[u8]) -> Result<Self, Refusal> {
        match dialect {
            Dialect::Cloud => Self::cloud(parse(body)?),
            Dialect::Namespace => Self::namespace(parse(body)?),
        }
    }

    fn cloud(body: CloudBody) -> Result<Self, Refusal> {
        if body.order_by.is_some_and(|order| !order.is_null()) {
            return Err(Refusal::invalid("order_by is not supported by this server"));
        }
        let vectors = match body.vector {
            CloudVector::One(one) if one.is_empty() => Vec::new(),
            CloudVector::One(one) => vec![one],
            CloudVector::Many(many) => many,
        };
        let words =
            body.common.full_text_query.as_ref().filter(|query| !query.is_null()).map(cloud_words).transpose()?;
        let columns = match body.columns {
            None => Columns::All,
            Some(CloudColumns::Names(all)) => names(all),
            Some(CloudColumns::Aliases(map)) => aliases(map)?,
        };
        let limit = (body.k > 0).then_some(body.k);
        Self::of(Dialect::Cloud, body.common, (limit, body.offset.unwrap_or(0)), columns, vectors, words)
    }

    fn namespace(body: NamespaceBody) -> Result<Self, Refusal> {
        let offset = u64::try_from(body.offset.unwrap_or(0)).map_err(|_| {
            Refusal::invalid("Invalid limit/offset: InvalidInput { source: \"Offset must be non-negative\" }")
        })?;
        let limit = u64::try_from(body.k).ok().filter(|limit| *limit > 0);
        // Without a bound the reference server does not look at the offset.
        let offset = if limit.is_some() { offset } else { 0 };
        let vectors = match (body.vector.single_vector, body.vector.multi_vector) {
            (Some(one), _) => vec![one],
            (None, many) => many.unwrap_or_default().into_iter().take(1).collect(),
        };
        let words = body.common.full_text_query.as_ref().map(namespace_words).transpose()?.flatten();
        let columns = match body.columns.map(|columns| (columns.column_names, columns.column_aliases)) {
            Some((_, Some(map))) => aliases(map)?,
            Some((Some(all), None)) => names(all),
            _ => Columns::All,
        };
        Self::of(Dialect::Namespace, body.common, (limit, offset), columns, vectors, words)
    }

    fn of(
        dialect: Dialect,
        common: Common,
        (limit, offset): (Option<u64>, u64),
        columns: Columns,
        vectors: Vec<Vec<f32>>,
        words: Option<Words>,
    ) -> Result<Self, Refusal> {
        if common.branch.is_some_and(|branch| branch != "main") {
            return Err(Refusal::unsupported("this server has no branches"));
        }
        let version = common
            .version
            .map(u64::try_from)
            .transpose()
            .map_err(|_| Refusal::invalid("Table version for query_table must be non-negative"))?;
        let search = match (vectors.is_empty(), words) {
            (true, None) => Search::None,
            (true, Some(words)) => Search::Words(words),
            (false, None) => Search::Vectors(vectors, common.nearest),
            (false, Some(_)) => return Err(Refusal::invalid("a query has a vector or words, not both")),
        };
        Ok(Self {
            version,
            limit,
            offset,
            columns,
            filter: common.filter.filter(|filter| !filter.is_empty()),
            prefilter: common.prefilter.unwrap_or(dialect == Dialect::Cloud),
            with_row_id: common.with_row_id.unwrap_or(false),
            search,
            dialect,
        })
    }
}

#[derive(Deserialize)]
struct PlainWords {
    query: Value,
    #[serde(default)]
    columns: Option<Vec<String>>,
}

fn cloud_words(value: &Value) -> Result<Words, Refusal> {
    let PlainWords { query, columns } = serde_json::from_value(value.clone()).map_err(Refusal::body)?;
    words_of(&query, columns.unwrap_or_default())
}

/// Without one of the two members there is no search, as on the reference server.
fn namespace_words(value: &Value) -> Result<Option<Words>, Refusal> {
    let inner = value.get("string_query").or_else(|| value.get("structured_query")).filter(|inner| !inner.is_null());
    inner.map(cloud_words).transpose()
}

#[derive(Deserialize)]
struct Match {
    #[serde(default)]
    column: Option<String>,
    terms: String,
    #[serde(default)]
    operator: Option<String>,
    #[serde(default)]
    fuzziness: Option<u32>,
}

fn words_of(query: &Value, columns: Vec<String>) -> Result<Words, Refusal> {
    if let Value::String(terms) = query {
        return Ok(Words { terms: terms.clone(), columns, all: false, phrase: false });
    }
    let kinds = [("match", false), ("phrase", true)];
    let found = kinds.iter().find_map(|(name, phrase)| Some((query.get(name)?, *phrase)));
    let Some((inner, phrase)) = found else {
        return Err(Refusal::unsupported("this server searches for words and phrases only"));
    };
    let inner: Match = serde_json::from_value(inner.clone()).map_err(Refusal::body)?;
    if inner.fuzziness.is_some_and(|distance| distance > 0) {
        return Err(Refusal::unsupported("this server searches for exact words only"));
    }
    let all = inner.operator.is_some_and(|operator| operator.eq_ignore_ascii_case("and"));
    let columns = inner.column.map_or(columns, |column| vec![column]);
    Ok(Words { terms: inner.terms, columns, all, phrase })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_own_body_and_refuses_the_others() {
        let cloud =
            br#"{"k":5,"offset":2,"prefilter":true,"vector":[],"version":7,"columns":["id"],"filter":"id > 5"}"#;
        let namespace =
            br#"{"k":5,"offset":2,"prefilter":true,"vector":{},"version":7,"columns":{"column_names":["id"]},"filter":"id > 5"}"#;
        for (dialect, body) in [(Dialect::Cloud, &cloud[..]), (Dialect::Namespace, namespace)] {
            let query = Query::parse(dialect, body).unwrap();
            assert_eq!((query.version, query.limit, query.offset), (Some(7), Some(5), 2));
            assert_eq!(query.columns, Columns::Names(vec!["id".to_owned()]));
            assert_eq!(query.filter.as_deref(), Some("id > 5"));
        }
        assert!(Query::parse(Dialect::Cloud, namespace).is_err() && Query::parse(Dialect::Namespace, cloud).is_err());
        for body in ["{", "{}", r#"{"k":1}"#, r#"{"k":-1,"vector":[]}"#, r#"{"k":1,"vector":[NaN]}"#] {
            assert!(Query::parse(Dialect::Cloud, body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn no_bound_means_no_offset_in_the_namespace() {
        let query = Query::parse(Dialect::Namespace, br#"{"k":0,"offset":7,"vector":{}}"#).unwrap();
        assert_eq!((query.limit, query.offset), (None, 0));
        assert!(Query::parse(Dialect::Namespace, br#"{"k":99999999999,"vector":{}}"#).is_err());
        let query = Query::parse(Dialect::Cloud, br#"{"k":9223372036854775807,"offset":7,"vector":[]}"#).unwrap();
        assert_eq!((query.limit, query.offset), (Some(9_223_372_036_854_775_807), 7));
    }

    #[test]
    fn words_come_in_three_forms() {
        let words = |terms: &str, column: &str, all, phrase| Words {
            terms: terms.to_owned(),
            columns: vec![column.to_owned()],
            all,
            phrase,
        };
        let body = |query: &str| format!(r#"{{"k":1,"vector":[],"full_text_query":{query}}}"#);
        for (query, wanted) in [
            (r#"{"query":"a b","columns":["t"]}"#, words("a b", "t", false, false)),
            (r#"{"query":{"match":{"column":"t","terms":"a b","operator":"And"}}}"#, words("a b", "t", true, false)),
            (r#"{"query":{"phrase":{"column":"t","terms":"a b"}}}"#, words("a b", "t", false, true)),
        ] {
            let Search::Words(found) = Query::parse(Dialect::Cloud, body(query).as_bytes()).unwrap().search else {
                panic!("no search: {query}");
            };
            assert_eq!(found, wanted);
        }
        assert!(Query::parse(Dialect::Cloud, body(r#"{"query":{"boost":{}}}"#).as_bytes()).is_err());
    }
}
