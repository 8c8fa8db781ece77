//! The OSI PI source.

mod eventframes;
mod lists;
mod recorded;
mod tables;

use std::sync::Arc;

use lakeflow_connect::{Context, LakeflowConnect, Options, Registry, Result, sources::osipi::OsiPiSource};
use lakeflow_simulators::osipi::RunningServer;

fn connect(options: &Options) -> Result<Arc<dyn LakeflowConnect>> {
    Registry::builtin().with(OsiPiSource).connect("osipi", options, &Context::new())
}

/// A connection to an address where nothing listens: for what is known without a request.
fn nowhere() -> Arc<dyn LakeflowConnect> {
    connect(&Options::new().with("pi_base_url", "http://127.0.0.1:9").with("auth_type", "anonymous")).unwrap()
}

/// A connection to a simulated server that lets everybody in.
fn connect_to(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    let base = server.base_url();
    let options = [("pi_base_url", base.as_str()), ("auth_type", "anonymous"), ("requests_per_second", "100000")];
    connect(&options.into_iter().collect()).unwrap()
}
