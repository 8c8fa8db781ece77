//! Both streams of a table as a host keeps them.

use serde_json::Value;

use super::{
    probe::{Flow, Probe, Reading, Until},
    report::Stop,
    rows::Contents,
};
use crate::{
    connector::{IngestionType, LakeflowConnect},
    read::Offset,
};

/// What a host has of a table.
#[derive(Debug, Default)]
pub(crate) struct Lake {
    rows: Vec<Value>,
    deletions: Vec<Value>,
    offset: Option<Offset>,
    deletes_offset: Option<Offset>,
}

impl Lake {
    /// One run: rows and then deletions on one connection; deletions without an offset are begun before the rows.
    ///
    /// How many rows and deletions came.
    pub(crate) async fn read_on(&mut self, probe: &Probe<'_>, doing: &str) -> Result<usize, Stop> {
        let connector = probe.open()?;
        let deletes = Probe { flow: Flow::Deletes, until: None, ..probe.clone() };
        let follows = probe.metadata.ingestion_type == IngestionType::CdcWithDeletes;
        let mut moved = 0;
        if follows && self.deletes_offset.is_none() {
            moved += self.read_deletes(&deletes, &*connector, doing).await?;
        }
        let reading = read(probe, &*connector, self.offset.as_ref(), doing).await?;
        moved += reading.rows().count();
        self.offset = reading.last_offset().cloned().or(self.offset.take());
        self.rows.extend(reading.rows().cloned());
        if follows {
            moved += self.read_deletes(&deletes, &*connector, doing).await?;
        }
        Ok(moved)
    }

    async fn read_deletes(
        &mut self,
        probe: &Probe<'_>,
        connector: &dyn LakeflowConnect,
        doing: &str,
    ) -> Result<usize, Stop> {
        let doing = format!("{doing} of the deletions");
        let reading = read(probe, connector, self.deletes_offset.as_ref(), &doing).await?;
        self.deletes_offset = reading.last_offset().cloned().or(self.deletes_offset.take());
        self.deletions.extend(reading.rows().cloned());
        Ok(reading.rows().count())
    }

    pub(crate) fn contents(&self, probe: &Probe<'_>) -> Contents {
        let mut contents = probe.contents(&self.rows);
        contents.delete(&self.deletions);
        contents
    }
}

async fn read(
    probe: &Probe<'_>,
    connector: &dyn LakeflowConnect,
    start: Option<&Offset>,
    doing: &str,
) -> Result<Reading, Stop> {
    let mut stream = probe.stream(connector, probe.request(start));
    probe.take(&mut stream, Until::End).await.ended_well(doing)
}
