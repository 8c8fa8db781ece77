//! Where in a record a field's value is.

use super::scanner::Scanner;
use crate::error::{Error, ErrorKind, Result};

/// Where in the JSON a field's value is.
///
/// Without a source a field is the member of its own name. A path is relative to the object that the enclosing
/// struct is read from (the record, at the top).
///
/// # Path grammar
///
/// ```text
/// path   = name pick* ( "." name pick* )*
/// pick   = "[" index "]"              the element at that place, from 0
///        | "[" name "=" value "]"     the first element, an object, whose member `name` is `value`
/// name   = characters other than . [ ] = "    or a JSON string: "odata.type"
/// value  = characters up to "]"               or a JSON string: "a]b"
/// ```
///
/// A path that leads through something absent or `null` finds nothing: the field is null. One that leads through
/// a value of another kind (`detail.code` where `detail` is text) does not fit, and the row is refused. Where a
/// pick meets a value that is no array, it treats it as an array of one.
///
/// ```
/// use std::sync::Arc;
/// use arrow::{array::AsArray, datatypes::Float64Type};
/// use lakeflow_connect::decode::{DecodeOptions, Decoder, FieldSource, Scanner, Shape};
/// use lakeflow_connect::{DataType, StructField, StructType};
///
/// # fn main() -> lakeflow_connect::Result<()> {
/// let schema = StructType::new([
///     StructField::new("dose_value", DataType::Double),
///     StructField::new("nhs_number", DataType::String),
///     StructField::new("birth_sex", DataType::String),
///     StructField::new("extension", DataType::String),
///     StructField::new("raw_json", DataType::String),
/// ]);
/// let shape = Shape::with_sources(&schema, |path| {
///     Some(match path {
///         ["dose_value"] => FieldSource::path("doseAndRate[0].doseQuantity.value"),
///         ["nhs_number"] => FieldSource::path("identifier[system=https://fhir.nhs.uk/Id/nhs-number].value"),
///         ["birth_sex"] => FieldSource::path("extension[url=core].extension[url=birthsex].valueCode"),
///         ["extension"] => FieldSource::json("extension"),
///         ["raw_json"] => FieldSource::record(),
///         _ => return None,
///     })
/// })?;
/// let record = concat!(
///     r#"{"doseAndRate": [{"doseQuantity": {"value": 2.50}}], "#,
///     r#""identifier": [{"system": "local", "value": "7"}, {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "943"}], "#,
///     r#""extension": [{"url": "core", "extension": [{"url": "birthsex", "valueCode": "F"}]}]}"#,
/// );
/// let mut decoder = Decoder::new(Arc::new(shape), DecodeOptions::new("example"));
/// decoder.decode_record(&mut Scanner::new(record))??;
/// let batch = decoder.flush()?;
/// assert_eq!(batch.column(0).as_primitive::<Float64Type>().value(0), 2.5);
/// assert_eq!(batch.column(1).as_string::<i32>().value(0), "943");
/// assert_eq!(batch.column(2).as_string::<i32>().value(0), "F");
/// assert!(batch.column(3).as_string::<i32>().value(0).starts_with(r#"[{"url": "core""#));
/// assert_eq!(batch.column(4).as_string::<i32>().value(0), record);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSource(pub(super) Source);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Member(String),
    Path(String),
    Json(String),
    Record,
}

impl FieldSource {
    /// The value at a path, cast to the field's type.
    pub fn path(path: impl Into<String>) -> Self {
        Self(Source::Path(path.into()))
    }

    /// The value of the member of exactly this name, whatever characters it has.
    pub fn member(name: impl Into<String>) -> Self {
        Self(Source::Member(name.into()))
    }

    /// The JSON text of the value at a path, byte for byte; null when it is absent or `null`.
    pub fn json(path: impl Into<String>) -> Self {
        Self(Source::Json(path.into()))
    }

    /// The whole record as it came, byte for byte; only for a column, not for a field inside one.
    pub fn record() -> Self {
        Self(Source::Record)
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    Member(String),
    Pick(Pick),
}

/// Which element of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    Index(usize),
    Match { key: String, value: String },
}

/// Parses the grammar of [`FieldSource`].
pub(super) fn parse(path: &str) -> Result<Vec<Hop>> {
    let wrong = |why: &'static str| {
        Error::new(ErrorKind::Internal, "a field's path cannot be read").with("path", path).with("problem", why)
    };
    let mut hops = Vec::new();
    let mut rest = path;
    loop {
        let (name, after) = name(rest, &['.', '[', ']', '=', '"']).ok_or_else(|| wrong("a name is missing"))?;
        hops.push(Hop::Member(name));
        rest = after;
        while let Some(inside) = rest.strip_prefix('[') {
            let (pick, after) = pick(inside).ok_or_else(|| wrong("brackets hold neither an index nor name=value"))?;
            hops.push(Hop::Pick(pick));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Ok(hops),
            None => return Err(wrong("expected '.' or '[' after a name")),
        }
    }
}

