//! What every reader of a table is given, and what it must do.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream;

use super::{
    client::PiClient,
    config::{ChangeCapture, Compat, OnTagError, TableOptions},
    eventframes::{FramesReader, SentFrames},
    faults,
    ledger::{LedgerReader, Notes, Object},
    lists::ListReader,
    tables::{Reader, Table},
    timeseries, windows,
};
use crate::{
    clock::Clock,
    connector::{IngestionType, OffsetPart, TableMetadata},
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadRequest, ReadStream},
    types::StructType,
};

/// What the reads of a connection share.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) client: PiClient,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) notes: Notes,
    /// Deleted rows that were found and wait to be read.
    pub(super) deletions: timeseries::Deletions,
    /// Event frames that were sent.
    pub(super) frames: SentFrames,
}

/// A table to read, with its options.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) source: Arc<Source>,
    pub(super) table: &'static Table,
    pub(super) options: Arc<TableOptions>,
}

/// Why a stream is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tolerated {
    /// It could not be read.
    Failed,
    /// It has no such values.
    Unfit,
}

/// Reads one table. Each kind of table has its own.
#[async_trait]
pub(super) trait TableReader: Send + Sync {
    /// The rows, as [`LakeflowConnect::read_table`](crate::LakeflowConnect::read_table).
    fn events(&self, request: ReadRequest) -> ReadStream;

    /// The deleted rows, as [`LakeflowConnect::read_table_deletes`](crate::LakeflowConnect::read_table_deletes).
    fn deletes(&self, request: ReadRequest) -> ReadStream {
        let error = Error::new(ErrorKind::Unsupported, "this table does not report deleted rows")
            .with("table", request.table.name);
        Box::pin(stream::once(async move { Err(error) }))
    }

    /// As [`LakeflowConnect::latest_offset`](crate::LakeflowConnect::latest_offset).
    async fn latest_offset(&self, start: Option<&Offset>) -> Result<Option<Offset>>;

    /// As [`LakeflowConnect::plan`](crate::LakeflowConnect::plan).
    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        Ok(vec![request])
    }

    /// As [`LakeflowConnect::watermark`](crate::LakeflowConnect::watermark).
    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        let _ = offset;
        None
    }

    /// As [`LakeflowConnect::explain_offset`](crate::LakeflowConnect::explain_offset).
    async fn explain_offset(&self, offset: &Offset) -> Result<Vec<OffsetPart>> {
        let _ = offset;
        Err(read_as_one())
    }

    /// As [`LakeflowConnect::forget_parts`](crate::LakeflowConnect::forget_parts).
    async fn forget_parts(&self, offset: &Offset, parts: &[String]) -> Result<Offset> {
        let _ = (offset, parts);
        Err(read_as_one())
    }
}

fn read_as_one() -> Error {
    Error::new(ErrorKind::Unsupported, "this table is read as one: its offset has no parts")
}

impl Reading {
    /// Whether the table is to be as the public connector has it.
    pub(super) fn is_compat(&self) -> bool {
        self.options.compat == Compat::Upstream
    }

    /// The schema of the rows.
    pub(super) fn schema(&self) -> StructType {
        self.table.schema(self.is_compat())
    }

    /// How the rows are stored.
    pub(super) fn metadata(&self) -> TableMetadata {
        let mut metadata = self.table.metadata(self.is_compat());
        if metadata.ingestion_type == IngestionType::CdcWithDeletes
            && matches!(self.table.reader, Reader::TimeSeries(_))
        {
            if self.options.recorded.change_capture == ChangeCapture::None {
                metadata.ingestion_type = IngestionType::Cdc;
            } else {
                // The time of an event cannot tell whether it was deleted before or after it was read.
                metadata.cursor_field = Some("ingestion_timestamp".to_owned());
            }
        }
        metadata
    }

    pub(super) fn client(&self) -> &PiClient {
        &self.source.client
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.source.clock.now()
    }

    /// What to do about an object that failed: go on, having noted it, or end the read.
    ///
    /// # Errors
    /// The failure itself, with the object's name, unless `on_tag_error=quarantine`. Failures of the whole connection
    /// (credentials, limits, no answer) always are.
    pub(super) fn tolerate(&self, object: Object<'_>, mut error: Error) -> Result<()> {
        for (key, value) in [("webid", object.webid), ("name", object.name)] {
            if let Some(value) = value {
                error = error.with(key, value);
            }
        }
        if self.options.on_tag_error == OnTagError::Fail {
            return Err(error.with("table", self.table.name));
        }
        tracing::warn!(
            table = self.table.name,
            webid = object.webid,
            name = object.name,
            %error,
            "left out, noted in pi_errors"
        );
        self.source.notes.failed(self.table.name, object, &error, self.now());
        Ok(())
    }

    /// As [`Reading::tolerate`], of a stream. One that came `by_chance` with a list, and that the server cannot read in this
    /// way, is noted and left out in any case: a list holds attributes of all kinds, and nobody asked for this one.
    ///
    /// # Errors
    /// As [`Reading::tolerate`].
    pub(super) fn tolerate_stream(&self, object: Object<'_>, by_chance: bool, error: Error) -> Result<Tolerated> {
        if !(by_chance && faults::is_unfit(&error)) {
            return self.tolerate(object, error).map(|()| Tolerated::Failed);
        }
        let notes = &self.source.notes;
        let name = object.name.or(object.webid);
        if notes.unfit(self.table.name) {
            tracing::warn!(
                table = self.table.name,
                name,
                %error,
                "attributes that have no such values are left out, noted in pi_errors: this is the first"
            );
        }
        notes.failed(self.table.name, object, &error, self.now());
        Ok(Tolerated::Unfit)
    }

    /// The reader of the table.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for options that the reader cannot work with.
    pub(super) fn reader(self) -> Result<Box<dyn TableReader>> {
        match self.table.reader {
            Reader::List(list) => Ok(Box::new(ListReader { reading: self, list })),
            Reader::TimeSeries(_) => timeseries::reader(self),
            Reader::EventFrames(table) => Ok(Box::new(FramesReader::new(self, table)?)),
            Reader::Ledger(ledger) => Ok(Box::new(LedgerReader { reading: self, ledger })),
            Reader::Windows(table) => windows::reader(self, table),
        }
    }
}
