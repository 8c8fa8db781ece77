//! The rules of the module's docs, each with a test.

mod casting;
mod random;
mod rows;
mod scanning;

use std::sync::Arc;

use super::{DecodeOptions, Decoder, RowError, Scanner, Shape, arrow_to_json};
use crate::{
    error::{Error, Result},
    types::{DataType, StructField, StructType},
};

/// A schema with one nullable column `v`.
fn one(data_type: DataType) -> StructType {
    StructType::new([StructField::new("v", data_type)])
}

fn decoder(schema: &StructType) -> Decoder {
    Decoder::new(Arc::new(Shape::new(schema)), DecodeOptions::new("t").primary_keys(["id"]))
}

/// What a record becomes, as JSON text again.
fn read_back(schema: &StructType, record: &str) -> Result<String, RowError> {
    let mut decoder = decoder(schema);
    decoder.decode_record(&mut Scanner::new(record)).unwrap()?;
    let lines = arrow_to_json(&decoder.flush().unwrap()).unwrap();
    Ok(String::from_utf8(lines.bytes.to_vec()).unwrap().trim_end().to_owned())
}

/// The column and reason with which a record is refused.
fn refusal(schema: &StructType, record: &str) -> String {
    read_back(schema, record).unwrap_err().to_string()
}

/// The error for text that is not JSON.
fn broken(record: &str) -> Error {
    let schema = one(DataType::Variant);
    decoder(&schema).decode_record(&mut Scanner::new(record)).unwrap_err()
}
