//! Ways in which servers differ, by name.

use std::time::Duration;

use super::{
    config::{Compression, Config, Dialect, Framing},
    table::RowIds,
};
use crate::{
    SimError,
    faults::{Fault, FaultRule, RetryAfter, When},
    personality::{self, Behaves, Personality, fault, personality},
};

impl Config {
    /// Gives the server a named behaviour; several add up.
    ///
    /// # Errors
    /// When there is no such name; the message lists all.
    pub fn add_personality(&mut self, name: &str) -> Result<(), SimError> {
        personality::add(self, name)
    }
}

impl Behaves for Config {
    const PERSONALITIES: &'static [Personality<Self>] = PERSONALITIES;

    fn faults(&mut self) -> &mut Vec<FaultRule> {
        &mut self.faults
    }
}

/// All named behaviours of the LanceDB server.
pub const PERSONALITIES: &[Personality<Config>] = &[
    personality(
        "namespace",
        "bodies and errors of the Lance REST Namespace; the flat list hides that there is more",
        |c| {
            c.dialect = Dialect::Namespace;
            c.wire.hides_token = true;
        },
    ),
    personality("plain-ids", "row ids are addresses, and the versions of rows are always 1", |c| {
        c.tables.iter_mut().for_each(|table| table.row_ids = RowIds::Plain);
    }),
    personality("small-fragments", "100 rows in a fragment", |c| {
        c.tables.iter_mut().for_each(|table| table.fragment_rows = 100);
    }),
    personality("stream", "queries are answered with a stream in place of a file", |c| {
        c.wire.framing = Framing::Stream
    }),
    personality("lz4", "buffers are compressed by LZ4", |c| c.wire.compression = Compression::Lz4),
    personality("zstd", "buffers are compressed by Zstandard", |c| c.wire.compression = Compression::Zstd),
    personality("many-batches", "answers come in record batches of 100 rows", |c| c.wire.batch_rows = Some(100)),
    personality("gzip", "bodies are compressed for clients that accept it", |c| c.gzip = true),
    personality("same-token", "lists give out the same page token again and again", |c| c.wire.repeats_token = true),
    personality("hidden-token", "the flat list is cut at its limit without a token", |c| c.wire.hides_token = true),
    personality("stale", "a node that is two versions behind unless a header asks for more", |c| c.stale = 2),
    personality("old", "no phalanx-version, and schemas described as text", |c| {
        c.server_version = None;
        c.wire.schema_as_text = true;
    }),
    personality("version-millis", "lists of versions tell milliseconds in place of text", |c| {
        c.wire.version_millis = true
    }),
    personality("bad-filter-400", "a filter that cannot be used is answered with 400", |c| c.limits.bad_filter = 400),
    personality("small-caps", "64 KiB a request, 1 MiB a text column of an answer", |c| {
        c.limits.request_bytes = 64 << 10;
        c.limits.column_bytes = 1 << 20;
    }),
    personality("flaky", "every 7th connection dies in the middle, every 11th reply is a 503", |c| {
        fault(c, When::Every(7), Fault::CutOff);
        fault(c, When::Every(11), Fault::Status { status: 503, retry_after: Some(RetryAfter::Seconds(1)) });
    }),
    personality("slow", "replies drip", |c| fault(c, When::Always, Fault::Drip(Duration::from_millis(5)))),
];
