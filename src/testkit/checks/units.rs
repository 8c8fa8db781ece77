//! Rule 1: a host killed after any event restarts from its last stored offset; nothing is lost or doubled.

use crate::testkit::{
    probe::{Probe, Until},
    report::{Verdict, failed},
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let whole = probe.baseline().await?;
    let expected = probe.contents(whole.rows());
    let stops = probe.stops(whole.events + 1);
    for &k in &stops {
        let doing = format!("a host killed after event {k} of {} and started again", whole.events);
        let killed = probe.read(probe.request(None), Until::Events(k)).await?.ended_well(&doing)?;
        let mut found = probe.contents(None);
        let start = if probe.is_snapshot() { None } else { killed.last_offset() };
        if start.is_some() {
            found.add(killed.stored());
        }
        let rest = probe.read_on(start, &doing).await?;
        found.add(rest.rows());
        if let Some(difference) = expected.difference(&found) {
            return failed(format!("{doing} does not have what an uninterrupted one has: {difference}"));
        }
    }
    let rows = expected.len();
    Ok(format!("{} kills in a read of {} events, {rows} rows each time", stops.len(), whole.events))
}
