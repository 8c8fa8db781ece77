//! Starting, changing and asking a server from the program that runs it.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    sync::{Arc, PoisonError},
};

use super::{
    config::Config,
    database::Database,
    service::{Hook, Question, Service},
};
use crate::{SimError, handle::Handle, server::Bound, settings::check_base_path};

/// A LanceDB server, before it runs.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Makes the tables, listens, and serves on a thread of its own until the handle is stopped or dropped.
    ///
    /// # Errors
    /// When the address is taken, or two tables have one name.
    pub fn start(config: Config) -> Result<RunningServer, SimError> {
        check_base_path(&config.base_path)?;
        let other: SocketAddr = (config.address.ip(), 0).into();
        let bound = Bound::bind(&[config.address, other])?;
        let origin =
            |at: usize| bound.addresses().get(at).map(|address| format!("http://{address}")).unwrap_or_default();
        let service = Arc::new(Service::new(config, &origin(0), origin(1))?);
        let handle = Handle::serve(
            bound,
            &service.base,
            &service.config.clock,
            &service.faults,
            &service.journal,
            service.clone(),
        )?;
        tracing::info!(base_url = %service.base, "LanceDB simulator is serving");
        Ok(RunningServer { service, handle })
    }
}

/// A LanceDB server that runs; dropped, it stops.
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
    /// The same server's root on its other address: another origin, where a client must not send its key unasked.
    pub fn other_base_url(&self) -> String {
        format!("{}{}", self.service.other_origin, self.service.config.base_path)
    }

    /// The tables, to change them and to ask what must be read. Requests wait until it is dropped.
    pub fn database(&self) -> impl DerefMut<Target = Database> {
        self.service.database()
    }

    /// Lets something happen when the `nth` request from now on whose path contains `path` arrives, before it is answered: a
    /// version cleaned up, a table dropped, rows changed in the middle of a scan.
    pub fn before(&self, path: &str, nth: u64, act: impl FnOnce(&mut Database) + Send + 'static) {
        let hook = Hook { path: path.to_owned(), after: nth.max(1), act: Box::new(act) };
        self.service.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    /// The last 10,000 requests with their bodies, oldest first.
    pub fn questions(&self) -> Vec<Question> {
        self.service.questions()
    }
}
