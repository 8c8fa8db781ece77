//! A read that follows frames: one question to the server at a time, a checkpoint when enough rows have come.

use std::collections::{BTreeMap, VecDeque};

use super::{
    super::{ledger::Object, time::Ticks},
    databases::Databases,
    details::Detail,
    frame::Frame,
    known::Digest,
    offset::Flow,
    progress::State,
    reader::FramesReader,
    rows::Rows,
    tracker::{Tracker, Want},
};
use crate::{
    error::Result,
    read::{Offset, ReadEvent, ReadRequest},
    stream::Page,
};

/// Rows between two checkpoints, about; an offset may be a megabyte.
const ROWS_BETWEEN_CHECKPOINTS: u64 = 10_000;

/// A read under way.
pub(super) struct Follow {
    reader: FramesReader,
    request: ReadRequest,
    run: Option<Run>,
}

struct Run {
    hi: Ticks,
    now: Ticks,
    until: Option<BTreeMap<String, State>>,
    /// Of all databases, as far as they have been followed.
    states: BTreeMap<String, State>,
    waiting: VecDeque<String>,
    current: Option<(String, Tracker)>,
    rows: Rows,
    unsaved_rows: u64,
}

impl Follow {
    pub(super) fn new(reader: FramesReader, request: ReadRequest) -> Self {
        Self { reader, request, run: None }
    }

    /// Asks one question and gives what came of it.
    ///
    /// # Errors
    /// Those of the server and of the offset.
    pub(super) async fn step(mut self) -> Result<Page<Self>> {
        let mut events = Vec::new();
        let Some(mut run) = self.run.take() else {
            self.run = self.begin().await?;
            let next = self.run.is_some().then_some(self);
            return Ok(Page { events, next });
        };
        let is_going_on = self.advance(&mut run, &mut events).await?;
        self.run = Some(run);
        Ok(Page { events, next: is_going_on.then_some(self) })
    }

    /// What there is to read; `None` when it has been read.
    async fn begin(&self) -> Result<Option<Run>> {
        let reader = &self.reader;
        let read = |offset: &Offset| reader.origin.read::<BTreeMap<String, State>>(Flow::Rows, offset);
        let start = self.request.start.as_ref().map(read).transpose()?;
        let until = self.request.until.as_ref().map(read).transpose()?;
        let databases = Databases::find(&reader.reading).await?;
        let hi = match &until {
            Some((at, _)) => *at,
            None => reader.end(databases.now)?,
        };
        let (_, states) = start.unwrap_or((hi, BTreeMap::new()));
        reader.reading.source.frames.begin(reader.origin.selection(), &states);
        let rows = Rows::new(&reader.reading, reader.table, self.request.bad_rows, hi)?;
        let (until, waiting) = match until {
            // What was not known when the end was frozen belongs to the next run.
            Some((_, until)) => {
                let webids = databases.webids.into_iter().filter(|webid| until.contains_key(webid)).collect();
                (Some(until), webids)
            }
            None => (None, databases.webids.into()),
        };
        Ok(Some(Run { hi, now: databases.now, until, states, waiting, current: None, rows, unsaved_rows: 0 }))
    }

