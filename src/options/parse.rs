//! The string map and its typed view.

use std::{collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    doc::{Level, OptionDoc},
    value::{bad_value, value_of},
};
use crate::{
    error::{Error, ErrorKind, Result},
    near::near_matches,
};

/// Options as Spark and the command line pass them: strings, keys ignore case.
///
/// `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one option; the last value given for a name wins.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into().to_lowercase(), value.into());
    }

    /// Sets one option.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(key, value);
        self
    }

    /// The text given for an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(&key.to_lowercase()).map(String::as_str)
    }

    /// The names given, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names and texts, in alphabetical order of names. Texts may be secrets.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The typed view of the options of one level, with defaults filled in.
    ///
    /// # Errors
    /// One [`Config`](ErrorKind::Config) error that names every problem: unknown names with the closest known one,
    /// missing ones, and values that are not of the option's kind. Values of secret options are never repeated.
    pub fn parse<T: DeserializeOwned>(&self, level: Level, docs: &[OptionDoc]) -> Result<T> {
        self.parse_with(level, docs, |_: &T, _| {})
    }

    /// As [`Options::parse`], with a check across options whose problems join the same report.
    ///
    /// # Errors
    /// As [`Options::parse`].
    pub fn parse_with<T: DeserializeOwned>(
        &self,
        level: Level,
        docs: &[OptionDoc],
        check: impl FnOnce(&T, &mut Problems),
    ) -> Result<T> {
        let mut problems = Problems::default();
        let fields = self.fields(level, docs, &mut problems);
        if problems.is_empty() {
            let typed: T = serde_json::from_value(Value::Object(fields)).map_err(|_| {
                Error::new(ErrorKind::Internal, "the option list and the option struct of this source disagree")
            })?;
            check(&typed, &mut problems);
            problems.into_result()?;
            return Ok(typed);
        }
        Err(problems.into_error())
    }

    /// Adds what is wrong with each option of one level by itself, for hosts that check options before they connect: unknown
    /// names, missing ones, bad values. What options mean together is the source's to check.
    pub fn check(&self, level: Level, docs: &[OptionDoc], problems: &mut Problems) {
        self.fields(level, docs, problems);
    }

    fn fields(&self, level: Level, docs: &[OptionDoc], problems: &mut Problems) -> Map<String, Value> {
        self.report_unknown(level, docs, problems);
        let mut fields = Map::new();
        for doc in docs.iter().filter(|d| d.level == level) {
            let given = self.given(doc, problems);
            match given.or(doc.default) {
                Some(text) => match value_of(doc.kind, text) {
                    Some(value) => {
                        if let Some(target) = group_of(&mut fields, doc) {
                            target.insert(doc.name.to_owned(), value);
                        }
                    }
                    None => problems.add(bad_value(doc, text)),
                },
                None if doc.required => problems.add(format!("'{}' is missing: {}", doc.name, doc.about)),
                // The group exists even when none of its options is given.
                None => _ = group_of(&mut fields, doc),
            }
        }
        fields
    }

    /// The text given for an option under any of its names.
    fn given(&self, doc: &OptionDoc, problems: &mut Problems) -> Option<&str> {
        let names = [doc.name].into_iter().chain(doc.aliases.iter().copied());
        let mut given =
            names.filter_map(|name| Some((name, self.get(name)?.trim()))).filter(|(_, text)| !text.is_empty());
        let (name, text) = given.next()?;
        if let Some((other, _)) = given.find(|(_, other)| *other != text) {
            problems.add(format!("'{name}' and '{other}' are the same option and have different values"));
        }
        Some(text)
    }

    fn report_unknown(&self, level: Level, docs: &[OptionDoc], problems: &mut Problems) {
        for name in self.names() {
            match docs.iter().find(|d| d.is_named(name)) {
                Some(doc) if doc.level == level => {}
                Some(_) if level == Level::Table => {
                    problems.add(format!("'{name}' is a connection option, not a table option"));
                }
                Some(_) => problems.add(format!("'{name}' is a table option, not a connection option")),
                None => {
                    // Of two that are as near, the one of this level.
                    let (own, others): (Vec<&OptionDoc>, Vec<&OptionDoc>) = docs.iter().partition(|d| d.level == level);
                    let near = near_matches(name, own.iter().chain(&others).map(|d| d.name)).into_iter().next();
                    problems.add(match near {
                        Some(near) if own.iter().any(|d| d.name == near) => {
                            format!("there is no option '{name}'; did you mean '{near}'?")
                        }
                        Some(near) => {
                            let other = if level == Level::Table { "connection" } else { "table" };
                            format!("there is no option '{name}'; did you mean the {other} option '{near}'?")
                        }
                        None => format!("there is no option '{name}'"),
                    });
                }
            }
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut options = Self::new();
        for (key, value) in pairs {
            options.insert(key, value);
        }
        options
    }
}

/// Option problems, gathered so that a user mends them in one go.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Adds one problem; never with the value of a secret.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// One by one, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok` when there are none.
    ///
    /// # Errors
    /// One [`Config`](ErrorKind::Config) error with all of them.
    pub fn into_result(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }

    /// One [`Config`](ErrorKind::Config) error with all of them.
    pub fn into_error(self) -> Error {
        Error::new(ErrorKind::Config, self.0.join("; "))
    }
}

