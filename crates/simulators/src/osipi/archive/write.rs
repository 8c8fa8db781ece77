//! Timed values as JSON, straight into bytes.

use super::{
    super::{
        json::{write_name, write_quoted},
        model::Point,
        select::Selection,
        ticks::{Ticks, TimeWriter},
    },
    made::{CONVERSION, Made, Nature},
    sample::{Stored, errors_json},
    scan::{Item, What},
};

/// Which members of timed values are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    timestamp: bool,
    units: bool,
    good: bool,
    questionable: bool,
    substituted: bool,
    annotated: bool,
    value: bool,
    errors: bool,
    /// The bodies of annotations, which only `associations=Annotations` asks for.
    annotations: bool,
}

impl Columns {
    /// What a selection leaves; `annotated` is whether the server knows that field at all.
    pub(crate) fn of(selection: &Selection, annotated: bool, annotations: bool) -> Self {
        Self {
            timestamp: selection.has("Timestamp"),
            units: selection.has("UnitsAbbreviation"),
            good: selection.has("Good"),
            questionable: selection.has("Questionable"),
            substituted: selection.has("Substituted"),
            annotated: annotated && selection.has("Annotated"),
            value: selection.has("Value"),
            errors: selection.has("Errors"),
            annotations: annotations && selection.has("Annotations"),
        }
    }
}

/// The quality of one value.
#[derive(Clone, Copy, Debug)]
struct Flags {
    good: bool,
    questionable: bool,
    substituted: bool,
    annotated: bool,
}

/// Writes the timed values of one stream.
#[derive(Clone, Debug)]
pub(crate) struct EventWriter<'a> {
    columns: Columns,
    made: Option<Made<'a>>,
    units: &'a str,
    times: TimeWriter,
    /// What stands between the timestamp and the value of a good event without flags.
    usual: Vec<u8>,
}

impl<'a> EventWriter<'a> {
    pub(crate) fn new(columns: Columns, made: Option<Made<'a>>, units: &'a str) -> Self {
        let mut writer = Self { columns, made, units, times: TimeWriter::default(), usual: Vec::new() };
        let flags = Flags { good: true, questionable: false, substituted: false, annotated: false };
        // The byte in front decides whether the first name needs a comma.
        let mut usual = vec![if columns.timestamp { b'"' } else { b'{' }];
        writer.write_flags(flags, &mut usual);
        usual.remove(0);
        writer.usual = usual;
        writer
    }

    /// The writer for a point of the archive.
    pub(crate) fn of_point(columns: Columns, made: Option<Made<'a>>, point: &'a Point) -> Self {
        Self::new(columns, made, &point.spec.units)
    }

    /// Appends one event of the archive.
    pub(crate) fn write(&mut self, item: Item<'_>, out: &mut Vec<u8>) {
        match (item.what, self.made) {
            (What::Stored(stored), _) => self.write_stored(item.at, stored, out),
            (What::Made(event), Some(made)) => {
                let nature = made.nature(event);
                self.open(item.at, out);
                let good = nature.bad.is_none() && !nature.error;
                if good && !(nature.questionable || nature.substituted || nature.annotated) {
                    out.extend_from_slice(&self.usual);
                } else {
                    let Nature { questionable, substituted, annotated, .. } = nature;
                    self.write_flags(Flags { good, questionable, substituted, annotated }, out);
                }
                if self.columns.value {
                    write_name("Value", out);
                    made.write_value(item.at, nature, out);
                }
                if nature.error && self.columns.errors {
                    write_name("Errors", out);
                    out.extend_from_slice(errors_json(CONVERSION).as_bytes());
                }
                if nature.annotated && self.columns.annotations {
                    write_annotations(&made.annotation(event), item.at, out);
                }
                out.push(b'}');
            }
            (What::Made(_), None) => {}
        }
    }

    /// Appends one value that is no event of the archive, or one of the journal.
    pub(crate) fn write_stored(&mut self, at: Ticks, stored: &Stored, out: &mut Vec<u8>) {
        self.open(at, out);
        let flags = Flags {
            good: stored.good,
            questionable: stored.questionable,
            substituted: stored.substituted,
            annotated: stored.annotation.is_some(),
        };
        self.write_flags(flags, out);
        if self.columns.value {
            write_name("Value", out);
            out.extend_from_slice(stored.json.as_bytes());
        }
        if let Some(errors) = stored.errors.as_ref().filter(|_| self.columns.errors) {
            write_name("Errors", out);
            out.extend_from_slice(errors.as_bytes());
        }
        if let Some(annotation) = stored.annotation.as_ref().filter(|_| self.columns.annotations) {
            write_annotations(annotation, at, out);
        }
        out.push(b'}');
    }

    fn open(&mut self, at: Ticks, out: &mut Vec<u8>) {
        out.push(b'{');
        if self.columns.timestamp {
            out.extend_from_slice(b"\"Timestamp\":\"");
            self.times.write(at, out);
            out.push(b'"');
        }
    }

    fn write_flags(&self, flags: Flags, out: &mut Vec<u8>) {
        if self.columns.units {
            write_name("UnitsAbbreviation", out);
            write_quoted(if flags.good { self.units } else { "" }, out);
        }
        let columns = self.columns;
        for (wanted, name, truth) in [
            (columns.good, "Good", flags.good),
            (columns.questionable, "Questionable", flags.questionable),
            (columns.substituted, "Substituted", flags.substituted),
            (columns.annotated, "Annotated", flags.annotated),
        ] {
            if wanted {
                write_name(name, out);
                out.extend_from_slice(if truth { b"true" } else { b"false" });
            }
        }
    }
}

fn write_annotations(text: &str, at: Ticks, out: &mut Vec<u8>) {
    write_name("Annotations", out);
    let value = serde_json::json!([{
        "Id": format!("{:016x}", at.0),
        "Name": "Remark",
        "Description": "",
        "Value": text,
        "Creator": "PLANT\\operator",
        "CreationDate": at.to_string(),
        "Modifier": "PLANT\\operator",
        "ModifyDate": at.to_string(),
        "Errors": [],
    }]);
    out.extend_from_slice(value.to_string().as_bytes());
}
