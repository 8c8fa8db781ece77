//! DDL to types.

use super::cursor::Cursor;
use crate::{
    error::{Error, ErrorKind, Result},
    types::{ArrayType, DataType, MapType, StructField, StructType, names},
};

/// Deepest nesting of types; Spark's own plans give up far earlier.
const MAX_DEPTH: usize = 100;

impl StructType {
    /// Reads Spark's DDL: columns separated by commas, or one `STRUCT<...>`.
    ///
    /// Keywords ignore case; all of Spark's synonyms (`LONG`, `INTEGER`, `DEC`, `TIMESTAMP_LTZ`, ...) are known; a colon may
    /// stand between name and type; `--` and `/* */` comments are skipped. `TIMESTAMP` is the one with a zone.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for text that is not DDL, [`Unsupported`](ErrorKind::Unsupported) for types and column
    /// options that tables here cannot have; both say where.
    pub fn from_ddl(text: &str) -> Result<Self> {
        let mut cursor = Cursor::new(text);
        if cursor.at_end() {
            return Ok(Self::default());
        }
        if let Some(schema) = one_struct(text) {
            return schema;
        }
        let fields = fields(&mut cursor, 0)?;
        if cursor.at_end() { Ok(Self { fields }) } else { Err(cursor.expected("',' or the end")) }
    }
}

impl DataType {
    /// Reads one type in Spark's DDL: `decimal(10,2)`, `array<struct<code:string>>`.
    ///
    /// # Errors
    /// As [`StructType::from_ddl`].
    pub fn from_ddl(text: &str) -> Result<Self> {
        let mut cursor = Cursor::new(text);
        let data_type = data_type(&mut cursor, 0)?;
        if cursor.at_end() { Ok(data_type) } else { Err(cursor.expected("the end")) }
    }
}

/// `STRUCT<...>` in place of a list of columns; `None` when the text is a list whose first column is named `struct`.
fn one_struct(text: &str) -> Option<Result<StructType>> {
    let mut ahead = Cursor::new(text);
    let is_struct = ahead.take_keyword("struct") && ahead.take('<');
    is_struct.then(|| match DataType::from_ddl(text)? {
        DataType::Struct(schema) => Ok(schema),
        _ => Err(Error::new(ErrorKind::Internal, "STRUCT<...> was not read as a struct")),
    })
}

fn fields(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<StructField>> {
    let mut fields = vec![field(cursor, depth)?];
    while cursor.take(',') {
        fields.push(field(cursor, depth)?);
    }
    Ok(fields)
}

fn field(cursor: &mut Cursor<'_>, depth: usize) -> Result<StructField> {
    let name = cursor.name()?;
    cursor.take(':');
    let mut field = StructField::new(name, data_type(cursor, depth)?);
    loop {
        let start = cursor.position();
        if cursor.take_keyword("not") {
            if !cursor.take_keyword("null") {
                return Err(cursor.expected("NULL after NOT"));
            }
            field.nullable = false;
        } else if cursor.take_keyword("comment") {
            field = field.comment(cursor.quoted()?);
        } else {
            return match cursor.peek_word().to_ascii_uppercase().as_str() {
                option @ ("DEFAULT" | "GENERATED") => Err(cursor.error_at(
                    start,
                    Error::new(ErrorKind::Unsupported, format!("the column option {option} is not supported"))
                        .help("leave it out: sources give every value themselves"),
                )),
                _ => Ok(field),
            };
        }
    }
}

fn data_type(cursor: &mut Cursor<'_>, depth: usize) -> Result<DataType> {
    if depth > MAX_DEPTH {
        let error = Error::new(ErrorKind::Config, format!("types are nested more than {MAX_DEPTH} deep"));
        let here = cursor.position();
        return Err(cursor.error_at(here, error));
    }
    if cursor.take_keyword("array") {
        cursor.require('<')?;
        let element = data_type(cursor, depth + 1)?;
        cursor.require('>')?;
        Ok(DataType::Array(Box::new(ArrayType { element, contains_null: true })))
    } else if cursor.take_keyword("map") {
        cursor.require('<')?;
        let key = data_type(cursor, depth + 1)?;
        cursor.require(',')?;
        let value = data_type(cursor, depth + 1)?;
        cursor.require('>')?;
        Ok(DataType::Map(Box::new(MapType { key, value, value_contains_null: true })))
    } else if cursor.take_keyword("struct") {
        cursor.require('<')?;
        if cursor.take('>') {
            return Ok(DataType::Struct(StructType::default()));
        }
        let fields = fields(cursor, depth + 1)?;
        cursor.require('>')?;
        Ok(DataType::Struct(StructType { fields }))
    } else {
        atomic(cursor)
    }
}

fn atomic(cursor: &mut Cursor<'_>) -> Result<DataType> {
    let start = cursor.position();
    let name = cursor.word("a type")?;
    let data_type = names::atomic(name).map_err(|e| cursor.error_at(start, e))?;
    match data_type {
        DataType::Decimal { .. } if cursor.take('(') => {
            let precision = cursor.number()?;
            let scale = if cursor.take(',') { cursor.number()? } else { 0 };
            cursor.require(')')?;
            names::decimal(precision, scale).map_err(|e| cursor.error_at(start, e))
        }
        DataType::String if cursor.take_keyword("collate") => Err(cursor.error_at(
            start,
            Error::new(ErrorKind::Unsupported, "strings with a collation are not supported")
                .help("use a plain string column"),
        )),
        other => Ok(other),
    }
}
