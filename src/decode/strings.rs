//! String literals in the text.

use std::borrow::Cow;

use super::{scanner::Scanner, text};
use crate::error::Result;

/// The inside of a string literal: where it stands in the text.
#[derive(Clone, Copy)]
pub(super) struct RawStr {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

impl<'a> Scanner<'a> {
    /// A string value.
    ///
    /// # Errors
    /// [`Protocol`](crate::ErrorKind::Protocol) when the next value is not a string, or holds half a surrogate pair.
    pub fn string(&mut self) -> Result<Cow<'a, str>> {
        if self.next_byte() != b'"' {
            return Err(self.broken("expected a string"));
        }
        let raw = self.raw_string()?;
        self.string_of(raw)
    }

    /// A string value, or `None` for `null`.
    ///
    /// # Errors
    /// As [`Scanner::string`].
    pub fn optional_string(&mut self) -> Result<Option<Cow<'a, str>>> {
        if self.next_byte() == b'n' {
            self.literal("null")?;
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// The string that starts here; the caller has seen its quote.
    #[inline(always)]
    pub(super) fn raw_string(&mut self) -> Result<RawStr> {
        let bytes = self.bytes();
        let start = self.pos + 1;
        let end = text::plain_end(bytes, start);
        if bytes.get(end) == Some(&b'"') {
            self.pos = end + 1;
            return Ok(RawStr { start, end, escaped: false });
        }
        self.raw_string_with_escapes(start, end)
    }

    #[inline(never)]
    fn raw_string_with_escapes(&mut self, start: usize, mut end: usize) -> Result<RawStr> {
        let bytes = self.bytes();
        let mut escaped = false;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end = text::escape_end(bytes, end).map_err(|at| self.broken_at(at, "a broken escape"))?;
                }
                Some(_) => return Err(self.broken_at(end, "a control character inside a string")),
                None => return Err(self.broken_at(end, "expected '\"'")),
            }
            end = text::plain_end(bytes, end);
        }
        self.pos = end + 1;
        Ok(RawStr { start, end, escaped })
    }

    /// What a literal stands for; `None` when it holds half a surrogate pair.
    pub(super) fn unescaped(&self, raw: RawStr) -> Option<Cow<'a, str>> {
        let text = self.text.get(raw.start..raw.end)?;
        if !raw.escaped {
            return Some(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        text::unescape(text, &mut out).map(|()| Cow::Owned(out))
    }

    #[inline]
    pub(super) fn string_of(&self, raw: RawStr) -> Result<Cow<'a, str>> {
        if !raw.escaped
            && let Some(text) = self.text.get(raw.start..raw.end)
        {
            return Ok(Cow::Borrowed(text));
        }
        self.unescaped(raw).ok_or_else(|| self.broken("half a surrogate pair before this byte"))
    }
}
