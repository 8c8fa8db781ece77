//! Who watches a run.

use lakeflow_connect::{Error, Retrying};
use lakeflow_sync::{Observer, TableReceipt};

/// Sees tables begin and end, besides the progress in between.
pub(crate) trait View: Observer {
    /// The tables of the run, before the first begins.
    fn begin(&self, tables: &[String]) {
        let _ = tables;
    }

    /// A table begins.
    fn table_begins(&self, table: &str) {
        let _ = table;
    }

    /// A table is done, or was stopped.
    fn table_done(&self, receipt: &TableReceipt);

    /// A table failed; what was committed before stays.
    fn table_failed(&self, table: &str, error: &Error);

    /// A request waits for its next try, or none does any more; `reached`: the source has answered before.
    fn retrying(&self, retrying: Option<Retrying>, reached: bool) {
        let _ = (retrying, reached);
    }

    /// No more is to come.
    fn end(&self) {}
}
