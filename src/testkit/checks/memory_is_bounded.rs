//! Rule 5: nothing is asked before the first poll, little ahead of the reader, nothing after the drop.

use futures::StreamExt;

use crate::{
    connector::LakeflowConnect,
    testkit::{
        probe::{Probe, Until},
        report::{Stop, Verdict, failed, not_applicable},
    },
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let ahead = probe.suite.requests_ahead;
    let cost = cost_of_a_full_read(probe).await?;
    if cost == 0 {
        return not_applicable("the source counts no requests: give activity() or Suite::requests");
    }
    let connector = probe.open()?;
    let count = || requests(probe, &*connector);
    let start = count();
    let mut stream = probe.stream(&*connector, probe.request(None));
    let others = time_passes(probe).await?;
    if count() > start + others {
        return failed("requests are made before the stream is polled");
    }

    let start = count();
    if let Some(Err(error)) = stream.next().await {
        return Err(crate::testkit::probe::told(probe.witness, "the first event is an error", &error));
    }
    let taken = count() - start;
    let others = time_passes(probe).await?;
    let idle = count().saturating_sub(start + others);
    let most = taken.max(idle);
    if most > ahead {
        return failed(format!(
            "{most} of {cost} requests are made for the first event, where {ahead} are allowed (Suite::requests_ahead)"
        ));
    }

    drop(stream);
    // A request that was on its way when the stream was dropped may still arrive.
    let on_its_way = 1;
    let start = count();
    let others = time_passes(probe).await?;
    if count() > start + others + on_its_way {
        return failed("requests go on after the stream was dropped");
    }
    if cost <= ahead {
        return not_applicable(format!(
            "nothing before the first poll or after the drop; but a full read takes {cost} requests, too few to tell \
             a bounded read-ahead ({ahead}) from an unbounded one: give Suite::size with smaller pages"
        ));
    }
    Ok(format!("none before the first poll, {most} of {cost} requests for the first event, none after the drop"))
}

fn requests(probe: &Probe<'_>, connector: &dyn LakeflowConnect) -> u64 {
    probe.suite.counter.as_ref().map_or_else(|| connector.activity().requests, |count| count())
}

async fn cost_of_a_full_read(probe: &Probe<'_>) -> Result<u64, Stop> {
    let connector = probe.open()?;
    let start = requests(probe, &*connector);
    let request = probe.request(None);
    probe.take(&mut probe.stream(&*connector, request), Until::End).await.ended_well("a full read")?;
    Ok(requests(probe, &*connector) - start)
}

/// Gives tasks in the background every chance to go on: a full read on another connection. Returns how many requests
/// of it the counter saw.
async fn time_passes(probe: &Probe<'_>) -> Result<u64, Stop> {
    let cost = cost_of_a_full_read(probe).await?;
    Ok(if probe.suite.counter.is_some() { cost } else { 0 })
}
