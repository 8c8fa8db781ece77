//! The connection: tables, schemas, metadata and reads of a PI system.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use tokio::runtime::Handle;

use super::{
    check,
    client::PiClient,
    config::{AuthType, Connection, OPTIONS, TableOptions},
    eventframes::SentFrames,
    ledger::Notes,
    reading::{Reading, Source, TableReader},
    tables::{self, Reader},
    timeseries::Deletions,
};
use crate::{
    connector::{Activity, LakeflowConnect, OffsetPart, Retrying, TableMetadata, TableRef},
    error::{Error, ErrorKind, Result},
    options::Options,
    read::{Offset, ReadRequest, ReadStream},
    registry::{Context, SourceDescriptor, SourceFactory},
    types::StructType,
};

static DESCRIPTOR: SourceDescriptor = SourceDescriptor {
    name: "osipi",
    aliases: &["pi", "osi_pi", "pi_web_api"],
    about: "OSI PI: points, recorded values, Asset Framework and event frames through the PI Web API.",
    options: OPTIONS,
};

/// Makes connections to PI Web API servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsiPiSource;

impl SourceFactory for OsiPiSource {
    fn descriptor(&self) -> &SourceDescriptor {
        &DESCRIPTOR
    }

    fn connect(&self, options: &Options, context: &Context) -> Result<Arc<dyn LakeflowConnect>> {
        let connection = Connection::parse(options)?;
        let client = PiClient::new(&connection, context)?;
        let clock = Arc::clone(&context.clock);
        let notes = Notes::new(clock.now());
        let source = Source { client, clock, notes, deletions: Deletions::default(), frames: SentFrames::default() };
        let login = connection.auth().unwrap_or(AuthType::Anonymous);
        Ok(Arc::new(OsiPiConnection { source: Arc::new(source), login }))
    }

    fn identity(&self, options: &Options) -> Option<String> {
        let base = Connection::parse(options).ok()?.base_url().ok()?;
        // Windows servers do not tell /PIWebAPI from /piwebapi.
        Some(base.as_str().trim_end_matches('/').to_lowercase())
    }
}

struct OsiPiConnection {
    source: Arc<Source>,
    login: AuthType,
}

/// The table with its options checked; nothing is sent.
fn reading(source: &Arc<Source>, table: &TableRef) -> Result<Reading> {
    let known = tables::find(&table.name)?;
    let options = TableOptions::parse(known, &table.options)?;
    Ok(Reading { source: Arc::clone(source), table: known, options: Arc::new(options) })
}

fn reader(source: &Arc<Source>, table: &TableRef) -> Result<Box<dyn TableReader>> {
    Handle::try_current().map_err(|_| {
        Error::new(ErrorKind::Internal, "the OSI PI source was used outside a tokio runtime")
            .help("poll its futures and streams inside a tokio task or block_on")
    })?;
    reading(source, table)?.reader()
}

/// A stream that first finds its reader.
fn read(
    source: &Arc<Source>,
    request: ReadRequest,
    start: impl FnOnce(Box<dyn TableReader>, ReadRequest) -> ReadStream + Send + 'static,
) -> ReadStream {
    let source = Arc::clone(source);
    let events = async move {
        match reader(&source, &request.table) {
            Ok(reader) => start(reader, request),
            Err(error) => Box::pin(stream::once(async { Err(error) })),
        }
    };
    Box::pin(stream::once(events).flatten())
}

#[async_trait]
impl LakeflowConnect for OsiPiConnection {
    async fn describe(&self) -> Result<Vec<(String, String)>> {
        check::facts(&self.source, self.login).await
    }

    async fn list_tables(&self) -> Result<Vec<String>> {
        Ok(tables::all().map(|table| table.name.to_owned()).collect())
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        Ok(reading(&self.source, table)?.schema())
    }

    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata> {
        Ok(reading(&self.source, table)?.metadata())
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        read(&self.source, request, |reader, request| reader.events(request))
    }

    fn read_table_deletes(&self, request: ReadRequest) -> ReadStream {
        read(&self.source, request, |reader, request| reader.deletes(request))
    }

    async fn latest_offset(&self, table: &TableRef, start: Option<&Offset>) -> Result<Option<Offset>> {
        reader(&self.source, table)?.latest_offset(start).await
    }

    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        reader(&self.source, &request.table)?.plan(request).await
    }

    fn watermark(&self, table: &TableRef, offset: &Offset) -> Option<DateTime<Utc>> {
        reader(&self.source, table).ok()?.watermark(offset)
    }

    async fn explain_offset(&self, table: &TableRef, offset: &Offset) -> Result<Vec<OffsetPart>> {
        let explained = reader(&self.source, table)?.explain_offset(offset).await;
        explained.map_err(|error| error.with("table", &table.name))
    }

    async fn forget_parts(&self, table: &TableRef, offset: &Offset, parts: &[String]) -> Result<Offset> {
        let kept = reader(&self.source, table)?.forget_parts(offset, parts).await;
        kept.map_err(|error| error.with("table", &table.name))
    }

    fn tells_of_reads(&self, table: &TableRef) -> bool {
        tables::find(&table.name).is_ok_and(|table| matches!(table.reader, Reader::Ledger(_)))
    }

    fn activity(&self) -> Activity {
        self.source.client.http.activity()
    }

    fn retrying(&self) -> Option<Retrying> {
        self.source.client.http.retrying()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_the_same_however_its_address_is_written() {
        let identity = |pairs: &[(&str, &str)]| {
            OsiPiSource.identity(&pairs.iter().copied().chain([("auth_type", "anonymous")]).collect())
        };
        for pairs in [
            &[("pi_base_url", "https://PI.example.org/PIWebAPI/")][..],
            &[("pi_web_api_url", "pi.example.org")],
            &[("host", "pi.example.org"), ("port", "443")],
        ] {
            assert_eq!(identity(pairs).as_deref(), Some("https://pi.example.org/piwebapi"), "{pairs:?}");
        }
        assert_ne!(identity(&[("host", "pi"), ("port", "8443")]), identity(&[("host", "pi")]));
        assert_eq!(identity(&[]), None);
    }
}
