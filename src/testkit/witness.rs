//! Looks for secrets and private values in everything a connector prints.

use std::{
    collections::BTreeSet,
    error::Error as StdError,
    fmt::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::error::Error;

/// A marker and every form in which it could be printed.
#[derive(Clone, Debug)]
struct Marker {
    name: String,
    forms: Vec<String>,
    credential: bool,
}

/// Remembers where a marker was seen; never repeats the marker itself.
///
/// It is a [`tracing::Subscriber`], so that a run can be watched with
/// [`with_subscriber`](tracing::instrument::WithSubscriber::with_subscriber).
#[derive(Debug, Default)]
pub struct Witness {
    markers: Vec<Marker>,
    leaks: Mutex<BTreeSet<String>>,
    looked_at: AtomicU64,
    spans: AtomicU64,
}

impl Witness {
    /// Watches for credentials, and for values that belong in rows only.
    pub fn new<S: AsRef<str>>(secrets: &[S], private_values: &[S]) -> Self {
        let marker = |credential: bool| {
            move |(i, text): (usize, &S)| Marker {
                name: format!("{} {}", if credential { "secret" } else { "private value" }, i + 1),
                forms: forms(text.as_ref(), credential),
                credential,
            }
        };
        let secrets = secrets.iter().enumerate().map(marker(true));
        let private_values = private_values.iter().enumerate().map(marker(false));
        Self { markers: secrets.chain(private_values).collect(), ..Self::default() }
    }

    /// Whether there is anything to look for.
    pub fn has_markers(&self) -> bool {
        !self.markers.is_empty()
    }

    /// Looks at a text that anybody may see; `place` says what it is.
    pub fn text(&self, place: &str, text: &str) {
        self.look(place, text, |_| true);
    }

    /// Looks at an error: its texts for every marker, the causes underneath for credentials.
    pub fn error(&self, error: &Error) {
        let kind = error.kind().as_str();
        self.text(&format!("the Display of a '{kind}' error"), &error.to_string());
        self.text(&format!("the Debug of a '{kind}' error"), &format!("{error:?}"));
        let mut cause = error.source();
        while let Some(e) = cause {
            self.look(&format!("a cause of a '{kind}' error"), &format!("{e} {e:?}"), |m| m.credential);
            cause = e.source();
        }
    }

    /// Where markers were seen, one sentence each.
    pub fn leaks(&self) -> Vec<String> {
        self.leaks.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The text with every marker blotted out.
    pub fn redact(&self, text: &str) -> String {
        let forms = self.markers.iter().flat_map(|m| &m.forms);
        forms.fold(text.to_owned(), |text, form| text.replace(form, "[redacted]"))
    }

    /// How many texts were looked at.
    pub fn looked_at(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
    }

    fn look(&self, place: &str, text: &str, wanted: impl Fn(&Marker) -> bool) {
        self.looked_at.fetch_add(1, Ordering::Relaxed);
        for marker in self.markers.iter().filter(|m| wanted(m)) {
            if marker.forms.iter().any(|form| text.contains(form)) {
                let mut leaks = self.leaks.lock().unwrap_or_else(PoisonError::into_inner);
                leaks.insert(format!("{} is in {place}", marker.name));
            }
        }
    }

    fn logged(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        let mut line = Line(String::new());
        record(&mut line);
        self.text(&format!("a log line of {} at level {}", metadata.target(), metadata.level()), &line.0);
    }
}

/// The text itself, as it appears in a query string, and as it appears inside base64 (Basic authentication).
fn forms(text: &str, credential: bool) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    if encoded != text {
        forms.push(encoded);
    }
    if credential && text.len() >= 8 {
        forms.extend((0..3).map(|shift| inside_base64(text, shift)));
    }
    forms
}

/// The characters of base64 that `text` alone decides when it starts at byte `shift` of a group of three.
fn inside_base64(text: &str, shift: usize) -> String {
    let padded = [&[0; 2][..shift], text.as_bytes()].concat();
    let encoded = BASE64_STANDARD_NO_PAD.encode(&padded);
    let first = if shift == 0 { 0 } else { shift + 1 };
    encoded.get(first..padded.len() / 3 * 4).unwrap_or(&encoded).to_owned()
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Witness {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        self.has_markers()
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.logged(span.metadata(), |line| span.record(line));
        span::Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.text("a span's fields", &line.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.logged(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_marker_is_found_plain_in_a_query_and_in_basic_authentication() {
        for user in ["u", "us", "use"] {
            let witness = Witness::new(&["pass word-123456"], &[]);
            witness.text("a header", &BASE64_STANDARD.encode(format!("{user}:pass word-123456")));
            assert_eq!(witness.leaks(), ["secret 1 is in a header"], "user {user}");
        }
        let witness = Witness::new(&["pass word-123456"], &["Jane"]);
        witness.text("a url", "https://h/?token=pass+word-123456");
        witness.text("a message", "no patient named Jane");
        assert_eq!(witness.leaks(), ["private value 1 is in a message", "secret 1 is in a url"]);
    }

    #[test]
    fn causes_are_searched_for_credentials_only() {
        let witness = Witness::new(&["hunter2-marker"], &["Jane"]);
        let cause = Error::new(ErrorKind::Data, "'Jane' does not fit");
        witness.error(&Error::new(ErrorKind::Data, "a value does not fit").caused_by(cause));
        assert!(witness.leaks().is_empty());
        let cause = Error::new(ErrorKind::Auth, "hunter2-marker was refused");
        witness.error(&Error::new(ErrorKind::Auth, "refused").caused_by(cause));
        assert_eq!(witness.leaks(), ["secret 1 is in a cause of a 'auth' error"]);
    }

    #[test]
    fn log_lines_and_spans_are_searched() {
        let witness = std::sync::Arc::new(Witness::new(&["hunter2-marker"], &[]));
        tracing::subscriber::with_default(std::sync::Arc::clone(&witness), || {
            tracing::debug!(header = "Bearer hunter2-marker", "sent");
            let _span = tracing::info_span!("request", token = "hunter2-marker").entered();
        });
        assert_eq!(witness.leaks().len(), 2, "{:?}", witness.leaks());
    }
}
