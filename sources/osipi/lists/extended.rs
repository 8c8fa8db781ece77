//! Members of items that are objects by name or links.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::super::{objects::parse_item, webid::WebId};
use crate::error::Result;

/// Extended properties by name: each an object with a `Value`, or a plain value.
pub(super) type Properties<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

#[derive(Deserialize)]
struct Property<'a> {
    #[serde(borrow, rename = "Value", default)]
    value: Option<&'a RawValue>,
}

/// Names and texts of extended properties.
pub(super) fn texts(properties: &Properties<'_>) -> Result<Vec<(String, Option<String>)>> {
    properties
        .iter()
        .map(|(name, raw)| {
            let value = match raw.get().starts_with('{') {
                true => parse_item::<Property<'_>>(raw.get().as_bytes())?.value,
                false => Some(*raw),
            };
            Ok((name.to_string(), value.map(text).transpose()?.flatten()))
        })
        .collect()
}

/// The text of a value: of strings as it reads, of others as it is written.
pub(super) fn text(value: &RawValue) -> Result<Option<String>> {
    Ok(match value.get() {
        "null" => None,
        text if text.starts_with('"') => Some(parse_item::<String>(text.as_bytes())?),
        text => Some(text.to_owned()),
    })
}

/// Links of an item, by what they lead to.
#[derive(Default, Deserialize)]
pub(super) struct Links<'a> {
    #[serde(borrow, default, rename = "Parent")]
    parent: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "ElementTemplate")]
    element_template: Option<Cow<'a, str>>,
}

impl Links<'_> {
    /// The WebID of the parent, when that is an object of the collection.
    pub(super) fn parent(&self, collection: &str) -> Option<String> {
        self.parent.as_deref().and_then(|url| webid_in(url, collection))
    }

    /// The WebID of the template that the item belongs to.
    pub(super) fn element_template(&self) -> Option<String> {
        self.element_template.as_deref().and_then(|url| webid_in(url, "elementtemplates"))
    }
}

/// The WebID in an address such as `https://pi/piwebapi/elements/{webid}`, in its one spelling.
fn webid_in(url: &str, collection: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?.trim_end_matches('/');
    let (before, webid) = path.rsplit_once('/')?;
    let (_, found) = before.rsplit_once('/')?;
    if !found.eq_ignore_ascii_case(collection) {
        return None;
    }
    WebId::parse(webid).ok().map(|id| id.as_str().to_owned())
}

/// The other paths of an item: texts, or objects with a `Path`.
pub(super) fn paths(raw: Option<&RawValue>) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Path {
        Text(String),
        Object {
            #[serde(rename = "Path")]
            path: String,
        },
        Other(IgnoredAny),
    }
    let paths: Vec<Path> = serde_json::from_str(raw?.get()).ok()?;
    let text = |path| match path {
        Path::Text(path) | Path::Object { path } => Some(path),
        Path::Other(_) => None,
    };
    Some(paths.into_iter().filter_map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_become_texts() {
        let json = r#"{"a":{"Value":"x"},"b":{"Value":1.50},"c":{"Value":null},"d":"plain","e":{"Value":{"q":1}}}"#;
        let found = texts(&serde_json::from_str(json).unwrap()).unwrap();
        let found: Vec<(&str, Option<&str>)> = found.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
        assert_eq!(
            found,
            [("a", Some("x")), ("b", Some("1.50")), ("c", None), ("d", Some("plain")), ("e", Some(r#"{"q":1}"#))]
        );
    }

    #[test]
    fn the_parent_is_found_in_its_link() {
        let element = "I1Em1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8A";
        let url = format!("https://pi/piwebapi/elements/{element}");
        assert_eq!(webid_in(&url, "elements").as_deref(), Some(element));
        assert_eq!(webid_in(&url, "assetdatabases"), None);
        assert_eq!(webid_in("https://pi/piwebapi/elements/x", "elements"), None);
    }

    #[test]
    fn paths_are_texts_or_objects() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let of = |text: &str| paths(Some(&raw(text)));
        assert_eq!(of(r#"["a","b"]"#), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(of(r#"[{"Path":"a","RelativePath":"x"}]"#), Some(vec!["a".to_owned()]));
        assert_eq!(of("null"), None);
    }
}
