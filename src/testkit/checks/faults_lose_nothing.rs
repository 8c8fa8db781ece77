//! A misbehaving server leads to an error or the right rows, never to silent loss.

use crate::testkit::{
    hooks::Fault,
    probe::{Probe, Reading, Until},
    report::{Stop, Verdict, failed, not_applicable},
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    if probe.suite.faults.is_empty() {
        return not_applicable("the suite knows no faults: give Suite::fault");
    }
    let whole = probe.baseline().await?;
    let mut errors = 0;
    let mut reads = 0;
    for fault in &probe.suite.faults {
        for after in [0, 1, whole.events / 2] {
            errors += usize::from(one(probe, &whole, fault, after).await?);
            reads += 1;
        }
    }
    Ok(format!("{reads} reads under {} faults, {errors} ended with an error", probe.suite.faults.len()))
}

/// Begins the fault after that many events; says whether the read ended with an error.
async fn one(probe: &Probe<'_>, whole: &Reading, fault: &Fault, after: usize) -> Result<bool, Stop> {
    let name = &fault.name;
    let connector = probe.open()?;
    let mut stream = probe.stream(&*connector, probe.request(None));
    let mut reading = match after {
        0 => Reading::default(),
        n => probe.take(&mut stream, Until::Events(n)).await,
    };
    fault.begin.act().await;
    if reading.error.is_none() {
        let rest = probe.take(&mut stream, Until::End).await;
        reading.go_on(rest);
    }
    fault.end.act().await;
    let doing = format!("a read with '{name}' after event {after}");
    if let Some(complaint) = &reading.complaint {
        return failed(format!("{doing}: {complaint}"));
    }
    let expected = probe.contents(whole.rows());
    if reading.error.is_none() {
        return match expected.difference(&probe.contents(reading.rows())) {
            Some(difference) => failed(format!("{doing} ended without an error, and silently: {difference}")),
            None => Ok(false),
        };
    }
    let start = if probe.is_snapshot() { None } else { reading.last_offset() };
    let mut found = probe.contents(None);
    if start.is_some() {
        found.add(reading.stored());
    }
    let rest = probe.read_on(start, &format!("reading on after '{name}' was over")).await?;
    found.add(rest.rows());
    match expected.difference(&found) {
        Some(difference) => failed(format!("{doing} failed; reading on from its last offset: {difference}")),
        None => Ok(true),
    }
}

impl Reading {
    /// Adds what the same stream sent later.
    fn go_on(&mut self, later: Self) {
        let mut units = later.units.into_iter();
        if let Some(mut first) = units.next() {
            first.rows.splice(0..0, self.rest.drain(..));
            self.units.push(first);
        }
        self.units.extend(units);
        self.rest.extend(later.rest);
        self.quarantined.extend(later.quarantined);
        self.error = later.error;
        self.complaint = later.complaint;
        self.events += later.events;
    }
}
