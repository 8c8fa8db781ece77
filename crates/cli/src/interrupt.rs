//! Ctrl-C and SIGTERM: the first asks for an end at the next checkpoint, the second ends at once.

use std::sync::Arc;

use lakeflow_sync::Stop;

use crate::{exit, output::Console};

/// Turns signals into a [`Stop`] for as long as the runtime lives.
pub(crate) fn watch(console: &Arc<Console>) -> Stop {
    let stop = Stop::default();
    let (asked, console) = (stop.clone(), Arc::clone(console));
    tokio::spawn(async move {
        signal().await;
        asked.stop();
        console.note("stopping at the next checkpoint; once more stops at once, and loses nothing that was committed");
        signal().await;
        std::process::exit(i32::from(exit::INTERRUPTED));
    });
    stop
}

/// Returns at Ctrl-C or SIGTERM.
#[cfg(unix)]
pub(crate) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => interrupt().await,
    }
}

/// Returns at Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn signal() {
    interrupt().await;
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
