//! The demo from beginning to end.

use std::{path::PathBuf, sync::Arc};

use lakeflow_connect::{Error, ErrorKind, Registry, Result};
use lakeflow_sync::SyncOptions;

use super::{
    hospital::Hospital,
    library::Library,
    plant::Plant,
    scene::{Scene, Stage},
    story::{Finale, Story},
};
use crate::{args::DemoArgs, exit, files, interrupt, lake::Lake, memory, output::Console};

pub(crate) async fn run(args: &DemoArgs, registry: &Registry, console: &Arc<Console>) -> Result<u8> {
    let to = directory(args)?;
    let lake = Lake::at(&to)?;
    let receipts = lake.receipts().ok_or_else(|| {
        Error::new(ErrorKind::Config, "the demo writes to a directory of this machine").help("give a path with --to")
    })?;
    let mut options = SyncOptions::default();
    options.stop = interrupt::watch(console);
    let story = Story::new(console);
    let stage = Stage { registry, lake: &lake, story: &story, console, options: &options };
    let mut hospital = Hospital::start(receipts.with_file_name("demo.json"))?;
    let mut plant = Plant::start(receipts.with_file_name("demo-plant.json"))?;
    let mut library = Library::start(receipts.with_file_name("demo-library.json"))?;
    story.title();
    let mut played = Vec::new();
    for scene in [&mut hospital as &mut dyn Scene, &mut plant, &mut library] {
        match stage.play(scene).await? {
            Ok(scene) => played.push(scene),
            Err(code) => return Ok(code),
        }
    }
    story.finale(&Finale { played, peak: memory::peak(), to });
    Ok(exit::OK)
}

/// `--to`, or a new directory that stays after the demo.
fn directory(args: &DemoArgs) -> Result<PathBuf> {
    match &args.to {
        Some(to) if to.is_file() => Err(Error::new(ErrorKind::Sink, "the demo's destination is a file")
            .with("destination", to.display())
            .help("give a directory with --to")),
        Some(to) => Ok(to.clone()),
        None => {
            tempfile::Builder::new().prefix("lakeflow-demo-").tempdir().map(tempfile::TempDir::keep).map_err(|why| {
                Error::new(ErrorKind::Sink, format!("no temporary directory could be made: {}", files::why(&why)))
                    .help("give a directory with --to")
            })
        }
    }
}