/// What is inside brackets, and what follows them.
fn pick(inside: &str) -> Option<(Pick, &str)> {
    if let Some((index, after)) = inside.split_once(']')
        && let Ok(index) = index.parse()
    {
        return Some((Pick::Index(index), after));
    }
    let (key, after) = name(inside, &['.', '[', ']', '=', '"'])?;
    let (value, after) = name(after.strip_prefix('=')?, &[']', '"'])?;
    Some((Pick::Match { key, value }, after.strip_prefix(']')?))
}

/// A bare name up to one of the stops, or a JSON string.
fn name<'a>(text: &'a str, stops: &[char]) -> Option<(String, &'a str)> {
    if text.starts_with('"') {
        let mut scanner = Scanner::new(text);
        let name = scanner.string().ok()?.into_owned();
        return Some((name, text.get(scanner.position()..)?));
    }
    let end = text.find(stops).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// The JSON text at the end of a path, where it can be found in a well-formed record.
pub(super) fn find<'a>(record: &'a str, hops: &[Hop]) -> Option<&'a str> {
    let mut text = record;
    for hop in hops {
        text = match hop {
            Hop::Member(name) => member(text, name)?,
            Hop::Pick(pick) => element(text, pick)?,
        };
    }
    (text != "null").then_some(text)
}

fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut scanner = Scanner::new(object);
    scanner.enter_object().ok()?;
    let mut found = None;
    while let Some(key) = scanner.next_key().ok()? {
        let value = scanner.skip().ok()?;
        if key == name {
            found = Some(value);
        }
    }
    found
}

fn element<'a>(array: &'a str, pick: &Pick) -> Option<&'a str> {
    let mut scanner = Scanner::new(array);
    if !array.starts_with('[') {
        return matches(array, 0, pick).then_some(array);
    }
    scanner.enter_array().ok()?;
    let mut at = 0;
    while scanner.next_element().ok()? {
        let value = scanner.skip().ok()?;
        if matches(value, at, pick) {
            return Some(value);
        }
        at += 1;
    }
    None
}

fn matches(element: &str, at: usize, pick: &Pick) -> bool {
    match pick {
        Pick::Index(index) => *index == at,
        Pick::Match { key, value } => member(element, key).is_some_and(|text| same_text(text, value)),
    }
}

/// Whether a JSON value is this string, or another scalar of this spelling.
pub(super) fn same_text(json: &str, value: &str) -> bool {
    if json.starts_with('"') { Scanner::new(json).string().is_ok_and(|s| s == value) } else { json == value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Hop {
        Hop::Member(name.to_owned())
    }

    fn matching(key: &str, value: &str) -> Hop {
        Hop::Pick(Pick::Match { key: key.to_owned(), value: value.to_owned() })
    }

    #[test]
    fn the_grammar_is_read() {
        assert_eq!(parse("a").unwrap(), [member("a")]);
        assert_eq!(
            parse("a[0][12].b").unwrap(),
            [member("a"), Hop::Pick(Pick::Index(0)), Hop::Pick(Pick::Index(12)), member("b")]
        );
        assert_eq!(
            parse("extension[url=http://a.b/c].extension[url=d].valueCode").unwrap(),
            [
                member("extension"),
                matching("url", "http://a.b/c"),
                member("extension"),
                matching("url", "d"),
                member("valueCode")
            ]
        );
        assert_eq!(parse(r#""a.b"[x="]\""].c"#).unwrap(), [member("a.b"), matching("x", "]\""), member("c")]);
    }

    #[test]
    fn what_the_grammar_does_not_have_is_an_error() {
        for path in
            ["", ".", "a.", ".a", "a[", "a[]", "a[x]", "a[x=]", "a[x=y", "a]b", "a b[0]c", "a[-1]", "\"a", "a=b"]
        {
            let error = parse(path).unwrap_err();
            assert_eq!(error.get("path"), Some(path));
        }
    }

    #[test]
    fn a_path_is_followed_in_a_record() {
        let record = r#"{"a": [{"k": "x", "v": 1}, {"v": 2, "k": "y"}], "b": {"c": null, "d": "e"}, "b2": 1, "b2": 2}"#;
        let at = |path: &str| find(record, &parse(path).unwrap());
        assert_eq!(at("a[k=y].v"), Some("2"));
        assert_eq!(at("a[0].v"), Some("1"));
        assert_eq!(at("a[2].v"), None);
        assert_eq!(at("b.d"), Some("\"e\""));
        assert_eq!(at("b[0].d"), Some("\"e\""));
        assert_eq!(at("b.c"), None);
        assert_eq!(at("b2"), Some("2"));
    }
}
