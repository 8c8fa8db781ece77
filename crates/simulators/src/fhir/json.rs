//! Just enough JSON to cut text apart without changing a byte of any value.

/// One member of an object, as byte ranges of the text that was scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name between its quotes.
    pub(crate) name: (usize, usize),
    /// The value, without surrounding space.
    pub(crate) value: (usize, usize),
}

impl Member {
    pub(crate) fn name<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.name.0..self.name.1).unwrap_or_default()
    }

    pub(crate) fn value<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.value.0..self.value.1).unwrap_or_default()
    }
}

/// The members of the object that `text` is; tolerates values that are not JSON (NaN, lone surrogates), so that a
/// simulator can serve them.
pub(crate) fn members(text: &str) -> Option<Vec<Member>> {
    let bytes = text.as_bytes();
    let mut at = space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    at = space(bytes, at + 1);
    let mut found = Vec::new();
    if bytes.get(at) == Some(&b'}') {
        return Some(found);
    }
    loop {
        let name_end = string(bytes, at)?;
        let colon = space(bytes, name_end);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        let start = space(bytes, colon + 1);
        let end = value(bytes, start)?;
        found.push(Member { name: (at + 1, name_end - 1), value: (start, end) });
        at = space(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = space(bytes, at + 1),
            Some(b'}') => return Some(found),
            _ => return None,
        }
    }
}

/// The text of a member's string value, when it is a string without escapes.
pub(crate) fn plain_string(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// The text without space between tokens; every token keeps its spelling.
pub(crate) fn minified(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    for c in text.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if matches!(c, ' ' | '\t' | '\r' | '\n') {
            continue;
        } else if c == '"' {
            inside = true;
        }
        out.push(c);
    }
    out
}

/// A JSON string literal of `text`.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The end of the string that starts at `at`.
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The end of the value that starts at `at`.
fn value(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = at;
    loop {
        match bytes.get(at)? {
            b'"' => at = string(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            _ => at += 1,
        }
        if depth == 0 && matches!(bytes.get(at), Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')) {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_cut_without_changing_a_byte() {
        let text = r#" {"a": 1.00 ,"b":{"c":[1,"}"],"d":"\"}"},"e":NaN,"f":"x"} "#;
        let found = members(text).unwrap_or_default();
        let pairs: Vec<_> = found.iter().map(|member| (member.name(text), member.value(text))).collect();
        assert_eq!(pairs, [("a", "1.00"), ("b", r#"{"c":[1,"}"],"d":"\"}"}"#), ("e", "NaN"), ("f", "\"x\"")]);
        assert_eq!(members("[1]"), None);
        assert_eq!(members(r#"{"a":1"#), None);
        assert_eq!(members("{}"), Some(vec![]));
    }

    #[test]
    fn space_inside_strings_survives_minifying() {
        assert_eq!(minified("{ \"a b\" : \"c \\\" d\\\\\" ,\n \"e\" : 1.00 }"), r#"{"a b":"c \" d\\","e":1.00}"#);
    }
}
