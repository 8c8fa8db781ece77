//! Rows as values that can be compared, and what a host would have stored.

use std::{cmp::Ordering, collections::BTreeMap};

use arrow::datatypes::FieldRef;
use chrono::DateTime;
use serde_json::Value;

use crate::{
    connector::{IngestionType, TableMetadata},
    decode::arrow_to_json,
    read::Records,
    types::READ_TIME_KEY,
};

/// The rows of one event as JSON objects without null members, and without columns that tell when they were read.
pub(crate) fn rows_of(records: &Records) -> Result<Vec<Value>, String> {
    let mut rows = rows_as_sent(records)?;
    rows.iter_mut().for_each(drop_nulls);
    if let Records::Arrow(batch) = records {
        let schema = batch.schema_ref();
        let marked = |field: &&FieldRef| field.metadata().get(READ_TIME_KEY).is_some_and(|marked| marked == "true");
        let read_times: Vec<&str> = schema.fields().iter().filter(marked).map(|field| field.name().as_str()).collect();
        for members in rows.iter_mut().filter_map(Value::as_object_mut) {
            members.retain(|name, _| !read_times.contains(&name.as_str()));
        }
    }
    Ok(rows)
}

/// The rows of one event as JSON objects. A struct that is there with nothing known in it has null members, not none.
pub(crate) fn rows_as_sent(records: &Records) -> Result<Vec<Value>, String> {
    match records {
        Records::Json(lines) => {
            let rows = parse_lines(&lines.bytes)?;
            if rows.len() != lines.rows {
                return Err(format!("JSON lines that say {} rows hold {}", lines.rows, rows.len()));
            }
            Ok(rows)
        }
        Records::Arrow(batch) => {
            let lines = arrow_to_json(batch).map_err(|e| format!("an Arrow batch cannot be written as JSON: {e}"))?;
            parse_lines(&lines.bytes)
        }
    }
}

fn parse_lines(text: &[u8]) -> Result<Vec<Value>, String> {
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    lines
        .map(|line| match serde_json::from_slice::<Value>(line) {
            Ok(row @ Value::Object(_)) => Ok(row),
            _ => Err("a line of the JSON records is not a JSON object".to_owned()),
        })
        .collect()
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, v| !v.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The value at a dotted path; `None` when it is absent or null.
pub(crate) fn at<'a>(row: &'a Value, path: &str) -> Option<&'a Value> {
    let found = path.split('.').try_fold(row, |value, name| value.get(name))?;
    (!found.is_null()).then_some(found)
}

/// Numbers as numbers, instants as instants, everything else as text.
pub(crate) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.as_f64().unwrap_or(f64::NAN).total_cmp(&y.as_f64().unwrap_or(f64::NAN)),
        },
        (Value::String(x), Value::String(y)) => {
            match (DateTime::parse_from_rfc3339(x), DateTime::parse_from_rfc3339(y)) {
                (Ok(x), Ok(y)) => x.cmp(&y),
                _ => x.cmp(y),
            }
        }
        _ => a.to_string().cmp(&b.to_string()),
    }
}

/// A cursor value in a form in which equal instants are equal texts.
pub(crate) fn canonical(cursor: &Value) -> String {
    match cursor {
        Value::String(text) => {
            DateTime::parse_from_rfc3339(text).map_or_else(|_| text.clone(), |t| t.to_utc().to_rfc3339())
        }
        other => other.to_string(),
    }
}

/// A row's key as JSON text; `None` when a part of it is missing.
pub(crate) fn key_of(row: &Value, keys: &[String]) -> Option<String> {
    let parts: Option<Vec<&Value>> = keys.iter().map(|key| at(row, key)).collect();
    parts.and_then(|parts| serde_json::to_string(&parts).ok())
}

/// What a host holds after landing rows: the newest row of each key for cdc tables, all rows for the others.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    metadata: TableMetadata,
    newest: BTreeMap<String, Value>,
    all: BTreeMap<String, usize>,
}

impl Contents {
    pub(crate) fn new(metadata: &TableMetadata) -> Self {
        Self { metadata: metadata.clone(), newest: BTreeMap::new(), all: BTreeMap::new() }
    }

