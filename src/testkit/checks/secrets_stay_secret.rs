//! No secret and no private value is in an error, an offset, a `Debug` text or the log.

use crate::{
    connector::TableRef,
    read::Offset,
    testkit::{
        probe::{Flow, Probe, Until},
        report::{Verdict, failed, not_applicable},
        suite::Suite,
        witness::Witness,
    },
};

/// Makes the connector print as much as it can; the witness looks on.
pub(crate) async fn provoke(probe: &Probe<'_>) -> Verdict {
    let before = probe.witness.looked_at();
    if !probe.witness.has_markers() {
        return not_applicable("there is nothing to look for: give Suite::secrets or Suite::private_values");
    }
    let whole = probe.baseline().await?;
    probe.witness.text("the Debug of a table", &format!("{:?}", probe.table));
    if let Ok(described) = probe.open()?.describe().await {
        probe.witness.text("what the source says of itself", &format!("{described:?}"));
    }
    let mut requests = vec![
        probe.request(None).until(stranger()),
        probe.request(stranger().as_ref()),
        crate::ReadRequest::new(TableRef::new("testkit_unknown_table")),
        crate::ReadRequest::new(probe.table.clone().option("testkit_unknown_option", "1")),
    ];
    requests.extend(whole.last_offset().map(|offset| probe.request(Some(offset))));
    for request in requests {
        for flow in [Flow::Rows, Flow::Deletes] {
            Probe { flow, ..probe.clone() }.read(request.clone(), Until::End).await?;
        }
    }
    for fault in &probe.suite.faults {
        fault.begin.act().await;
        probe.read(probe.request(None), Until::End).await?;
        if let Err(error) = probe.open()?.get_table_schema(&probe.table).await {
            probe.witness.error(&error);
        }
        fault.end.act().await;
    }
    Ok(format!("{} texts looked at", probe.witness.looked_at() - before))
}

/// What was seen, in this check and in those before it.
pub(crate) fn verdict(suite: &Suite, witness: &Witness) -> Verdict {
    if !witness.has_markers() {
        return not_applicable("there is nothing to look for: give Suite::secrets or Suite::private_values");
    }
    if let Some(given) = &suite.factory {
        witness.text("the Debug of the connection's options", &format!("{:?}", given.options));
    }
    match witness.leaks() {
        leaks if leaks.is_empty() => Ok(format!("{} texts and log lines looked at", witness.looked_at())),
        leaks => failed(leaks.join("; ")),
    }
}

fn stranger() -> Option<Offset> {
    Offset::from_json(r#"{"v":4000000000,"testkit":true}"#).ok()
}
