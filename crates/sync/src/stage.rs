//! Rows into data files that no commit names yet, on a thread of their own.
//!
//! A segment is one writer: it either finishes, and its files can be committed, or it is abandoned and whatever it
//! wrote is rubbish that no reader sees.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow::array::RecordBatch;
use deltalake::kernel::Add;
use lakeflow_connect::{Error, ErrorKind, Result, arrow};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use crate::files::{FileLayout, FileWriter};

/// Lists of batches waiting for the encoder, besides the one that it works on.
const QUEUE: usize = 1;

enum Command {
    Write(Vec<RecordBatch>),
    Finish,
}

/// Files being written.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Absent once no more rows come.
    commands: Option<mpsc::Sender<Command>>,
    /// Absent once its result was taken.
    encoder: Option<JoinHandle<Result<Vec<Add>>>>,
    files: Arc<AtomicU64>,
}

impl Segment {
    /// Starts the encoder. Must be called inside a Tokio runtime.
    pub(crate) fn start(layout: &FileLayout) -> Self {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (layout, handle) = (layout.clone(), Handle::current());
        let files = Arc::new(AtomicU64::new(0));
        let begun = Arc::clone(&files);
        let encoder = tokio::task::spawn_blocking(move || handle.block_on(encode(layout, begun, queue)));
        Self { commands: Some(commands), encoder: Some(encoder), files }
    }

    /// How many files were begun.
    pub(crate) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Hands rows to the encoder, waiting while it is busy. The batches must have the table's schema.
    pub(crate) async fn write(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        if batches.is_empty() {
            return Ok(());
        }
        if let Some(commands) = &self.commands
            && commands.send(Command::Write(batches)).await.is_ok()
        {
            return Ok(());
        }
        // The encoder only stops listening after an error.
        Err(self.result().await.err().unwrap_or_else(encoder_died))
    }

    /// No more rows come: the encoder finishes the files on its own. [`finish`](Self::finish) tells them.
    pub(crate) async fn end(&mut self) {
        if let Some(commands) = self.commands.take() {
            // When the send fails, the encoder has an error to tell.
            let _ = commands.send(Command::Finish).await;
        }
    }

    /// Finishes the files.
    pub(crate) async fn finish(mut self) -> Result<Vec<Add>> {
        self.end().await;
        self.result().await
    }

    async fn result(&mut self) -> Result<Vec<Add>> {
        match self.encoder.take() {
            Some(encoder) => encoder.await.unwrap_or_else(|_| Err(encoder_died())),
            None => Err(encoder_died()),
        }
    }
}

fn encoder_died() -> Error {
    Error::new(ErrorKind::Internal, "the thread that writes data files ended early")
}

async fn encode(layout: FileLayout, files: Arc<AtomicU64>, mut queue: mpsc::Receiver<Command>) -> Result<Vec<Add>> {
    let mut writer = FileWriter::new(layout, files)?;
    while let Some(command) = queue.recv().await {
        let Command::Write(batches) = command else {
            return writer.finish().await;
        };
        for batch in &batches {
            if let Err(error) = writer.write(batch).await {
                writer.abort().await;
                return Err(error);
            }
        }
    }
    writer.abort().await;
    Ok(Vec::new())
}
