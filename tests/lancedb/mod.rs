//! The LanceDB source.

mod real;
mod real_tables;
