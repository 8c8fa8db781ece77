//! What the text of an option means.

use serde_json::{Number, Value};
use url::Url;

use super::doc::{OptionDoc, OptionKind};
use crate::near::near_matches;

/// What the text of an option is to the struct; `None` when it is not of that kind.
pub(super) fn value_of(kind: OptionKind, text: &str) -> Option<Value> {
    let is = |word: &[&str]| word.iter().any(|w| text.eq_ignore_ascii_case(w));
    match kind {
        OptionKind::Text | OptionKind::Secret => Some(Value::from(text)),
        OptionKind::Boolean if is(&["true", "t", "yes", "y", "1", "on"]) => Some(Value::Bool(true)),
        OptionKind::Boolean if is(&["false", "f", "no", "n", "0", "off"]) => Some(Value::Bool(false)),
        OptionKind::Boolean => None,
        OptionKind::Integer { min, max } => {
            text.parse::<i64>().ok().filter(|n| (min..=max).contains(n)).map(Value::from)
        }
        OptionKind::Number { min, max } | OptionKind::Seconds { min, max } => {
            let number = text.parse::<f64>().ok().filter(|n| (min..=max).contains(n))?;
            Number::from_f64(number).map(Value::Number)
        }
        OptionKind::List if text.starts_with('[') => {
            let value = serde_json::from_str::<Value>(text).ok()?;
            value.as_array()?.iter().all(Value::is_string).then_some(value)
        }
        OptionKind::List => {
            Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect())
        }
        OptionKind::Choice(words) => words.iter().find(|w| w.eq_ignore_ascii_case(text)).map(|w| Value::from(*w)),
        OptionKind::Url => {
            let url = Url::parse(text).ok()?;
            (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| Value::from(text))
        }
        OptionKind::Instant => chrono::DateTime::parse_from_rfc3339(text).ok().map(|_| Value::from(text)),
        OptionKind::Json => serde_json::from_str::<Value>(text).ok().filter(Value::is_object),
        OptionKind::Headers => {
            let value = serde_json::from_str::<Value>(text).ok()?;
            value.as_object()?.values().all(Value::is_string).then_some(value)
        }
    }
}

/// What is wrong with a text of this option, with the closest word where it is one of some; never with a secret.
pub(super) fn bad_value(doc: &OptionDoc, text: &str) -> String {
    let wanted = doc.kind.describe();
    let near = match doc.kind {
        OptionKind::Choice(words) => near_matches(text, words.iter().copied()).first().copied(),
        _ => None,
    };
    match (near, doc.kind) {
        (Some(near), _) => format!("'{}' must be {wanted}; did you mean '{near}'?", doc.name),
        (
            None,
            OptionKind::Boolean
            | OptionKind::Integer { .. }
            | OptionKind::Number { .. }
            | OptionKind::Seconds { .. }
            | OptionKind::Choice(_),
        ) => {
            format!("'{}' must be {wanted}, not '{}'", doc.name, shortened(text))
        }
        (None, _) => format!("'{}' must be {wanted}", doc.name),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_given_as_a_json_array() {
        let list = |text| value_of(OptionKind::List, text);
        assert_eq!(list("a, b,,c"), Some(serde_json::json!(["a", "b", "c"])));
        assert_eq!(list(r#"["a,b", "c"]"#), Some(serde_json::json!(["a,b", "c"])));
        assert_eq!((list("[a"), list("[1]")), (None, None));
    }
}
