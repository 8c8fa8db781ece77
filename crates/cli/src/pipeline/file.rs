//! The pipeline file: YAML in the words of the public pipeline specification.

use std::path::{Path, PathBuf};

use lakeflow_connect::{Error, ErrorKind, Result, options::Problems};
use serde_yaml_ng::{Mapping, Value};

use super::{
    references,
    table::{TableConfiguration, TableSpec},
};
use crate::files;

/// What a pipeline file says, references still in place for the connection's options.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PipelineFile {
    /// A name for people and receipts.
    pub(crate) connection_name: Option<String>,
    /// `None` in a file of the public specification, whose connection is kept elsewhere.
    pub(crate) source: Option<String>,
    /// The connection's options as written.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) destination: Option<PathBuf>,
    /// `None`: all tables of the source.
    pub(crate) tables: Option<Vec<TableSpec>>,
}

/// Reads and checks a file. Relative paths in it start at its own directory.
///
/// # Errors
/// For a file that cannot be read or is no YAML; whatever else is wrong with it is added to the problems.
pub(crate) fn read(path: &Path, problems: &mut Problems) -> Result<PipelineFile> {
    let text = std::fs::read_to_string(path).map_err(|why| {
        Error::new(ErrorKind::Config, format!("the pipeline file cannot be read: {}", files::why(&why)))
            .with("file", path.display())
            .help("give the path of a YAML file, or use --source and --option")
    })?;
    parse(&text, path.parent().unwrap_or(Path::new("")), problems).map_err(|error| error.with("file", path.display()))
}

fn parse(text: &str, base: &Path, problems: &mut Problems) -> Result<PipelineFile> {
    let root: Value = serde_yaml_ng::from_str(text).map_err(|why| {
        let at = why.location().map_or_else(String::new, |l| format!(" at line {}, column {}", l.line(), l.column()));
        Error::new(ErrorKind::Config, format!("the pipeline file is not valid YAML{at}"))
    })?;
    Ok(Reader { base, problems }.pipeline(&root))
}

