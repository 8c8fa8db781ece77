//! Data files: rows into Parquet, one file or more for each partition, with the statistics that the log holds.

mod groups;
mod layout;
mod open;
mod partitions;
mod stats;
mod writer;

pub(crate) use self::{layout::FileLayout, partitions::check_partition_columns, writer::FileWriter};
