//! Byte-level scanning: white space, strings, escapes, numbers.

use wide::u8x16;

const ONES: u64 = 0x0101_0101_0101_0101;

/// Eight bytes from `at` on, where there are as many.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|c| u64::from_le_bytes(*c))
}

/// The first byte at or after `at` that is a quote, a backslash or a control character; the length when there is none.
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], at: usize) -> usize {
    match chunk_at::<32>(bytes, at).map(special_of_32) {
        Some(0) => plain_end_far(bytes, at + 32),
        Some(hits) => at + hits.trailing_zeros() as usize,
        None => plain_end_bytewise(bytes, at),
    }
}

/// As [`plain_end`], for text that is longer than most: sixty-four bytes at a time.
#[inline(never)]
fn plain_end_far(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = chunk_at::<64>(bytes, at) {
        if has_special(chunk) {
            let (low, high) = chunk.split_at(32);
            let hits = u64::from(bits(special_halves(low))) | u64::from(bits(special_halves(high))) << 32;
            return at + hits.trailing_zeros() as usize;
        }
        at += 64;
    }
    plain_end_bytewise(bytes, at)
}

/// Whether any byte is a quote, a backslash or a control character: as [`special_of_16`] of all, with fewer steps.
#[inline(always)]
fn has_special(chunk: &[u8; 64]) -> bool {
    let mut least = u8x16::splat(u8::MAX);
    let mut backslash = u8x16::splat(0);
    for part in chunk.as_chunks::<16>().0 {
        let part = u8x16::new(*part);
        least = least.min(part ^ FLIP);
        backslash |= part.simd_eq(BACKSLASH);
    }
    (least.min(BLANK).simd_eq(least) | backslash).to_bitmask() != 0
}

#[inline(always)]
fn chunk_at<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

/// One bit for each byte that is a quote, a backslash or a control character.
#[inline(always)]
fn special_of_32(chunk: &[u8; 32]) -> u32 {
    bits(special_halves(chunk))
}

#[inline(always)]
fn special_halves(chunk: &[u8]) -> (u8x16, u8x16) {
    let (low, high) = chunk.split_at(16);
    (special_of_16(low), special_of_16(high))
}

#[inline(always)]
fn bits((low, high): (u8x16, u8x16)) -> u32 {
    low.to_bitmask() | high.to_bitmask() << 16
}

/// Flipping bit 1 moves the quote next to the control characters and the blank away from them.
const FLIP: u8x16 = u8x16::new([2; 16]);
const BLANK: u8x16 = u8x16::new([b' '; 16]);
const BACKSLASH: u8x16 = u8x16::new([b'\\'; 16]);

/// All bits of each byte that is a quote, a backslash or a control character.
#[inline(always)]
fn special_of_16(bytes: &[u8]) -> u8x16 {
    let bytes = u8x16::new(bytes.first_chunk().copied().unwrap_or_default());
    let flipped = bytes ^ FLIP;
    flipped.min(BLANK).simd_eq(flipped) | bytes.simd_eq(BACKSLASH)
}

/// A key of up to 14 bytes without escapes that begins after its quote: its bytes, its quote and its colon, with zeros
/// after them, and how many they are. `None` for others, and within 16 bytes of the end.
#[inline]
pub(super) fn short_key(text: &[u8]) -> Option<(u128, usize)> {
    let chunk = text.first_chunk::<16>()?;
    let word = u128::from_le_bytes(*chunk);
    let at = special_of_16(chunk).to_bitmask().trailing_zeros();
    let is_key = at <= 14 && (word >> (8 * at)) as u16 == u16::from_le_bytes(*b"\":");
    is_key.then(|| (word & (u128::MAX >> (112 - 8 * at)), at as usize + 2))
}

#[inline(never)]
fn plain_end_bytewise(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&b| b < b' ' || b == b'"' || b == b'\\').unwrap_or(rest.len())
}

/// The first byte at or after `at` that is not JSON white space.
#[inline]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(bytes, at) {
        if word != ONES * u64::from(b' ') {
            break;
        }
        at += 8;
    }
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
        if bytes.get(at - 1) == Some(&b'\n') {
            return skip_indent(bytes, at);
        }
    }
    at
}

