#![doc = include_str!("../README.md")]
//!
//! # The crate
//!
//! A host connects through the [`Registry`] and reads through [`LakeflowConnect`]; [`read`] says what it may rely on.
//!
//! Hosts that store offsets take [`stream::arrow_events`]; sources are written with [`stream::pages`].

pub use arrow;

pub mod clock;
pub mod connector;
pub mod decode;
pub mod error;
pub mod http;
pub mod meter;
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
    connector::{Activity, IngestionType, LakeflowConnect, OffsetPart, Retrying, TableMetadata, TableRef},
    error::{Error, ErrorKind, Result, Retry},
    options::Options,
    read::{BadRows, JsonLines, Offset, QuarantinedRow, ReadEvent, ReadRequest, ReadStream, Records},
    registry::{Context, Registry, SourceDescriptor, SourceFactory},
    secret::Secret,
    types::{DataType, StructField, StructType},
};
