//! The connection: tables, schemas, metadata and reads of a FHIR server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryFutureExt, stream};
use tokio::{runtime::Handle, sync::OnceCell};

use super::{
    client::{Capability, HttpWire, http_client},
    config::{Connection, TableOptions},
    learned::Learned,
    offset::Origin,
    options::OPTIONS,
    read::TableReader,
    resource_types,
    server::Server,
    tables,
};
use crate::{
    clock::Clock,
    connector::{Activity, LakeflowConnect, Retrying, TableMetadata, TableRef},
    error::{Error, ErrorKind, Result},
    http::HttpClient,
    options::Options,
    read::{Offset, ReadRequest, ReadStream},
    registry::{Context, SourceDescriptor, SourceFactory},
    types::StructType,
};

static DESCRIPTOR: SourceDescriptor = SourceDescriptor {
    name: "fhir",
    aliases: &["healthcare-fhir", "fhir_r4"],
    about: "Healthcare records from a FHIR R4 server, read by search without loss.",
    options: OPTIONS,
};

/// Makes connections to FHIR R4 servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct FhirSource;

impl SourceFactory for FhirSource {
    fn descriptor(&self) -> &SourceDescriptor {
        &DESCRIPTOR
    }

    fn connect(&self, options: &Options, context: &Context) -> Result<Arc<dyn LakeflowConnect>> {
        let options = Connection::parse(options)?;
        let client = http_client(&options, context)?;
        let clock = Arc::clone(&context.clock);
        let inner = Inner { options, client, clock, capability: OnceCell::new(), learned: Mutex::default() };
        Ok(Arc::new(FhirConnection(Arc::new(inner))))
    }
}

struct FhirConnection(Arc<Inner>);

struct Inner {
    options: Connection,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    capability: OnceCell<Option<Capability>>,
    /// By table and search criteria.
    learned: Mutex<HashMap<(String, String), Learned>>,
}

impl Inner {
    fn check_runtime(&self) -> Result<()> {
        Handle::try_current().map(drop).map_err(|_| {
            Error::new(ErrorKind::Internal, "the FHIR source was used outside a tokio runtime")
                .help("poll its futures and streams inside a tokio task or block_on")
        })
    }

    /// What the server says of itself; asked once, before anything else.
    async fn capability(&self) -> Result<Option<&Capability>> {
        self.check_runtime()?;
        let needed = self.options.wants_all_types();
        self.capability.get_or_try_init(|| Capability::fetch(&self.client, needed)).await.map(Option::as_ref)
    }

    /// What the server says of itself, or why it does not.
    async fn said(&self) -> Result<&Capability> {
        self.check_runtime()?;
        // A table that was read before may have found out that the server says nothing.
        match self.capability.get_or_try_init(|| Capability::required(&self.client).map_ok(Some)).await? {
            Some(capability) => Ok(capability),
            None => Err(Capability::required(&self.client).await.err().unwrap_or_else(|| {
                Error::new(ErrorKind::Unavailable, "the server did not say what it is").help("run again")
            })),
        }
    }

    async fn tables(&self) -> Result<Vec<String>> {
        if !self.options.wants_all_types() {
            return Ok(match self.options.resource_types.as_slice() {
                [] => resource_types::DEFAULT.map(str::to_owned).to_vec(),
                names => resource_types::in_order(names.to_vec()),
            });
        }
        let searchable = self.capability().await?.map(Capability::searchable).unwrap_or_default();
        if searchable.is_empty() {
            return Err(Error::new(ErrorKind::Protocol, "the server does not say which resource types it searches")
                .help("name them in 'resource_types' instead of *"));
        }
        Ok(searchable)
    }

    /// Checks a table's name and options.
    async fn table_options(&self, table: &TableRef) -> Result<TableOptions> {
        let tables = self.tables().await?;
        if !tables.contains(&table.name) {
            let error = Error::unknown("table", &table.name, tables.iter().map(String::as_str)).with("source", "fhir");
            return Err(match resource_types::ALL.contains(&table.name.as_str()) {
                true => error.help(format!("add it to 'resource_types'; there are: {}", tables.join(", "))),
                false if error.help_text().is_none() => error.help(format!("there are: {}", tables.join(", "))),
                false => error,
            });
        }
        TableOptions::parse(&table.options).map_err(|e| e.with("table", &table.name))
    }

    /// A reader of some of a table's columns, or all.
    async fn reader(&self, table: &TableRef, columns: Option<&[String]>) -> Result<TableReader<HttpWire>> {
        let options = self.table_options(table).await?;
        let shape = tables::shape(&table.name, &options, columns)?;
        // Asked for its release of FHIR; what else it says is a hint.
        self.capability().await?;
        let key = (table.name.clone(), options.search_filter.clone());
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let server = Server {
            wire: HttpWire {
                client: self.client.clone(),
                table: table.name.clone(),
                page_delay: Duration::from_secs_f64(options.page_delay),
            },
            table: table.name.clone(),
            filter: options.filter(),
            page_size: options.page_size,
            strict_mode: self.options.strict_mode,
            clock: Arc::clone(&self.clock),
            learned,
        };
        Ok(TableReader {
            origin: Origin::new(self.client.base(), &table.name, &options.search_filter),
            shape,
            server: Arc::new(server),
            options,
        })
    }
}

#[async_trait]
impl LakeflowConnect for FhirConnection {
    async fn describe(&self) -> Result<Vec<(String, String)>> {
        let mut said = vec![("login".to_owned(), self.0.options.auth_type.as_str().to_owned())];
        let capability = self.0.said().await?;
        let mut add = |what: &str, value: Option<&String>| {
            said.extend(value.map(|value| (what.to_owned(), value.chars().take(100).collect())));
        };
        add("fhir_version", capability.fhir_version.as_ref());
        let software = capability.software.as_ref();
        add("software", software.and_then(|s| s.name.as_ref()));
        add("software_version", software.and_then(|s| s.version.as_ref()));
        said.push(("searchable_types".to_owned(), capability.searchable().len().to_string()));
        Ok(said)
    }

    async fn list_tables(&self) -> Result<Vec<String>> {
        self.0.tables().await
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        let options = self.0.table_options(table).await?;
        Ok(tables::schema(&table.name, &options))
    }

    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata> {
        self.0.reader(table, None).await?.metadata().await
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        let inner = Arc::clone(&self.0);
        let events = async move {
            match inner.reader(&request.table, request.columns.as_deref()).await {
                Ok(reader) => reader.events(request),
                Err(error) => Box::pin(stream::once(async { Err(error) })),
            }
        };
        Box::pin(stream::once(events).flatten())
    }

    async fn latest_offset(&self, table: &TableRef, start: Option<&Offset>) -> Result<Option<Offset>> {
        self.0.reader(table, None).await?.latest_offset(start).await.map(Some)
    }

    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        self.0.reader(&request.table, request.columns.as_deref()).await?.plan(request).await
    }

    fn watermark(&self, table: &TableRef, offset: &Offset) -> Option<DateTime<Utc>> {
        let options = TableOptions::parse(&table.options).ok()?;
        Origin::new(self.0.client.base(), &table.name, &options.search_filter)
            .read(offset)
            .ok()
            .map(|state| state.mark.utc())
    }

    fn activity(&self) -> Activity {
        self.0.client.activity()
    }

    fn retrying(&self) -> Option<Retrying> {
        self.0.client.retrying()
    }
}
