//! Numbers from text, exact or not at all.

use super::fault::Found;

/// A number's text taken apart: the digits without point and exponent, and how many stand after the point.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// Largest exponent worth telling from infinity: beyond it no type here has digits.
const EXPONENT_LIMIT: i64 = 100_000;

fn parts(text: &str) -> Option<Parts<'_>> {
    let bytes = text.as_bytes();
    let (negative, bytes) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, bytes),
    };
    let (mantissa, exponent) = match bytes.iter().position(|b| matches!(b, b'e' | b'E')) {
        None => (bytes, 0),
        Some(at) => (bytes.get(..at)?, exponent(bytes.get(at + 1..)?)?),
    };
    let (whole, fraction) = match mantissa.iter().position(|&b| b == b'.') {
        None => (mantissa, &[][..]),
        Some(at) => (mantissa.get(..at)?, mantissa.get(at + 1..)?),
    };
    let digits = || whole.iter().chain(fraction);
    (digits().next().is_some() && digits().all(u8::is_ascii_digit)).then_some(Parts {
        negative,
        whole,
        fraction,
        exponent,
    })
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.split_first()? {
        (b'-', rest) => (-1, rest),
        (b'+', rest) => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |n, d| (n * 10 + i64::from(d - b'0')).min(EXPONENT_LIMIT));
    Some(sign * value)
}

/// The number times ten to the `scale`, when that is an integer of at most `precision` digits.
pub(super) fn scaled(text: &str, precision: u32, scale: i64) -> Result<i128, Found> {
    let parts = parts(text).ok_or(Found::Text)?;
    let mut digits = parts.whole.iter().chain(parts.fraction).map(|d| d - b'0').skip_while(|d| *d == 0).peekable();
    if digits.peek().is_none() {
        return Ok(0);
    }
    let significant = (parts.whole.len() + parts.fraction.len()) as i64
        - parts.whole.iter().chain(parts.fraction).take_while(|d| **d == b'0').count() as i64;
    // The last digit's place after scaling: zero or more means that zeros follow, less that digits are lost.
    let shift = parts.exponent - parts.fraction.len() as i64 + scale;
    let kept = significant + shift.min(0);
    if kept + shift.max(0) > i64::from(precision) {
        return Err(Found::TooLarge);
    }
    let mut value: i128 = 0;
    for (i, digit) in digits.enumerate() {
        if (i as i64) < kept {
            value = value * 10 + i128::from(digit);
        } else if digit != 0 {
            return Err(Found::Fraction);
        }
    }
    for _ in 0..shift.max(0) {
        value *= 10;
    }
    Ok(if parts.negative { -value } else { value })
}

/// The integer that a number's text stands for: `1.0` and `1e3` are integers, `1.5` is not.
pub(super) fn integer(text: &str) -> Result<i128, Found> {
    scaled(text, 38, 0)
}

/// A double, correctly rounded. Text may also be `NaN`, `Infinity` and `-Infinity` when `words` are allowed.
pub(super) fn double(text: &str, words: bool) -> Result<f64, Found> {
    if let Some(value) = short_double(text.as_bytes()) {
        return Ok(value);
    }
    match word(text) {
        Some(value) if words => return Ok(value),
        Some(_) => return Err(Found::Text),
        None => {}
    }
    parts(text).ok_or(Found::Text)?;
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(Found::TooLarge),
        Err(_) => Err(Found::Text),
    }
}

/// A float, rounded once from the text.
pub(super) fn float(text: &str, words: bool) -> Result<f32, Found> {
    match word(text) {
        Some(value) if words => return Ok(value as f32),
        Some(_) => return Err(Found::Text),
        None => {}
    }
    parts(text).ok_or(Found::Text)?;
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(Found::TooLarge),
        Err(_) => Err(Found::Text),
    }
}

