//! Starting, changing and asking a server from the program that runs it.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use super::{
    config::Config,
    json::{members, plain_string},
    oracle::{Expected, expected},
    service::Service,
    writes::{Content, Write},
};
use crate::{SimError, handle::Handle, oauth::TokenServer, server::Bound, settings::check_base_path};

/// A FHIR R4 server, before it runs.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Loads the resources, listens, and serves on a thread of its own until the handle is stopped or dropped.
    ///
    /// # Errors
    /// When the address is taken, or the configuration names a type that has no examples.
    pub fn start(config: Config) -> Result<RunningServer, SimError> {
        check_base_path(&config.base_path)?;
        let other: SocketAddr = (config.address.ip(), 0).into();
        let bound = Bound::bind(&[config.address, other])?;
        let origin =
            |at: usize| bound.addresses().get(at).map(|address| format!("http://{address}")).unwrap_or_default();
        let (main, other) = (origin(0), origin(1));
        let known: Vec<String> = config.volumes.iter().map(|volume| volume.resource_type.clone()).collect();
        let service = Arc::new(Service::new(config, &main, other));
        if let Some(unknown) = known.iter().find(|name| service.store().number(name).is_none()) {
            return Err(SimError::Config(format!("there are no examples of resource type '{unknown}'")));
        }
        let handle = Handle::serve(
            bound,
            &service.base,
            &service.config.clock,
            &service.faults,
            &service.journal,
            service.clone(),
        )?;
        tracing::info!(base_url = %service.base, "FHIR simulator is serving");
        Ok(RunningServer { service, handle })
    }
}

/// A FHIR server that runs; dropped, it stops.
#[derive(Debug)]
pub struct RunningServer {
    service: Arc<Service>,
    handle: Handle,
}

impl Deref for RunningServer {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl DerefMut for RunningServer {
    fn deref_mut(&mut self) -> &mut Handle {
        &mut self.handle
    }
}

impl RunningServer {
    /// The same server's root on its other address: another origin, where a client must not send credentials unasked.
    pub fn other_base_url(&self) -> String {
        format!("{}{}", self.service.other_origin, self.service.config.base_path)
    }

    /// The token endpoint, on a server with [`Auth::OAuth`](super::Auth::OAuth).
    pub fn tokens(&self) -> Option<&TokenServer> {
        self.service.tokens.as_deref()
    }

    /// Makes every page link that was given out answer 410.
    pub fn expire_links(&self) {
        self.service.pages().expire_all();
    }

    /// Creates, updates or re-creates a resource. The text must have a `resourceType` that has examples, and a string
    /// `id`; apart from that it may be as broken as a test likes. Its meta gets version and stamp.
    ///
    /// # Errors
    /// When the text is no JSON object with these two members.
    pub fn put(&self, text: &str) -> Result<(), SimError> {
        self.put_late(text, Duration::ZERO)
    }

    /// As [`put`](Self::put), stamped now and visible only after `delay` of the server's clock.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn put_late(&self, text: &str, delay: Duration) -> Result<(), SimError> {
        let all = members(text).unwrap_or_default();
        let find = |name: &str| {
            let member = all.iter().find(|member| member.name(text) == name)?;
            plain_string(text.get(member.value.0..member.value.1)?)
        };
        let (Some(kind), Some(id), Some(content)) = (find("resourceType"), find("id"), Content::text(text)) else {
            return Err(SimError::Resource("a resource is a JSON object with resourceType and a string id".to_owned()));
        };
        self.write(kind, id, content, delay)
    }

    /// Gives a resource a new version and stamp, and nothing else.
    ///
    /// # Errors
    /// When there is no such resource.
    pub fn touch(&self, resource_type: &str, id: &str) -> Result<(), SimError> {
        self.known(resource_type, id)?;
        self.write(resource_type, id, Content::Same, Duration::ZERO)
    }

    /// Gives a resource (or a deleted one, which is re-created) the content of another example of its type.
    ///
    /// # Errors
    /// When there never was such a resource.
    pub fn revise(&self, resource_type: &str, id: &str) -> Result<(), SimError> {
        self.revise_late(resource_type, id, Duration::ZERO)
    }

    /// As [`revise`](Self::revise), stamped now and visible only after `delay` of the server's clock.
    ///
    /// # Errors
    /// As for [`revise`](Self::revise).
    pub fn revise_late(&self, resource_type: &str, id: &str, delay: Duration) -> Result<(), SimError> {
        self.known(resource_type, id)?;
        self.write(resource_type, id, Content::Next, delay)
    }

    /// Deletes a resource; a deleted one stays as it is.
    ///
    /// # Errors
    /// When there never was such a resource.
    pub fn delete(&self, resource_type: &str, id: &str) -> Result<(), SimError> {
        self.known(resource_type, id)?;
        self.write(resource_type, id, Content::Deleted, Duration::ZERO)
    }

    /// The resource types that the server knows, in alphabetical order.
    pub fn resource_types(&self) -> Vec<String> {
        self.service.store().tables.iter().map(|table| table.name.clone()).collect()
    }

    /// Calls `visit` with every resource of a type that can be read now, in no useful order; the oracle of a complete
    /// read. Deleted resources are among them, without a text. Unknown types have none.
    pub fn visit_expected(&self, resource_type: &str, mut visit: impl FnMut(Expected)) {
        let store = self.service.store();
        let Some(table) = store.number(resource_type).and_then(|number| store.table(number)) else { return };
        for (row, version) in (0u32..).zip(&table.rows) {
            visit(expected(&store, table, row, version));
        }
    }

    /// Every resource of a type that can be read now, by id, deleted ones without a text.
    pub fn expected(&self, resource_type: &str) -> Vec<Expected> {
        let mut all = Vec::new();
        self.visit_expected(resource_type, |expected| all.push(expected));
        all.sort_unstable();
        all
    }

    /// Ids of the resources of a type that exist now.
    pub fn ids(&self, resource_type: &str) -> Vec<String> {
        let store = self.service.store();
        let Some(table) = store.number(resource_type).and_then(|number| store.table(number)) else { return Vec::new() };
        let live = (0u32..).zip(&table.rows).filter(|(_, version)| !version.is_deleted());
        live.map(|(row, _)| store.id(table, row)).collect()
    }

    /// Whether writes wait to become visible.
    pub fn has_late_writes(&self) -> bool {
        !self.service.store().queue.is_empty()
    }

    fn known(&self, resource_type: &str, id: &str) -> Result<(), SimError> {
        let store = self.service.store();
        let table = store.number(resource_type).and_then(|number| store.table(number));
        match table.and_then(|table| table.row(id)) {
            Some(_) => Ok(()),
            None => Err(SimError::Resource(format!("{resource_type}/{id} never existed on this server"))),
        }
    }

    fn write(&self, kind: &str, id: &str, content: Content, delay: Duration) -> Result<(), SimError> {
        let mut store = self.service.store();
        let Some(table) = store.number(kind) else {
            return Err(SimError::Resource(format!("there are no examples of resource type '{kind}'")));
        };
        store.write(Write { table, id: id.into(), content }, (!delay.is_zero()).then_some(delay));
        Ok(())
    }
}
