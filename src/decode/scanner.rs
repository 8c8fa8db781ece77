//! The pull reader: strict JSON text, one pass, no tree.

use std::borrow::Cow;

use super::{kind::Kind, strings::RawStr, text};
use crate::error::{Error, ErrorKind, Result};

/// Reads JSON text from front to back, one value at a time, without building anything.
///
/// Strict: what RFC 8259 does not allow is an error that names the byte and never quotes the text. A byte order mark at
/// the start is passed over. Values may be nested [`Scanner::MAX_DEPTH`] deep; nothing here recurses. After an
/// error the position is unspecified: drop the scanner. A clone is cheap and looks ahead.
///
/// ```
/// use lakeflow_connect::decode::{Kind, Scanner};
/// # fn main() -> lakeflow_connect::Result<()> {
/// let mut page = Scanner::new(r#"{"total": 2, "entry": [{"id": "a"}, {"id": "b"}]}"#);
/// let mut entries = Vec::new();
/// page.enter_object()?;
/// while let Some(key) = page.next_key()? {
///     match &*key {
///         "entry" => {
///             page.enter_array()?;
///             while page.next_element()? {
///                 entries.push(page.skip()?);
///             }
///         }
///         _ => drop(page.skip()?),
///     }
/// }
/// page.end()?;
/// assert_eq!(entries, [r#"{"id": "a"}"#, r#"{"id": "b"}"#]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) pos: usize,
    depth: u32,
    /// An object or array was entered and none of its members was read.
    fresh: bool,
}

/// A place to come back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pos: usize,
    depth: u32,
    fresh: bool,
}

impl<'a> Scanner<'a> {
    /// How deep objects and arrays may be nested.
    pub const MAX_DEPTH: u32 = 128;

