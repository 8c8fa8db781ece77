//! Types to DDL.

use crate::types::{DataType, StructField, StructType};

impl StructType {
    /// The schema as Spark's DDL, as `StructType.toDDL` writes it and `CREATE TABLE` takes it.
    ///
    /// DDL has no place for array elements and map values that are never null, nor for metadata other than `comment`.
    /// Backslashes in comments are escaped, which Spark's own writer forgets.
    ///
    /// ```
    /// use lakeflow_connect::{DataType, StructField, StructType};
    /// let schema = StructType::new([
    ///     StructField::required("id", DataType::Long).comment("the key"),
    ///     StructField::new("unit code", DataType::array(DataType::String)),
    /// ]);
    /// assert_eq!(schema.to_ddl(), "id BIGINT NOT NULL COMMENT 'the key',`unit code` ARRAY<STRING>");
    /// ```
    pub fn to_ddl(&self) -> String {
        let mut out = String::new();
        write_fields(&mut out, &self.fields, " ", ",");
        out
    }
}

impl DataType {
    /// The type as Spark's DDL (`DataType.sql`): `ARRAY<STRUCT<code: STRING>>`.
    pub fn to_ddl(&self) -> String {
        let mut out = String::new();
        write_type(&mut out, self);
        out
    }
}

fn write_fields(out: &mut String, fields: &[StructField], colon: &str, comma: &str) {
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            out.push_str(comma);
        }
        write_name(out, &field.name);
        out.push_str(colon);
        write_type(out, &field.data_type);
        if !field.nullable {
            out.push_str(" NOT NULL");
        }
        if let Some(comment) = field.metadata.get("comment").and_then(|c| c.as_str()) {
            out.push_str(" COMMENT '");
            for c in comment.chars() {
                if matches!(c, '\'' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
            out.push('\'');
        }
    }
}

fn write_type(out: &mut String, data_type: &DataType) {
    match data_type {
        DataType::Array(a) => {
            out.push_str("ARRAY<");
            write_type(out, &a.element);
            out.push('>');
        }
        DataType::Map(m) => {
            out.push_str("MAP<");
            write_type(out, &m.key);
            out.push_str(", ");
            write_type(out, &m.value);
            out.push('>');
        }
        DataType::Struct(s) => {
            out.push_str("STRUCT<");
            write_fields(out, &s.fields, ": ", ", ");
            out.push('>');
        }
        atomic => out.push_str(&atomic.to_string().to_ascii_uppercase()),
    }
}

fn write_name(out: &mut String, name: &str) {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain {
        out.push_str(name);
    } else {
        out.push('`');
        out.push_str(&name.replace('`', "``"));
        out.push('`');
    }
}
