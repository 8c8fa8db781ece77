//! JSON to Arrow by Spark schema, and back.
