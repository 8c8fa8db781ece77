//! Connector SDK: bring data from LanceDB, OSI PI and healthcare systems into lakehouse tables.
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use lakeflow_connect::{Context, Options, ReadRequest, Registry, Result, stream::arrow_batches};
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let options = Options::new().with("base_url", "https://fhir.example.org/r4");
//!     let source = Registry::builtin().connect("fhir", &options, &Context::new())?;
//!     let mut patients = arrow_batches(&source, ReadRequest::new("Patient".into()));
//!     while let Some(batch) = patients.try_next().await? {
//!         println!("{} rows of {} columns", batch.num_rows(), batch.num_columns());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Hosts that store offsets take [`stream::arrow_events`]; sources are written with [`stream::pages`].

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
pub mod sources;

pub use crate::{
    connector::{Activity, IngestionType, LakeflowConnect, TableMetadata, TableRef},
    error::{Error, ErrorKind, Result, Retry},
    options::Options,
    read::{BadRows, JsonLines, Offset, QuarantinedRow, ReadEvent, ReadRequest, ReadStream, Records},
    registry::{Context, Registry, SourceDescriptor, SourceFactory},
    secret::Secret,
    types::{DataType, StructField, StructType},
};
