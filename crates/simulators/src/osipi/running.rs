//! Starting, changing and asking a server from the program that runs it.

use std::sync::{Arc, MutexGuard};

use super::{config::Config, service::Service, world::World};
use crate::{
    SimError,
    clock::SimClock,
    faults::FaultPlan,
    journal::{Counters, Exchange, Journal},
    oauth::TokenServer,
    server::{Bound, Running},
};

/// A PI Web API server, before it runs.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Listens, and serves on a thread of its own until the handle is stopped or dropped.
    ///
    /// # Errors
    /// When the address is taken, the base path is none, or there is no data server.
    pub fn start(config: Config) -> Result<RunningServer, SimError> {
        let base = &config.base_path;
        if !base.is_empty() && (!base.starts_with('/') || base.ends_with('/')) {
            return Err(SimError::Config(format!("base path `{base}` must start with / and not end with it")));
        }
        if config.data_servers.is_empty() || config.types.is_empty() {
            return Err(SimError::Config("a PI system has at least one data server and one type of points".to_owned()));
        }
        let bound = Bound::bind(&[config.address]).map_err(|error| {
            SimError::Listen(format!("cannot listen on {}: {error}; choose another port, or 0 for any", config.address))
        })?;
        let origin = bound.addresses().first().map(|address| format!("http://{address}")).unwrap_or_default();
        let service = Arc::new(Service::new(config, &origin));
        let running = bound.serve(service.clone()).map_err(|error| SimError::Listen(error.to_string()))?;
        tracing::info!(base_url = %service.base, "PI Web API simulator is serving");
        Ok(RunningServer { service, running })
    }
}

/// A PI Web API server that runs; dropped, it stops.
#[derive(Debug)]
pub struct RunningServer {
    service: Arc<Service>,
    running: Running,
}

impl RunningServer {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.service.world()
    }

    /// The base URL, without a trailing slash, for example `http://127.0.0.1:40123/piwebapi`.
    pub fn base_url(&self) -> String {
        self.service.base.clone()
    }

    /// `host:port`, as in the `Host` header.
    pub fn host(&self) -> String {
        self.running.addresses().first().map(ToString::to_string).unwrap_or_default()
    }

    /// The server's clock.
    pub fn clock(&self) -> &SimClock {
        &self.service.config.clock
    }

    /// The script of faults of whole requests; rules and single faults may be added at any time.
    pub fn faults(&self) -> &FaultPlan {
        &self.service.faults
    }

    /// The request log.
    pub fn journal(&self) -> &Journal {
        &self.service.journal
    }

    /// The counters of the request log.
    pub fn counters(&self) -> Counters {
        self.service.journal.counters()
    }

    /// The last 100,000 exchanges.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.service.journal.exchanges()
    }

    /// The most requests that were in work at one time.
    pub fn peak_in_flight(&self) -> usize {
        self.running.peak_in_flight()
    }

    /// The token endpoint, on a server with [`Auth::OpenId`](super::Auth::OpenId).
    pub fn tokens(&self) -> Option<&TokenServer> {
        self.service.tokens.as_deref()
    }

    /// Closes all sockets.
    pub fn stop(&mut self) {
        self.running.stop();
    }
}
