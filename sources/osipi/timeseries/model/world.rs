//! An archive in memory.

use std::{collections::BTreeMap, fmt::Write as _, sync::Mutex};

use async_trait::async_trait;

use super::super::{
    super::{
        time::{Micros, Ticks},
        webid::WebId,
    },
    archive::{Answer, Archive, Ask},
};
use crate::error::{Error, ErrorKind, Result};

const SERVER: &str = "3f2c1a9e-7b44-4d0a-9c55-0e2f6a8b1d10";
pub(super) const BEGIN: &str = "2026-03-18T00:00:00Z";
const SECOND: i64 = 10_000_000;

/// What happens to a table that is followed in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    None,
    Overlap,
    Reconcile,
}

impl Capture {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Overlap => "overlap",
            Self::Reconcile => "reconcile",
        }
    }
}

/// The events of some streams, and what goes wrong with the questions to come.
pub(super) struct World {
    pub(super) capture: Capture,
    pub(super) random: fastrand::Rng,
    /// In multiples of 1/65,536 s, in order; those of one instant in the order of the server.
    pub(super) streams: BTreeMap<WebId, Vec<(i64, f64)>>,
    pub(super) now: Ticks,
    cap: u32,
    value: f64,
    /// Whether bounds and times are rounded up.
    reads_up: bool,
    writes_up: bool,
    /// Questions until one is not answered.
    pub(super) fails_in: Option<u32>,
    /// A stream that cannot be read.
    pub(super) broken: Option<WebId>,
    /// Whether nothing happens to what is there.
    pub(super) is_calm: bool,
}

fn units(ticks: i64, up: bool) -> i64 {
    let scaled = i128::from(ticks) * 65_536 + if up { 9_999_999 } else { 0 };
    i64::try_from(scaled.div_euclid(10_000_000)).unwrap()
}

impl World {
    pub(super) fn new(seed: u64, capture: Capture) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let streams = (1..=random.i32(1..6)).map(|number| (WebId::point(SERVER, number).unwrap(), Vec::new()));
        let mut world = Self {
            capture,
            streams: streams.collect(),
            now: Ticks::parse(BEGIN).unwrap(),
            cap: random.u32(12..60),
            value: 0.0,
            reads_up: random.bool(),
            writes_up: random.bool(),
            fails_in: None,
            broken: None,
            is_calm: false,
            random,
        };
        world.go_on();
        world
    }

    /// The time of an event as the server writes it.
    fn wire(&self, units: i64) -> Ticks {
        let scaled = i128::from(units) * 10_000_000 + if self.writes_up { 65_535 } else { 0 };
        Ticks(i64::try_from(scaled.div_euclid(65_536)).unwrap())
    }

    fn next_value(&mut self) -> f64 {
        self.value += 0.5;
        self.value
    }

    /// Time passes. Each stream gets events, some at one instant; a newest one may be discarded when the next comes. There are
    /// few enough that every run reads the late window whole.
    pub(super) fn go_on(&mut self) {
        let (from, to) = (self.now.0 + 1, self.now.0 + self.random.i64(300..1200) * SECOND);
        self.now = Ticks(to);
        for webid in self.streams.keys().cloned().collect::<Vec<_>>() {
            if self.random.u8(0..4) == 0 {
                continue;
            }
            let mut at: Vec<i64> = (0..self.random.usize(0..25)).map(|_| self.random.i64(from..to - 100)).collect();
            at.sort_unstable();
            for ticks in at {
                let discards = self.random.u8(0..5) == 0;
                for _ in 0..if self.random.u8(0..3) == 0 { self.random.usize(2..4) } else { 1 } {
                    let event = (units(ticks, false), self.next_value());
                    let events = self.streams.get_mut(&webid).unwrap();
                    // The instant may be shared with an event of before.
                    if discards && events.last().is_some_and(|last| last.0 < event.0) {
                        events.pop();
                    }
                    events.push(event);
                }
            }
        }
    }

    /// Something happens to what may have been read, as far as the table follows it.
    pub(super) fn disturb(&mut self) {
        if self.capture == Capture::None || self.is_calm {
            return;
        }
        let Some(webid) = self.random.choice(self.streams.keys().cloned().collect::<Vec<_>>()) else { return };
        let value = self.next_value();
        let kind = self.random.u8(0..if self.capture == Capture::Reconcile { 5 } else { 3 });
        let late = units(self.random.i64(Ticks::parse(BEGIN).unwrap().0..self.now.0 - SECOND), false);
        let events = self.streams.get_mut(&webid).unwrap();
        let place = self.random.usize(..events.len().max(1));
        let known = events.get(place).map(|event| event.0);
        match (kind, known) {
            (0, _) => events.insert(events.partition_point(|event| event.0 <= late), (late, value)),
            (1, Some(at)) => events.insert(events.partition_point(|event| event.0 <= at), (at, value)),
            (2, Some(_)) => events[place].1 = value,
            (3, Some(at)) => events.retain(|event| event.0 != at),
            (4, Some(_)) => drop(events.remove(place)),
            _ => {}
        }
    }

    /// The answer to a question: both ends belong to the window, and no more events come than are asked for.
    fn answer(&self, ask: &Ask) -> String {
        let question = &ask.question;
        let (start, end) = (units(question.start.0, self.reads_up), units(question.end.0, self.reads_up));
        let events = self.streams[&ask.webid].iter().filter(|event| (start..=end).contains(&event.0));
        let mut body = String::from(r#"{"Items":["#);
        for (n, (at, value)) in events.take(question.max_count as usize).enumerate() {
            let comma = if n == 0 { "" } else { "," };
            let time = self.wire(*at);
            write!(body, r#"{comma}{{"Timestamp":"{time}","Good":true,"Value":{value}}}"#).unwrap();
        }
        body + "]}"
    }

    /// What a lake must hold: values by tag, microsecond and place within it.
    pub(super) fn wanted(&self) -> Rows {
        let mut rows = Rows::new();
        for (webid, events) in &self.streams {
            let (mut last, mut place) = (None, 0);
            for (at, value) in events {
                let micros = self.wire(*at).micros();
                place = if last == Some(micros) { place + 1 } else { 0 };
                last = Some(micros);
                rows.insert((webid.to_string(), micros, place), *value);
            }
            // Where no deletions are told the newest event waits for its successor.
            if let Some(newest) = last.filter(|_| self.capture == Capture::None) {
                rows.retain(|(tag, at, _), _| *at != newest || *tag != webid.to_string());
            }
        }
        rows
    }
}

pub(super) type Key = (String, Micros, i64);
pub(super) type Rows = BTreeMap<Key, f64>;

/// An archive that is asked by several batches at a time.
pub(super) struct Memory(pub(super) Mutex<World>);

#[async_trait]
impl Archive for Memory {
    async fn recorded(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        let mut world = self.0.lock().unwrap();
        if let Some(left) = &mut world.fails_in {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(Error::new(ErrorKind::Unavailable, "the connection was cut"));
            }
        }
        let answers = asks.iter().map(|ask| match world.broken.as_ref() == Some(&ask.webid) {
            true => Answer::Failed(Error::new(ErrorKind::Permission, "not this one")),
            false => Answer::Events { body: world.answer(ask).into(), asked: ask.question.max_count },
        });
        let answers = answers.collect();
        if world.random.u8(0..8) == 0 {
            // Between two questions of a run, too.
            world.disturb();
        }
        Ok(answers)
    }

    fn cap(&self) -> u32 {
        self.0.lock().unwrap().cap
    }
}
