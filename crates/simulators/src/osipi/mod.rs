//! A PI Web API server: data archives behind a REST interface.

// Until the routes that use the seams are in.
#![allow(dead_code)]

mod af;
mod archive;
mod call;
mod config;
mod gate;
mod generate;
mod guid;
mod hash;
mod lists;
mod model;
mod running;
mod select;
mod servers;
mod service;
mod ticks;
mod webid;
mod world;

pub use af::{
    AfChange, AfConfig, AfKind, Assets, ExpectedAnnotation, ExpectedAttribute, ExpectedFrame, ExpectedObject, FrameEdit,
};
pub use config::{ArchiveProfile, Auth, Config, Density, Limits, NegotiateScript, Wire};
pub use guid::Guid;
pub use model::{Beat, PointFault, PointSpec, PointType};
pub use running::{RunningServer, Server};
pub use ticks::{Rounding, Ticks};
pub use webid::Spelling;
