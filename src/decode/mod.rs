//! JSON to Arrow by Spark schema, in one pass over the bytes, and back.
//!
//! A [`Shape`] says which columns there are and where in a record each has its value; a [`Decoder`] appends records
//! to column buffers and hands them over as record batches; a [`Scanner`] walks the text, also through what is around
//! the records (a FHIR Bundle, a PI item list); [`arrow_to_json`] is the way back.
//!
//! # What becomes what
//!
//! | Spark type | takes | does not take |
//! |---|---|---|
//! | string | text; numbers and booleans as they are spelled (`1.50` stays `1.50`) | objects, arrays |
//! | byte, short, int, long | integers, also spelled `1.0` or `1e3`; the same as text | fractions, values out of range, booleans |
//! | float, double | numbers, rounded to nearest; the same as text; the texts `NaN`, `Infinity`, `-Infinity`, `INF`, `-INF` | numbers beyond its range, booleans |
//! | decimal | numbers whose every digit fits; the same as text | a digit too many on either side of the point, booleans |
//! | boolean | `true`, `false`; the words true, t, yes, y, 1 and false, f, no, n, 0 in any case, as text; the numbers `1` and `0` | anything else |
//! | date | `YYYY-MM-DD`; `YYYY` and `YYYY-MM` as [`PartialDates`] says | times, numbers |
//! | timestamp | `YYYY-MM-DD`, `T` or a blank, `hh:mm`, `:ss` and any fraction at choice, and `Z`, `±hh`, `±hhmm`, `±hh:mm` or nothing, which is UTC; numbers as seconds since the epoch; dates alone as [`PartialDates`] says | other spellings, years outside 1 to 9999, milliseconds since the epoch |
//! | timestamp_ntz | the same without a zone, as it stands | a zone, numbers |
//! | binary | base64 text, padded or not, white space inside allowed | other text |
//! | array | an array; any other value becomes an array of one | |
//! | map | an object; its keys are cast as text is | other values |
//! | struct | an object | other values |
//! | variant | any value, kept as its JSON text, byte for byte | |
//!
//! * Blanks around text are ignored where it becomes anything but a string.
//! * Absent and `null` are null, and so is `{}` for a struct: absent is null, never `{}`. An empty array stays empty.
//! * Null where the schema says "never null" does not fit.
//! * The last of several members of one name wins, also in a map.
//! * Fraction digits past the microsecond are dropped, which moves the time towards the past and never past a cursor.
//!   Second 60 is the next second.
//! * Half a surrogate pair (`"\ud83d"`) does not fit where it would become text.
//!
//! A value that does not fit refuses its row, and only its row: [`RowError`]. Nothing is changed silently, and no error
//! holds a value.

#[cfg(feature = "fhir")]
mod broken;
mod buffers;
mod cast;
mod column;
mod decoder;
mod fault;
mod keys;
mod kind;
#[cfg(feature = "fhir")]
mod members;
mod nested;
mod number;
mod path;
mod plan;
mod row_error;
mod rows;
mod scanner;
mod shape;
mod strings;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod write;

#[cfg(feature = "osipi")]
pub(crate) use buffers::{Fixed, Varying};
pub use decoder::{DecodeOptions, Decoder, PartialDates};
pub use kind::Kind;
#[cfg(feature = "fhir")]
pub(crate) use members::{Member, Names};
pub use path::FieldSource;
pub use row_error::RowError;
pub use scanner::Scanner;
pub use shape::Shape;
#[cfg(feature = "fhir")]
pub(crate) use time::instant_nanos;
pub use write::arrow_to_json;
