//! The tokens of a filter.

use crate::error::{Error, ErrorKind, Result};

/// Longest filter that is taken.
const LONGEST: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word: a keyword, function, type or name.
    Word(String),
    /// A name in backticks, without them.
    Name(String),
    /// A text, without its quotes and with quotes inside undoubled.
    Text(String),
    /// Digits with an optional point and exponent.
    Number(String),
    /// An operator or punctuation mark.
    Mark(&'static str),
}

/// Longer marks stand before those that they begin with.
const MARKS: &[&str] =
    &["<>", "!=", "<=", ">=", "||", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ",", ".", "[", "]"];

/// The tokens of a filter, each with where it begins.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for what could end the filter early or hide a part of it: comments, statement ends,
/// double quotes, control characters, quotes that do not close; and for filters longer than 64 KiB.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    if text.len() > LONGEST {
        return Err(
            wrong("is longer than 64 KiB", 0).help("select by several reads, or by a column that says the same")
        );
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, length) = match first {
            '\'' => {
                quoted(rest, '\'').map(|(text, length)| (Token::Text(text), length)).ok_or_else(|| open("'", at))?
            }
            '`' => {
                let (name, length) = quoted(rest, '`').ok_or_else(|| open("`", at))?;
                if name.contains('`') {
                    return Err(wrong("names a column with a backtick, which the server cannot filter by", at));
                }
                (Token::Name(name), length)
            }
            '"' => {
                return Err(wrong("has a double quote, which the server takes for a text and not for a name", at)
                    .help("write names in backticks, as `has space`, and texts in single quotes"));
            }
            '0'..='9' => {
                number(rest).map(|length| (Token::Number(rest[..length].to_owned()), length)).ok_or_else(|| {
                    wrong("has a number that runs into letters", at)
                        .help("write numbers in decimal digits, as 15 or 1.5e3")
                })?
            }
            first if first.is_ascii_alphabetic() || first == '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            _ if ["--", "/*", "*/", ";"].iter().any(|end| rest.starts_with(end)) => {
                return Err(wrong("has a comment or the end of a statement", at)
                    .help("a filter is one condition; in texts these characters may stand"));
            }
            _ => match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
                Some(mark) => (Token::Mark(mark), mark.len()),
                None => {
                    return Err(wrong("has a character that filters do not have", at)
                        .help("write names other than a-z, 0-9 and _ in backticks"));
                }
            },
        };
        let taken = &rest[..length];
        if taken.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return Err(wrong("has a control character", at));
        }
        tokens.push((at, token));
        rest = &rest[length..];
    }
}

/// What stands between two quotes, and the length with both; a doubled quote stands for one.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Some((text, at + quote.len_utf8()));
        }
    }
    None
}

/// The length of a number; `None` when letters follow it.
fn number(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let runs_on = bytes.get(length).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    (!runs_on).then_some(length)
}

fn open(quote: &str, at: usize) -> Error {
    wrong(format!("has a {quote} that is never closed"), at).help("double a quote that belongs to a text: 'it''s'")
}

/// A complaint about a filter, with where in it.
pub(super) fn wrong(what: impl AsRef<str>, at: usize) -> Error {
    Error::new(ErrorKind::Config, format!("the filter {}", what.as_ref())).with("position", at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn quotes_numbers_and_marks_are_told_apart() {
        assert_eq!(
            read("`has space`>=-1.5e3 AND t<>'it''s -- fine; \"too\"'"),
            [
                Token::Name("has space".to_owned()),
                Token::Mark(">="),
                Token::Mark("-"),
                Token::Number("1.5e3".to_owned()),
                Token::Word("AND".to_owned()),
                Token::Word("t".to_owned()),
                Token::Mark("<>"),
                Token::Text("it's -- fine; \"too\"".to_owned()),
            ]
        );
        assert_eq!(
            read("1. .5 12"),
            [
                Token::Number("1.".to_owned()),
                Token::Mark("."),
                Token::Number("5".to_owned()),
                Token::Number("12".to_owned())
            ]
        );
    }

    #[test]
    fn what_could_hide_or_end_a_filter_is_refused_with_its_place() {
        for (text, part, place) in [
            ("a = 1 -- b", "comment", "7"),
            ("a = 1 /* b", "comment", "7"),
            ("a = 1; b", "end of a statement", "6"),
            ("\"a\" = 1", "double quote", "1"),
            ("a = 'b", "never closed", "5"),
            ("a = 'b''", "never closed", "5"),
            ("`a = 1", "never closed", "1"),
            ("a = 0x10", "runs into letters", "5"),
            ("a = 1.2.3", "runs into letters", "5"),
            ("a = \u{0}", "character that filters do not have", "5"),
            ("a = 'x\u{0}'", "control character", "5"),
            ("ä = 1", "character that filters do not have", "1"),
            ("`a``b` = 1", "backtick", "1"),
            ("a ~ 'x'", "character that filters do not have", "3"),
        ] {
            let error = tokens(text).unwrap_err();
            assert!(error.message().contains(part), "{text}: {error}");
            assert_eq!(error.get("position"), Some(place), "{text}");
        }
        assert!(tokens(&"a".repeat(LONGEST + 1)).unwrap_err().message().contains("64 KiB"));
    }
}
