//! Searches for neighbours of vectors and for words, read as tables.

mod fusion;
mod rows;
mod target;
mod vectors;

pub(super) use rows::Searched;
pub(super) use target::vector_column;
