//! Connector SDK: bring data from LanceDB, OSI PI and healthcare systems into lakehouse tables.

pub use arrow;

pub mod clock;
pub mod connector;
pub mod decode;
pub mod error;
pub mod http;
pub mod options;
pub mod read;
pub mod registry;
pub mod secret;
pub mod stream;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod types;

mod near;
#[path = "../sources/mod.rs"]
mod sources;

pub use crate::{
    connector::{Activity, IngestionType, LakeflowConnect, TableMetadata, TableRef},
    error::{Error, ErrorKind, Result, Retry},
    options::Options,
    read::{BadRows, JsonLines, Offset, QuarantinedRow, ReadEvent, ReadRequest, ReadStream, Records},
    registry::{Context, Registry, SourceDescriptor, SourceFactory},
    secret::Secret,
    types::{DataType, StructField, StructType},
};
