//! New rows by a column that grows.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::{cast, max, max_string},
    datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type},
};
use futures::TryStreamExt;

use super::{
    filter::{Comparison, Literal, Names, Predicate},
    offset::{Mark, Reached, expired},
    snapshot::Snapshot,
};
use crate::error::{Error, ErrorKind, Result};

impl Reached {
    /// How far a column goes at a version; nothing below what was reached before is looked at.
    ///
    /// # Errors
    /// Those of the client; [`Config`](ErrorKind::Config) for a column whose values cannot be compared.
    pub(super) async fn of(snapshot: &Snapshot, name: &str, before: Option<&Self>) -> Result<Self> {
        let kind = Kind::of(snapshot, name)?;
        let written = Names(&snapshot.whole).write(&[name], 0)?;
        let compared = kind.compared(&written);
        let mut last = before.and_then(|before| before.last.clone());
        let condition = match last.clone() {
            Some(last) => Predicate::Compare(compared.clone(), Comparison::AtLeast, last),
            None => Predicate::IsNotNull(written),
        };
        let rows = snapshot.count(Some(condition.clone())).await?;
        let mut pages = snapshot.only(name)?.pages(Some(condition), 0, rows);
        while let Some(page) = pages.try_next().await? {
            for batch in &page.batches {
                let found = kind.greatest(batch, name)?;
                last = kind.later(last, found);
            }
        }
        let ties = match last.clone() {
            Some(last) => snapshot.count(Some(Predicate::Compare(compared, Comparison::Equal, last))).await?,
            None => 0,
        };
        Ok(Self { name: name.to_owned(), last, ties })
    }

    /// What selects the rows that came since.
    ///
    /// With a key, rows that share the last value are read again: they may have been changed. Without one they would be there
    /// twice.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) when rows were added that the column does not tell apart from those that were
    /// read; those of the client.
    pub(super) async fn since(&self, base: &Mark, snapshot: &Snapshot, keyed: bool) -> Result<Predicate> {
        let kind = Kind::of(snapshot, &self.name)?;
        let written = Names(&snapshot.whole).write(&[&self.name], 0)?;
        let compared = |comparison| match self.last.clone() {
            Some(last) => Predicate::Compare(kind.compared(&written), comparison, last),
            None => Predicate::IsNotNull(written.clone()),
        };
        let rows = snapshot.count(None).await?;
        let later = snapshot.count(Some(compared(Comparison::AtLeast))).await?;
        let (below, read) = (rows.saturating_sub(later), base.rows.saturating_sub(self.ties));
        if below > read {
            return Err(late("rows were added with no value, or one below what was read", snapshot, &self.name));
        }
        if keyed {
            return Ok(compared(Comparison::AtLeast));
        }
        if below < read {
            // A row that was changed would be there twice.
            return Err(late("rows that were read were changed or deleted", snapshot, &self.name)
                .help("set primary_keys to follow changes, or reset the table's state"));
        }
        if self.last.is_some() && snapshot.count(Some(compared(Comparison::Equal))).await? != self.ties {
            return Err(late("rows with the last value that was read were added or removed", snapshot, &self.name));
        }
        Ok(compared(Comparison::More))
    }
}

fn late(why: &'static str, snapshot: &Snapshot, column: &str) -> Error {
    expired(why, &snapshot.table)
        .with("column", column.to_owned())
        .help("a cursor_field must grow with every change; reset the table's state, or leave cursor_field out")
}

/// How the values of a column are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Long,
    UnsignedLong,
    Date,
    /// Timestamps at UTC, or without zone.
    Microseconds,
    /// Timestamps as numbers of their unit: servers cut literals to microseconds, and take them for times of the column's zone.
    Ticks,
    Decimal(u8, i8),
    Text,
}

impl Kind {
    fn of(snapshot: &Snapshot, name: &str) -> Result<Self> {
        let field = snapshot.whole.field_with_name(name).map_err(|_| {
            let known = snapshot.whole.fields().iter().map(|field| field.name().as_str());
            Error::unknown("column", name, known).with("option", "cursor_field").with("table", &snapshot.table)
        })?;
        Ok(match field.data_type() {
            DataType::UInt64 => Self::UnsignedLong,
            other if other.is_integer() => Self::Long,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Ticks,
            DataType::Timestamp(_, Some(zone)) if !matches!(zone.as_ref(), "UTC" | "+00:00") => Self::Ticks,
            DataType::Timestamp(..) => Self::Microseconds,
            DataType::Decimal128(precision, scale @ 0..) => Self::Decimal(*precision, *scale),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            other => {
                return Err(Error::new(ErrorKind::Config, "the values of the column cannot tell what is new")
                    .with("option", "cursor_field")
                    .with("column", name)
                    .with("type", other)
                    .help("name a column of integers, decimals, dates, timestamps or texts"));
            }
        })
    }

    /// What is compared with values: the column, or its numbers.
    fn compared(self, written: &str) -> String {
        match self {
            Self::Ticks => format!("cast({written} as bigint)"),
            _ => written.to_owned(),
        }
    }

    /// The greatest value of a batch.
    fn greatest(self, batch: &RecordBatch, name: &str) -> Result<Option<Literal>> {
        let wrong = || Error::new(ErrorKind::Internal, "a cursor has another type").with("column", name.to_owned());
        let column = batch.column_by_name(name).ok_or_else(wrong)?;
        let cast = |target: &DataType| -> Result<ArrayRef> {
            cast(column, target).ok().filter(|cast| cast.null_count() == column.null_count()).ok_or_else(wrong)
        };
        Ok(match self {
            Self::Long | Self::Ticks => max(cast(&DataType::Int64)?.as_primitive::<Int64Type>()).map(Literal::Long),
            Self::UnsignedLong => max(cast(&DataType::UInt64)?.as_primitive::<UInt64Type>()).map(Literal::UnsignedLong),
            Self::Date => max(cast(&DataType::Date32)?.as_primitive::<Date32Type>()).map(Literal::Date),
            Self::Microseconds => {
                let micros = cast(&DataType::Timestamp(TimeUnit::Microsecond, None))?;
                max(micros.as_primitive::<TimestampMicrosecondType>()).map(Literal::Timestamp)
            }
            Self::Decimal(precision, scale) => {
                let greatest = max(cast(&DataType::Decimal128(precision, scale))?.as_primitive::<Decimal128Type>());
                greatest.map(|value| Literal::Decimal(value.to_string(), precision, scale))
            }
            Self::Text => {
                let texts = cast(&DataType::Utf8)?;
                max_string(texts.as_string::<i32>()).map(|text| Literal::Text(text.to_owned()))
            }
        })
    }

    fn later(self, a: Option<Literal>, b: Option<Literal>) -> Option<Literal> {
        let is_later = match (&a, &b) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(a), Some(b)) => match (a, b) {
                (Literal::Long(a), Literal::Long(b)) => b > a,
                (Literal::UnsignedLong(a), Literal::UnsignedLong(b)) => b > a,
                (Literal::Date(a), Literal::Date(b)) => b > a,
                (Literal::Timestamp(a), Literal::Timestamp(b)) => b > a,
                (Literal::Text(a), Literal::Text(b)) => b > a,
                (Literal::Decimal(a, ..), Literal::Decimal(b, ..)) => b.parse::<i128>().ok() > a.parse::<i128>().ok(),
                _ => true,
            },
        };
        if is_later { b } else { a }
    }
}