fn word(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" | "INF" | "+INF" => Some(f64::INFINITY),
        "-Infinity" | "-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Exact powers of ten in a double.
const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Up to 15 digits without exponent: one division of two exact doubles is correctly rounded.
#[inline]
fn short_double(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut mantissa: u64 = 0;
    let mut count = 0;
    let mut point = None;
    for (i, &b) in digits.iter().enumerate() {
        match b {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(b - b'0');
                count += 1;
            }
            b'.' if point.is_none() => point = Some(i),
            _ => return None,
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    let after = point.map_or(0, |at| digits.len() - 1 - at);
    let value = mantissa as f64 / TENS.get(after)?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_exact_or_refused() {
        for (text, want) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1.0", Ok(1)),
            ("1e3", Ok(1000)),
            ("1.50e1", Ok(15)),
            ("-12E0", Ok(-12)),
            ("100e-2", Ok(1)),
            ("0e999999999999999999999", Ok(0)),
            ("+7", Ok(7)),
            ("9223372036854775808", Ok(9_223_372_036_854_775_808)),
            ("1.5", Err(Found::Fraction)),
            ("1e-1", Err(Found::Fraction)),
            ("1e-99999999999999999999", Err(Found::Fraction)),
            ("1e39", Err(Found::TooLarge)),
            ("1e99999999999999999999", Err(Found::TooLarge)),
            ("", Err(Found::Text)),
            ("-", Err(Found::Text)),
            ("1e", Err(Found::Text)),
            (".", Err(Found::Text)),
            ("1_0", Err(Found::Text)),
            ("NaN", Err(Found::Text)),
            ("0x10", Err(Found::Text)),
        ] {
            assert_eq!(integer(text), want, "{text}");
        }
    }

    #[test]
    fn decimals_lose_no_digit() {
        assert_eq!(scaled("1.005", 10, 2), Err(Found::Fraction));
        assert_eq!(scaled("1.0050", 10, 3), Ok(1005));
        assert_eq!(scaled("12345678.9", 10, 2), Ok(1_234_567_890));
        assert_eq!(scaled("123456789.1", 10, 2), Err(Found::TooLarge));
        assert_eq!(scaled("0.10", 2, 2), Ok(10));
        assert_eq!(scaled("1e-22", 38, 22), Ok(1));
        let widest = "9".repeat(38);
        assert_eq!(scaled(&widest, 38, 0), Ok(10i128.pow(38) - 1));
        assert_eq!(scaled(&format!("-0.{widest}"), 38, 38), Ok(1 - 10i128.pow(38)));
    }

    #[test]
    fn doubles_take_words_only_as_text_and_refuse_overflow() {
        assert!(double("NaN", true).unwrap().is_nan());
        assert_eq!(double("NaN", false), Err(Found::Text));
        assert_eq!(double("nan", true), Err(Found::Text));
        assert_eq!(double("1e400", true), Err(Found::TooLarge));
        assert_eq!(double("1e-400", true), Ok(0.0));
        assert_eq!(float("1e39", true), Err(Found::TooLarge));
        assert_eq!(double("-0", false).unwrap().to_bits(), (-0.0f64).to_bits());
        assert_eq!(double("", true), Err(Found::Text));
        assert_eq!(double("-.", true), Err(Found::Text));
    }

    proptest! {
        #[test]
        fn doubles_are_rounded_as_std_does(text in "-?[0-9]{1,18}(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?") {
            let want: f64 = text.parse().unwrap();
            match double(&text, false) {
                Ok(got) => prop_assert_eq!(got.to_bits(), want.to_bits()),
                Err(found) => prop_assert!(found == Found::TooLarge && want.is_infinite()),
            }
        }

        #[test]
        fn integers_come_back_from_any_spelling(value: i64, zeros in 0usize..5) {
            prop_assert_eq!(integer(&value.to_string()), Ok(i128::from(value)));
            let spelled = format!("{value}.{}", "0".repeat(zeros + 1));
            prop_assert_eq!(integer(&spelled), Ok(i128::from(value)));
            prop_assert_eq!(integer(&format!("{value}{}e-{zeros}", "0".repeat(zeros))), Ok(i128::from(value)));
        }
    }
}
