//! The demo: a simulated hospital, plant and library of documents with vectors, two syncs of each, and a comparison of every
//! row.

mod hospital;
mod hospital_rows;
mod library;
mod library_rows;
mod memory;
mod plant;
mod plant_rows;
mod run;
mod scene;
mod stored;
mod story;

pub(crate) use run::run;
