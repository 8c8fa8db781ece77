//! JSON text without a tree.

use std::io::Write;

/// A JSON string literal of `text`.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_quoted(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends a JSON string literal of `text`.
pub(crate) fn write_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends `"name":`, with a comma in front unless it is the first member of its object.
pub(crate) fn write_name(name: &str, out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{') | None) {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends an integer.
pub(crate) fn write_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Appends `mantissa / 10^decimals` without trailing zeros.
pub(crate) fn write_decimal(mantissa: i64, decimals: u32, out: &mut Vec<u8>) {
    let scale = 10i64.pow(decimals);
    if mantissa < 0 {
        out.push(b'-');
    }
    let rest = i64::try_from(mantissa.unsigned_abs()).unwrap_or(i64::MAX);
    write_integer(rest / scale, out);
    let mut fraction = rest % scale;
    if fraction == 0 {
        return;
    }
    let mut digits = [b'0'; 18];
    let width = decimals as usize;
    for digit in digits.iter_mut().take(width).rev() {
        *digit = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    let digits = digits.get(..width).unwrap_or_default();
    let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(digits.get(..end).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_are_spelled_as_json() {
        let decimal = |mantissa, decimals| {
            let mut out = Vec::new();
            write_decimal(mantissa, decimals, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(decimal(7_125, 2), "71.25");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(7_150, 2), "71.5");
        assert_eq!(decimal(-7_100, 2), "-71");
        assert_eq!(decimal(i64::MAX, 0), i64::MAX.to_string());
        let text = "a\"\\\n\u{1}ä";
        assert_eq!(quoted(text), serde_json::to_string(text).unwrap());
    }
}
