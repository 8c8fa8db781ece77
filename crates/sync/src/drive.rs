//! One flow of a run: read to its end, committed on the way.

use chrono::{DateTime, Utc};
use futures::StreamExt;
use lakeflow_connect::{Error, ErrorKind, Offset, ReadEvent, ReadStream, Records, Result};

use crate::{flow::Flow, flow_id::FlowKind, quarantine::Quarantine, receipt::Counts, run::Run, staging::Staging};

/// Where a run of one flow ended.
pub(crate) struct Ended {
    pub(crate) caught_up: bool,
    pub(crate) before: Option<Offset>,
    pub(crate) after: Option<Offset>,
}

impl Ended {
    /// A flow that was not run and never has been.
    pub(crate) fn nowhere() -> Self {
        Self { caught_up: true, before: None, after: None }
    }
}

impl Run<'_> {
    /// Reads a flow to its end, committing on the way; what was whole before a failure is committed too.
    pub(crate) async fn drive<F: Flow>(&mut self, flow: &mut F, events: ReadStream, snapshot: bool) -> Result<Ended> {
        let mut quarantine = Quarantine::new(self.job, self.options);
        let mut offset = flow.offset().cloned();
        let before = offset.clone();
        let ended = self.read(flow, events, &mut quarantine, &mut offset, snapshot).await;
        if ended.is_err() && !snapshot && flow.staging().rows() > 0 {
            let kept = match quarantine.flush().await {
                Ok(()) => flow.commit(offset.clone()).await,
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
                tracing::warn!(%error, "what was read before the failure was not committed");
            }
        }
        self.counts.add(*flow.counts());
        ended.map(|caught_up| Ended { caught_up, before, after: flow.offset().cloned() })
    }

    /// Whether it came to the end of what there is.
    async fn read<F: Flow>(
        &self,
        flow: &mut F,
        mut events: ReadStream,
        quarantine: &mut Quarantine<'_>,
        offset: &mut Option<Offset>,
        snapshot: bool,
    ) -> Result<bool> {
        let mut since = self.options.clock.now();
        let mut rows = 0;
        loop {
            let event = tokio::select! {
                biased;
                () = self.options.stop.stopped() => {
                    if !snapshot {
                        quarantine.flush().await?;
                        flow.commit(offset.clone()).await?;
                    }
                    return Ok(false);
                }
                event = events.next() => event,
            };
            match event.transpose()? {
                None => break,
                Some(ReadEvent::Records(Records::Arrow(batch))) => {
                    flow.push(&batch).await?;
                    self.observer.progress(&self.job.table.name, &self.total(flow.counts()));
                }
                Some(ReadEvent::Quarantined(bad)) => {
                    flow.counts().rows_quarantined += bad.len() as u64;
                    rows += bad.len() as u64;
                    quarantine.push(bad).await?;
                }
                Some(ReadEvent::Checkpoint(next)) => {
                    flow.end_unit().await?;
                    *offset = Some(next);
                    if !snapshot && self.is_due(flow.staging(), since) {
                        rows += flow.staging().rows();
                        quarantine.flush().await?;
                        flow.commit(offset.clone()).await?;
                        self.committed(flow);
                        since = self.options.clock.now();
                    }
                }
                Some(_) => {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        "the connector sent an event this program does not know",
                    ));
                }
            }
        }
        if snapshot {
            refuse_incomplete(flow.counts().rows_quarantined, quarantine).await?;
            flow.end_unit().await?;
        } else if flow.staging().open_rows() > 0 {
            return Err(Error::new(ErrorKind::Internal, "the connector sent rows after its last checkpoint")
                .help("report this to the connector's author; those rows were not written"));
        }
        rows += flow.staging().rows();
        let caught_up = self.options.max_records.is_none_or(|max| rows < max);
        quarantine.flush().await?;
        flow.commit(offset.clone()).await?;
        self.committed(flow);
        Ok(caught_up)
    }

    fn is_due(&self, staging: &Staging, since: DateTime<Utc>) -> bool {
        let waited = (self.options.clock.now() - since).to_std().unwrap_or_default();
        staging.rows() >= self.options.commit_rows
            || staging.bytes() >= self.options.commit_bytes
            || staging.files() >= self.options.commit_files
            || waited >= self.options.commit_interval
    }

    fn total(&self, flow: &Counts) -> Counts {
        let mut total = self.counts;
        total.add(*flow);
        total
    }

    fn committed<F: Flow>(&self, flow: &mut F) {
        let total = self.total(flow.counts());
        let reached = flow.offset().filter(|_| flow.kind() == FlowKind::Rows);
        if let Some(watermark) = reached.and_then(|offset| self.job.connector.watermark(&self.job.table, offset)) {
            self.observer.reached(&self.job.table.name, watermark);
        }
        if let Some(version) = flow.version() {
            self.observer.committed(&self.job.table.name, version, &total);
        }
    }
}

/// A snapshot without the rows that were put aside would remove their last good versions.
async fn refuse_incomplete(bad: u64, quarantine: &mut Quarantine<'_>) -> Result<()> {
    if bad == 0 {
        return Ok(());
    }
    quarantine.flush().await?;
    Err(Error::new(ErrorKind::Data, "a snapshot with rows that do not fit would remove their last good versions")
        .with("rows", bad)
        .help("the table is as it was; see the quarantine table, and correct those rows or the schema"))
}
