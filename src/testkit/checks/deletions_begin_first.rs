//! Rule 10: a row that is deleted after it was first read is told, when the deletions were begun before.

use crate::{
    connector::IngestionType,
    testkit::{
        lake::Lake,
        probe::Probe,
        report::{Verdict, failed, not_applicable},
    },
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    if probe.metadata.ingestion_type != IngestionType::CdcWithDeletes {
        return not_applicable("the table does not report deletions");
    }
    let Some(change) = &probe.suite.change else {
        return not_applicable("the suite was given no hook that changes the source");
    };
    let mut held = Lake::default();
    held.read_on(probe, "a first run").await?;
    let before = held.contents(probe);
    change.act().await;
    let now = Probe::new(probe.suite, probe.witness, &probe.table, probe.flow, &probe.size).await?;
    let mut fresh = Lake::default();
    fresh.read_on(&now, "a full read after a change").await?;
    let expected = fresh.contents(&now);
    let gone = before.without(&expected).len();
    if gone == 0 {
        return not_applicable("the suite's change deletes no row that was there");
    }
    held.read_on(&now, "a run after a change").await?;
    let found = held.contents(&now);
    match (found.without(&expected).len(), expected.without(&found).len()) {
        (0, 0) => Ok(format!("{gone} rows deleted after they were read")),
        (0, lost) => failed(format!("{lost} rows are missing that a full read has")),
        (kept, _) => failed(format!("{kept} of {gone} rows that were deleted after they were read are still there")),
    }
}
