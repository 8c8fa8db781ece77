//! One timed value: found by the layout of the one before it, or member by member.

use std::borrow::Cow;

use super::{
    super::time::{InstantReader, Ticks},
    literal::{self, Number, short_number},
};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// A quality flag: its value is the bit, whether it was there at all is the bit four places up.
pub(super) const GOOD: u8 = 1;
pub(super) const QUESTIONABLE: u8 = 2;
pub(super) const SUBSTITUTED: u8 = 4;
pub(super) const ANNOTATED: u8 = 8;
pub(super) const KNOWN: u32 = 4;

/// What is known of a point's type, to tell `"NaN"` of a number from text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum PointKind {
    /// Not known: `"NaN"` is a number, and an instant a timestamp; their text is kept beside it.
    #[default]
    Unknown,
    /// Floats and integers.
    Number,
    /// Strings.
    Text,
    /// Timestamps.
    Timestamp,
}

impl PointKind {
    /// The kind of a `PointType`.
    pub(in super::super) fn of_point_type(name: &str) -> Self {
        match name {
            "String" => Self::Text,
            "Timestamp" => Self::Timestamp,
            _ if name.starts_with("Float") || name.starts_with("Int") => Self::Number,
            _ => Self::Unknown,
        }
    }
}

/// A value as it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Number(Number),
    /// A number beyond a double: kept as it is spelled.
    Unreadable(&'a str),
    Boolean(bool),
    Text(Cow<'a, str>),
    State(State<'a>),
    Array(&'a str),
    Object(&'a str),
}

/// A digital state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State<'a> {
    pub(super) code: i64,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) is_system: Option<bool>,
}

/// A timed value.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) ticks: Ticks,
    pub(super) timestamp: &'a str,
    pub(super) flags: u8,
    pub(super) units: Option<Cow<'a, str>>,
    pub(super) value: Value<'a>,
    /// Text of a non-empty array.
    pub(super) errors: Option<&'a str>,
}

/// A member that events have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Timestamp,
    Units,
    Flag(u8),
    Value,
    Other,
}

fn member(key: &str) -> Member {
    match key {
        "Timestamp" => Member::Timestamp,
        "Value" => Member::Value,
        "UnitsAbbreviation" => Member::Units,
        "Good" => Member::Flag(GOOD),
        "Questionable" => Member::Flag(QUESTIONABLE),
        "Substituted" => Member::Flag(SUBSTITUTED),
        "Annotated" => Member::Flag(ANNOTATED),
        _ => Member::Other,
    }
}

/// Reads events, expecting each to be laid out as the one before.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    instants: InstantReader,
    /// The last event's members in order, each with its key as it stood, from the brace or comma to the colon.
    layout: Vec<(Member, Box<[u8]>)>,
}

impl EventReader {
    /// The event that comes next.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for broken text; [`Data`](ErrorKind::Data) for an event without a readable timestamp or
    /// with a flag that is no boolean.
    #[inline]
    pub(super) fn read<'a>(&mut self, scanner: &mut Scanner<'a>, text: &'a str) -> Result<Event<'a>> {
        scanner.next_byte();
        let start = scanner.position();
        if let Some((event, len)) = text.get(start..).and_then(|text| self.by_layout(text)) {
            scanner.advance_to(start + len);
            return Ok(event);
        }
        self.by_member(scanner, text)
    }

