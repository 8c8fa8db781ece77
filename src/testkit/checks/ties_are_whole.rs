//! Rule 6: batches of any size bring the same rows and never end inside a tie.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::testkit::{
    probe::{Probe, Reading, Unit, Until},
    report::{Stop, Verdict, failed, not_applicable},
    rows::{at, canonical},
    suite::Size,
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let whole = probe.baseline().await?;
    let expected = probe.contents(whole.rows());
    inside_no_tie(probe, &whole)?;
    let mut most_units = whole.units.len();
    let by_options_only = probe.is_snapshot();
    let sizes: Vec<Size> = sizes(probe).into_iter().filter(|s| !(by_options_only && s.max_records.is_some())).collect();
    for size in &sizes {
        let sized = Probe::new(probe.suite, probe.witness, &probe.table, probe.flow, size).await?;
        let all = sweep(&sized).await?;
        if let Some(difference) = expected.difference(&sized.contents(all.rows())) {
            return failed(format!("with {size}: {difference}"));
        }
        inside_no_tie(&sized, &all)?;
        most_units = most_units.max(all.units.len());
    }
    let largest = largest_tie(probe, &whole);
    if sizes.is_empty() {
        return not_applicable("there is one size only: give Suite::size or Suite::max_records");
    }
    if !probe.is_snapshot() && most_units < 2 {
        return not_applicable("every size brings all rows in one unit: give a smaller Suite::size or more rows");
    }
    // A cursor that tells when the row was read is in no row here.
    let cursor = probe.metadata.cursor_field.as_deref();
    let is_told = cursor.is_some_and(|cursor| whole.rows().any(|row| at(row, cursor).is_some()));
    if is_told && largest < 2 {
        return not_applicable("no two rows share a cursor value: put ties into the test data");
    }
    Ok(format!("{} sizes, up to {most_units} units, up to {largest} rows in a tie", sizes.len()))
}

/// The suite's sizes; reads with `max_records` have the smallest batches too.
fn sizes(probe: &Probe<'_>) -> Vec<Size> {
    let all = &probe.suite.sizes;
    let smallest = all.iter().find(|s| s.max_records.is_none()).map(|s| s.options.clone()).unwrap_or_default();
    let with_options = |size: &Size| match size.max_records {
        Some(_) => Size { options: smallest.clone(), ..size.clone() },
        None => size.clone(),
    };
    all.iter().map(with_options).collect()
}

/// Reads again and again until nothing comes, as a host does that limits its reads.
async fn sweep(probe: &Probe<'_>) -> Result<Reading, Stop> {
    let size = &probe.size;
    let Some(limit) = size.max_records else {
        return probe.read_on(None, &format!("a full read with {size}")).await;
    };
    let mut all = Reading::default();
    loop {
        let start = all.last_offset().cloned();
        let doing = format!("read {} with {size}", all.events + 1);
        let reading = probe.read(probe.request(start.as_ref()), Until::End).await?.ended_well(&doing)?;
        ends_at_the_limit(&reading, limit, &doing)?;
        all.events += 1;
        let moved = reading.last_offset().is_some_and(|offset| Some(offset) != start.as_ref());
        let any = reading.rows().next().is_some();
        all.units.extend(reading.units);
        all.rest.extend(reading.rest);
        if !moved || !any {
            return Ok(all);
        }
        if all.events > 100_000 {
            return failed(format!("the reads with {size} have no end"));
        }
    }
}

fn ends_at_the_limit(reading: &Reading, limit: u64, doing: &str) -> Result<(), Stop> {
    let mut rows = 0;
    for (i, unit) in reading.units.iter().enumerate() {
        rows += unit.rows.len() as u64;
        if rows >= limit && i + 1 < reading.units.len() {
            return failed(format!("{doing} goes on after a checkpoint with {rows} rows before it"));
        }
    }
    Ok(())
}

fn inside_no_tie(probe: &Probe<'_>, reading: &Reading) -> Result<(), Stop> {
    if probe.is_snapshot() {
        return Ok(());
    }
    let mut last_unit = BTreeMap::new();
    for (i, Unit { rows, .. }) in reading.units.iter().enumerate() {
        let ties: BTreeSet<Vec<String>> = rows.iter().filter_map(|row| tie(probe, row)).collect();
        for tie in ties {
            if last_unit.insert(tie, i).is_some() {
                let (n, size) = (reading.units.len(), &probe.size);
                return failed(format!(
                    "with {size}, unit {} of {n} has rows of a cursor value that an earlier unit has too: a unit \
                     ended inside a tie",
                    i + 1
                ));
            }
        }
    }
    Ok(())
}

/// A row's cursor value, with the columns inside whose values it counts.
fn tie(probe: &Probe<'_>, row: &Value) -> Option<Vec<String>> {
    let cursor = at(row, probe.metadata.cursor_field.as_deref()?)?;
    let scope = probe.suite.tie_scope.iter().map(|column| at(row, column).map(Value::to_string).unwrap_or_default());
    Some(std::iter::once(canonical(cursor)).chain(scope).collect())
}

fn largest_tie(probe: &Probe<'_>, reading: &Reading) -> usize {
    let mut sizes: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for tie in reading.rows().filter_map(|row| tie(probe, row)) {
        *sizes.entry(tie).or_default() += 1;
    }
    sizes.into_values().max().unwrap_or(0)
}
