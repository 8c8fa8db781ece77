//! Numbers from JSON text.

/// A number as a double, and exactly where it is an integer without fraction or exponent that fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) double: f64,
    pub(super) long: Option<i64>,
}

/// Powers of ten that a double holds exactly.
const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The number at the start of the text and its length; `None` for what is none, is longer than 15 digits, or has an exponent.
#[inline]
pub(super) fn short_number(bytes: &[u8]) -> Option<(Number, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut at = start;
    let mut mantissa: u64 = 0;
    let mut digits = |at: &mut usize| {
        let from = *at;
        while let Some(digit) = bytes.get(*at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            *at += 1;
        }
        *at - from
    };
    let whole = digits(&mut at);
    if whole == 0 || (whole > 1 && bytes.get(start) == Some(&b'0')) {
        return None;
    }
    let mut after = 0;
    let mut has_point = false;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        has_point = true;
        after = digits(&mut at);
        if after == 0 {
            return None;
        }
    }
    if whole + after > 15 || matches!(bytes.get(at), Some(b'e' | b'E')) {
        return None;
    }
    // Both are exact doubles, so that their quotient is rounded correctly.
    let double = mantissa as f64 / TENS.get(after)?;
    let long = (!has_point).then(|| if negative { -(mantissa as i64) } else { mantissa as i64 });
    Some((Number { double: if negative { -double } else { double }, long }, at))
}

/// Any number of JSON; `None` when it is beyond a double's range.
pub(super) fn number(text: &str) -> Option<Number> {
    if let Some((number, len)) = short_number(text.as_bytes())
        && len == text.len()
    {
        return Some(number);
    }
    let double = text.parse::<f64>().ok().filter(|d| d.is_finite())?;
    Some(Number { double, long: text.parse().ok() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_exact_and_fractions_are_not_integers() {
        assert_eq!(number("9007199254740993").unwrap().long, Some(9_007_199_254_740_993));
        assert_eq!(number("-0").unwrap().long, Some(0));
        assert_eq!(number("1.0").unwrap().long, None);
        assert_eq!(number("1E-05"), Some(Number { double: 1e-5, long: None }));
        assert_eq!(number("99999999999999999999").unwrap().long, None);
        assert_eq!(number("1e999"), None);
    }

    #[test]
    fn what_is_not_a_short_number_is_left_to_the_long_way() {
        for text in ["", "-", "01", ".5", "1.", "1e5", "1234567890123456", "x", "-x"] {
            assert_eq!(short_number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(short_number(b"12.5,").map(|(n, len)| (n.double, len)), Some((12.5, 4)));
    }

    proptest! {
        #[test]
        fn doubles_are_rounded_as_std_does(text in "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?") {
            let want: f64 = text.parse().unwrap();
            prop_assert_eq!(number(&text).unwrap().double.to_bits(), want.to_bits());
            prop_assert_eq!(number(&text).unwrap().long, text.parse::<i64>().ok());
        }
    }
}