    /// The event at the start of the text and its length, where it is laid out as the last one and holds nothing unusual.
    #[inline]
    fn by_layout<'a>(&mut self, text: &'a str) -> Option<(Event<'a>, usize)> {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut found =
            Event { ticks: Ticks(0), timestamp: "", flags: 0, units: None, value: Value::Null, errors: None };
        if self.layout.is_empty() {
            return None;
        }
        for (member, key) in &self.layout {
            let rest = bytes.get(at..)?;
            if !rest.starts_with(key) {
                return None;
            }
            at += key.len();
            match *member {
                Member::Timestamp => {
                    let (timestamp, len) = plain_string(text, at)?;
                    found.ticks = self.instants.read(timestamp.as_bytes())?;
                    found.timestamp = timestamp;
                    at += len;
                }
                Member::Units => {
                    let (units, len) = plain_string(text, at)?;
                    found.units = Some(Cow::Borrowed(units));
                    at += len;
                }
                Member::Flag(flag) => match bytes.get(at..)? {
                    [b't', b'r', b'u', b'e', ..] => {
                        found.flags |= flag | flag << KNOWN;
                        at += 4;
                    }
                    [b'f', b'a', b'l', b's', b'e', ..] => {
                        found.flags |= flag << KNOWN;
                        at += 5;
                    }
                    _ => return None,
                },
                Member::Value => {
                    let (number, len) = short_number(bytes.get(at..)?)?;
                    found.value = Value::Number(number);
                    at += len;
                }
                Member::Other => return None,
            }
        }
        (bytes.get(at) == Some(&b'}')).then_some((found, at + 1))
    }

    #[inline(never)]
    fn by_member<'a>(&mut self, s: &mut Scanner<'a>, text: &'a str) -> Result<Event<'a>> {
        let start = s.position();
        self.layout.clear();
        let mut key_from = start;
        let mut ticks = None;
        let mut found =
            Event { ticks: Ticks(0), timestamp: "", flags: 0, units: None, value: Value::Null, errors: None };
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            let member = member(&key);
            let upto = s.position();
            self.layout.push((member, text.as_bytes().get(key_from..upto).unwrap_or_default().into()));
            match member {
                Member::Timestamp => {
                    let at = s.position();
                    if s.peek()? == Kind::String {
                        let read = s.string()?;
                        ticks = self.instants.read(read.as_bytes());
                        // As it stands: an instant that could be read has no escapes worth undoing.
                        found.timestamp = text.get(at..s.position()).unwrap_or_default().trim().trim_matches('"');
                    } else {
                        s.skip()?;
                    }
                }
                Member::Units => found.units = s.optional_string()?,
                Member::Flag(flag) => {
                    found.flags &= !(flag | flag << KNOWN);
                    match s.peek()? {
                        Kind::Null => s.null()?,
                        Kind::Boolean => found.flags |= flag << KNOWN | if s.boolean()? { flag } else { 0 },
                        _ => return Err(Error::new(ErrorKind::Data, "a quality flag is neither true nor false")),
                    }
                }
                Member::Value => found.value = value(s)?,
                Member::Other if key == "Errors" => {
                    found.errors = Some(s.skip()?).filter(|text| !matches!(*text, "null") && !is_empty_array(text));
                }
                Member::Other => drop(s.skip()?),
            }
            key_from = s.position();
        }
        found.ticks =
            ticks.ok_or_else(|| Error::new(ErrorKind::Data, "a value has no timestamp that could be read"))?;
        Ok(found)
    }
}

/// The inside of the string literal at `at`, and the literal's length; `None` when there is none or it has escapes.
#[inline]
fn plain_string(text: &str, at: usize) -> Option<(&str, usize)> {
    let bytes = text.as_bytes().get(at..)?;
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let len = bytes.iter().skip(1).position(|b| matches!(b, b'"' | b'\\' | 0..b' '))?;
    (bytes.get(len + 1) == Some(&b'"')).then(|| text.get(at + 1..at + 1 + len).map(|inside| (inside, len + 2)))?
}

/// The value that comes next, of any kind.
fn value<'a>(s: &mut Scanner<'a>) -> Result<Value<'a>> {
    Ok(match s.peek()? {
        Kind::Null => {
            s.null()?;
            Value::Null
        }
        Kind::Number => {
            let text = s.number()?;
            literal::number(text).map_or(Value::Unreadable(text), Value::Number)
        }
        Kind::Boolean => Value::Boolean(s.boolean()?),
        Kind::String => Value::Text(s.string()?),
        Kind::Array => Value::Array(s.skip()?),
        Kind::Object => {
            let mut ahead = s.clone();
            let text = s.skip()?;
            state(&mut ahead)?.map_or(Value::Object(text), Value::State)
        }
    })
}

/// The digital state that an object stands for: a whole number as `Value`, at most a `Name` and `IsSystem` beside it.
fn state<'a>(s: &mut Scanner<'a>) -> Result<Option<State<'a>>> {
    let (mut code, mut name, mut is_system, mut is_state) = (None, None, None, true);
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Value", Kind::Number) => code = literal::number(s.number()?).and_then(|n| n.long),
            ("Name", Kind::String) => name = Some(s.string()?),
            ("Name" | "IsSystem", Kind::Null) => s.null()?,
            ("IsSystem", Kind::Boolean) => is_system = Some(s.boolean()?),
            _ => {
                is_state = false;
                s.skip()?;
            }
        }
    }
    Ok(code.filter(|_| is_state).map(|code| State { code, name, is_system }))
}

fn is_empty_array(text: &str) -> bool {
    text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).is_some_and(|t| t.trim().is_empty())
}