    /// A scanner at the start of a text.
    pub fn new(text: &'a str) -> Self {
        let pos = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, pos, depth: 0, fresh: false }
    }

    /// A scanner of a response body.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) with the byte position when the body is not UTF-8.
    pub fn from_utf8(bytes: &'a [u8]) -> Result<Self> {
        simdutf8::compat::from_utf8(bytes)
            .map(Self::new)
            .map_err(|e| Error::new(ErrorKind::Protocol, "the text is not UTF-8").with("byte", e.valid_up_to()))
    }

    /// All of the text.
    #[cfg(any(feature = "fhir", feature = "osipi"))]
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// The text between two positions of this scanner.
    pub(super) fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.pos).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark { pos: self.pos, depth: self.depth, fresh: self.fresh }
    }

    #[inline]
    pub(crate) fn reset(&mut self, mark: Mark) {
        self.pos = mark.pos;
        self.depth = mark.depth;
        self.fresh = mark.fresh;
    }

    #[inline]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is not white space, or 0 at the end.
    #[inline(always)]
    pub(crate) fn next_byte(&mut self) -> u8 {
        match self.bytes().get(self.pos) {
            Some(&b) if b > b' ' => b,
            _ => self.next_byte_after_space(),
        }
    }

    #[inline(never)]
    fn next_byte_after_space(&mut self) -> u8 {
        self.pos = text::skip_space(self.bytes(), self.pos);
        self.bytes().get(self.pos).copied().unwrap_or(0)
    }

    /// The kind of the next value.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when no value starts here.
    pub fn peek(&mut self) -> Result<Kind> {
        match self.next_byte() {
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::Array),
            b'"' => Ok(Kind::String),
            b'-' | b'0'..=b'9' => Ok(Kind::Number),
            b't' | b'f' => Ok(Kind::Boolean),
            b'n' => Ok(Kind::Null),
            _ => Err(self.broken("expected a value")),
        }
    }

    /// Steps into an object; then call [`Scanner::next_key`] until it returns `None`, reading one value after each key.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the next value is not an object or is nested too deep.
    #[inline]
    pub fn enter_object(&mut self) -> Result<()> {
        self.enter(b'{', "expected an object")
    }

    /// Steps into an array; then call [`Scanner::next_element`] until it returns `false`, reading one value each time.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the next value is not an array or is nested too deep.
    #[inline]
    pub fn enter_array(&mut self) -> Result<()> {
        self.enter(b'[', "expected an array")
    }

    #[inline]
    fn enter(&mut self, open: u8, expected: &'static str) -> Result<()> {
        if self.next_byte() != open {
            return Err(self.broken(expected));
        }
        if self.depth == Self::MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.depth += 1;
        self.pos += 1;
        self.fresh = true;
        Ok(())
    }

    /// The next member's key, or `None` after the last, having left the object.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for broken text.
    pub fn next_key(&mut self) -> Result<Option<Cow<'a, str>>> {
        if !self.next_member()? {
            return Ok(None);
        }
        let key = self.raw_key()?;
        self.string_of(key).map(Some)
    }

    /// Goes to the quote of the next member's key; `false` after the last member, having left the object.
    #[inline(always)]
    pub(super) fn next_member(&mut self) -> Result<bool> {
        let mut byte = self.next_byte();
        if byte == b'}' {
            self.leave();
            return Ok(false);
        }
        if !self.fresh {
            if byte != b',' {
                return Err(self.broken("expected ',' or '}'"));
            }
            self.pos += 1;
            byte = self.next_byte();
        }
        self.fresh = false;
        if byte != b'"' {
            return Err(self.broken("expected a key"));
        }
        Ok(true)
    }

    /// The key that starts here, and its colon.
    #[inline(always)]
    pub(super) fn raw_key(&mut self) -> Result<RawStr> {
        let key = self.raw_string()?;
        if self.next_byte() != b':' {
            return Err(self.broken("expected ':'"));
        }
        self.pos += 1;
        Ok(key)
    }

    /// Whether another element follows; `false` after the last, having left the array.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for broken text.
    #[inline(always)]
    pub fn next_element(&mut self) -> Result<bool> {
        let byte = self.next_byte();
        if byte == b']' {
            // `[1,]` cannot come here: after the comma a value was asked for.
            self.leave();
            return Ok(false);
        }
        if !self.fresh {
            if byte != b',' {
                return Err(self.broken("expected ',' or ']'"));
            }
            self.pos += 1;
            if matches!(self.next_byte(), b']' | b'}' | 0) {
                return Err(self.broken("expected a value"));
            }
        }
        self.fresh = false;
        Ok(true)
    }

    /// Whether an object or array was entered and none of its members was read.
    #[cfg(feature = "fhir")]
    #[inline]
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    #[inline]
    fn leave(&mut self) {
        self.pos += 1;
        self.depth -= u32::from(self.depth > 0);
        self.fresh = false;
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the next value is not a boolean.
    pub fn boolean(&mut self) -> Result<bool> {
        match self.next_byte() {
            b't' => self.literal("true").map(|()| true),
            b'f' => self.literal("false").map(|()| false),
            _ => Err(self.broken("expected a boolean")),
        }
    }

    /// A number's text, as it stands.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the next value is not a number.
    pub fn number(&mut self) -> Result<&'a str> {
        self.next_byte();
        let start = self.pos;
        self.pos = text::number_end(self.bytes(), start).map_err(|at| self.broken_at(at, "expected a number"))?;
        Ok(self.slice(start))
    }

    /// Passes over `null`.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the next value is not `null`.
    pub fn null(&mut self) -> Result<()> {
        self.next_byte();
        self.literal("null")
    }

    /// Passes over the next value, checking it, and returns its text as it stands.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for broken text.
    pub fn skip(&mut self) -> Result<&'a str> {
        self.next_byte();
        let start = self.pos;
        self.skip_value()?;
        Ok(self.slice(start))
    }

    /// As [`Scanner::skip`], without the text.
    ///
    /// # Errors
    /// As [`Scanner::skip`].
    #[inline]
    pub fn skip_value(&mut self) -> Result<()> {
        match self.next_byte() {
            b'"' => self.raw_string().map(drop),
            b'{' | b'[' => self.skip_nested(),
            byte => self.skip_plain(byte),
        }
    }

    fn skip_plain(&mut self, byte: u8) -> Result<()> {
        match byte {
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => Err(self.broken("expected a value")),
        }
    }

    /// Walks one object or array with the open brackets as bits: 1 for an object.
    fn skip_nested(&mut self) -> Result<()> {
        let outer = self.depth;
        let mut objects: u128 = 0;
        loop {
            // At the start of a value.
            match self.next_byte() {
                b'"' => drop(self.raw_string()?),
                b'{' => {
                    self.enter_object()?;
                    objects = objects << 1 | 1;
                }
                b'[' => {
                    self.enter_array()?;
                    objects <<= 1;
                }
                byte => self.skip_plain(byte)?,
            }
            // After a value or an opening bracket: go to the next value, leaving what ends.
            loop {
                let is_object = objects & 1 == 1;
                if if is_object { self.next_member()? } else { self.next_element()? } {
                    if is_object {
                        self.raw_key()?;
                    }
                    break;
                }
                if self.depth == outer {
                    return Ok(());
                }
                objects >>= 1;
            }
        }
    }

    /// Passes over the next value when it is spelled exactly so.
    #[cfg(feature = "fhir")]
    pub(crate) fn passes(&mut self, value: &str) -> bool {
        self.next_byte();
        let is_next = self.bytes().get(self.pos..).is_some_and(|rest| rest.starts_with(value.as_bytes()));
        self.pos += if is_next { value.len() } else { 0 };
        is_next
    }

    /// Checks that nothing but white space is left.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when something is.
    pub fn end(&mut self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.broken("expected the end of the text")) }
    }

    /// Whether nothing but white space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.next_byte();
        self.pos >= self.text.len()
    }

    #[inline]
    pub(super) fn literal(&mut self, word: &'static str) -> Result<()> {
        match self.bytes().get(self.pos..self.pos + word.len()) {
            Some(found) if found == word.as_bytes() => {
                self.pos += word.len();
                Ok(())
            }
            _ => Err(self.broken("expected a value")),
        }
    }

    pub(crate) fn advance_to(&mut self, pos: usize) {
        self.pos = pos;
    }

    #[cold]
    pub(crate) fn broken(&self, what: &'static str) -> Error {
        self.broken_at(self.pos, what)
    }

    #[cold]
    pub(super) fn broken_at(&self, at: usize, what: &'static str) -> Error {
        let message = if at >= self.text.len() {
            format!("the JSON text ends too early: {what}")
        } else {
            format!("the text is not JSON: {what}")
        };
        Error::new(ErrorKind::Protocol, message).with("byte", at)
    }

    #[cold]
    fn too_deep(&self) -> Error {
        Error::new(ErrorKind::Protocol, "the JSON text is nested too deep")
            .with("byte", self.pos)
            .with("limit", Self::MAX_DEPTH)
    }
}