    /// Whether there is more to do.
    async fn advance(&self, run: &mut Run, events: &mut Vec<ReadEvent>) -> Result<bool> {
        if run.current.is_none() {
            let Some(webid) = run.waiting.pop_front() else { return Ok(false) };
            let state = run.states.get(&webid).cloned().unwrap_or_default();
            let until = run.until.as_ref().and_then(|until| until.get(&webid).cloned());
            let tracker = Tracker::new(self.reader.plan(run.hi, run.now)?, state, until);
            run.current = Some((webid, tracker));
        }
        let Some((webid, tracker)) = &mut run.current else { return Ok(false) };
        let want = tracker.want();
        let is_over = want == Want::Nothing;
        let answered = match want {
            Want::Nothing => Ok(0),
            Want::Search(mode, ask) => {
                let page = self.reader.searcher.page(webid, mode, ask).await;
                match page {
                    Ok((frames, asked)) => {
                        tracker.lower_cap_to(ask.max_count, asked);
                        let heads: Vec<_> = frames.iter().map(|frame| frame.head.clone()).collect();
                        let wanted = tracker.take_page(&heads)?;
                        let wanted: Vec<&Frame> = wanted.into_iter().filter_map(|i| frames.get(i)).collect();
                        self.meet(webid, tracker, &mut run.rows, &wanted).await
                    }
                    Err(error) => Err(error),
                }
            }
            Want::Lookup(webids) => self.look_up(webid, tracker, &mut run.rows, &webids).await,
        };
        match answered {
            Ok(rows) => run.unsaved_rows += rows,
            Err(error) => {
                // The database stays where it is; the others go on.
                self.reader.reading.tolerate(Object { webid: Some(webid), ..Object::default() }, error)?;
                run.current = None;
                return Ok(true);
            }
        }
        events.extend(run.rows.take()?);
        if is_over || tracker.may_stop() {
            if is_over {
                let sent = &self.reader.reading.source.frames;
                sent.reach(self.reader.origin.selection(), webid, tracker.state());
            }
            let before = run.states.insert(webid.clone(), tracker.state().clone());
            let most = self.request.max_records.unwrap_or(u64::MAX).min(ROWS_BETWEEN_CHECKPOINTS);
            let most = most.min(self.reader.reading.options.window.max_records_per_batch);
            let is_news = is_over && before.as_ref() != Some(tracker.state());
            if run.unsaved_rows >= most || (is_over && (run.unsaved_rows > 0 || is_news)) {
                events.push(ReadEvent::Checkpoint(self.reader.origin.write(Flow::Rows, run.hi, &run.states)?));
                run.unsaved_rows = 0;
            }
        }
        if is_over {
            run.current = None;
        }
        Ok(true)
    }

    /// Sends those of the frames that are new or have changed. Returns how many were sent.
    async fn meet(&self, database: &str, tracker: &mut Tracker, rows: &mut Rows, frames: &[&Frame]) -> Result<u64> {
        let details = &self.reader.details;
        let digests: Vec<Digest> = frames.iter().map(|frame| Digest::of(&frame.text)).collect();
        let asks = |(frame, digest): &(&&Frame, &Digest)| {
            tracker.may_have_changed(&frame.head, **digest) || details.may_change_alone(frame)
        };
        let asked: Vec<bool> = frames.iter().zip(&digests).map(|pair| asks(&pair)).collect();
        let wanted: Vec<&Frame> = frames.iter().zip(&asked).filter(|(_, asked)| **asked).map(|(f, _)| *f).collect();
        let mut found = details.of(&wanted).await?.into_iter();
        let mut sent = 0;
        for ((frame, digest), asked) in frames.iter().zip(digests).zip(asked) {
            let items = match if asked { found.next() } else { None } {
                None => {
                    tracker.meet(&frame.head, digest, None);
                    continue;
                }
                Some(Detail::Items(items)) => items,
                Some(Detail::Gone) => continue,
                Some(Detail::Failed(error)) => {
                    let object = Object { webid: Some(&frame.head.webid), ..Object::default() };
                    self.reader.reading.tolerate(object, error)?;
                    tracker.postpone(&frame.head.webid);
                    continue;
                }
            };
            if tracker.meet(&frame.head, digest, Some(Digest::of_all(&items))) {
                rows.push(frame, Some(database), &items)?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    async fn look_up(&self, database: &str, tracker: &mut Tracker, rows: &mut Rows, webids: &[String]) -> Result<u64> {
        let found = self.reader.searcher.lookup(webids).await?;
        let mut gone = Vec::new();
        for webid in found.missing {
            match self.reader.searcher.exists(&webid).await {
                Ok(false) => gone.push(webid),
                // It may be one that the filters leave out now, or that cannot be read at the moment.
                Ok(true) => tracker.postpone(&webid),
                Err(error) => {
                    self.reader.reading.tolerate(Object { webid: Some(&webid), ..Object::default() }, error)?;
                    tracker.postpone(&webid);
                }
            }
        }
        let frames: Vec<&Frame> = found.frames.iter().collect();
        let sent = self.meet(database, tracker, rows, &frames).await?;
        tracker.take_lookup(&gone);
        Ok(sent)
    }
}