    pub(crate) fn of<'a>(metadata: &TableMetadata, rows: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut contents = Self::new(metadata);
        contents.add(rows);
        contents
    }

    /// Whether the newest row of a key wins, rather than each row counting.
    pub(crate) fn is_keyed(&self) -> bool {
        let keyed = matches!(self.metadata.ingestion_type, IngestionType::Cdc | IngestionType::CdcWithDeletes);
        keyed && !self.metadata.primary_keys.is_empty()
    }

    pub(crate) fn add<'a>(&mut self, rows: impl IntoIterator<Item = &'a Value>) {
        for row in rows {
            match key_of(row, &self.metadata.primary_keys) {
                Some(key) if self.is_keyed() => self.land(key, row),
                _ => *self.all.entry(row.to_string()).or_default() += 1,
            }
        }
    }

    fn land(&mut self, key: String, row: &Value) {
        let newer = match self.newest.get(&key) {
            Some(held) => self.order(row, held) != Ordering::Less,
            None => true,
        };
        if newer {
            self.newest.insert(key, row.clone());
        }
    }

    /// Applies deletions: one that is older than the row it names leaves it.
    pub(crate) fn delete<'a>(&mut self, deletions: impl IntoIterator<Item = &'a Value>) {
        for deletion in deletions {
            let Some(key) = key_of(deletion, &self.metadata.primary_keys) else { continue };
            let applies = self.newest.get(&key).is_some_and(|held| self.order(deletion, held) != Ordering::Less);
            if applies {
                self.newest.remove(&key);
            }
        }
    }

    fn order(&self, a: &Value, b: &Value) -> Ordering {
        let cursor = |row| self.metadata.cursor_field.as_deref().and_then(|field| at(row, field));
        match (cursor(a), cursor(b)) {
            (Some(a), Some(b)) => compare(a, b),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => Ordering::Equal,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.newest.len() + self.all.values().sum::<usize>()
    }

    /// The rows whose keys `other` does not hold; only for keyed contents.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut left = self.clone();
        left.newest.retain(|key, _| !other.newest.contains_key(key));
        left
    }

    /// How `found` differs from these rows, in words; `None` when it does not.
    pub(crate) fn difference(&self, found: &Self) -> Option<String> {
        let mut missing = Vec::new();
        let mut extra = Vec::new();
        let mut stale = Vec::new();
        for (key, row) in &self.newest {
            match found.newest.get(key) {
                None => missing.push(key.clone()),
                Some(other) if other != row => stale.push(key.clone()),
                Some(_) => {}
            }
        }
        extra.extend(found.newest.keys().filter(|k| !self.newest.contains_key(*k)).cloned());
        let mut repeated = Vec::new();
        for (row, count) in &self.all {
            let there = found.all.get(row).copied().unwrap_or(0);
            match there.cmp(count) {
                Ordering::Less => missing.push(self.name(row)),
                Ordering::Greater => repeated.push(self.name(row)),
                Ordering::Equal => {}
            }
        }
        extra.extend(found.all.keys().filter(|row| !self.all.contains_key(*row)).map(|row| self.name(row)));
        let parts: Vec<String> = [
            ("missing", missing),
            ("too many times there", repeated),
            ("there that should not be", extra),
            ("there in another version", stale),
        ]
        .into_iter()
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(what, keys)| format!("{} of {} rows are {what}{}", keys.len(), self.len(), first_keys(&keys)))
        .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// A row's key, for messages; nothing of a row without one.
    fn name(&self, row: &str) -> String {
        let row: Value = serde_json::from_str(row).unwrap_or_default();
        let keys = &self.metadata.primary_keys;
        if keys.is_empty() { String::new() } else { key_of(&row, keys).unwrap_or_default() }
    }
}

fn first_keys(keys: &[String]) -> String {
    let named: Vec<&str> = keys.iter().map(String::as_str).filter(|k| !k.is_empty()).take(3).collect();
    if named.is_empty() { String::new() } else { format!(" (such as {})", named.join(", ")) }
}
