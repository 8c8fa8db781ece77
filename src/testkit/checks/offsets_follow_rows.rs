//! Rule 2: an offset covers every row before it, and the end of a stream means caught up.

use crate::testkit::{
    lake::Lake,
    probe::{Flow, Probe, Reading, Until},
    report::{Stop, Verdict, failed},
    rows::Contents,
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let whole = probe.baseline().await?;
    if probe.is_snapshot() {
        return Ok("a snapshot is read in full each time".to_owned());
    }
    let expected = probe.contents(whole.rows());
    if !whole.rest.is_empty() {
        return failed(format!(
            "the stream ended with {} rows after its last checkpoint: no offset covers them",
            whole.rest.len()
        ));
    }
    let stops = probe.stops(whole.units.len());
    for &j in &stops {
        let doing = format!("reading on from checkpoint {} of {}", j + 1, whole.units.len());
        let rest = probe.read_on(Some(&whole.units[j].offset), &doing).await?;
        let mut found = probe.contents(whole.units[..=j].iter().flat_map(|u| &u.rows));
        found.add(rest.rows());
        if let Some(difference) = expected.difference(&found) {
            return failed(format!("{doing}: {difference}"));
        }
    }
    one_unit_a_time(probe, &whole, &expected).await?;
    Ok(format!("{} checkpoints, each continued from, and a walk of one unit a time", stops.len()))
}

/// A host that takes one unit, starts again, and so on until nothing comes: the way of the Python interface.
async fn one_unit_a_time(probe: &Probe<'_>, whole: &Reading, expected: &Contents) -> Result<(), Stop> {
    let most = whole.units.len() * 4 + 16;
    if most > probe.suite.max_stops * 4 {
        return Ok(());
    }
    let mut found = probe.contents(None);
    let mut start = None;
    for _ in 0..most {
        let step = probe.read(probe.request(start.as_ref()), Until::FirstCheckpoint).await?;
        let step = step.ended_well("taking one unit a time")?;
        found.add(step.rows());
        let next = step.last_offset().cloned();
        if next.is_none() || next == start {
            return match expected.difference(&found) {
                Some(difference) => failed(format!("taking one unit a time: {difference}")),
                None => Ok(()),
            };
        }
        start = next;
    }
    failed(format!(
        "taking one unit a time does not end: {most} checkpoints came where one stream had {}",
        whole.units.len()
    ))
}

/// What changed at the source since the last offset arrives, and only the source's own hook can show it.
pub(crate) async fn after_a_change(probe: &Probe<'_>) -> Verdict {
    let Some(change) = probe.suite.change.as_ref().filter(|_| probe.flow == Flow::Rows && !probe.is_snapshot()) else {
        return Ok(String::new());
    };
    let mut held = Lake::default();
    held.read_on(probe, "a full read").await?;
    change.act().await;
    let after = Probe::new(probe.suite, probe.witness, &probe.table, Flow::Rows, &probe.size).await?;
    let moved = held.read_on(&after, "reading on after a change").await?;
    if moved == 0 {
        return failed("the source was changed, and reading on from the last offset brought nothing");
    }
    let mut fresh = Lake::default();
    fresh.read_on(&after, "a full read after a change").await?;
    match fresh.contents(&after).difference(&held.contents(&after)) {
        Some(difference) => failed(format!("reading on after a change is not a full read: {difference}")),
        None => Ok(format!("; {moved} rows after a change")),
    }
}