struct Reader<'a> {
    base: &'a Path,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn pipeline(&mut self, root: &Value) -> PipelineFile {
        const KEYS: &[&str] = &["connection_name", "connection", "destination", "objects"];
        let mut file = PipelineFile::default();
        let Some(map) = self.map(root, "the pipeline", KEYS) else { return file };
        file.connection_name = self.text_of(map, "the pipeline", "connection_name");
        if let Some(connection) = map.get("connection") {
            self.connection(connection, &mut file);
        }
        file.destination = self.text_of(map, "the pipeline", "destination").map(|to| self.base.join(to));
        file.tables = map.get("objects").and_then(|objects| self.objects(objects));
        file
    }

    fn connection(&mut self, value: &Value, file: &mut PipelineFile) {
        let Some(map) = self.map(value, "'connection'", &["source", "options"]) else { return };
        match self.text_of(map, "'connection'", "source") {
            Some(source) => file.source = Some(source),
            None if map.contains_key("source") => {}
            None => self.problems.add("'connection' has no 'source'; `lakeflow sources` lists them"),
        }
        match map.get("options") {
            Some(Value::Mapping(options)) => {
                for (key, value) in options {
                    if let Some((key, value)) = self.pair(key, value, "'options'") {
                        file.options.push((key, value));
                    }
                }
            }
            Some(_) => self.problems.add("'options' must hold KEY: VALUE lines"),
            None => {}
        }
    }

    fn objects(&mut self, value: &Value) -> Option<Vec<TableSpec>> {
        let items = match value {
            Value::Sequence(items) if !items.is_empty() => items,
            _ => {
                self.problems.add("'objects' must be a list of tables; leave it out to read all");
                return None;
            }
        };
        let mut tables: Vec<TableSpec> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = format!("object {}", index + 1);
            let Some(object) = self.map(item, &place, &["table"]) else { continue };
            let Some(table) = object.get("table") else {
                self.problems.add(format!("{place} has no 'table'"));
                continue;
            };
            let Some(table) = self.table(table, &place) else { continue };
            if tables.iter().any(|other| other.destination == table.destination && !other.is_lane_beside(&table)) {
                self.problems.add(format!(
                    "{place} lands in '{}', where another table lands; give it its own 'destination_table', or, for the same \
                     'source_table', its own 'lane'",
                    table.destination.display()
                ));
            }
            tables.push(table);
        }
        Some(tables)
    }

    fn table(&mut self, value: &Value, place: &str) -> Option<TableSpec> {
        const KEYS: &[&str] =
            &["source_table", "destination_catalog", "destination_schema", "destination_table", "table_configuration"];
        let map = self.map(value, place, KEYS)?;
        let Some(source_table) = self.text_of(map, place, "source_table") else {
            if !map.contains_key("source_table") {
                self.problems.add(format!("{place} has no 'source_table'"));
            }
            return None;
        };
        let parts = ["destination_catalog", "destination_schema", "destination_table"]
            .map(|key| self.text_of(map, place, key).filter(|name| self.is_directory_name(name, key, place)));
        if parts[0].is_some() && parts[1].is_none() {
            self.problems.add(format!("{place} has a 'destination_catalog' without a 'destination_schema'"));
        }
        let [catalog, schema, table] = parts;
        let destination =
            catalog.into_iter().chain(schema).chain([table.unwrap_or_else(|| source_table.clone())]).collect();
        let configuration = map.get("table_configuration").map(|c| self.configuration(c, place)).unwrap_or_default();
        Some(TableSpec { source_table, destination, configuration })
    }

    fn configuration(&mut self, value: &Value, place: &str) -> TableConfiguration {
        let mut configuration = TableConfiguration::default();
        let Value::Mapping(map) = value else {
            self.problems.add(format!("'table_configuration' of {place} must hold KEY: VALUE lines"));
            return configuration;
        };
        for (key, value) in map {
            let Some((key, value)) = self.pair(key, value, place) else { continue };
            match references::resolve(&value, self.base) {
                Ok(value) => configuration.set(&key, value, self.problems),
                Err(problem) => self.problems.add(format!("'{key}' of {place} {problem}")),
            }
        }
        configuration
    }

    fn map<'v>(&mut self, value: &'v Value, place: &str, known: &[&str]) -> Option<&'v Mapping> {
        let Value::Mapping(map) = value else {
            self.problems.add(format!("{place} must hold KEY: VALUE lines, with the keys {}", known.join(", ")));
            return None;
        };
        for key in map.keys() {
            let name = key.as_str().unwrap_or("?");
            if !known.contains(&name) {
                let unknown = Error::unknown("key", name, known.iter().copied());
                let help = unknown.help_text().map_or_else(|| format!("known are {}", known.join(", ")), str::to_owned);
                self.problems.add(format!("{} in {place}; {help}", unknown.message()));
            }
        }
        Some(map)
    }

    fn text_of(&mut self, map: &Mapping, place: &str, key: &str) -> Option<String> {
        let text = match map.get(key)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        if text.is_empty() {
            self.problems.add(format!("'{key}' of {place} must be text"));
            return None;
        }
        Some(text)
    }

    fn pair(&mut self, key: &Value, value: &Value, place: &str) -> Option<(String, String)> {
        let Some(key) = key.as_str() else {
            self.problems.add(format!("{place} has a key that is not text"));
            return None;
        };
        match option_text(value) {
            Some(text) => Some((key.to_owned(), text)),
            None => {
                self.problems.add(format!("'{key}' of {place} has no value that an option can take"));
                None
            }
        }
    }

    fn is_directory_name(&mut self, name: &str, key: &str, place: &str) -> bool {
        let fine = !name.starts_with(['.', '_']) && !name.contains(['/', '\\', '\0']);
        if !fine {
            self.problems
                .add(format!("'{key}' of {place} must be a plain name, without '/' and not starting with '.' or '_'"));
        }
        fine
    }
}

