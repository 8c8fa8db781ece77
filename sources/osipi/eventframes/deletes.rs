//! Event frames that are not there any more.
//!
//! No search shows a frame that was deleted. So the WebIDs of those that were there are kept in the offset, and compared with
//! those that are there now. What is missing is asked for by its WebID before it counts as deleted.

use std::collections::{BTreeMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    super::{ledger::Object, time::Ticks},
    databases::Databases,
    keyset::Keyset,
    offset::Flow,
    present::Present,
    progress::Plan,
    reader::FramesReader,
    rows::deleted,
    sent::Sent,
    tracker::{FAR, Head, LOOKUP, Mode},
};
use crate::{
    error::Result,
    read::{Offset, ReadEvent, ReadRequest, Records},
    stream::Page,
};

/// What was there in one database, and when all of it was last compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    compared: i64,
    present: Present,
    /// Deletions that were told, as the reads of rows still name those frames.
    #[serde(default, skip_serializing_if = "Sent::is_empty")]
    told: Sent,
}

/// A read under way: one database at each step.
pub(super) struct Deletes {
    reader: FramesReader,
    request: ReadRequest,
    run: Option<Run>,
}

struct Run {
    hi: Ticks,
    now: Ticks,
    states: BTreeMap<String, State>,
    waiting: VecDeque<String>,
}

impl Deletes {
    pub(super) fn new(reader: FramesReader, request: ReadRequest) -> Self {
        Self { reader, request, run: None }
    }

    /// Compares one database.
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
        let Some(webid) = run.waiting.pop_front() else { return Ok(Page { events, next: None }) };
        let before = run.states.get(&webid).cloned();
        match self.compare(&webid, before, (run.hi, run.now)).await {
            Ok((state, gone)) => {
                if !gone.is_empty() {
                    let batch = deleted(&self.reader.reading, &gone, run.hi)?;
                    events.push(ReadEvent::Records(Records::Arrow(batch)));
                }
                run.states.insert(webid, state);
                events.push(ReadEvent::Checkpoint(self.reader.origin.write(Flow::Deletes, run.hi, &run.states)?));
            }
            Err(error) => {
                self.reader.reading.tolerate(Object { webid: Some(&webid), ..Object::default() }, error)?;
            }
        }
        self.run = Some(run);
        Ok(Page { events, next: Some(self) })
    }

    async fn begin(&self) -> Result<Option<Run>> {
        let reader = &self.reader;
        let read = |offset: &Offset| reader.origin.read::<BTreeMap<String, State>>(Flow::Deletes, offset);
        let start = self.request.start.as_ref().map(read).transpose()?;
        let until = self.request.until.as_ref().map(read).transpose()?;
        let databases = Databases::find(&reader.reading).await?;
        let hi = match until {
            Some((at, _)) => at,
            None => reader.end(databases.now)?,
        };
        let (at, states) = start.unwrap_or((Ticks(i64::MIN), BTreeMap::new()));
        let is_behind = |webid: &String| at < hi || !states.contains_key(webid);
        let waiting: VecDeque<String> = databases.webids.into_iter().filter(is_behind).collect();
        Ok((!waiting.is_empty()).then_some(Run { hi, now: databases.now, states, waiting }))
    }

    /// What is there now, and what is not there any more.
    async fn compare(
        &self,
        database: &str,
        before: Option<State>,
        (hi, now): (Ticks, Ticks),
    ) -> Result<(State, Vec<String>)> {
        let plan = self.reader.plan(hi, now)?;
        let before = before.unwrap_or_default();
        let is_all = hi.0 >= before.compared.saturating_add(plan.sweep_every) || before.compared == 0;
        // Between two comparisons of everything only open and recent frames are looked at.
        let from = if is_all { hi.0.saturating_sub(plan.lookback) } else { hi.0.saturating_sub(plan.overlap) }.max(0);
        let mut found = self.search(database, Mode::InProgress, 0, hi.0, plan).await?;
        found.extend(self.search(database, Mode::EndInclusive, from, FAR, plan).await?);
        let now: HashSet<&str> = found.iter().map(|head| head.webid.as_str()).collect();
        // Sent since the last look, and perhaps gone already.
        let sent = self.reader.reading.source.frames.of(self.reader.origin.selection(), database);
        let sent = sent.into_iter().filter(|webid| !before.present.has(webid) && !before.told.has(webid));
        let missing = before.present.in_reach(from).chain(sent).filter(|webid| !now.contains(webid.as_str()));
        let missing: Vec<String> = missing.collect();
        let mut gone = Vec::new();
        for webids in missing.chunks(LOOKUP) {
            let answer = self.reader.searcher.lookup(webids).await?;
            // Moved out of what is searched, not deleted.
            found.extend(answer.frames.into_iter().map(|frame| frame.head));
            for webid in answer.missing {
                match self.reader.searcher.exists(&webid).await {
                    Ok(true) => {}
                    Ok(false) => gone.push(webid),
                    // It cannot be read now: it stays watched.
                    Err(error) => {
                        let object = Object { webid: Some(&webid), ..Object::default() };
                        self.reader.reading.tolerate(object, error)?;
                    }
                }
            }
        }
        let reach = hi.0.saturating_sub(plan.lookback);
        let present = before.present.now(&found, &gone, reach);
        let mut told = before.told;
        gone.iter().for_each(|webid| told.put(webid, hi.0));
        told.forget(hi.0);
        let compared = if is_all { hi.0 } else { before.compared };
        Ok((State { compared, present, told }, gone))
    }

    async fn search(&self, database: &str, mode: Mode, from: i64, to: i64, plan: Plan) -> Result<Vec<Head>> {
        let mut keyset = Keyset::new(from, to, plan.page, plan.cap);
        let mut found = Vec::new();
        while let Some(ask) = keyset.ask() {
            let (frames, asked) = self.reader.searcher.heads(database, mode, ask).await?;
            if asked < ask.max_count {
                keyset.lower_cap(asked);
            }
            let time = |head: &Head| if mode == Mode::EndInclusive { head.end.unwrap_or(FAR) } else { head.start };
            let times: Vec<(i64, &str)> = frames.iter().map(|head| (time(head), head.webid.as_str())).collect();
            let keep = keyset.take(&times)?;
            let kept = frames.into_iter().skip(keep.skip).filter(|head| (keep.from..keep.to).contains(&time(head)));
            found.extend(kept.filter(|head| head.start < plan.hi));
        }
        Ok(found)
    }
}
