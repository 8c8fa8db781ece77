//! Reads the tokens of DDL, knowing where it is.

use crate::error::{Error, ErrorKind, Result};

/// A place in DDL text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Byte position of the next token, for [`Cursor::error_at`].
    pub(super) fn position(&mut self) -> usize {
        self.rest();
        self.at
    }

    /// An error at the next token.
    pub(super) fn expected(&mut self, what: &str) -> Error {
        let found = match self.peek_token() {
            "" => "the text ends".to_owned(),
            token => format!("found '{token}'"),
        };
        self.error_at(self.at, Error::new(ErrorKind::Config, format!("expected {what}, {found}")))
    }

    /// Adds line and column (both from 1, columns in characters) to an error.
    pub(super) fn error_at(&self, position: usize, error: Error) -> Error {
        let before = self.text.get(..position).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let column = before[line_start..].chars().count() + 1;
        error.with("line", before.matches('\n').count() + 1).with("column", column)
    }

    /// Whether only blanks and comments are left.
    pub(super) fn at_end(&mut self) -> bool {
        self.rest().is_empty()
    }

    /// Takes one punctuation character when it is next.
    pub(super) fn take(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Takes one punctuation character.
    pub(super) fn require(&mut self, c: char) -> Result<()> {
        if self.take(c) { Ok(()) } else { Err(self.expected(&format!("'{c}'"))) }
    }

    /// The next bare word, without taking it; empty when something else is next.
    pub(super) fn peek_word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    }

    /// Takes a keyword, case ignored, when it is next.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let word = self.peek_word();
        let found = word.eq_ignore_ascii_case(keyword);
        if found {
            self.at += word.len();
        }
        found
    }

    /// Takes a bare word.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str> {
        match self.peek_word() {
            "" => Err(self.expected(what)),
            word => {
                self.at += word.len();
                Ok(word)
            }
        }
    }

    /// Takes a name: a bare word, or anything between backticks, where two of them stand for one.
    pub(super) fn name(&mut self) -> Result<String> {
        if !self.rest().starts_with('`') {
            let word = self.peek_word();
            let next = self.text[self.at + word.len()..].chars().next();
            let cut = next.is_some_and(|c| !c.is_whitespace() && !matches!(c, ':' | ',' | '>' | '<' | '`'));
            if cut || word.bytes().all(|b| b.is_ascii_digit()) {
                let error = self.expected("a column name");
                return Err(error.help("names with other than ASCII letters, digits and '_' stand in backticks"));
            }
            self.at += word.len();
            return Ok(word.to_owned());
        }
        let start = self.at;
        let mut name = String::new();
        let mut chars = self.text[start + 1..].char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            if c != '`' {
                name.push(c);
            } else if chars.next_if(|(_, next)| *next == '`').is_some() {
                name.push('`');
            } else {
                self.at = start + 1 + i + 1;
                return Ok(name);
            }
        }
        Err(self.error_at(start, Error::new(ErrorKind::Config, "the name in backticks does not end")))
    }

    /// Takes a whole number.
    pub(super) fn number(&mut self) -> Result<i64> {
        let start = self.position();
        let sign = if self.take('-') { "-" } else { "" };
        let word = self.word("a number")?;
        format!("{sign}{word}")
            .parse()
            .map_err(|_| self.error_at(start, Error::new(ErrorKind::Config, "expected a whole number")))
    }

    /// Takes a text in single or double quotes, with backslash escapes and doubled quotes, as Spark reads them.
    pub(super) fn quoted(&mut self) -> Result<String> {
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"')) else {
            return Err(self.expected("a text in quotes"));
        };
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].chars();
        while let Some(c) = chars.next() {
            if c == '\\' {
                match escape(&mut chars) {
                    Some(text) => out.push_str(&text),
                    None => break,
                }
            } else if c != quote {
                out.push(c);
            } else if chars.as_str().starts_with(quote) {
                chars.next();
                out.push(quote);
            } else {
                self.at = self.text.len() - chars.as_str().len();
                return Ok(out);
            }
        }
        Err(self
            .error_at(start, Error::new(ErrorKind::Config, "the text in quotes does not end or has a broken escape")))
    }

    /// The text from the next token on.
    fn rest(&mut self) -> &'a str {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let skip = if trimmed.starts_with("--") {
                trimmed.find('\n').map_or(trimmed.len(), |i| i + 1)
            } else if trimmed.starts_with("/*") {
                match trimmed.find("*/") {
                    Some(i) => i + 2,
                    None => return trimmed,
                }
            } else {
                return trimmed;
            };
            self.at += skip;
        }
    }

    fn peek_token(&mut self) -> &'a str {
        match self.peek_word() {
            "" => {
                let rest = self.rest();
                &rest[..rest.chars().next().map_or(0, char::len_utf8)]
            }
            word => word,
        }
    }
}

/// What follows a backslash. `None` when it is broken.
fn escape(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let c = chars.next()?;
    let code = |chars: &mut std::str::Chars<'_>, digits: usize| -> Option<u32> {
        let text = chars.as_str().get(..digits)?;
        let value = u32::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))?;
        chars.nth(digits - 1);
        Some(value)
    };
    let one = match c {
        'b' => '\u{8}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'Z' => '\u{1a}',
        // Kept with their backslash: they are for LIKE patterns.
        '%' | '_' => return Some(format!("\\{c}")),
        'u' => match code(chars, 4)? {
            high @ 0xd800..=0xdbff => {
                let rest = chars.as_str().strip_prefix("\\u")?;
                *chars = rest.chars();
                let low = code(chars, 4)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
            }
            other => char::from_u32(other)?,
        },
        'U' => char::from_u32(code(chars, 8)?)?,
        '0'..='1' => match octal(chars.as_str()) {
            Some(low) => {
                chars.nth(1);
                char::from_u32(((c as u32 - '0' as u32) << 6) + low)?
            }
            None if c == '0' => '\0',
            None => c,
        },
        other => other,
    };
    Some(one.to_string())
}

/// The two octal digits at the start of a text.
fn octal(text: &str) -> Option<u32> {
    let digits = text.get(..2).filter(|d| d.bytes().all(|b| matches!(b, b'0'..=b'7')))?;
    u32::from_str_radix(digits, 8).ok()
}
