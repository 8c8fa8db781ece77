//! Rule 4: what is read depends on (`start`, `until`] alone.

use crate::{
    connector::IngestionType,
    error::ErrorKind,
    read::Offset,
    testkit::{
        probe::{Flow, Probe, Reading, Until, spread},
        report::{Stop, Verdict, failed, not_applicable},
        rows::Contents,
    },
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let whole = probe.baseline().await?;
    let expected = probe.contents(whole.rows());
    if probe.until.is_none() && whole.units.is_empty() {
        return not_applicable("the table has no offsets to bound a read with");
    }
    if probe.until.is_some() {
        same(&expected, &again(probe).await?, "reading up to the same offset again")?;
        if !probe.suite.live {
            let unbounded = Probe { until: None, ..probe.clone() };
            let to_now = unbounded.read_on(None, "a read without 'until'").await?;
            same(&expected, &probe.contents(to_now.rows()), "a read without 'until', when nothing changes,")?;
        }
    }
    let ranges = if probe.is_snapshot() { 0 } else { ranges(probe, &whole).await? };
    let changed = while_the_source_changes(probe).await?;
    if probe.until.is_none() && ranges == 0 {
        return not_applicable("the source names no latest offset and takes no checkpoint as 'until'");
    }
    Ok(format!("{ranges} ranges between checkpoints{changed}"))
}

async fn again(probe: &Probe<'_>) -> Result<Contents, Stop> {
    Ok(probe.contents(probe.read_on(None, "reading up to the same offset again").await?.rows()))
}

fn same(expected: &Contents, found: &Contents, what: &str) -> Result<(), Stop> {
    match expected.difference(found) {
        Some(difference) => failed(format!("{what} gives other rows: {difference}")),
        None => Ok(()),
    }
}

/// Checkpoints as bounds: (i, j] holds exactly the units after i up to j.
async fn ranges(probe: &Probe<'_>, whole: &Reading) -> Result<usize, Stop> {
    let ends = spread(whole.units.len(), 8);
    let mut tried = 0;
    for &j in &ends {
        for start in [None, j.checked_sub(1), j.checked_sub(3)].into_iter().enumerate() {
            let i = match start {
                (0, _) => None,
                (_, Some(i)) => Some(i),
                (_, None) => continue,
            };
            let bound = Probe { until: Some(whole.units[j].offset.clone()), ..probe.clone() };
            let from = i.map(|i| &whole.units[i].offset);
            let Some(found) = range(&bound, from).await? else { return Ok(tried) };
            let held = i.map_or(0, |i| i + 1);
            let rows = |units: std::ops::Range<usize>| whole.units[units].iter().flat_map(|u| &u.rows);
            let mut state = probe.contents(rows(0..held));
            state.add(found.rows());
            let expected = probe.contents(rows(0..j + 1));
            let from = i.map_or_else(|| "the beginning".to_owned(), |i| format!("checkpoint {}", i + 1));
            same(&expected, &state, &format!("reading from {from} until checkpoint {}", j + 1))?;
            tried += 1;
        }
    }
    Ok(tried)
}

/// `None` when the source says that it cannot end a read at a checkpoint.
async fn range(probe: &Probe<'_>, start: Option<&Offset>) -> Result<Option<Reading>, Stop> {
    let reading = probe.read(probe.request(start), Until::End).await?;
    if reading.error.as_ref().is_some_and(|e| e.kind() == ErrorKind::Unsupported) {
        return Ok(None);
    }
    reading.ended_well("a read until a checkpoint").map(Some)
}

/// A bound that was frozen before a change holds after it.
async fn while_the_source_changes(probe: &Probe<'_>) -> Verdict {
    let hook = probe.suite.change.as_ref().filter(|_| probe.flow == Flow::Rows && !probe.is_snapshot());
    let (Some(change), Some(_)) = (hook, &probe.until) else { return Ok(String::new()) };
    let frozen = Probe::new(probe.suite, probe.witness, &probe.table, Flow::Rows, &probe.size).await?;
    let before = again(&frozen).await?;
    change.act().await;
    let after = again(&frozen).await?;
    if !before.is_keyed() {
        same(&before, &after, "reading up to the same offset after a change")?;
        return Ok(", and one up to an offset from before a change".to_owned());
    }
    let now = Probe::new(probe.suite, probe.witness, &probe.table, Flow::Rows, &probe.size).await?;
    let since = now.read_on(frozen.until.as_ref(), "reading on from the offset from before a change").await?;
    let mut since = now.contents(since.rows());
    if now.metadata.ingestion_type == IngestionType::CdcWithDeletes {
        let deletes = Probe { flow: Flow::Deletes, until: None, ..now.clone() };
        since.add(deletes.read_on(None, "reading the deletions after a change").await?.rows());
    }
    let what = "reading up to the same offset after a change, but for rows superseded since,";
    same(&before.without(&since), &after.without(&since), what)?;
    Ok(", and one up to an offset from before a change".to_owned())
}
