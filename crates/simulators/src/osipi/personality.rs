//! Ways in which servers differ, by name.

use std::time::Duration;

use chrono::TimeDelta;

use super::{
    config::{Config, Density},
    ticks::Rounding,
};
use crate::{
    SimError,
    clock::SimClock,
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

/// All named behaviours of the PI Web API server.
pub const PERSONALITIES: &[Personality<Config>] = &[
    personality("ties", "100 events share each instant", |c| c.archive.ties = 100),
    personality("huge-ties", "5,000 events share each instant, more than a default page", |c| c.archive.ties = 5_000),
    personality("floor", "instants are cut down to archive times, on the way in and out", |c| {
        c.archive.rounding = Rounding::Floor;
    }),
    personality("ceil", "instants are raised to archive times, on the way in and out", |c| {
        c.archive.rounding = Rounding::Ceil;
    }),
    personality("compression", "a third of the snapshots is thrown away once superseded", |c| {
        c.archive.discard_percent = 33;
    }),
    personality("uneven", "points have from one event a day to 1,000 a second", |c| {
        c.archive.density = Density::LogNormal;
    }),
    personality("bad-quality", "every third event is bad, every fifth flagged", |c| {
        c.archive.bad_percent = 33;
        c.archive.flag_percent = 20;
    }),
    personality("value-errors", "some values carry a list of errors", |c| c.wire.value_errors = true),
    personality("odd-numbers", "numbers such as 1E-05 and 1.0, and the texts NaN and Infinity", |c| {
        c.wire.odd_numbers = true;
    }),
    personality("old", "a server of 2017: no Annotated", |c| {
        c.wire.annotated = false;
        c.wire.version = "1.9.0.0".to_owned();
    }),
    personality("respelled", "streamsets spell WebIDs in the default way whatever was asked for", |c| {
        c.wire.respelled = true;
    }),
    personality("in-order", "streams and batch answers come in the order asked for", |c| c.wire.shuffled = false),
    personality("no-links", "neither lists nor objects carry links", |c| {
        c.wire.list_links = false;
        c.wire.object_links = false;
    }),
    personality("small-caps", "at most 500 items a call and 50 sub-requests a batch, 64 KiB a body", |c| {
        c.limits.max_items = 500;
        c.limits.default_count = 100;
        c.limits.max_batch = Some(50);
        c.limits.max_body = 64 << 10;
    }),
    personality("rate-limit", "at most 1,000 requests a second and client, as by default on a real server", |c| {
        c.limits.rate = Some(1_000);
    }),
    personality("no-csrf", "POST needs no X-Requested-With", |c| c.csrf = false),
    personality("no-gzip", "bodies are never compressed", |c| c.gzip = false),
    personality("clock-ahead", "the server's clock is five minutes ahead", |c| {
        c.clock = SimClock::shifted(TimeDelta::minutes(5));
    }),
    personality("clock-behind", "the server's clock is five minutes behind", |c| {
        c.clock = SimClock::shifted(TimeDelta::minutes(-5));
    }),
    personality("flaky", "every 7th connection dies in the middle, every 11th reply is a 503", |c| {
        fault(c, When::Every(7), Fault::CutOff);
        fault(c, When::Every(11), Fault::Status { status: 503, retry_after: Some(RetryAfter::Seconds(1)) });
    }),
    personality("slow", "replies drip", |c| fault(c, When::Always, Fault::Drip(Duration::from_millis(5)))),
];