/// As [`skip_space`] after a line break, where a run of blanks is likely.
fn skip_indent(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(bytes, at) {
        let other = word ^ (ONES * u64::from(b' '));
        at += (other.trailing_zeros() / 8) as usize;
        if other != 0 {
            break;
        }
    }
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The end of the escape that starts at the backslash `at`; the failing byte when it is none.
pub(super) fn escape_end(bytes: &[u8], at: usize) -> Result<usize, usize> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            for i in at + 2..at + 6 {
                if !bytes.get(i).is_some_and(u8::is_ascii_hexdigit) {
                    return Err(i);
                }
            }
            Ok(at + 6)
        }
        _ => Err(at + 1),
    }
}

/// Appends what a literal's inside stands for. The escapes have the right form already; `None` for half a surrogate pair.
pub(super) fn unescape(mut raw: &str, out: &mut String) -> Option<()> {
    while let Some(at) = memchr::memchr(b'\\', raw.as_bytes()) {
        out.push_str(raw.get(..at)?);
        let escape = *raw.as_bytes().get(at + 1)?;
        let mut used = at + 2;
        out.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (c, len) = unicode_escape(raw.get(at..)?)?;
                used = at + len;
                c
            }
            other => char::from(other),
        });
        raw = raw.get(used..)?;
    }
    out.push_str(raw);
    Some(())
}

/// The character of `\uXXXX` or of a surrogate pair, and how many bytes it took.
fn unicode_escape(raw: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(raw.get(at..at + 4)?, 16).ok();
    let high = unit(2)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Some((char::from_u32(high)?, 6));
    }
    if raw.get(6..8)? != "\\u" {
        return None;
    }
    let low = unit(8)?;
    if !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    Some((char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, 12))
}

/// The end of the number at `at`; the failing byte when there is none.
#[inline]
pub(super) fn number_end(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = match bytes.get(at) {
        Some(b'0') => at + 1,
        _ => digits_end(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits_end(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = digits_end(bytes, at)?;
    }
    Ok(at)
}

#[inline]
fn digits_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at == start { Err(at) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_plain_text_is_found_at_every_offset_and_length() {
        for stop in [b'"', b'\\', b'\n', 0u8, 0x1f] {
            for len in 0..100 {
                let mut text = vec![b'a'; len];
                // Bytes that look near to the stops: above them, with the high bit set.
                text.iter_mut().step_by(3).for_each(|b| *b = 0xA2);
                text.iter_mut().skip(1).step_by(5).for_each(|b| *b = b' ');
                text.push(stop);
                text.extend_from_slice(b"tail\"");
                for from in 0..=len {
                    assert_eq!(plain_end(&text, from), len, "stop {stop} len {len} from {from}");
                }
            }
        }
        assert_eq!(plain_end(b"abc", 0), 3);
    }

    #[test]
    fn numbers_follow_the_grammar() {
        let ends = [
            ("0", Ok(1)),
            ("-0.0", Ok(4)),
            ("1e5,", Ok(3)),
            ("12.50E-3 ", Ok(8)),
            ("01", Ok(1)),
            ("-", Err(1)),
            ("1.", Err(2)),
            (".5", Err(0)),
            ("1e", Err(2)),
            ("1e+", Err(3)),
            ("+1", Err(0)),
            ("NaN", Err(0)),
        ];
        for (text, end) in ends {
            assert_eq!(number_end(text.as_bytes(), 0), end, "{text}");
        }
    }

    #[test]
    fn escapes_become_characters_and_half_pairs_do_not() {
        let mut out = String::new();
        unescape(r#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z"#, &mut out).unwrap();
        assert_eq!(out, "a\"\\/\u{8}\u{c}\n\r\té😀z");
        for half in [r"\ud83d", r"\ud83dx", r"\ude00", r"\ud83d\u0041", r"\ud83d\n"] {
            assert_eq!(unescape(half, &mut String::new()), None, "{half}");
        }
    }
}
