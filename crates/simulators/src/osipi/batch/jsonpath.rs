//! The part of JSONPath that batches use: members, indexes and `[*]`.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Index(usize),
    All,
}

/// A parsed path below `$`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath(pub(crate) Vec<Step>);

impl JsonPath {
    /// Reads `$.a.b[*].c`, `$['a'][0]`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(tail) = rest.strip_prefix('.') {
                let end = tail.find(['.', '[']).unwrap_or(tail.len());
                let (name, tail) = tail.split_at(end);
                steps.push(match name {
                    "" => return None,
                    "*" => Step::All,
                    name => Step::Member(name.to_owned()),
                });
                rest = tail;
            } else {
                let (inner, tail) = rest.strip_prefix('[')?.split_once(']')?;
                let quoted = ['\'', '"'].iter().find_map(|quote| inner.strip_prefix(*quote)?.strip_suffix(*quote));
                steps.push(match (quoted, inner) {
                    (Some(name), _) => Step::Member(name.to_owned()),
                    (None, "*") => Step::All,
                    (None, number) => Step::Index(number.parse().ok()?),
                });
                rest = tail;
            }
        }
        Some(Self(steps))
    }

    /// The values that the steps behind the first `skip` ones select.
    pub(crate) fn select<'a>(&self, root: &'a Value, skip: usize) -> Vec<&'a Value> {
        let mut found = vec![root];
        for step in self.0.iter().skip(skip) {
            found = found
                .into_iter()
                .flat_map(|value| -> Vec<&'a Value> {
                    match (step, value) {
                        (Step::Member(name), Value::Object(members)) => members.get(name).into_iter().collect(),
                        (Step::Index(at), Value::Array(items)) => items.get(*at).into_iter().collect(),
                        (Step::All, Value::Array(items)) => items.iter().collect(),
                        (Step::All, Value::Object(members)) => members.values().collect(),
                        _ => Vec::new(),
                    }
                })
                .collect();
        }
        found
    }

    /// The name of the request that the path starts at.
    pub(crate) fn request(&self) -> Option<&str> {
        match self.0.first() {
            Some(Step::Member(name)) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_select_members_indexes_and_all() {
        let value = json!({"a": {"Items": [{"W": 1}, {"X": 2}, {"W": 3}], "b.c": "d"}});
        let select =
            |text: &str| JsonPath::parse(text).unwrap().select(&value, 0).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(select("$.a.Items[*].W"), [json!(1), json!(3)]);
        assert_eq!(select("$['a'].Items[1].X"), [json!(2)]);
        assert_eq!(select("$.a['b.c']"), [json!("d")]);
        assert_eq!(select("$.nope[*]"), Vec::<Value>::new());
        assert_eq!(JsonPath::parse("$.a.Items").unwrap().request(), Some("a"));
        for text in ["", "a.b", "$..a", "$.a[?(@.x)]", "$.a[", "$a"] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
    }
}
