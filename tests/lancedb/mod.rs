//! The LanceDB source.

mod bad_input;
mod bad_searches;
mod changes;
mod expression;
mod keys;
mod large;
mod log;
mod mapping;
mod nodes;
mod pages;
mod real;
mod real_changes;
mod real_cursors;
mod real_filters;
mod real_forms;
mod real_searches;
mod real_servers;
mod real_size;
mod real_tables;
mod replica;
mod scans;
mod searches;
mod simulated;
mod unmappable;
mod wire;
