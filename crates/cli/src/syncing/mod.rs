//! Moving the tables of a pipeline: jobs, the run over them, who watches, and the receipt.

mod job;
mod json_view;
mod line_view;
mod receipt;
mod run;
mod view;

pub(crate) use job::Jobs;
pub(crate) use json_view::JsonView;
pub(crate) use line_view::LineView;
pub(crate) use receipt::write as write_receipt;
pub(crate) use run::{RunOutcome, TableOutcome, run};
pub(crate) use view::View;
