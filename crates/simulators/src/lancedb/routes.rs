//! Paths to answers.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answers::{Answers, Asked as Question},
    config::{Config, Dialect},
    database::Database,
    encode, lists,
    query::{self, Query},
    refusal::Refusal,
    schema,
    table::{Index, Table, Version},
};
use crate::server::{Reply, Request};

type Answer = Result<Reply, Refusal>;

/// One request with what answers it.
pub(crate) struct Call<'a> {
    pub(crate) config: &'a Config,
    pub(crate) database: &'a Database,
    pub(crate) answers: &'a Mutex<Answers>,
    pub(crate) request: &'a Request,
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    version: Option<i64>,
    #[serde(default)]
    predicate: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    query: Option<Value>,
}

fn json_reply(value: &Value) -> Reply {
    Reply::new(200, "application/json", value.to_string())
}

impl Call<'_> {
    /// The answer to a path below the API's root.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) fn answer(&self, path: &[String]) -> Answer {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Config { dialect, limits, .. } = self.config;
        match (&self.request.method, path.as_slice()) {
            (&Method::GET, ["v1", "table"]) => {
                lists::flat(self.database, self.request, *dialect, limits.page).map(|list| json_reply(&list))
            }
            (&Method::GET, ["v1", "namespace", namespace, "table", "list"]) => {
                lists::tables(self.database, namespace, self.request).map(|list| json_reply(&list))
            }
            (&Method::GET, ["v1", "namespace", namespace, "list"]) => {
                lists::namespaces(self.database, namespace, self.request).map(|list| json_reply(&list))
            }
            (&Method::POST, ["v1", "table", id, what @ ..]) => self.table(id, what),
            _ => Ok(Reply::new(404, "text/plain; charset=utf-8", "")),
        }
    }

    fn table(&self, id: &str, what: &[&str]) -> Answer {
        let asked = self.asked()?;
        let table = self.database.tables.get(id).ok_or_else(|| Refusal::no_table(id))?;
        if table.latest().is_none() && what != ["describe"] && what != ["exists"] {
            return Err(Refusal::no_table(id));
        }
        match what {
            ["describe"] => self.describe(id, table, &asked),
            ["exists"] => Ok(Reply::new(200, "application/json", "")),
            ["count_rows"] => {
                let version = self.version(id, table, asked.version)?;
                let filter = asked.predicate.as_deref().filter(|filter| !filter.is_empty());
                let rows = query::count(&version, filter).map_err(|refusal| self.filter_refused(refusal))?;
                Ok(self.told(json_reply(&rows.into()), &version))
            }
            ["query"] => {
                let query = Query::parse(self.config.dialect, &self.request.body)?;
                let pinned = query.version.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
                let version = self.version(id, table, pinned)?;
                Ok(self.told(self.rows(id, &query, &version)?, &version))
            }
            ["version", "list"] => {
                let known = self.version(id, table, None)?;
                Ok(self.told(json_reply(&self.versions(table, known.number)), &known))
            }
            ["version", "describe"] => {
                let version = self.version(id, table, asked.version)?;
                Ok(json_reply(&json!({ "version": self.shown_version(&version) })))
            }
            ["tags", "list"] => {
                let shown = |(tag, number): (&String, &u64)| {
                    let size = table.version(*number).map_or(0, |version| version.manifest_size());
                    (tag.clone(), json!({ "version": number, "manifestSize": size, "manifest_size": size }))
                };
                let tags: Map<String, Value> = table.tags.iter().map(shown).collect();
                Ok(json_reply(&match self.config.dialect {
                    Dialect::Cloud => Value::Object(tags),
                    Dialect::Namespace => json!({ "tags": tags }),
                }))
            }
            ["tags", "version"] => {
                let tag = asked.tag.ok_or_else(|| Refusal::body("missing field `tag`"))?;
                let number = table.tags.get(&tag).ok_or_else(|| Refusal::no_tag(id, &tag))?;
                Ok(json_reply(&json!({ "version": number })))
            }
            ["branches", "list"] => Ok(json_reply(&json!({ "branches": {} }))),
            ["index", "list"] => {
                let version = self.version(id, table, asked.version)?;
                let rows = version.rows();
                let shown = |index: &Index| {
                    json!({
                        "index_name": index.name,
                        "index_uuid": format!("00000000-0000-4000-8000-{:012x}", index.name.len()),
                        "columns": [index.column],
                        "index_type": index.kind.word(),
                        "status": "done",
                        "num_indexed_rows": rows,
                        "num_unindexed_rows": 0,
                    })
                };
                Ok(json_reply(&json!({ "indexes": version.indices.iter().map(shown).collect::<Vec<_>>() })))
            }
            ["index", name, "stats"] => {
                let version = self.version(id, table, asked.version)?;
                let index = version.indices.iter().find(|index| index.name == *name);
                let index = index.ok_or_else(|| Refusal::no_index(id, name))?;
                Ok(json_reply(&json!({
                    "num_indexed_rows": version.rows(), "num_unindexed_rows": 0, "index_type": index.kind.word(), "num_indices": 1,
                })))
            }
            ["stats"] => Ok(json_reply(&stats(self.version(id, table, asked.version)?.as_ref()))),
            ["explain_plan"] => {
                let body = asked.query.ok_or_else(|| Refusal::body("missing field `query`"))?;
                let query = Query::parse(self.config.dialect, body.to_string().as_bytes())?;
                let pinned = query.version.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
                let version = self.version(id, table, pinned)?;
                let plan = query.plan(&version).map_err(|refusal| self.filter_refused(refusal))?;
                Ok(json_reply(&plan.into()))
            }
            _ => Ok(Reply::new(404, "text/plain; charset=utf-8", "")),
        }
    }

    /// The answer with rows: one that was kept, or a new one.
    fn rows(&self, id: &str, query: &Query, version: &Version) -> Answer {
        let wire = &self.database.wire;
        let answers = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let question = answers().are_kept().then(|| Question {
            table: id.to_owned(),
            e_tag: version.e_tag.clone(),
            body: self.request.body.clone(),
            wire: wire.clone(),
        });
        if let Some(body) = question.as_ref().and_then(|question| answers().find(question)) {
            return Ok(encode::of(body, wire));
        }
        let rows = query.run(version, self.config.limits.column_bytes);
        let reply = encode::reply(&rows.map_err(|refusal| self.filter_refused(refusal))?, wire)?;
        if let Some(question) = question {
            answers().keep(question, &reply.body);
        }
        Ok(reply)
    }

    /// The body's common members. Cloud takes a request without a body; the Namespace does not.
    fn asked(&self) -> Result<Asked, Refusal> {
        let body = &self.request.body;
        match (self.config.dialect, body.is_empty()) {
            (Dialect::Cloud, true) => Ok(Asked::default()),
            (Dialect::Namespace, true) => Err(Refusal::body("EOF while parsing a value at line 1 column 0")),
            (_, false) => serde_json::from_slice(body).map_err(Refusal::body),
        }
    }

    /// The version that is asked for, or the latest that this node answers with.
    fn version(&self, id: &str, table: &Table, pinned: Option<i64>) -> Result<Arc<Version>, Refusal> {
        if let Some(pinned) = pinned {
            let number = u64::try_from(pinned)
                .map_err(|_| Refusal::invalid(format!("Table version must be non-negative, got {pinned}")))?;
            return table.version(number).cloned().ok_or_else(|| Refusal::no_version(id, number));
        }
        let latest = table.latest().ok_or_else(|| Refusal::no_table(id))?;
        let floor = |name: &str| self.request.header(name).and_then(|value| value.parse::<u64>().ok());
        let floor = floor("x-lancedb-min-read-version").max(floor("x-lancedb-min-version")).unwrap_or(0);
        if floor > latest.number {
            return Err(Refusal::failed(format!("version {floor} is not committed yet")).with_status(503));
        }
        let known = self.known(table, latest.number).max(floor);
        let found = table.versions.range(..=known).next_back().map(|(_, version)| version);
        Ok(Arc::clone(found.or_else(|| table.versions.values().next()).unwrap_or(latest)))
    }

    /// The newest version that a node knows which is behind the others: all from before the time that is asked for.
    fn known(&self, table: &Table, latest: u64) -> u64 {
        let behind = latest.saturating_sub(self.config.stale);
        let since = self.request.header("x-lancedb-min-timestamp");
        let since = since.and_then(|time| chrono::DateTime::parse_from_rfc3339(time).ok());
        let is_asked_for = |millis: i64| since.is_some_and(|since| since.timestamp_millis() >= millis);
        let asked = table.versions.values().rev().find(|version| is_asked_for(version.millis));
        asked.map_or(behind, |version| version.number.max(behind))
    }

    /// Servers do not agree on the status of a filter that cannot be used.
    fn filter_refused(&self, refusal: Refusal) -> Refusal {
        let status = self.config.limits.bad_filter;
        if refusal.is_of_input() { refusal.with_status(status) } else { refusal }
    }

    /// With the version that answered.
    fn told(&self, reply: Reply, version: &Version) -> Reply {
        match self.config.dialect {
            Dialect::Cloud => reply.with("x-lancedb-version", version.number.to_string()),
            Dialect::Namespace => reply,
        }
    }

    fn describe(&self, id: &str, table: &Table, asked: &Asked) -> Answer {
        let dialect = self.config.dialect;
        let mut path: Vec<&str> = id.split('$').collect();
        let name = path.pop().unwrap_or_default();
        let location = format!("/data/{}.lance", id.replace('$', "/"));
        let mut told = json!({ "table": name, "location": location });
        if dialect == Dialect::Namespace {
            told["namespace"] = json!(path);
            told["table_uri"] = location.into();
            told["is_only_declared"] = table.latest().is_none().into();
        }
        let detailed =
            self.request.parameters().iter().any(|(name, value)| name == "load_detailed_metadata" && value == "true");
        if table.latest().is_none() {
            return match dialect {
                Dialect::Cloud => Err(Refusal::no_table(id)),
                Dialect::Namespace => Ok(json_reply(&told)),
            };
        }
        let version = self.version(id, table, asked.version)?;
        if dialect == Dialect::Cloud || detailed {
            let schema = schema::shown(&version.schema, dialect)?;
            told["version"] = version.number.into();
            told["schema"] = if self.database.wire.schema_as_text { schema.to_string().into() } else { schema };
        }
        match dialect {
            Dialect::Cloud => {
                told["stats"] = json!({ "num_deleted_rows": version.deleted(), "num_fragments": version.parts.len() });
            }
            Dialect::Namespace if detailed => {
                told["metadata"] = json!({
                    "total_rows": version.rows().to_string(),
                    "total_fragments": version.parts.len().to_string(),
                    "total_deletion_file_rows": version.deleted().to_string(),
                    "total_files_size": version.bytes().to_string(),
                });
            }
            Dialect::Namespace => {}
        }
        Ok(self.told(json_reply(&told), &version))
    }

    fn versions(&self, table: &Table, known: u64) -> Value {
        let parameter =
            |name: &str| self.request.parameters().into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let mut all: Vec<Value> =
            table.versions.range(..=known).map(|(_, version)| self.shown_version(version)).collect();
        if parameter("descending").is_some_and(|value| value == "true") {
            all.reverse();
        }
        if let Some(limit) = parameter("limit").and_then(|limit| limit.parse().ok()) {
            all.truncate(limit);
        }
        json!({ "versions": all })
    }

    fn shown_version(&self, version: &Version) -> Value {
        let millis = version.millis;
        match self.config.dialect {
            Dialect::Cloud if self.database.wire.version_millis => {
                json!({ "version": version.number, "timestamp_millis": millis })
            }
            Dialect::Cloud => {
                let time = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
                let time = time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
                json!({ "version": version.number, "timestamp": time, "metadata": {} })
            }
            Dialect::Namespace => json!({
                "version": version.number,
                "manifest_path": format!("_versions/{}.manifest", u64::MAX - version.number),
                "manifest_size": version.manifest_size(),
                "e_tag": version.e_tag,
                "timestamp_millis": millis,
            }),
        }
    }
}

fn stats(version: &Version) -> Value {
    let mut lengths: Vec<usize> = version.parts.iter().map(super::table::Part::rows).collect();
    lengths.sort_unstable();
    let at = |percent: usize| {
        lengths.get((lengths.len() * percent / 100).min(lengths.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let mean = version.rows().checked_div(lengths.len()).unwrap_or(0);
    json!({
        "total_bytes": version.bytes(),
        "num_rows": version.rows(),
        "num_indices": version.indices.len(),
        "fragment_stats": {
            "num_fragments": lengths.len(),
            "num_small_fragments": lengths.iter().filter(|length| **length < 100_000).count(),
            "lengths": {
                "min": at(0), "max": at(100), "mean": mean, "p25": at(25), "p50": at(50), "p75": at(75), "p99": at(99),
            },
        },
    })
}
