//! From what was typed and what the pipeline file says to what will be done.

use std::path::{Path, PathBuf};

use lakeflow_connect::{
    Error, ErrorKind, Options, Registry, Result, SourceDescriptor,
    options::{Level, OptionDoc, Problems},
};

use super::{
    file::{self, PipelineFile},
    references,
    table::{TableConfiguration, TableSpec},
};
use crate::{args::Selection, output::Console};

/// What a command works on, references resolved.
#[derive(Debug)]
pub(crate) struct Pipeline {
    /// A name for people and receipts, from the file.
    pub(crate) connection_name: Option<String>,
    /// The source's own name.
    pub(crate) source: &'static str,
    /// Connection options.
    pub(crate) options: Options,
    /// `None`: all tables of the source, with `every_table` as their configuration.
    pub(crate) tables: Option<Vec<TableSpec>>,
    /// `--table-option`s.
    every_table: Vec<(String, String)>,
    /// Where the Delta tables go, when the file says so.
    pub(crate) destination: Option<PathBuf>,
    /// Whether the source has an option for keys itself: what it sends with a deletion are its keys.
    takes_keys: bool,
}

/// Both a setting of the host's and an option of some sources.
const PRIMARY_KEYS: &str = "primary_keys";

impl Pipeline {
    /// Joins the file and the flags; flags win. Tells the console which texts are secrets.
    pub(crate) fn resolve(selection: &Selection, registry: &Registry, console: &Console) -> Result<Self> {
        let typed = typed_pairs("--option", &selection.options)?;
        let every_table = typed_pairs("--table-option", &selection.table_options)?;
        let base = selection.pipeline.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let mut problems = Problems::default();
        let file = selection.pipeline.as_deref().map(|path| file::read(path, &mut problems)).transpose()?;
        let file = file.unwrap_or_default();
        let source = match source_name(selection, &file, registry) {
            Err(_) if !problems.is_empty() => return Err(refused(problems, selection)),
            name => name?,
        };
        let descriptor = registry.source(&source)?.descriptor();

        let mut options = Resolved { options: Options::new(), broken: Vec::new() };
        for (key, text) in &file.options {
            options.add(descriptor, (key, text), (&base, "in the pipeline file"), console, &mut problems);
        }
        for (key, text) in &typed {
            options.add(descriptor, (key, text), (Path::new(""), "on the command line"), console, &mut problems);
        }
        let options = options.check(descriptor, &mut problems);
        let every_table = resolve_all(every_table, &mut problems);

        let mut pipeline = Self {
            connection_name: file.connection_name,
            source: descriptor.name,
            options,
            tables: file.tables,
            every_table,
            destination: file.destination,
            takes_keys: descriptor.options.iter().any(|o| o.level == Level::Table && o.name == PRIMARY_KEYS),
        };
        pipeline.check_tables(descriptor, &mut problems);
        if !problems.is_empty() {
            return Err(refused(problems, selection));
        }
        pipeline.select(&selection.tables)?;
        Ok(pipeline)
    }

    /// Adds what is wrong with the options of tables, whether they are all named or not.
    fn check_tables(&self, descriptor: &SourceDescriptor, problems: &mut Problems) {
        let any = [TableSpec::new("")];
        let tables = self.tables.as_deref().unwrap_or(&any);
        let mut found: Vec<(String, Vec<&str>)> = Vec::new();
        for table in tables {
            let mut here = Problems::default();
            let configuration = self.configuration(table, &mut here);
            configuration.options.check(Level::Table, descriptor.options, &mut here);
            for problem in here.iter() {
                match found.iter_mut().find(|(text, _)| text == problem) {
                    Some((_, of)) => of.push(&table.source_table),
                    None => found.push((problem.to_owned(), vec![&table.source_table])),
                }
            }
        }
        for (problem, of) in found {
            // What holds for all of them was said of all, or need not be said of one.
            let all = of.len() == tables.len();
            problems.add(if all { problem } else { format!("{problem} (table {})", of.join(", ")) });
        }
    }

    /// The tables to work on: the selected ones, or all that the source `has`.
    pub(crate) fn tables(&self, has: impl IntoIterator<Item = String>) -> Result<Vec<TableSpec>> {
        match &self.tables {
            Some(tables) => Ok(tables.clone()),
            None => Ok(has.into_iter().map(|name| self.configured(TableSpec::new(name))).collect()),
        }
    }

    /// What tells this system from another one of its kind: the connection's name, else its address.
    pub(crate) fn identity(&self, registry: &Registry) -> Result<Option<String>> {
        if self.connection_name.is_some() {
            return Ok(self.connection_name.clone());
        }
        Ok(registry.source(self.source)?.identity(&self.options))
    }

    fn select(&mut self, names: &[String]) -> Result<()> {
        let names: Vec<&String> =
            names.iter().enumerate().filter(|(i, n)| !names[..*i].contains(n)).map(|(_, n)| n).collect();
        let tables = match self.tables.take() {
            None if names.is_empty() => return Ok(()),
            None => names.into_iter().map(TableSpec::new).collect(),
            Some(tables) if names.is_empty() => tables,
            Some(tables) => {
                let known = || tables.iter().map(|t| t.source_table.as_str());
                if let Some(name) = names.iter().find(|name| !known().any(|known| known == **name)) {
                    return Err(Error::unknown("table in the pipeline file", name, known()));
                }
                // All lanes of a table.
                let of = |name: &String| tables.iter().filter(|t| t.source_table == *name).cloned().collect::<Vec<_>>();
                names.into_iter().flat_map(of).collect()
            }
        };
        self.tables = Some(tables.into_iter().map(|table| self.configured(table)).collect());
        Ok(())
    }