/// The object that holds the option: the whole, or its group's.
fn group_of<'a>(fields: &'a mut Map<String, Value>, doc: &OptionDoc) -> Option<&'a mut Map<String, Value>> {
    match doc.group {
        None => Some(fields),
        Some(group) => fields.entry(group).or_insert_with(|| Value::Object(Map::new())).as_object_mut(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use url::Url;

    use super::*;
    use crate::{
        options::{OptionKind, assert_documented},
        secret::Secret,
    };

    const DOCS: &[OptionDoc] = &[
        OptionDoc::connection("base_url", OptionKind::Url, "the FHIR root").required(),
        OptionDoc::connection("auth_type", OptionKind::Choice(&["none", "basic"]), "how to log in").default("none"),
        OptionDoc::connection("password", OptionKind::Secret, "for basic"),
        OptionDoc::connection("max_retries", OptionKind::Integer { min: 0, max: 20 }, "tries").default("5"),
        OptionDoc::table("page_size", OptionKind::Integer { min: 1, max: 1000 }, "rows a page").default("100"),
        OptionDoc::table("startTime", OptionKind::Text, "from").aliases(&["start_time", "from"]),
    ];

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Connection {
        base_url: Url,
        auth_type: String,
        password: Option<Secret>,
        max_retries: u32,
    }

    #[test]
    fn defaults_are_filled_in_and_keys_ignore_case() {
        let options = Options::new().with("BASE_URL", "http://localhost/fhir").with("Auth_Type", "BASIC");
        let c: Connection = options.parse(Level::Connection, DOCS).unwrap();
        assert_eq!((c.auth_type.as_str(), c.max_retries), ("basic", 5));
    }

    #[derive(Debug, Deserialize)]
    struct Table {
        page_size: u32,
        #[serde(rename = "startTime")]
        start_time: Option<String>,
    }

    #[test]
    fn an_option_goes_by_any_of_its_names() {
        assert_documented::<Table>(Level::Table, DOCS);
        for name in ["startTime", "starttime", "start_time", "FROM"] {
            let table: Table = Options::new().with(name, "*-1d").parse(Level::Table, DOCS).unwrap();
            assert_eq!((table.start_time.as_deref(), table.page_size), (Some("*-1d"), 100), "{name}");
        }
        let twice = Options::new().with("from", "a").with("startTime", "a");
        assert!(twice.parse::<Table>(Level::Table, DOCS).is_ok());
        let error = twice.with("from", "b").parse::<Table>(Level::Table, DOCS).unwrap_err().to_string();
        assert!(error.contains("'startTime' and 'from' are the same option"), "{error}");
    }

    #[test]
    fn every_problem_is_reported_at_once_and_no_secret_is_repeated() {
        let options = Options::new()
            .with("base_ulr", "x")
            .with("auth_type", "basik")
            .with("max_retries", "many")
            .with("page_size", "10")
            .with("page_sizes", "10")
            .with("password", "MARKER");
        let error = options.parse::<Connection>(Level::Connection, DOCS).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        for part in [
            "there is no option 'base_ulr'; did you mean 'base_url'?",
            "'base_url' is missing",
            "did you mean 'basic'?",
            "'max_retries' must be a whole number from 0 to 20, not 'many'",
            "'page_size' is a table option",
            "there is no option 'page_sizes'; did you mean the table option 'page_size'?",
        ] {
            assert!(text.contains(part), "{part:?} not in {text:?}");
        }
        assert!(!text.contains("MARKER"));
        assert!(!format!("{options:?}").contains("MARKER"));
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Grouped {
        base_url: Url,
        limits: Limits,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Limits {
        max_retries: u32,
        headers: Option<std::collections::BTreeMap<String, Secret>>,
    }

    const BASE: &[OptionDoc] = &[OptionDoc::connection("base_url", OptionKind::Url, "the root").required()];
    const LIMITS: &[OptionDoc] = &[
        OptionDoc::connection("max_retries", OptionKind::Integer { min: 0, max: 20 }, "tries")
            .default("5")
            .group("limits"),
        OptionDoc::connection("headers", OptionKind::Headers, "sent along").group("limits"),
    ];
    const GROUPED: &[OptionDoc] = &crate::options::joined::<{ BASE.len() + LIMITS.len() }>(&[BASE, LIMITS]);

    #[test]
    fn a_group_is_flat_for_the_user_and_a_field_for_the_source() {
        assert_documented::<Grouped>(Level::Connection, GROUPED);
        let options = Options::new().with("base_url", "http://localhost").with("max_retries", "7");
        let grouped: Grouped = options.parse(Level::Connection, GROUPED).unwrap();
        assert_eq!(grouped.limits.max_retries, 7);
        let unknown = options.with("max_retry", "1").parse::<Grouped>(Level::Connection, GROUPED).unwrap_err();
        assert!(unknown.to_string().contains("did you mean 'max_retries'?"), "{unknown}");
    }

    #[test]
    fn headers_are_texts_and_never_repeated() {
        let options = Options::new().with("base_url", "http://localhost");
        let bad = options.clone().with("headers", r#"{"x-key":{"MARKER":1}}"#);
        let error = bad.parse::<Grouped>(Level::Connection, GROUPED).unwrap_err().to_string();
        assert!(
            error.contains("'headers' must be a JSON object of header names") && !error.contains("MARKER"),
            "{error}"
        );
        let good: Grouped = options.with("headers", r#"{"x-key":"v"}"#).parse(Level::Connection, GROUPED).unwrap();
        assert_eq!(good.limits.headers.unwrap()["x-key"].expose(), "v");
    }

    #[test]
    #[should_panic(expected = "limits.headers")]
    fn a_forgotten_option_of_a_group_is_caught() {
        assert_documented::<Grouped>(Level::Connection, &GROUPED[..2]);
    }

    #[test]
    fn the_list_and_the_struct_are_held_equal() {
        assert_documented::<Connection>(Level::Connection, DOCS);
    }

    #[test]
    #[should_panic(expected = "option list and struct differ")]
    fn a_forgotten_option_is_caught() {
        assert_documented::<Connection>(Level::Connection, &DOCS[..3]);
    }
}
