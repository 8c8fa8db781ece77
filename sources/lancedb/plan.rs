//! One read as several, for parallel readers.

use super::{
    config::ScanMode,
    connection::{Flow, LanceDbConnection},
    offset::{Part, State},
    rows::{is_read_anew, since},
};
use crate::{error::Result, read::ReadRequest};

/// Pages of one request.
const PAGES: u64 = 32;

/// The request in parts of some pages each: stretches of one version, in the server's order.
///
/// # Errors
/// As [`read`](super::rows::read).
pub(super) async fn plan(connection: &LanceDbConnection, request: ReadRequest) -> Result<Vec<ReadRequest>> {
    let start = connection.state(&request.table, request.start.as_ref())?;
    let until = match connection.state(&request.table, request.until.as_ref())? {
        Some(until) => until,
        None => connection.latest(&request.table, start.as_ref(), Flow::Rows).await?,
    };
    let request = ReadRequest { until: Some(until.encode()?), ..request };
    let (Some(to), None) = (&until.at, &until.next) else { return Ok(vec![request]) };
    let opened = connection.open(&request.table, Some(to.version)).await?;
    opened.is_at(to)?;
    let nothing = State::nothing(&request.table.name, &opened.options);
    let from = match start {
        Some(start) if is_read_anew(&start, &until) => nothing,
        Some(start) if start.next.is_some() || start.at.as_ref().is_some_and(|at| at.is_same(to)) => {
            return Ok(vec![request]);
        }
        Some(start) => start,
        None => nothing,
    };
    let total = match since(connection, &opened, from.at.as_ref(), to).await?.condition {
        Some(condition) => opened.snapshot.count(Some(condition)).await?,
        None => to.rows,
    };
    let scan = opened.snapshot.scan_of(total).await?;
    if scan == ScanMode::DummyVector || opened.options.query.is_search() {
        return Ok(vec![request]);
    }
    opened.snapshot.look_at_sizes().await?;
    let rows = opened.snapshot.sizer.expected().saturating_mul(PAGES);
    let mut parts = Vec::new();
    let mut next = request.clone();
    let mut sent = rows;
    while sent < total {
        let part = Part { mark: to.clone(), sent, by_address: scan == ScanMode::RowRange };
        let border = from.on_the_way(part).encode()?;
        parts.push(ReadRequest { until: Some(border.clone()), ..next.clone() });
        next.start = Some(border);
        sent += rows;
    }
    parts.push(next);
    Ok(parts)
}
