//! Cursors that came as text: which of two is newer.
//!
//! Instants are ordered as instants (`…10Z` is before `…10.5Z` and equal to `…10.000+00:00`) and come after all other
//! text. Two numbers are ordered as numbers, so that `9` is before `10`. Everything else is ordered as text.

use std::cmp::Ordering;

use chrono::DateTime;

const TEXT: u8 = 1;
const INSTANT: u8 = 2;

/// A text cursor as bytes, to be compared with [`order_of_texts`].
pub(crate) fn text_cursor(text: &str) -> Vec<u8> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => {
            let mut bytes = vec![INSTANT];
            bytes.extend((at.timestamp() as u64 ^ (1 << 63)).to_be_bytes());
            bytes.extend(at.timestamp_subsec_nanos().to_be_bytes());
            bytes
        }
        Err(_) => [&[TEXT], text.as_bytes()].concat(),
    }
}

/// The order of two text cursors; none is the oldest.
pub(crate) fn order_of_texts(a: &[u8], b: &[u8]) -> Ordering {
    match (a, b) {
        ([TEXT, a @ ..], [TEXT, b @ ..]) => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.order(&b),
            _ => a.cmp(b),
        },
        _ => a.cmp(b),
    }
}

/// A decimal number of any length.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Number<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let dot = digits.iter().position(|b| *b == b'.');
        let (whole, fraction) = match dot {
            Some(dot) => (&digits[..dot], &digits[dot + 1..]),
            None => (digits, &digits[digits.len()..]),
        };
        let all_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        if whole.is_empty() || dot.is_some() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let whole = &whole[whole.iter().take_while(|b| **b == b'0').count()..];
        let fraction = &fraction[..fraction.len() - fraction.iter().rev().take_while(|b| **b == b'0').count()];
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole, fraction })
    }

    fn order(&self, other: &Self) -> Ordering {
        let size = |n: &Self| (n.whole.len(), n.whole.to_vec(), n.fraction.to_vec());
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(a: &str, b: &str) -> Ordering {
        let order = order_of_texts(&text_cursor(a), &text_cursor(b));
        assert_eq!(order_of_texts(&text_cursor(b), &text_cursor(a)), order.reverse(), "{a} and {b}");
        order
    }

    #[test]
    fn instants_in_text_are_ordered_as_instants() {
        assert_eq!(order("2024-01-01T00:00:10Z", "2024-01-01T00:00:10.5Z"), Ordering::Less);
        assert_eq!(order("2024-01-01T00:00:10Z", "2024-01-01T02:00:10.000+02:00"), Ordering::Equal);
        assert_eq!(order("1900-01-01T00:00:00Z", "2000-01-01T00:00:00Z"), Ordering::Less);
        assert_eq!(order("a", "b"), Ordering::Less);
        assert_eq!(order("zzz", "1900-01-01T00:00:00Z"), Ordering::Less);
    }

    #[test]
    fn numbers_in_text_are_ordered_as_numbers() {
        for (less, greater) in
            [("9", "10"), ("-10", "-9"), ("-1", "0"), ("9.5", "10.25"), ("1.05", "1.5"), ("007", "8")]
        {
            assert_eq!(order(less, greater), Ordering::Less, "{less} and {greater}");
        }
        for (a, b) in [("007", "7"), ("1.50", "1.5"), ("-0", "0")] {
            assert_eq!(order(a, b), Ordering::Equal, "{a} and {b}");
        }
        let long = "99999999999999999999999999999999999999999999";
        assert_eq!(order(long, &format!("1{long}")), Ordering::Less);
    }

    #[test]
    fn what_only_looks_like_a_number_is_ordered_as_text() {
        for (less, greater) in [("10", "1a"), ("1.", "10"), ("v10", "v9"), ("", "0"), ("1.2.3", "1.3")] {
            assert_eq!(order(less, greater), Ordering::Less, "{less} and {greater}");
        }
    }
}
