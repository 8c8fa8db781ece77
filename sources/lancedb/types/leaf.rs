//! Single values that Spark has no type for, as what it has.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, Int64Array, PrimitiveArray, StringBuilder, TimestampMicrosecondArray,
    },
    buffer::OffsetBuffer,
    datatypes::{
        DataType, Float32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
        TimestampMicrosecondType, TimestampNanosecondType,
    },
    error::ArrowError,
};

use super::convert::cast;

const NANOS_PER_MICRO: i64 = 1_000;

/// Instants of any unit without zone, as instants at UTC.
pub(super) fn taken_for_utc(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(Arc::new(micros.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("UTC")))
}

/// Nanoseconds as microseconds, towards the past: what is earlier stays earlier.
pub(super) fn microseconds(array: &ArrayRef, is_instant: bool) -> Result<ArrayRef, ArrowError> {
    let nanos = array
        .as_primitive_opt::<TimestampNanosecondType>()
        .ok_or_else(|| ArrowError::InvalidArgumentError("not a column of nanoseconds".to_owned()))?;
    let micros: TimestampMicrosecondArray = nanos.unary(|nanos| nanos.div_euclid(NANOS_PER_MICRO));
    Ok(Arc::new(if is_instant { micros.with_timezone("UTC") } else { micros }))
}

/// Times of day as text: six digits behind the second, nine for nanoseconds.
pub(super) fn time_of_day(array: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef, ArrowError> {
    let ticks = ticks(array)?;
    let (per_second, digits) = match unit {
        TimeUnit::Second => (1, 6),
        TimeUnit::Millisecond => (1_000, 6),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    };
    let scale = 10_i64.pow(digits) / per_second;
    let mut texts = StringBuilder::with_capacity(ticks.len(), ticks.len() * 16);
    for value in &ticks {
        let Some(value) = value else {
            texts.append_null();
            continue;
        };
        let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second) * scale);
        if !(0..86_400).contains(&seconds) {
            return Err(ArrowError::InvalidArgumentError("a time of day lies beyond the day".to_owned()));
        }
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        // Writing to a string does not fail.
        _ = write!(texts, "{hour:02}:{minute:02}:{second:02}.{fraction:0width$}", width = digits as usize);
        texts.append_value("");
    }
    Ok(Arc::new(texts.finish()))
}

