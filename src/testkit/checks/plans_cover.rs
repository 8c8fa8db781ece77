//! The requests of `plan` are disjoint and cover the whole.

use std::collections::BTreeMap;

use crate::{
    read::{Offset, ReadRequest},
    testkit::{
        probe::{Probe, Until, told},
        report::{Stop, Verdict, failed},
        rows::{at, canonical, key_of},
    },
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let mut most = 0;
    let whole = probe.baseline().await?;
    let middle = whole.units.len() / 2;
    let mut starts: Vec<Option<Offset>> = vec![None];
    if !probe.is_snapshot() && middle > 0 {
        starts.push(whole.units.get(middle - 1).map(|u| u.offset.clone()));
    }
    for start in starts {
        most = most.max(planned(probe, start.as_ref()).await?);
    }
    Ok(match most {
        1 => "the source plans one request".to_owned(),
        n => format!("up to {n} requests, each row in one of them"),
    })
}

async fn planned(probe: &Probe<'_>, start: Option<&Offset>) -> Result<usize, Stop> {
    let from = if start.is_some() { " from a checkpoint on" } else { "" };
    let expected = probe.read_on(start, "the read that was planned").await?;
    let expected = probe.contents(expected.rows());
    let requests = probe.open()?.plan(probe.request(start)).await;
    let requests = requests.map_err(|e| told(probe.witness, "plan failed", &e))?;
    let count = requests.len();
    let mut found = probe.contents(None);
    let mut seen_in: BTreeMap<String, usize> = BTreeMap::new();
    for (i, request) in requests.into_iter().enumerate() {
        let reading = part(probe, request, i, count).await?;
        for row in reading.rows() {
            if let Some(version) = version(probe, row) {
                let before = seen_in.insert(version, i);
                if let Some(j) = before.filter(|j| *j != i) {
                    return failed(format!(
                        "a row is in the planned requests {} and {} of {count}{from}",
                        j + 1,
                        i + 1
                    ));
                }
            }
        }
        found.add(reading.rows());
    }
    match expected.difference(&found) {
        Some(difference) => failed(format!("{count} planned requests{from} are not the whole: {difference}")),
        None => Ok(count),
    }
}

async fn part(
    probe: &Probe<'_>,
    request: ReadRequest,
    i: usize,
    count: usize,
) -> Result<crate::testkit::probe::Reading, Stop> {
    if request.table.name != probe.table.name {
        return failed(format!("a planned request is for another table: '{}'", request.table.name));
    }
    let doing = format!("planned request {} of {count}", i + 1);
    probe.read(request, Until::End).await?.ended_well(&doing)
}

/// What tells a version of a row from all others; nothing for rows without a key.
fn version(probe: &Probe<'_>, row: &serde_json::Value) -> Option<String> {
    let keys = &probe.metadata.primary_keys;
    if keys.is_empty() {
        return None;
    }
    let cursor = probe.metadata.cursor_field.as_deref().and_then(|c| at(row, c)).map(canonical).unwrap_or_default();
    Some(format!("{}@{cursor}", key_of(row, keys)?))
}
