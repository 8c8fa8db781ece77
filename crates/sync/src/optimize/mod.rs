//! Maintenance: small files made into large ones, rows that are asked for together put side by side.

mod curve;
mod plan;
mod run;
mod sort;

pub use self::run::{OptimizeReceipt, optimize};
