//! Tables that are read in full each time: values at an instant, and summaries of a whole window.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        reading::{Reading, TableReader, Tolerated},
        tables::Windows,
        tags::Tag,
        time::{self, Micros, Ticks},
    },
    ask::{Outcome, ask_all},
    out::Out,
    question::{Question, Wanted},
    target::{Target, Targets},
    terms::Terms,
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::{Offset, QuarantinedRow, ReadEvent, ReadRequest, ReadStream, Records},
    stream::{Events, limit_records, prefetch, produce},
};

const OFFSET_VERSION: u32 = 1;

/// When a snapshot was taken.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    /// In microseconds since 1970, by the clock of the server.
    at: Micros,
}

/// Reads a table in full.
#[derive(Clone)]
pub(super) struct SnapshotReader {
    pub(super) reading: Reading,
    pub(super) terms: Arc<Terms>,
}

#[async_trait]
impl TableReader for SnapshotReader {
    fn events(&self, request: ReadRequest) -> ReadStream {
        let reader = self.clone();
        let max_records = request.max_records;
        let events = produce(move |events| async move {
            for offset in [&request.start, &request.until].into_iter().flatten() {
                offset.decode::<Taken>(OFFSET_VERSION)?;
            }
            let end = match request.until {
                Some(until) => until,
                None => reader.taken().await?,
            };
            let at = end.decode::<Taken>(OFFSET_VERSION)?.at;
            let table = reader.reading.table.name;
            let out = Out::new(&reader.reading, reader.terms.constants.clone());
            let mut read = Read { reader, events: events.clone(), out, left_out: Vec::new() };
            read.all(Ticks::from_micros(at)).await.map_err(|error| match error.get("table") {
                Some(_) => error,
                None => error.with("table", table),
            })?;
            events.send(ReadEvent::Checkpoint(end)).await
        });
        limit_records(prefetch(events, 1), max_records)
    }

    async fn latest_offset(&self, start: Option<&Offset>) -> Result<Option<Offset>> {
        if let Some(start) = start {
            start.decode::<Taken>(OFFSET_VERSION)?;
        }
        self.taken().await.map(Some)
    }

    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        offset.decode::<Taken>(OFFSET_VERSION).ok().map(|taken| Ticks::from_micros(taken.at).to_utc())
    }
}

impl SnapshotReader {
    async fn taken(&self) -> Result<Offset> {
        let (_, now) = self.reading.clocks(&["dataservers"]).await?;
        Offset::encode(OFFSET_VERSION, &Taken { at: now.micros() })
    }

    /// What is asked of every tag.
    fn questions(&self, now: Ticks, streams: usize) -> Result<Vec<Question>> {
        let (terms, options) = (&self.terms, &self.reading.options);
        match terms.windows {
            Windows::ValueAtTime | Windows::RecordedAtTime => {
                let mut times = Vec::new();
                for text in &options.windowed.time {
                    times.push(time::instant(text, now, terms.zone).map_err(|error| error.with("option", "time"))?);
                }
                if times.is_empty() {
                    times.push(now);
                }
                times.sort_unstable();
                // Two that are told apart by less than a microsecond would share a key.
                times.dedup_by_key(|time| time.micros());
                Ok(times.into_iter().map(|time| terms.at(time)).collect())
            }
            Windows::Summary => {
                let (from, to) = options.window.bounds(now, terms.zone)?;
                if from >= to {
                    return Err(Error::new(ErrorKind::Config, "the window ends before it begins")
                        .help("give a 'startTime' before 'endTime'"));
                }
                let most = terms.most(&self.reading, streams);
                let parts = terms.cut(from.micros(), to.micros(), most)?;
                Ok(parts.into_iter().map(|part| terms.over(part)).collect())
            }
            _ => match options.windowed.time.first() {
                Some(text) => {
                    let time = time::instant(text, now, terms.zone).map_err(|error| error.with("option", "time"))?;
                    Ok(vec![terms.at(time)])
                }
                None => Ok(vec![terms.newest()]),
            },
        }
    }
}

