//! A read of frames that are not followed: those of a search of the user's own, or certain ones by their WebIDs.

use std::collections::{BTreeMap, VecDeque};

use super::{
    super::{
        client::Query,
        items::{ItemPages, Listing},
        ledger::Object,
        time::Ticks,
    },
    databases::Databases,
    details::Detail,
    frame::Frame,
    offset::Flow,
    progress::State,
    reader::FramesReader,
    rows::Rows,
    search::Searcher,
    tracker::LOOKUP,
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadEvent, ReadRequest},
    stream::Page,
};

/// A read under way.
pub(super) struct Once {
    reader: FramesReader,
    request: ReadRequest,
    run: Option<Run>,
}

struct Run {
    hi: Ticks,
    sources: VecDeque<Source>,
    rows: Rows,
    /// How many more frames are wanted.
    left: u64,
}

enum Source {
    Database { webid: String, pages: Box<ItemPages> },
    Frames(Vec<String>),
}

impl Once {
    pub(super) fn new(reader: FramesReader, request: ReadRequest) -> Self {
        Self { reader, request, run: None }
    }

    /// Reads one page.
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
        let Some(source) = run.sources.pop_front() else {
            let states = BTreeMap::<String, State>::new();
            events.push(ReadEvent::Checkpoint(self.reader.origin.write(Flow::Rows, run.hi, states)?));
            return Ok(Page { events, next: None });
        };
        self.read(&mut run, source).await?;
        events.extend(run.rows.take()?);
        self.run = Some(run);
        Ok(Page { events, next: Some(self) })
    }

    async fn begin(&self) -> Result<Option<Run>> {
        let reader = &self.reader;
        let at = |offset: &Offset| reader.origin.read::<BTreeMap<String, State>>(Flow::Rows, offset).map(|(at, _)| at);
        let start = self.request.start.as_ref().map(at).transpose()?;
        let until = self.request.until.as_ref().map(at).transpose()?;
        let databases = Databases::find(&reader.reading).await?;
        let hi = match until {
            Some(until) => until,
            None => reader.end(databases.now)?,
        };
        if start.is_some_and(|start| start >= hi) {
            return Ok(None);
        }
        let options = &reader.reading.options.event_frames;
        let mut sources = VecDeque::new();
        if options.event_frame_webids.is_empty() {
            for webid in databases.webids {
                let listing = self.listing(&webid, (hi, databases.now))?;
                sources.push_back(Source::Database { webid, pages: Box::new(reader.reading.client().items(listing)) });
            }
        } else {
            let given = &options.event_frame_webids;
            let webids = reader.reading.canonical("eventframes", "event_frame_webids", given).await?;
            sources.extend(webids.chunks(LOOKUP).map(|chunk| Source::Frames(chunk.to_vec())));
        }
        let rows = Rows::new(&reader.reading, reader.table, self.request.bad_rows, hi)?;
        Ok(Some(Run { hi, sources, rows, left: options.default_event_frames.unwrap_or(u64::MAX) }))
    }

    fn listing(&self, database: &str, (hi, now): (Ticks, Ticks)) -> Result<Listing> {
        let mode = self.reader.reading.options.event_frames.search_mode.as_deref().unwrap_or("Overlapped");
        let plan = self.reader.plan(hi, now)?;
        let mut query: Query = self.reader.searcher.listing_query();
        query.push(("searchMode", mode.to_owned()));
        let is_backward = mode.starts_with("Backward");
        let is_directed = is_backward || mode.starts_with("Forward");
        let start = if is_backward { hi } else { Ticks(hi.0.saturating_sub(plan.lookback)) };
        query.push(("startTime", start.to_string()));
        if !is_directed {
            query.push(("endTime", hi.to_string()));
            query.push(("sortField", "StartTime".to_owned()));
            query.push(("sortOrder", "Ascending".to_owned()));
        }
        Ok(Listing::pages(Searcher::path(database), query, self.reader.page()))
    }

    /// Reads a page of a source, and puts the source back when there may be more.
    async fn read(&self, run: &mut Run, source: Source) -> Result<()> {
        let reading = &self.reader.reading;
        match source {
            Source::Database { webid, mut pages } => {
                let items = match pages.next().await {
                    Ok(None) => return Ok(()),
                    Ok(Some(items)) => items,
                    Err(error) => return reading.tolerate(Object { webid: Some(&webid), ..Object::default() }, error),
                };
                let wanted = usize::try_from(run.left).unwrap_or(usize::MAX);
                let frames = items.bytes().take(wanted).map(Frame::parse).collect::<Result<Vec<_>>>()?;
                self.send(run, Some(&webid), frames).await?;
                if run.left > 0 {
                    run.sources.push_front(Source::Database { webid, pages });
                } else {
                    run.sources.clear();
                }
            }
            Source::Frames(webids) => {
                let found = self.reader.searcher.lookup(&webids).await?;
                for webid in &found.missing {
                    let error = Error::new(ErrorKind::NotFound, "the server does not have this event frame")
                        .help("leave it out of 'event_frame_webids', or grant the right to read it");
                    reading.tolerate(Object { webid: Some(webid), ..Object::default() }, error)?;
                }
                self.send(run, None, found.frames).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, run: &mut Run, database: Option<&str>, frames: Vec<Frame>) -> Result<()> {
        let frames: Vec<&Frame> = frames.iter().collect();
        let details = self.reader.details.of(&frames).await?;
        for (frame, detail) in frames.into_iter().zip(details) {
            match detail {
                Detail::Items(items) => {
                    run.rows.push(frame, database, &items)?;
                    run.left = run.left.saturating_sub(1);
                }
                Detail::Gone => {}
                Detail::Failed(error) => {
                    let object = Object { webid: Some(&frame.head.webid), ..Object::default() };
                    self.reader.reading.tolerate(object, error)?;
                }
            }
        }
        Ok(())
    }
}
