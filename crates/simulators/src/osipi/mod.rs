//! A PI Web API server: data archives behind a REST interface.

mod af;
mod archive;
mod batch;
mod calculation;
mod call;
mod config;
mod enumerations;
mod expression;
mod gate;
mod generate;
mod guid;
mod hash;
mod json;
mod lists;
mod model;
mod multiple;
mod options;
mod oracle;
mod personality;
mod points;
mod running;
mod select;
mod servers;
mod service;
mod streams;
mod ticks;
mod time;
mod updates;
mod webid;
mod world;

pub use af::{
    AfChange, AfConfig, AfKind, Assets, ExpectedAnnotation, ExpectedAttribute, ExpectedFrame, ExpectedObject, FrameEdit,
};
pub use archive::{Action, Change, Changed, Position, Previous, Sample, Value};
pub use config::{ArchiveProfile, Auth, Config, Density, Limits, NegotiateScript, Wire};
pub use guid::Guid;
pub use model::{Beat, PointFault, PointSpec, PointType};
pub use options::OPTIONS;
pub use oracle::Expected;
pub use personality::PERSONALITIES;
pub use running::{RunningServer, Server};
pub use ticks::{Rounding, Ticks};
pub use webid::Spelling;
