//! Conditions that the connector adds, of typed values.

use chrono::{DateTime, Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::text::write_text;
use crate::error::{Error, ErrorKind, Result};

/// How a column is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Comparison {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A value as the server's parser reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Literal {
    Long(i64),
    UnsignedLong(u64),
    /// A finite number; only columns of floats compare with one.
    Double(f64),
    Text(String),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since the epoch, UTC.
    Timestamp(i64),
    Binary(Vec<u8>),
    /// Digits without a point, then precision and scale, which is not negative.
    Decimal(String, u8, i8),
}

/// A condition on columns whose names were written by [`Names::write`](super::Names::write).
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Predicate {
    /// What a user wrote, checked.
    Checked(String),
    Compare(String, Comparison, Literal),
    IsNull(String),
    IsNotNull(String),
    In(String, Vec<Literal>),
    All(Vec<Predicate>),
}

impl Predicate {
    /// A condition on a virtual column, whose name needs no check.
    pub(in super::super) fn compare(column: &'static str, comparison: Comparison, value: u64) -> Self {
        Self::Compare(format!("`{column}`"), comparison, Literal::UnsignedLong(value))
    }

    /// Both conditions.
    #[must_use]
    pub(in super::super) fn and(self, other: Self) -> Self {
        match self {
            Self::All(mut all) => {
                all.push(other);
                Self::All(all)
            }
            first => Self::All(vec![first, other]),
        }
    }

    /// The condition as text.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) for a value that has no text: a date beyond year 9999, a number that is not finite.
    pub(in super::super) fn to_text(&self) -> Result<String> {
        let mut out = String::new();
        self.write(&mut out)?;
        Ok(out)
    }

    fn write(&self, out: &mut String) -> Result<()> {
        match self {
            Self::Checked(text) => out.push_str(text),
            Self::Compare(column, comparison, value) => {
                out.push_str(column);
                out.push_str(match comparison {
                    Comparison::Equal => " = ",
                    Comparison::Less => " < ",
                    Comparison::AtMost => " <= ",
                    Comparison::More => " > ",
                    Comparison::AtLeast => " >= ",
                });
                value.write(out)?;
            }
            Self::IsNull(column) => {
                out.push_str(column);
                out.push_str(" IS NULL");
            }
            Self::IsNotNull(column) => {
                out.push_str(column);
                out.push_str(" IS NOT NULL");
            }
            Self::In(column, values) => {
                out.push_str(column);
                out.push_str(" IN (");
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    value.write(out)?;
                }
                out.push(')');
            }
            Self::All(all) => {
                for (i, part) in all.iter().enumerate() {
                    if i > 0 {
                        out.push_str(" AND ");
                    }
                    part.write(out)?;
                }
            }
        }
        Ok(())
    }
}

impl Literal {
    fn write(&self, out: &mut String) -> Result<()> {
        let beyond = || Error::new(ErrorKind::Internal, "a value of a filter cannot be written as text");
        match self {
            // The parser reads digits before the sign, and these are one too many.
            Self::Long(i64::MIN) => out.push_str("(-9223372036854775807 - 1)"),
            Self::Long(value) => out.push_str(&value.to_string()),
            Self::UnsignedLong(value) => out.push_str(&value.to_string()),
            Self::Double(value) if value.is_finite() => out.push_str(&format!("{value:e}")),
            Self::Double(_) => return Err(beyond()),
            Self::Text(text) => write_text(out, text),
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Date(days) => {
                let date = NaiveDate::from_epoch_days(*days).filter(|d| (0..=9999).contains(&d.year()));
                out.push_str(&date.ok_or_else(beyond)?.format("date '%Y-%m-%d'").to_string());
            }
            Self::Timestamp(micros) => {
                let at = DateTime::from_timestamp_micros(*micros).filter(|at| (0..=9999).contains(&at.year()));
                out.push_str(&at.ok_or_else(beyond)?.format("timestamp '%Y-%m-%d %H:%M:%S%.6f'").to_string());
            }
            Self::Binary(bytes) => {
                out.push_str("X'");
                for byte in bytes {
                    out.push_str(&format!("{byte:02X}"));
                }
                out.push('\'');
            }
            Self::Decimal(digits, precision, scale) => {
                let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
                let scale = usize::try_from(*scale).map_err(|_| beyond())?;
                let digits = format!("{digits:0>width$}", width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                let point = if fraction.is_empty() { "" } else { "." };
                out.push_str(&format!("decimal({precision},{scale}) '{sign}{whole}{point}{fraction}'"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_by_type() {
        let text = |literal: Literal| Predicate::Compare("`c`".to_owned(), Comparison::AtLeast, literal).to_text();
        for (literal, wanted) in [
            (Literal::Long(-5), "`c` >= -5"),
            (Literal::Long(i64::MIN), "`c` >= (-9223372036854775807 - 1)"),
            (Literal::UnsignedLong(u64::MAX), "`c` >= 18446744073709551615"),
            (Literal::Double(1.0), "`c` >= 1e0"),
            (Literal::Text("it's; -- fine".to_owned()), "`c` >= 'it''s; -- fine'"),
            (Literal::Boolean(true), "`c` >= true"),
            (Literal::Date(19_753), "`c` >= date '2024-01-31'"),
            (Literal::Timestamp(1), "`c` >= timestamp '1970-01-01 00:00:00.000001'"),
            (Literal::Binary(vec![10, 255]), "`c` >= X'0AFF'"),
            (Literal::Decimal("-5".to_owned(), 5, 2), "`c` >= decimal(5,2) '-0.05'"),
            (Literal::Decimal("12300".to_owned(), 5, 2), "`c` >= decimal(5,2) '123.00'"),
            (Literal::Decimal("7".to_owned(), 38, 0), "`c` >= decimal(38,0) '7'"),
        ] {
            assert_eq!(text(literal).unwrap(), wanted);
        }
        assert!(text(Literal::Double(f64::NAN)).is_err());
        assert!(text(Literal::Timestamp(i64::MAX)).is_err());
    }

    #[test]
    fn conditions_are_joined() {
        let range = Predicate::compare("_rowaddr", Comparison::AtLeast, 1);
        let all = Predicate::Checked("(`a` = 1 OR `b` = 2)".to_owned())
            .and(range)
            .and(Predicate::In("`k`".to_owned(), vec![Literal::Long(1), Literal::Long(2)]))
            .and(Predicate::IsNull("`c`".to_owned()))
            .and(Predicate::IsNotNull("`d`".to_owned()));
        assert_eq!(
            all.to_text().unwrap(),
            "(`a` = 1 OR `b` = 2) AND `_rowaddr` >= 1 AND `k` IN (1,2) AND `c` IS NULL AND `d` IS NOT NULL"
        );
    }
}
