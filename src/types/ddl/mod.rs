//! Spark's DDL for schemas: `id BIGINT NOT NULL COMMENT 'key', tags ARRAY<STRING>`.

mod cursor;
mod parse;
mod write;
