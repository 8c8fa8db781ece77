//! From a table of the pipeline to a job of the sync host.

use std::sync::Arc;

use lakeflow_connect::{Error, ErrorKind, IngestionType, LakeflowConnect, Result};
use lakeflow_sync::{Landing, TableJob};

use crate::{
    lake::Lake,
    pipeline::{ScdType, TableSpec},
};

/// What all jobs of a run share.
#[derive(Clone)]
pub(crate) struct Jobs {
    /// The source's name.
    pub(crate) source: String,
    /// What tells this system from another one of its kind.
    pub(crate) connection: Option<String>,
    pub(crate) connector: Arc<dyn LakeflowConnect>,
    pub(crate) lake: Lake,
}

impl Jobs {
    /// The job of one table.
    pub(crate) async fn job(&self, spec: &TableSpec) -> Result<TableJob> {
        let table = spec.table_ref();
        let configuration = &spec.configuration;
        let destination = self.lake.table(&spec.destination)?;
        let mut job = TableJob::new(self.source.clone(), Arc::clone(&self.connector), table, destination);
        job.connection.clone_from(&self.connection);
        job.lane.clone_from(&configuration.lane);
        job.primary_keys.clone_from(&configuration.primary_keys);
        job.sequence_by.clone_from(&configuration.sequence_by);
        job.partition_by = configuration.partition_by.clone().unwrap_or_default();
        job.landing = match configuration.scd_type {
            None => None,
            Some(ScdType::AppendOnly) => Some(Landing::Append),
            Some(ScdType::Two) => Some(Landing::History),
            Some(ScdType::One) => self.newest_row(&job).await?,
        };
        Ok(job)
    }

    /// SCD type 1 is what keyed tables do anyway; an append table needs keys for it.
    async fn newest_row(&self, job: &TableJob) -> Result<Option<Landing>> {
        let metadata = self.connector.read_table_metadata(&job.table).await?;
        if metadata.ingestion_type != IngestionType::Append {
            return Ok(None);
        }
        let keys = job.primary_keys.as_ref().unwrap_or(&metadata.primary_keys);
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::Config, "SCD_TYPE_1 keeps one row per key, and this table has no key")
                .with("table", &job.table.name)
                .help("set 'primary_keys', or leave 'scd_type' out to keep every row"));
        }
        Ok(Some(Landing::Cdc))
    }
}
