//! The OSI PI source.

mod tables;

use std::sync::Arc;

use lakeflow_connect::{Context, LakeflowConnect, Options, Registry, Result, sources::osipi::OsiPiSource};

fn connect(options: &Options) -> Result<Arc<dyn LakeflowConnect>> {
    Registry::builtin().with(OsiPiSource).connect("osipi", options, &Context::new())
}

/// A connection to an address where nothing listens: for what is known without a request.
fn nowhere() -> Arc<dyn LakeflowConnect> {
    connect(&Options::new().with("pi_base_url", "http://127.0.0.1:9").with("auth_type", "anonymous")).unwrap()
}
