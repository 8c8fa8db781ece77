//! The two standard streams, with one place that keeps secrets out of them.

use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

use console::{Style, style};
use lakeflow_connect::Error;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::args::Format;

/// Secrets shorter than this are not searched for in output: they would match by chance.
const SHORTEST_SECRET: usize = 4;

/// Where a command prints. Results go to standard output; notes, errors and progress to standard error.
#[derive(Debug)]
pub(crate) struct Console {
    json: bool,
    silent: bool,
    secrets: Mutex<Vec<String>>,
}

impl Console {
    /// Prints in `format`.
    pub(crate) fn new(format: Format) -> Self {
        Self { json: format == Format::Json, silent: false, secrets: Mutex::default() }
    }

    /// Prints nothing.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { silent: true, ..Self::new(Format::Table) }
    }

    /// Whether results are JSON lines.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether one changing progress line can be shown.
    pub(crate) fn has_progress_line(&self) -> bool {
        !self.json && !self.silent && std::io::stderr().is_terminal()
    }

    /// How many columns a result may take: the terminal's, or 100 when it is not known.
    pub(crate) fn width(&self) -> usize {
        console::Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns)).max(40)
    }

    /// Keeps a text out of everything printed from now on.
    pub(crate) fn never_show(&self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            // In JSON a secret of several lines, such as a key, is spelled in another way.
            let quoted = Value::from(secret).to_string();
            let spelled = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).extend([secret.to_owned(), spelled]);
        }
    }

    /// `text` without the secrets in it.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    }

    /// Prints lines of a result. A reader that went away is not an error.
    pub(crate) fn print(&self, text: &str) {
        if !self.silent {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{}", self.redact(text)).and_then(|()| out.flush());
        }
    }

    /// Prints one JSON object on one line.
    pub(crate) fn print_json(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.print(&text),
            Err(_) => self.say("error", &Style::new().red(), "a result could not be written as JSON"),
        }
    }

    /// Prints a heading of a result.
    pub(crate) fn heading(&self, text: &str) {
        self.print(&style(text).bold().to_string());
    }

    /// Says what can be done next, on standard error.
    pub(crate) fn hint(&self, text: &str) {
        if !self.silent {
            let _ =
                writeln!(std::io::stderr().lock(), "{}", Style::new().dim().for_stderr().apply_to(self.redact(text)));
        }
    }

    /// Says something the user should know, on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.say("note", &Style::new().yellow().for_stderr(), text);
    }

    /// Says what failed and what to do next, on standard error; one JSON line when results are JSON and no terminal
    /// shows it.
    pub(crate) fn error(&self, error: &Error) {
        if self.json && !std::io::stderr().is_terminal() {
            let line = self.redact(&json!({ "error": error_json(error) }).to_string());
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        } else {
            self.say("error", &Style::new().red().bold().for_stderr(), &error.to_string());
        }
    }

    /// As [`Console::error`], for tables of a run; what failed for the same reason is said once.
    pub(crate) fn errors_in<'a>(&self, failures: impl IntoIterator<Item = (&'a str, &'a Error)>) {
        for (tables, error) in grouped(failures) {
            self.say(&format!("error in {tables}"), &Style::new().red().bold().for_stderr(), &error.to_string());
        }
    }

    fn say(&self, what: &str, look: &Style, text: &str) {
        if !self.silent {
            let _ = writeln!(std::io::stderr().lock(), "{}: {}", look.apply_to(what), self.redact(text));
        }
    }
}

/// Failures of tables, those with the same reason as one: whose they are, and one of the errors.
pub(crate) fn grouped<'a>(failures: impl IntoIterator<Item = (&'a str, &'a Error)>) -> Vec<(String, &'a Error)> {
    let mut groups: Vec<(Vec<&str>, &Error)> = Vec::new();
    for (table, error) in failures {
        let same = |other: &Error| other.message() == error.message() && other.help_text() == error.help_text();
        match groups.iter_mut().find(|(_, other)| same(other)) {
            Some((tables, _)) => tables.push(table),
            None => groups.push((vec![table], error)),
        }
    }
    let named = |tables: &[&str]| match tables {
        [one] => (*one).to_owned(),
        several => format!("{} tables ({})", several.len(), several.join(", ")),
    };
    groups.into_iter().map(|(tables, error)| (named(&tables), error)).collect()
}

/// An error as programs read it.
pub(crate) fn error_json(error: &Error) -> Value {
    let context: Map<String, Value> = error.context().map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
    json!({
        "kind": error.kind().as_str(),
        "message": error.message(),
        "context": context,
        "help": error.help_text(),
    })
}

#[cfg(test)]
mod tests {
    use lakeflow_connect::ErrorKind;

    use super::*;

    #[test]
    fn known_secrets_are_cut_out_of_any_text() {
        let console = Console::silent();
        console.never_show("hunter2");
        console.never_show("abc");
        console.never_show("line one\nline \"two\"");
        assert_eq!(console.redact(&json!({"k": "line one\nline \"two\""}).to_string()), r#"{"k":"[redacted]"}"#);
        assert_eq!(console.redact("login hunter2 failed, abc"), "login [redacted] failed, abc");
    }

    #[test]
    fn an_error_for_programs_has_kind_context_and_help() {
        let error = Error::new(ErrorKind::Auth, "refused").with("status", 401).help("check 'password'");
        let value = error_json(&error);
        assert_eq!(value["kind"], "auth");
        assert_eq!(value["context"]["status"], "401");
        assert_eq!(value["help"], "check 'password'");
    }
}
