//! What can be asked of every server that runs.

use std::sync::Arc;

use crate::{
    SimError,
    clock::SimClock,
    faults::FaultPlan,
    hold::Held,
    journal::{Counters, Exchange, Journal},
    server::{Bound, Handler, Request, Running},
};

/// A server that runs: its addresses, clock, faults and request log. Dropped, it stops.
#[derive(Debug)]
pub struct Handle {
    base_url: String,
    clock: SimClock,
    faults: Arc<FaultPlan>,
    journal: Arc<Journal>,
    running: Running,
}

impl Handle {
    /// Serves on a thread of its own.
    pub(crate) fn serve(
        bound: Bound,
        base_url: &str,
        clock: &SimClock,
        faults: &Arc<FaultPlan>,
        journal: &Arc<Journal>,
        handler: Arc<dyn Handler>,
    ) -> Result<Self, SimError> {
        let running = bound.serve(handler).map_err(|error| SimError::Listen(error.to_string()))?;
        Ok(Self {
            base_url: base_url.to_owned(),
            clock: clock.clone(),
            faults: Arc::clone(faults),
            journal: Arc::clone(journal),
            running,
        })
    }

    /// The API's root, without a trailing slash, for example `http://127.0.0.1:40123/fhir`.
    pub fn base_url(&self) -> String {
        self.base_url.clone()
    }

    /// `host:port` of the main address, as in the `Host` header and in [`Counters::authorized_by_host`].
    pub fn host(&self) -> String {
        self.address(0)
    }

    /// `host:port` of the other address: another origin, where a client must not send credentials unasked. Empty on servers
    /// with one address.
    pub fn other_host(&self) -> String {
        self.address(1)
    }

    fn address(&self, at: usize) -> String {
        self.running.addresses().get(at).map(ToString::to_string).unwrap_or_default()
    }

    /// The server's clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// The script of faults of whole requests; rules and single faults may be added at any time.
    pub fn faults(&self) -> &FaultPlan {
        &self.faults
    }

    /// The request log.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The counters of the request log.
    pub fn counters(&self) -> Counters {
        self.journal.counters()
    }

    /// The last 100,000 exchanges.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.journal.exchanges()
    }

    /// The most requests that were in work at one time.
    pub fn peak_in_flight(&self) -> usize {
        self.running.peak_in_flight()
    }

    /// Holds back the replies to some requests, to see how many a client has under way at a time.
    pub fn hold(&self, which: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Held {
        self.running.hold(which)
    }

    /// Closes all sockets.
    pub fn stop(&mut self) {
        self.running.stop();
    }
}