    fn configured(&self, mut table: TableSpec) -> TableSpec {
        // Problems were told before.
        table.configuration = self.configuration(&table, &mut Problems::default());
        table
    }

    /// What the file says of a table, and the command line of every one.
    fn configuration(&self, table: &TableSpec, problems: &mut Problems) -> TableConfiguration {
        let mut configuration = table.configuration.clone();
        for (key, value) in &self.every_table {
            configuration.set(key, value.clone(), problems);
        }
        if let (true, Some(keys)) = (self.takes_keys, &configuration.primary_keys) {
            configuration.options.insert(PRIMARY_KEYS, keys.join(","));
        }
        configuration
    }
}

fn refused(problems: Problems, selection: &Selection) -> Error {
    let error = problems.into_error();
    match &selection.pipeline {
        Some(file) => error.with("file", file.display()),
        None => error,
    }
}

fn source_name(selection: &Selection, file: &PipelineFile, registry: &Registry) -> Result<String> {
    match (&selection.source, &selection.pipeline) {
        (Some(source), None) => Ok(source.clone()),
        (None, Some(_)) => file.source.clone().ok_or_else(|| {
            Error::new(ErrorKind::Config, "the pipeline file does not say which source to read")
                .help("add 'connection' with 'source' and 'options', or give --source and --option")
        }),
        (Some(source), Some(_)) if file.source.as_ref().is_none_or(|named| named == source) => Ok(source.clone()),
        (Some(_), Some(_)) => {
            Err(Error::new(ErrorKind::Config, "--source and the pipeline file name different sources")
                .help("leave --source out, or use another file"))
        }
        (None, None) => {
            let names: Vec<&str> = registry.sources().map(|d| d.name).collect();
            Err(Error::new(ErrorKind::Config, "nothing says which source to read")
                .help(format!("give --source NAME or a pipeline file; there are: {}", names.join(", "))))
        }
    }
}

/// Connection options without references.
struct Resolved {
    options: Options,
    /// Those whose references lead nowhere: given, though nothing is known of their values.
    broken: Vec<String>,
}

impl Resolved {
    fn add(
        &mut self,
        descriptor: &SourceDescriptor,
        (key, text): (&str, &str),
        (base, place): (&Path, &str),
        console: &Console,
        problems: &mut Problems,
    ) {
        let doc = descriptor.options.iter().find(|d| d.level == Level::Connection && d.name.eq_ignore_ascii_case(key));
        let referred = references::is_reference(text);
        match references::resolve(text, base) {
            Ok(value) => {
                if doc.is_none_or(|d| d.is_secret()) {
                    console.never_show(&value);
                }
                if doc.is_some_and(|d| d.is_secret()) && !referred {
                    console.note(&format!(
                        "'{key}' is a secret and stands {place} as plain text; ${{env:NAME}} or ${{file:PATH}} keeps it out of there"
                    ));
                }
                self.options.insert(key, value);
            }
            Err(problem) => {
                problems.add(format!("'{key}' {problem}"));
                self.broken.push(key.to_owned());
            }
        }
    }

    /// The options, checked each by itself.
    fn check(self, descriptor: &SourceDescriptor, problems: &mut Problems) -> Options {
        let known = |doc: &&OptionDoc| !self.broken.iter().any(|name| doc.is_named(name));
        let docs: Vec<OptionDoc> = descriptor.options.iter().filter(known).copied().collect();
        self.options.check(Level::Connection, &docs, problems);
        self.options
    }
}

fn resolve_all(pairs: Vec<(String, String)>, problems: &mut Problems) -> Vec<(String, String)> {
    let resolve = |(key, text): (String, String)| match references::resolve(&text, Path::new("")) {
        Ok(value) => Some((key, value)),
        Err(problem) => {
            problems.add(format!("'{key}' {problem}"));
            None
        }
    };
    pairs.into_iter().filter_map(resolve).collect()
}

/// Splits `KEY=VALUE`; a problem tells which one it is but not its text, which may be a secret.
pub(crate) fn typed_pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, String)>> {
    let split = |(index, text): (usize, &String)| {
        text.split_once('=').filter(|(key, _)| !key.trim().is_empty()).map_or_else(
            || {
                Err(Error::new(
                    ErrorKind::Config,
                    format!("the {} {flag} is not of the form KEY=VALUE", ordinal(index + 1)),
                ))
            },
            |(key, value)| Ok((key.trim().to_owned(), value.to_owned())),
        )
    };
    texts.iter().enumerate().map(split).collect()
}

fn ordinal(n: usize) -> String {
    let suffix = match (n % 10, n % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_without_equals_is_told_without_its_text() {
        let error = typed_pairs("--option", &["a=b=c".into(), "hunter2".into()]).unwrap_err().to_string();
        assert_eq!(error, "the 2nd --option is not of the form KEY=VALUE");
        assert_eq!(typed_pairs("--option", &["a=b=c".into()]).unwrap(), [("a".to_owned(), "b=c".to_owned())]);
    }

    #[test]
    fn ordinals_read_like_english() {
        assert_eq!([1, 2, 3, 11, 12, 21].map(ordinal).join(" "), "1st 2nd 3rd 11th 12th 21st");
    }

    #[test]
    fn without_a_source_the_known_ones_are_listed() {
        let error = Pipeline::resolve(&Selection::default(), &Registry::builtin(), &Console::silent()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.help_text().unwrap().contains("--source NAME"));
    }
}
