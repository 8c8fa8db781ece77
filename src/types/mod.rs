//! Spark's type system: names, nullability, metadata; schema JSON, DDL and Arrow in and out.
//!
//! Three texts or forms of one schema, each read and written by [`StructType`]:
//!
//! * schema JSON ([`StructType::to_json`]), byte for byte what PySpark's `StructType.json()` writes;
//! * DDL ([`StructType::to_ddl`]), what `CREATE TABLE` takes;
//! * Arrow ([`StructType::to_arrow`]), with the child names and time zone that Delta tables use.

mod arrow;
mod data_type;
mod ddl;
mod json;
mod names;

pub use arrow::SPARK_TYPE_KEY;
pub use data_type::{ArrayType, DataType, MapType, READ_TIME_KEY, StructField, StructType};