/// A read under way.
struct Read {
    reader: SnapshotReader,
    events: Events,
    out: Out,
    left_out: Vec<QuarantinedRow>,
}

impl Read {
    async fn all(&mut self, now: Ticks) -> Result<()> {
        let reading = self.reader.reading.clone();
        let (noted, _) = reading.source.notes.counts();
        let tags = Tag::select(&reading, false).await?;
        for failure in reading.source.notes.failures(noted, u64::MAX) {
            if failure.table == reading.table.name {
                self.leave_out(failure.webid.or(failure.name).as_deref(), failure.message);
            }
        }
        let targets: Targets = tags.into_iter().map(Target::of_tag).collect::<Result<_>>()?;
        let per_request = reading.options.tags.tags_per_request();
        let all: Arc<[usize]> = (0..targets.len()).collect();
        let questions = self.reader.questions(now, per_request.min(targets.len()))?;
        let mut waiting: VecDeque<(Question, Arc<[usize]>)> =
            questions.into_iter().map(|question| (question, Arc::clone(&all))).collect();
        while let Some((question, places)) = waiting.pop_front() {
            let question = Arc::new(question);
            let size = targets.first().map_or(1, |target| question.size(per_request, &target.webid));
            let mut answers = ask_all(reading.client(), &question, &targets, &places, size);
            let mut again = Vec::new();
            while let Some(answered) = answers.try_next().await? {
                for (at, outcome) in answered {
                    let Some(target) = targets.get(at) else { continue };
                    match self.take(&question, target, outcome) {
                        Ok(()) => {}
                        Err(Unread::TooMany) => again.push(at),
                        Err(Unread::Failed(error)) => self.failed(target, error)?,
                    }
                }
                if self.out.is_full() {
                    self.send().await?;
                }
            }
            if !again.is_empty() {
                let Some(halves) = halves(&question) else {
                    return Err(Error::new(ErrorKind::Protocol, "the server allows not even one interval at a time"));
                };
                let again: Arc<[usize]> = again.into();
                for half in halves {
                    waiting.push_front((self.reader.terms.over(half), Arc::clone(&again)));
                }
            }
        }
        self.send().await
    }

    fn take(&mut self, question: &Question, target: &Target, outcome: Outcome) -> Result<(), Unread> {
        match outcome {
            Outcome::TooMany => Err(Unread::TooMany),
            Outcome::Failed(error) => Err(Unread::Failed(error)),
            Outcome::Answer(answer) => self.out.take(question, target, &answer).map(drop).map_err(Unread::Failed),
        }
    }

    /// A snapshot without a tag is not whole: the host is told, so that nothing of it is removed.
    fn failed(&mut self, target: &Target, error: Error) -> Result<()> {
        if error.kind() == ErrorKind::Internal {
            return Err(error);
        }
        let reason = error.message().to_owned();
        if self.reader.reading.tolerate_stream(target.object(None), target.by_chance, error)? == Tolerated::Failed {
            self.leave_out(Some(&target.webid), reason);
        }
        Ok(())
    }

    fn leave_out(&mut self, object: Option<&str>, reason: String) {
        let key = serde_json::json!({ "object": object }).to_string();
        let record = Bytes::from_static(b"{}");
        self.left_out.push(QuarantinedRow { key: Some(key), column: String::new(), reason, record });
    }

    async fn send(&mut self) -> Result<()> {
        if let Some(batch) = self.out.flush()? {
            self.events.send(ReadEvent::Records(Records::Arrow(batch))).await?;
        }
        if !self.left_out.is_empty() {
            self.events.send(ReadEvent::Quarantined(std::mem::take(&mut self.left_out))).await?;
        }
        Ok(())
    }
}

/// Why there are no rows of a tag.
enum Unread {
    TooMany,
    Failed(Error),
}

fn halves(question: &Question) -> Option<[super::question::Intervals; 2]> {
    match question.wanted {
        Wanted::Summaries(intervals) => intervals.halves(),
        _ => None,
    }
}
