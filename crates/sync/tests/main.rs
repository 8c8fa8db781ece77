//! The sync host against real files: one module for each concern.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod landing;
mod source;
mod tables;
