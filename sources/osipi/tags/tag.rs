//! A stream and what is known of it.

use serde::Deserialize;

use super::super::{items::Items, ledger::Object, objects::parse_item, values::PointKind, webid::WebId};
use crate::error::Result;

/// Fields of points and attributes that a tag is made of.
pub(super) const FIELDS: &str = "WebId Name Path PointType Future Step Type DataReferencePlugIn";

/// A stream: a point of a Data Archive, or an attribute of AF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Tag {
    /// In its ids-only spelling.
    pub(in super::super) webid: Box<str>,
    /// Its name, where it was looked up; the name of a tag given by WebID is not.
    pub(in super::super) name: Option<Box<str>>,
    /// Its path, for attributes: their names are not unique.
    pub(in super::super) path: Option<Box<str>>,
    pub(in super::super) kind: TagKind,
    /// The point type or the attribute's type, where it was looked up: `Float32`, `Digital`, `String`.
    pub(in super::super) value_type: Option<Box<str>>,
    /// Whether it may hold events in the future; `None` where it was not looked up.
    pub(in super::super) future: Option<bool>,
    /// Whether values hold until the next event; `None` where it was not looked up.
    pub(in super::super) step: Option<bool>,
    /// Whether it is an attribute that came with a list: nobody knew whether it has the values that are wanted.
    pub(in super::super) by_chance: bool,
}

/// Where a stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum TagKind {
    Point,
    Attribute,
}

/// A point or attribute as the server gives it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    web_id: String,
    #[serde(default)]
    name: Option<Box<str>>,
    #[serde(default)]
    path: Option<Box<str>>,
    #[serde(default)]
    point_type: Option<Box<str>>,
    #[serde(default)]
    future: Option<bool>,
    #[serde(default)]
    step: Option<bool>,
    #[serde(default, rename = "Type")]
    value_type: Option<Box<str>>,
    #[serde(default, rename = "DataReferencePlugIn")]
    data_reference: Option<String>,
}

impl Tag {
    /// A tag of which only the WebID is known.
    pub(super) fn bare(webid: &WebId) -> Self {
        let is_point = webid.as_str().starts_with("I1DP");
        Self {
            webid: webid.as_str().into(),
            name: None,
            path: None,
            kind: if is_point { TagKind::Point } else { TagKind::Attribute },
            value_type: None,
            future: None,
            step: None,
            by_chance: false,
        }
    }

    /// What an error calls it: its path, else its name, else its WebID.
    pub(in super::super) fn label(&self) -> &str {
        self.path.as_deref().or(self.name.as_deref()).unwrap_or(&self.webid)
    }

    /// What is known of its type, for the reader of its values.
    pub(in super::super) fn point_kind(&self) -> PointKind {
        match (self.kind, self.value_type.as_deref()) {
            (TagKind::Point, Some(name)) => PointKind::of_point_type(name),
            _ => PointKind::Unknown,
        }
    }

    /// The tag as notes have it.
    pub(in super::super) fn object(&self) -> Object<'_> {
        Object { webid: Some(&self.webid), name: self.path.as_deref().or(self.name.as_deref()), window: None }
    }

    /// A point or attribute of a list or answer; `None` for an attribute without data reference, which is no stream.
    pub(super) fn of(item: &[u8]) -> Result<Option<Self>> {
        let found: Found = parse_item(item)?;
        let bare = Self::bare(&WebId::parse(&found.web_id)?);
        if bare.kind == TagKind::Attribute && found.data_reference.as_deref() == Some("") {
            return Ok(None);
        }
        Ok(Some(Self {
            name: found.name,
            path: found.path.filter(|_| bare.kind == TagKind::Attribute),
            value_type: found.point_type.or(found.value_type),
            future: found.future,
            step: found.step,
            ..bare
        }))
    }

    pub(super) fn all_of(items: &Items) -> Result<Vec<Self>> {
        items.iter().filter_map(|item| Self::of(item).transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_and_an_attribute_become_tags_and_a_plain_value_does_not() {
        let point = br#"{"WebId":"F1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAAUElTUlYxXFNJTlVTT0lE","Name":"sinusoid","Path":"x","PointType":"Float32","Future":false}"#;
        let tag = Tag::of(point).unwrap().unwrap();
        assert_eq!(
            (&*tag.webid, tag.kind, tag.label()),
            ("I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA", TagKind::Point, "sinusoid")
        );
        assert_eq!((tag.value_type.as_deref(), tag.future), (Some("Float32"), Some(false)));
        let webid = "I1AbE1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8AIiIRETMzRERVVWZmd3eIiA";
        let attribute = |plug_in: &str| {
            let path = r"\\\\AF\\Db\\E|Temp";
            Tag::of(
                format!(r#"{{"WebId":"{webid}","Name":"Temp","Path":"{path}","DataReferencePlugIn":"{plug_in}"}}"#)
                    .as_bytes(),
            )
        };
        assert_eq!(attribute("PI Point").unwrap().unwrap().label(), r"\\AF\Db\E|Temp");
        assert_eq!(attribute("").unwrap(), None);
    }

    #[test]
    fn an_item_without_webid_is_a_clear_error_without_its_content() {
        let error = Tag::of(br#"{"Name":"MARKER"}"#).unwrap_err();
        assert!(!error.to_string().contains("MARKER"), "{error}");
    }
}