/// Durations as microseconds; those of nanoseconds stay, their field says so.
pub(super) fn duration(array: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef, ArrowError> {
    let factor = match unit {
        TimeUnit::Second => 1_000_000,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond | TimeUnit::Nanosecond => 1,
    };
    let beyond =
        || ArrowError::InvalidArgumentError("a duration is longer than a Long of microseconds holds".to_owned());
    let values: PrimitiveArray<Int64Type> =
        ticks(array)?.try_unary(|value| value.checked_mul(factor).ok_or_else(beyond))?;
    Ok(Arc::new(values))
}

/// The bare numbers of times and durations.
fn ticks(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let wide = match array.data_type() {
        DataType::Time32(_) => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    Ok(wide.as_primitive::<Int64Type>().clone())
}

/// Intervals as ISO 8601 has them, each part with its own sign: `P1Y2M3DT4H5M6.7S`, `P-1M`, `PT0S`.
pub(super) fn interval(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    // Every kind of interval has a place in the widest one.
    let wide = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let mut texts = StringBuilder::with_capacity(wide.len(), wide.len() * 16);
    for value in wide.as_primitive::<IntervalMonthDayNanoType>() {
        texts.append_option(value.map(iso_8601));
    }
    Ok(Arc::new(texts.finish()))
}

fn iso_8601(value: IntervalMonthDayNano) -> String {
    const SECOND: i64 = 1_000_000_000;
    let IntervalMonthDayNano { months, days, nanoseconds } = value;
    let part = |(number, unit): (i64, char)| if number == 0 { String::new() } else { format!("{number}{unit}") };
    let date =
        [(i64::from(months / 12), 'Y'), (i64::from(months % 12), 'M'), (i64::from(days), 'D')].map(part).concat();
    let mut time = [(nanoseconds / (3_600 * SECOND), 'H'), (nanoseconds / (60 * SECOND) % 60, 'M')].map(part).concat();
    let rest = nanoseconds % (60 * SECOND);
    if rest != 0 {
        let sign = if rest < 0 { "-" } else { "" };
        let seconds = format!("{sign}{}.{:09}", (rest / SECOND).abs(), (rest % SECOND).abs());
        time.push_str(seconds.trim_end_matches('0').trim_end_matches('.'));
        time.push('S');
    }
    match (date.is_empty(), time.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (false, true) => format!("P{date}"),
        _ => format!("P{date}T{time}"),
    }
}

/// Sixteen bytes as `8-4-4-4-12` digits.
pub(super) fn uuid(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let bytes = fixed(array)?;
    let mut texts = StringBuilder::with_capacity(bytes.len(), bytes.len() * 36);
    for value in bytes {
        let Some(value) = value else {
            texts.append_null();
            continue;
        };
        for (place, byte) in value.iter().enumerate() {
            let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
            // Writing to a string does not fail.
            _ = write!(texts, "{dash}{byte:02x}");
        }
        texts.append_value("");
    }
    Ok(Arc::new(texts.finish()))
}

/// The upper halves of floats as floats.
pub(super) fn bfloat16(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let widened = fixed(array)?.iter().map(|value| match value {
        Some([low, high]) => Some(f32::from_le_bytes([0, 0, *low, *high])),
        _ => None,
    });
    Ok(Arc::new(widened.collect::<PrimitiveArray<Float32Type>>()))
}

/// Vectors as the bytes of their elements, which are not copied.
pub(super) fn vector_bytes(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let wrong = |what: &str| ArrowError::InvalidArgumentError(what.to_owned());
    let vectors = array.as_fixed_size_list_opt().ok_or_else(|| wrong("not a column of vectors"))?;
    let elements = vectors.values().to_data();
    let size = vectors.value_length() as usize;
    for row in (0..vectors.len()).filter(|row| vectors.is_valid(*row)) {
        if elements.nulls().is_some_and(|nulls| nulls.slice(row * size, size).null_count() > 0) {
            return Err(wrong("a vector has an element that is null, which bytes cannot tell"));
        }
    }
    let width = match elements.data_type() {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        other => other.primitive_width(),
    };
    let width = width.ok_or_else(|| wrong("not vectors of numbers"))?;
    let bytes = elements.buffers()[0].slice_with_length(elements.offset() * width, elements.len() * width);
    let lengths = std::iter::repeat_n(size * width, vectors.len());
    if size.saturating_mul(width).saturating_mul(vectors.len()) > i32::MAX as usize {
        return Err(wrong("the vectors of one page have more than 2 GiB: lower batch_size"));
    }
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    Ok(Arc::new(BinaryArray::try_new(offsets, bytes, vectors.nulls().cloned())?))
}

fn fixed(array: &ArrayRef) -> Result<&arrow::array::FixedSizeBinaryArray, ArrowError> {
    array
        .as_fixed_size_binary_opt()
        .ok_or_else(|| ArrowError::InvalidArgumentError("not a column of fixed-size binary".to_owned()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        DurationSecondArray, FixedSizeBinaryArray, FixedSizeListArray, Time32SecondArray, Time64MicrosecondArray,
        Time64NanosecondArray, TimestampNanosecondArray, TimestampSecondArray,
    };

    use super::*;

    fn sparse(values: [Option<&[u8]>; 2], size: i32) -> FixedSizeBinaryArray {
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), size).unwrap()
    }

    fn texts(array: &ArrayRef) -> Vec<Option<&str>> {
        array.as_string::<i32>().iter().collect()
    }

    #[test]
    fn times_of_day_keep_every_digit() {
        let seconds: ArrayRef = Arc::new(Time32SecondArray::from(vec![Some(86_399), None, Some(0)]));
        assert_eq!(
            texts(&time_of_day(&seconds, TimeUnit::Second).unwrap()),
            [Some("23:59:59.000000"), None, Some("00:00:00.000000")]
        );
        let micros: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![3_600_000_001]));
        assert_eq!(texts(&time_of_day(&micros, TimeUnit::Microsecond).unwrap()), [Some("01:00:00.000001")]);
        let nanos: ArrayRef = Arc::new(Time64NanosecondArray::from(vec![1]));
        assert_eq!(texts(&time_of_day(&nanos, TimeUnit::Nanosecond).unwrap()), [Some("00:00:00.000000001")]);
        let beyond: ArrayRef = Arc::new(Time32SecondArray::from(vec![86_400]));
        assert!(time_of_day(&beyond, TimeUnit::Second).is_err());
    }

    #[test]
    fn nanoseconds_are_cut_towards_the_past() {
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(-1), Some(1_999), None]));
        let micros = microseconds(&nanos, true).unwrap();
        assert_eq!(micros.data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(micros.iter().collect::<Vec<_>>(), [Some(-1), Some(1), None]);
        let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(2)]));
        let utc = taken_for_utc(&seconds).unwrap();
        assert_eq!(utc.as_primitive::<TimestampMicrosecondType>().value(0), 2_000_000);
    }

    #[test]
    fn durations_are_microseconds_or_an_error() {
        let seconds: ArrayRef = Arc::new(DurationSecondArray::from(vec![Some(-2), None]));
        let micros = duration(&seconds, TimeUnit::Second).unwrap();
        assert_eq!(micros.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(-2_000_000), None]);
        let longest: ArrayRef = Arc::new(DurationSecondArray::from(vec![i64::MAX]));
        assert!(duration(&longest, TimeUnit::Second).is_err());
    }

    #[test]
    fn vectors_are_the_bytes_of_their_elements() {
        let rows = [Some(vec![Some(1.0), Some(f32::NAN)]), None, Some(vec![Some(-0.0), Some(3.5)])];
        let vectors: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2));
        let bytes = |array: &ArrayRef, row| -> Option<Vec<u8>> {
            let bytes = vector_bytes(array).unwrap();
            let bytes = bytes.as_binary::<i32>();
            bytes.is_valid(row).then(|| bytes.value(row).to_vec())
        };
        let wanted = |a: f32, b: f32| Some([a.to_le_bytes(), b.to_le_bytes()].concat());
        assert_eq!(bytes(&vectors, 0), wanted(1.0, f32::NAN));
        assert_eq!((bytes(&vectors, 1), bytes(&vectors, 2)), (None, wanted(-0.0, 3.5)));
        assert_eq!(bytes(&vectors.slice(2, 1), 0), wanted(-0.0, 3.5));
        let holes = [Some(vec![Some(1.0), None])];
        let holes: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(holes, 2));
        assert!(vector_bytes(&holes).unwrap_err().to_string().contains("null"));
    }

    #[test]
    fn uuids_and_half_floats_are_spelled_out() {
        let bytes: Vec<u8> = (0..16).collect();
        let ids: ArrayRef = Arc::new(sparse([Some(bytes.as_slice()), None], 16));
        assert_eq!(texts(&uuid(&ids).unwrap()), [Some("00010203-0405-0607-0809-0a0b0c0d0e0f"), None]);
        let halves: ArrayRef = Arc::new(sparse([Some(&[0x80_u8, 0x3f][..]), None], 2));
        let floats = bfloat16(&halves).unwrap();
        assert_eq!(floats.as_primitive::<Float32Type>().iter().collect::<Vec<_>>(), [Some(1.0), None]);
    }
}