/// An option's text: scalars as they are, lists of scalars joined by commas, structures as JSON.
fn option_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Sequence(items) => {
            let texts: Option<Vec<String>> = items.iter().map(option_text).collect();
            texts.filter(|texts| texts.iter().all(|text| !text.contains(','))).map(|texts| texts.join(","))
        }
        Value::Mapping(_) => serde_json::to_string(value).ok(),
        Value::Null | Value::Tagged(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::table::ScdType;

    fn parse_here(text: &str) -> Result<PipelineFile> {
        let mut problems = Problems::default();
        let file = parse(text, Path::new("/base"), &mut problems)?;
        problems.into_result().map(|()| file)
    }

    #[test]
    fn the_public_words_are_understood() {
        let file = parse_here(
            "connection_name: ward\n\
             connection:\n  source: fhir\n  options:\n    base_url: http://localhost/fhir\n    resource_types: [Patient, Observation]\n    \
             extra_headers: {X-Tenant: a}\n    allow_insecure: true\n\
             destination: lake\n\
             objects:\n  - table:\n      source_table: Patient\n      destination_schema: clinic\n      destination_table: patients\n      \
             table_configuration:\n        scd_type: SCD_TYPE_1\n        primary_keys: [id]\n        sequence_by: lastUpdated\n        \
             cluster_by: id\n        page_size: 200\n  - table:\n      source_table: Observation\n",
        )
        .unwrap();
        assert_eq!((file.source.as_deref(), file.connection_name.as_deref()), (Some("fhir"), Some("ward")));
        let option = |name: &str| file.options.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        assert_eq!(option("resource_types"), Some("Patient,Observation"));
        assert_eq!(option("extra_headers"), Some(r#"{"X-Tenant":"a"}"#));
        assert_eq!(option("allow_insecure"), Some("true"));
        assert_eq!(file.destination.unwrap(), Path::new("/base/lake"));
        let tables = file.tables.unwrap();
        assert_eq!(tables[0].destination, Path::new("clinic/patients"));
        let c = &tables[0].configuration;
        assert_eq!((c.scd_type, c.sequence_by.as_deref()), (Some(ScdType::One), Some("lastUpdated")));
        assert_eq!(
            (c.primary_keys.clone().unwrap(), c.cluster_by.clone().unwrap()),
            (vec!["id".to_owned()], vec!["id".to_owned()])
        );
        assert_eq!(c.options.get("page_size"), Some("200"));
        assert_eq!(tables[1], TableSpec::new("Observation"));
    }

    #[test]
    fn unknown_keys_are_errors_with_the_near_ones_and_all_come_at_once() {
        let text = parse_here(
            "conection:\n  source: fhir\nobjects:\n  - table:\n      sorce_table: Patient\n  - tabel: {}\n  - table:\n      \
             source_table: A\n      destination_table: ../up\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "there is no key named 'conection' in the pipeline; did you mean 'connection'",
            "there is no key named 'sorce_table' in object 1; did you mean 'source_table'?",
            "object 1 has no 'source_table'",
            "there is no key named 'tabel' in object 2; did you mean 'table'?",
            "'destination_table' of object 3 must be a plain name",
        ] {
            assert!(text.contains(part), "{part:?} not in {text:?}");
        }
    }

    #[test]
    fn two_tables_in_one_place_are_refused() {
        let text = "connection: {source: fhir}\nobjects:\n  - table: {source_table: A}\n  - table: {source_table: B, destination_table: A}\n";
        assert!(parse_here(text).unwrap_err().message().contains("object 2 lands in 'A'"));
    }

    #[test]
    fn broken_yaml_names_the_line_and_quotes_nothing() {
        let error = parse_here("connection:\n  password: \"hunter2\n").unwrap_err().to_string();
        assert!(error.contains("not valid YAML at line"), "{error}");
        assert!(!error.contains("hunter2"));
        assert!(parse_here("a: 1\na: 2\n").is_err());
    }

    #[test]
    fn no_objects_means_all_tables() {
        assert_eq!(parse_here("connection: {source: fhir}").unwrap().tables, None);
        assert!(parse_here("connection: {source: fhir}\nobjects: []").is_err());
    }
}
