//! Spark's type system: names, nullability, metadata; schema JSON, DDL and Arrow in and out.

mod data_type;

pub use data_type::{ArrayType, DataType, MapType, StructField, StructType};
