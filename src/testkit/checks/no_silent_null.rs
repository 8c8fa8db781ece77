//! Rule 9: a value that does not fit is an error or a quarantined row, and is never printed.

use std::sync::Arc;

use memchr::memmem;

use crate::{
    error::ErrorKind,
    read::BadRows,
    testkit::{
        hooks::BadRow,
        probe::{Probe, Reading},
        report::{Stop, Verdict, failed, not_applicable},
        rows::Contents,
        witness::Witness,
    },
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let bad_rows: Vec<&BadRow> = probe.suite.bad_rows.iter().filter(|b| b.table == probe.table.name).collect();
    if bad_rows.is_empty() {
        return not_applicable("the suite has no record that does not fit: give Suite::bad_row");
    }
    for bad in &bad_rows {
        let good = probe.baseline().await?;
        let good = probe.contents(good.rows());
        bad.begin.act().await;
        let verdict = one(probe, bad, &good).await;
        bad.end.act().await;
        verdict?;
    }
    Ok(format!("{} records that do not fit, as an error and in quarantine", bad_rows.len()))
}

async fn one(probe: &Probe<'_>, bad: &BadRow, good: &Contents) -> Result<(), Stop> {
    let witness = Arc::new(Witness::new(&[], &[&bad.value]));
    let probe = Probe::new(probe.suite, &witness, &probe.table, probe.flow, &probe.size).await?;
    let failing = probe.cast(probe.request(None)).await?;
    let quarantined = probe.cast(probe.request(None).bad_rows(BadRows::Quarantine)).await?;
    if !witness.leaks().is_empty() {
        return failed(format!(
            "a value that does not fit '{}' is printed: {}",
            bad.column,
            witness.leaks().join("; ")
        ));
    }
    is_refused(&failing, bad)?;
    let doing = format!("a read with a record whose '{}' does not fit, in quarantine,", bad.column);
    let quarantined = quarantined.ended_well(&doing)?;
    is_set_aside(&quarantined, bad)?;
    match good.difference(&probe.contents(quarantined.rows())) {
        Some(difference) => failed(format!("{doing} is not all the others: {difference}")),
        None => Ok(()),
    }
}

fn is_refused(reading: &Reading, bad: &BadRow) -> Result<(), Stop> {
    let column = &bad.column;
    let Some(error) = &reading.error else {
        return failed(format!("a record whose '{column}' does not fit is read without an error"));
    };
    if error.kind() != ErrorKind::Data {
        return failed(format!(
            "a record whose '{column}' does not fit leads to '{}', not 'data'",
            error.kind().as_str()
        ));
    }
    let text = error.to_string();
    if text.contains(&bad.table) && text.contains(column.as_str()) {
        return Ok(());
    }
    failed(format!("the error for a record whose '{column}' does not fit does not name table and column"))
}

fn is_set_aside(reading: &Reading, bad: &BadRow) -> Result<(), Stop> {
    let column = &bad.column;
    match reading.quarantined.as_slice() {
        [row] if !row.column.starts_with(column.as_str()) => {
            failed(format!("the quarantined row names column '{}' instead of '{column}'", row.column))
        }
        [row] if memmem::find(&row.record, bad.value.as_bytes()).is_none() => {
            failed("the quarantined record is not the record as it came")
        }
        [_] => Ok(()),
        rows => failed(format!("one record's '{column}' does not fit, and {} rows are in quarantine", rows.len())),
    }
}
