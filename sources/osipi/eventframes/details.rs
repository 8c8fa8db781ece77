//! What belongs to event frames and comes in answers of its own: attributes, values, referenced elements, annotations.

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{
    super::{
        batch::{SubRequest, SubResponse},
        client::{PiClient, Query},
        config::TableOptions,
        items::{Items, Listing},
        tables::EventFrames,
    },
    frame::Frame,
    search::Searcher,
};
use crate::error::{Error, ErrorKind, Result};

/// Batches on their way at a time.
const BATCHES: usize = 4;

/// Asks for what one table needs of its frames.
#[derive(Clone, Debug)]
pub(super) struct Details {
    client: PiClient,
    searcher: Searcher,
    table: EventFrames,
    include_values: bool,
    per_batch: usize,
    page: u32,
}

/// What was found for one frame.
#[derive(Debug)]
pub(super) enum Detail {
    /// Items of a list, as JSON; none for tables that need nothing more than the frame.
    Items(Vec<Bytes>),
    /// The frame was deleted in the meantime.
    Gone,
    Failed(Error),
}

impl Details {
    pub(super) fn new(client: PiClient, searcher: Searcher, options: &TableOptions, table: EventFrames) -> Self {
        Self {
            client,
            searcher,
            table,
            include_values: options.event_frames.include_attribute_values,
            per_batch: options.tags.tags_per_request(),
            page: options.max_count.unwrap_or(1000),
        }
    }

    /// Whether what belongs to a frame may change without the frame or its being open.
    pub(super) fn may_change_alone(&self, frame: &Frame) -> bool {
        self.table == EventFrames::Annotations && frame.is_annotated
    }

    /// The details of frames, in their order.
    ///
    /// # Errors
    /// Those of the client for a batch as a whole.
    pub(super) async fn of(&self, frames: &[&Frame]) -> Result<Vec<Detail>> {
        let chunks = frames.chunks(self.per_batch.max(1)).map(|chunk| self.chunk(chunk.to_vec()).boxed());
        let chunks: Vec<_> = chunks.collect();
        let chunks: Vec<Vec<Detail>> = stream::iter(chunks).buffered(BATCHES).try_collect().await?;
        Ok(chunks.into_iter().flatten().collect())
    }

    async fn chunk(&self, frames: Vec<&Frame>) -> Result<Vec<Detail>> {
        let listings: Vec<Option<Listing>> = frames.iter().map(|frame| self.listing(frame)).collect();
        let targets = listings.iter().flatten().map(|listing| {
            let mut query = listing.query.clone();
            if listing.max_count > 0 {
                query.push(("maxCount", self.client.page_size(listing.max_count).to_string()));
            }
            SubRequest::get(self.client.target(&listing.path, &query))
        });
        let requests: Vec<SubRequest> = targets.collect();
        let answers = if requests.is_empty() { Vec::new() } else { self.client.batch(&requests).await? };
        let mut answers = answers.into_iter();
        let mut details = Vec::with_capacity(frames.len());
        for (frame, listing) in frames.into_iter().zip(listings) {
            details.push(match listing {
                None => Detail::Items(Vec::new()),
                Some(listing) => match answers.next() {
                    Some(answer) => self.detail(frame, listing, answer).await?,
                    None => Detail::Failed(Error::new(ErrorKind::Internal, "a batch has fewer answers than requests")),
                },
            });
        }
        Ok(details)
    }

    async fn detail(&self, frame: &Frame, listing: Listing, answer: SubResponse) -> Result<Detail> {
        let asked = self.client.page_size(listing.max_count) as usize;
        let items = answer.into_result(&listing.path).and_then(Items::of);
        let error = match items {
            Ok(items) if listing.max_count == 0 || items.len() < asked => {
                return Ok(Detail::Items(items.bytes().collect()));
            }
            // There may be more than one page.
            Ok(_) => match self.client.all_items(listing).await {
                Ok(items) => return Ok(Detail::Items(items)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if error.kind() == ErrorKind::NotFound && !self.searcher.exists(&frame.head.webid).await? {
            return Ok(Detail::Gone);
        }
        Ok(Detail::Failed(error))
    }

    /// The list that holds a frame's details, where the table needs one.
    fn listing(&self, frame: &Frame) -> Option<Listing> {
        let webid = &frame.head.webid;
        let attributes = || -> Query {
            let flags = ["searchFullHierarchy", "showHidden", "showExcluded"];
            flags.map(|flag| (flag, "true".to_owned())).to_vec()
        };
        match self.table {
            EventFrames::Frames if self.include_values => {
                let mut query = attributes();
                let fields = "Items.WebId;Items.Name;Items.Path;Items.Value.Value";
                query.push(("selectedFields", fields.to_owned()));
                Some(Listing::whole(format!("streamsets/{webid}/value"), query))
            }
            EventFrames::Values => Some(Listing::whole(format!("streamsets/{webid}/value"), attributes())),
            EventFrames::Attributes => {
                let mut query = attributes();
                query.push(("associations", "DataReference".to_owned()));
                Some(Listing::pages(format!("eventframes/{webid}/attributes"), query, self.page))
            }
            EventFrames::ReferencedElements => {
                let query = vec![("selectedFields", "Items.WebId;Items.Name;Items.Path".to_owned())];
                Some(Listing::whole(format!("eventframes/{webid}/referencedelements"), query))
            }
            EventFrames::Annotations if frame.is_annotated => {
                Some(Listing::whole(format!("eventframes/{webid}/annotations"), Query::new()))
            }
            EventFrames::Frames | EventFrames::Annotations | EventFrames::Acknowledgements => None,
        }
    }
}
