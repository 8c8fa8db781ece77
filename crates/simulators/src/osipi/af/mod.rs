//! The asset side: databases, elements, attributes, templates, event frames.
//!
//! How it plugs in: [`Af::route`] sees every call that the data side did not answer; [`Af::member`] says what an
//! attribute's WebID streams; [`Af::members`] lists the streams below an element or event frame for `streamsets/{webId}`.

mod changes;
mod filters;
mod frame_search;
mod generate;
mod handle;
mod instant;
mod lists;
mod object;
mod options;
mod oracle;
mod routes;
mod show;
mod state;
mod store;
mod streams;
mod traits;

pub use changes::{AfChange, FrameEdit};
pub use generate::AfConfig;
pub use handle::Assets;
pub use object::Kind as AfKind;
pub use oracle::{ExpectedAnnotation, ExpectedAttribute, ExpectedFrame, ExpectedObject};

pub(crate) use generate::Tag;
pub(crate) use state::Af;
pub(crate) use store::PointRef;
pub(crate) use streams::{AfStream, Member};
