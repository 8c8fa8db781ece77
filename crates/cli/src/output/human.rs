//! Numbers the way people read them.

use std::time::Duration;

/// `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `512 B`, `1.4 MB`; powers of 1000.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn bytes(n: u64) -> String {
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1000.0;
    let mut units = ["kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        // What would print as 1000.0 belongs to the next unit.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if value < 99.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) fn duration(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    let whole = d.as_secs();
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{seconds:.0} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `12,300 rows/s`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn rate(rows: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    format!("{} rows/s", count((rows as f64 / seconds).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count).join(" "), "0 999 1,000 1,234,567");
    }

    #[test]
    fn sizes_take_the_unit_that_fits() {
        assert_eq!(
            [0, 999, 1_000, 99_949, 123_456, 999_999, 1_400_000_000].map(bytes).join("; "),
            "0 B; 999 B; 1.0 kB; 99.9 kB; 123 kB; 1.0 MB; 1.4 GB"
        );
    }

    #[test]
    fn durations_and_rates_stay_short() {
        let d = |ms| duration(Duration::from_millis(ms));
        assert_eq!([d(430), d(12_300), d(185_000), d(7_800_000)].join("; "), "0.4 s; 12 s; 3 min 05 s; 2 h 10 min");
        assert_eq!(rate(1000, Duration::from_millis(500)), "2,000 rows/s");
    }
}
