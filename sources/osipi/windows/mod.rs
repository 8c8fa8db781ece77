//! Values over aligned windows, and values at one instant.

mod grid;
mod marks;
mod tag_set;
