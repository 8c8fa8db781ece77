//! `selectedFields`: which members of an answer are sent.

use serde_json::{Map, Value};

/// A tree of wanted members; empty means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection(Vec<(String, Selection)>);

impl Selection {
    /// Reads `;`-separated dotted paths; empty text selects everything.
    pub(crate) fn parse(text: &str) -> Self {
        let mut root = Self::default();
        // A path that is a prefix of another one selects the whole member.
        let mut paths: Vec<Vec<&str>> = text
            .split(';')
            .map(|path| path.split('.').map(str::trim).filter(|name| !name.is_empty()).collect::<Vec<_>>())
            .filter(|path| !path.is_empty())
            .collect();
        paths.sort_by_key(Vec::len);
        'paths: for path in paths {
            let mut at = &mut root;
            let mut new = false;
            for (depth, name) in path.iter().enumerate() {
                if depth > 0 && !new && at.0.is_empty() {
                    continue 'paths;
                }
                let found = at.0.iter().position(|(known, _)| known == name);
                new = found.is_none();
                let index = found.unwrap_or_else(|| {
                    at.0.push(((*name).to_owned(), Self::default()));
                    at.0.len() - 1
                });
                let Some((_, child)) = at.0.get_mut(index) else { continue 'paths };
                at = child;
            }
        }
        root
    }

    /// Whether nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wanted of a member; nothing when the member is not wanted.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        const ALL: &Selection = &Selection(Vec::new());
        if self.is_all() {
            return Some(ALL);
        }
        self.0.iter().find(|(known, _)| known == name).map(|(_, child)| child)
    }

    /// Whether a member is wanted at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// Whether a member is wanted in part.
    pub(crate) fn is_part(&self, name: &str) -> bool {
        self.member(name).is_some_and(|member| !member.is_all())
    }

    /// What is left of a value; arrays are passed through.
    pub(crate) fn of(&self, value: Value) -> Value {
        if self.is_all() {
            return value;
        }
        match value {
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.clone(), self.member(&name)?.of(value))))
                    .collect::<Map<_, _>>(),
            ),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.of(item)).collect()),
            value => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(fields: &str) -> String {
        let value = json!({"Links": {"Next": "n"}, "Items": [{"A": 1, "B": {"C": 2, "D": 3}}, {"A": null}], "U": "x"});
        Selection::parse(fields).of(value).to_string()
    }

    #[test]
    fn only_what_is_selected_is_sent() {
        assert_eq!(left("Items.A"), r#"{"Items":[{"A":1},{"A":null}]}"#);
        assert_eq!(
            left("Items.A;Links;Items.B.D"),
            r#"{"Items":[{"A":1,"B":{"D":3}},{"A":null}],"Links":{"Next":"n"}}"#
        );
        assert_eq!(left("Items.B.C;Items.B;U"), r#"{"Items":[{"B":{"C":2,"D":3}},{}],"U":"x"}"#);
        assert_eq!(left("Items.Nope;items.A"), r#"{"Items":[{},{}]}"#);
        assert_eq!(left(""), left(" ; "));
    }
}
