//! The LanceDB source.

mod real;
mod real_searches;
mod real_tables;
