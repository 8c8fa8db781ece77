//! One JSON scalar to one value of a type. The table of what becomes what is in [`super`].

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::DecodePaddingMode,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    buffers::Varying,
    decoder::PartialDates,
    fault::{Fault, Found, Step},
    number,
    scanner::Scanner,
    time::{self, Zone},
};

/// Standard alphabet, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A scalar as it stands in the text.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(&'a str),
    Boolean(bool),
}

fn scalar<'a>(s: &mut Scanner<'a>) -> Step<Scalar<'a>> {
    match s.next_byte() {
        b'"' => {
            let raw = s.raw_string()?;
            Ok(Scalar::Text(s.unescaped(raw).ok_or_else(|| Fault::value(Found::HalfPair))?))
        }
        b't' | b'f' => Ok(Scalar::Boolean(s.boolean()?)),
        b'-' | b'0'..=b'9' => Ok(Scalar::Number(s.number()?)),
        _ => Err(wrong_kind(s)),
    }
}

/// The fault for the value that comes next.
#[cold]
pub(super) fn wrong_kind(s: &mut Scanner) -> Box<Fault> {
    match s.peek() {
        Ok(kind) => Fault::value(Found::Kind(kind)),
        Err(error) => error.into(),
    }
}

fn value<T>(result: Result<T, Found>) -> Step<T> {
    result.map_err(Fault::value)
}

/// Text of the string that starts here, unescaped.
#[inline]
pub(super) fn string(s: &mut Scanner, column: &mut Varying, at: usize) -> Step {
    let raw = s.raw_string()?;
    if !raw.escaped {
        return column.put_part(at, s.bytes(), raw.start..raw.end);
    }
    let text = s.unescaped(raw).ok_or_else(|| Fault::value(Found::HalfPair))?;
    column.put(at, text.as_bytes())
}

/// Text of any scalar: numbers and booleans as they stand.
pub(super) fn text(s: &mut Scanner, column: &mut Varying, at: usize) -> Step {
    match scalar(s)? {
        Scalar::Number(text) => column.put(at, text.as_bytes()),
        Scalar::Boolean(true) => column.put(at, b"true"),
        Scalar::Boolean(false) => column.put(at, b"false"),
        Scalar::Text(text) => column.put(at, text.as_bytes()),
    }
}

/// An integer that `T` has room for.
#[inline]
pub(super) fn integer<T: TryFrom<i64> + TryFrom<i128>>(s: &mut Scanner) -> Step<T> {
    s.next_byte();
    if let Some((value, end)) = short_integer(s.bytes(), s.position())
        && let Ok(value) = T::try_from(value)
    {
        s.advance_to(end);
        return Ok(value);
    }
    any_integer(s)
}

#[inline(never)]
fn any_integer<T: TryFrom<i128>>(s: &mut Scanner) -> Step<T> {
    let wide = match scalar(s)? {
        Scalar::Number(text) => number::integer(text),
        Scalar::Text(text) => number::integer(text.trim_ascii()),
        Scalar::Boolean(_) => Err(Found::Kind(super::Kind::Boolean)),
    };
    value(wide.and_then(|wide| T::try_from(wide).map_err(|_| Found::TooLarge)))
}

/// An integer of up to 18 digits and where it ends, when that is all of the number.
#[inline]
fn short_integer(bytes: &[u8], start: usize) -> Option<(i64, usize)> {
    let mut at = start;
    let negative = bytes.get(at) == Some(&b'-');
    at += usize::from(negative);
    let first = at;
    let mut value: i64 = 0;
    while let Some(digit) = bytes.get(at).filter(|b| b.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        at += 1;
    }
    let digits = at - first;
    if digits == 0 || digits > 18 || (digits > 1 && bytes.get(first) == Some(&b'0')) {
        return None;
    }
    if matches!(bytes.get(at), Some(b'.' | b'e' | b'E')) {
        return None;
    }
    Some((if negative { -value } else { value }, at))
}

pub(super) fn double(s: &mut Scanner) -> Step<f64> {
    match scalar(s)? {
        Scalar::Number(text) => value(number::double(text, false)),
        Scalar::Text(text) => value(number::double(text.trim_ascii(), true)),
        Scalar::Boolean(_) => Err(Fault::value(Found::Kind(super::Kind::Boolean))),
    }
}

pub(super) fn float(s: &mut Scanner) -> Step<f32> {
    match scalar(s)? {
        Scalar::Number(text) => value(number::float(text, false)),
        Scalar::Text(text) => value(number::float(text.trim_ascii(), true)),
        Scalar::Boolean(_) => Err(Fault::value(Found::Kind(super::Kind::Boolean))),
    }
}

pub(super) fn decimal(s: &mut Scanner, precision: u8, scale: i8) -> Step<i128> {
    let scaled = |text: &str| value(number::scaled(text, precision.into(), scale.into()));
    match scalar(s)? {
        Scalar::Number(text) => scaled(text),
        Scalar::Text(text) => scaled(text.trim_ascii()),
        Scalar::Boolean(_) => Err(Fault::value(Found::Kind(super::Kind::Boolean))),
    }
}

pub(super) fn boolean(s: &mut Scanner) -> Step<bool> {
    let word = match scalar(s)? {
        Scalar::Boolean(value) => return Ok(value),
        Scalar::Number(text) => Cow::Borrowed(text),
        Scalar::Text(text) => text,
    };
    let word = word.trim_ascii();
    let is_one_of = |words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(word));
    if is_one_of(&["true", "t", "yes", "y", "1"]) {
        Ok(true)
    } else if is_one_of(&["false", "f", "no", "n", "0"]) {
        Ok(false)
    } else {
        Err(Fault::value(Found::Text))
    }
}

pub(super) fn date(s: &mut Scanner, partial: PartialDates) -> Step<i32> {
    match scalar(s)? {
        Scalar::Text(text) => value(time::date(text.trim_ascii(), partial)),
        Scalar::Number(_) => Err(Fault::value(Found::Kind(super::Kind::Number))),
        Scalar::Boolean(_) => Err(Fault::value(Found::Kind(super::Kind::Boolean))),
    }
}

pub(super) fn timestamp(s: &mut Scanner, zone: Zone, partial: PartialDates) -> Step<i64> {
    match scalar(s)? {
        Scalar::Text(text) => value(time::timestamp(text.trim_ascii(), zone, partial)),
        Scalar::Number(text) if zone == Zone::Utc => value(time::epoch_seconds(text)),
        Scalar::Number(_) => Err(Fault::value(Found::Kind(super::Kind::Number))),
        Scalar::Boolean(_) => Err(Fault::value(Found::Kind(super::Kind::Boolean))),
    }
}

/// Base64 text, white space inside allowed.
pub(super) fn binary(s: &mut Scanner, out: &mut Vec<u8>) -> Step {
    if s.next_byte() != b'"' {
        return Err(wrong_kind(s));
    }
    let Scalar::Text(text) = scalar(s)? else { return Err(Fault::value(Found::Text)) };
    let mut text = Cow::Borrowed(text.as_bytes());
    if text.iter().any(u8::is_ascii_whitespace) {
        text.to_mut().retain(|b| !b.is_ascii_whitespace());
    }
    BASE64.decode_vec(text, out).map_err(|_| Fault::value(Found::Text))
}
