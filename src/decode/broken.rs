//! Passing over a value that is not JSON.

use super::scanner::Scanner;
use crate::error::Result;

impl<'a> Scanner<'a> {
    /// Passes over the next object or array by its brackets and quotes alone, however deep or broken it is inside, and
    /// returns its text as it stands. `None` when it does not end; the scanner then stays where it was.
    pub(crate) fn skip_broken(&mut self) -> Option<&'a str> {
        self.next_byte();
        let start = self.pos;
        self.pos += end_of(self.bytes().get(start..)?)?;
        Some(self.slice(start))
    }

    /// Passes over the next value, which may be broken inside when it is an object or array that ends.
    ///
    /// # Errors
    /// As [`Scanner::skip`] otherwise.
    pub(crate) fn pass_over(&mut self) -> Result<()> {
        let start = self.mark();
        self.skip_value().or_else(|error| {
            self.reset(start);
            self.skip_broken().map(drop).ok_or(error)
        })
    }
}

/// Where the object or array at the start of these bytes ends.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (at > 0).then_some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_inside_is_passed_over_to_its_end() {
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        for value in [r#"{"a":NaN}"#, r#"{"a":"}\"]","b":[{]]}"#, r#"["\ud83d"]"#, &deep] {
            let text = format!(" {value}, 1]");
            let mut scanner = Scanner::new(&text);
            assert_eq!(scanner.skip_broken(), Some(value));
            assert_eq!(scanner.position(), 1 + value.len());
        }
    }

    #[test]
    fn what_does_not_end_is_not_passed_over() {
        for text in ["", "1", "}", r#"{"a":[1}"#, r#"{"a":"}"#, r#"{"a":"\"}"#] {
            let mut scanner = Scanner::new(text);
            assert_eq!(scanner.skip_broken(), None, "{text}");
            assert_eq!(scanner.position(), 0);
        }
    }
}
