//! Lists, page by page to their end, though they may change meanwhile.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use bytes::Bytes;

use super::client::{PiClient, Query};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result, Retry},
};

/// How often a list that changes while it is read is gone back over.
const MAX_RESTARTS: u32 = 16;
/// More than any list without pages is expected to hold, and the usual cap.
const WHOLE_LIST: u32 = 150_000;

/// How an endpoint gives a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paging {
    /// By `startIndex` and `maxCount`.
    Pages,
    /// `maxCount` without `startIndex`: all at once, or not at all.
    Cut,
    /// All at once, without parameters.
    Whole,
}

/// A list to read.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) path: String,
    pub(super) query: Query,
    pub(super) paging: Paging,
    pub(super) max_count: u32,
    /// Leave out this many at the start.
    pub(super) start: u64,
}

/// Items of one page that were not seen before, as JSON text.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    body: Bytes,
    spans: Vec<Range<usize>>,
}

/// The pages of a list.
#[derive(Debug)]
pub(super) struct ItemPages {
    client: PiClient,
    listing: Listing,
    next: Option<u64>,
    /// The last item of the page before, which must come first again.
    joint: Option<u128>,
    starts: Vec<u64>,
    seen: HashSet<u128>,
    restarts: u32,
}

impl Listing {
    /// A list in pages.
    pub(super) fn pages(path: impl Into<String>, query: Query, max_count: u32) -> Self {
        Self { path: path.into(), query, paging: Paging::Pages, max_count, start: 0 }
    }

    /// A list that comes whole.
    pub(super) fn whole(path: impl Into<String>, query: Query) -> Self {
        Self { path: path.into(), query, paging: Paging::Whole, max_count: 0, start: 0 }
    }

    /// A list that is cut at `maxCount` and cannot be continued.
    pub(super) fn cut(path: impl Into<String>, query: Query) -> Self {
        Self { path: path.into(), query, paging: Paging::Cut, max_count: WHOLE_LIST, start: 0 }
    }
}

impl Items {
    /// All items of an answer.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for an answer that is not a list.
    pub(super) fn of(body: Bytes) -> Result<Self> {
        Page::parse(body).map(|page| page.items)
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The items in order, as JSON text.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| self.body.get(span.clone()).unwrap_or_default())
    }

    /// As [`Items::iter`], sharing the answer's memory.
    pub(super) fn bytes(&self) -> impl Iterator<Item = Bytes> {
        self.spans.iter().map(|span| self.body.slice(span.clone()))
    }
}

impl PiClient {
    /// The pages of a list, in its order, each item once.
    pub(super) fn items(&self, listing: Listing) -> ItemPages {
        let next = Some(listing.start);
        let (starts, seen) = (Vec::new(), HashSet::new());
        ItemPages { client: self.clone(), listing, next, joint: None, starts, seen, restarts: 0 }
    }

    /// All items of a list.
    pub(super) async fn all_items(&self, listing: Listing) -> Result<Vec<Bytes>> {
        let mut pages = self.items(listing);
        let mut all = Vec::new();
        while let Some(items) = pages.next().await? {
            all.extend(items.bytes());
        }
        Ok(all)
    }
}

impl ItemPages {
    /// The next page's items; `None` after the last.
    ///
    /// # Errors
    /// Those of the client; [`Protocol`](ErrorKind::Protocol) for an answer that is not a list, and for a list that was cut;
    /// [`Unavailable`](ErrorKind::Unavailable) when the list changes faster than it can be read.
    pub(super) async fn next(&mut self) -> Result<Option<Items>> {
        let listing = &self.listing;
        if listing.paging != Paging::Pages {
            let Some(_) = self.next.take() else { return Ok(None) };
            if listing.paging == Paging::Whole {
                return Items::of(self.client.get(&listing.path, &listing.query).await?).map(Some);
            }
            let (body, asked) = self.client.get_capped(&listing.path, &listing.query, listing.max_count).await?;
            let items = Items::of(body)?;
            if items.len() >= asked as usize {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the list is longer than the server gives at a time, and cannot be continued",
                )
                .with("resource", &listing.path)
                .with("maxCount", asked)
                .help("raise MaxReturnedItemsPerCall on the PI Web API server"));
            }
            return Ok(Some(items));
        }
        while let Some(start) = self.next {
            let mut query = self.listing.query.clone();
            query.push(("startIndex", start.to_string()));
            // One item joins two pages: a page of one would not get on.
            let wanted = self.listing.max_count.max(2);
            let (body, asked) = self.client.get_capped(&self.listing.path, &query, wanted).await?;
            if let Some(items) = self.take(Page::parse(body)?, start, asked)? {
                return Ok(Some(items));
            }
        }
        Ok(None)
    }

    /// The items of a page that follows what was read before; `None` when it does not, and is to be read from further back.
    fn take(&mut self, page: Page, start: u64, asked: u32) -> Result<Option<Items>> {
        let Page { mut items, ids, more } = page;
        let joined = match self.joint {
            Some(joint) => ids.first() == Some(&joint),
            // After a step back the page must begin with something known, else there may be a gap before it.
            None => start == self.listing.start || ids.first().is_some_and(|id| self.seen.contains(id)),
        };
        if !joined {
            return self.step_back(start).map(|()| None);
        }
        let last = ids.last().copied();
        let full = ids.len() >= asked as usize;
        self.starts.push(start);
        self.next = (ids.len() > 1 && (more || full)).then(|| start + ids.len() as u64 - 1);
        self.joint = last;
        let mut ids = ids.into_iter();
        items.spans.retain(|_| ids.next().is_some_and(|id| self.seen.insert(id)));
        Ok(Some(items))
    }

    fn step_back(&mut self, start: u64) -> Result<()> {
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS {
            return Err(Error::new(ErrorKind::Unavailable, "the list changes faster than it can be read")
                .with("resource", &self.listing.path)
                .retryable(Retry::Later(None))
                .help("run again when fewer objects are being created and deleted"));
        }
        self.starts.retain(|earlier| *earlier < start);
        self.starts.pop();
        self.next = Some(self.starts.pop().unwrap_or(self.listing.start));
        self.joint = None;
        Ok(())
    }
}

/// A page as it came.
struct Page {
    items: Items,
    ids: Vec<u128>,
    /// Whether the server links to a next page.
    more: bool,
}

impl Page {
    fn parse(body: Bytes) -> Result<Self> {
        let mut s = Scanner::from_utf8(&body)?;
        let (mut spans, mut ids, mut more, mut is_list) = (Vec::new(), Vec::new(), false, false);
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            match (&*key, s.peek()?) {
                ("Items", Kind::Array) => {
                    is_list = true;
                    s.enter_array()?;
                    while s.next_element()? {
                        s.peek()?;
                        let start = s.position();
                        let item = s.skip()?;
                        ids.push(identity(item)?);
                        spans.push(start..s.position());
                    }
                }
                ("Links", Kind::Object) => {
                    s.enter_object()?;
                    while let Some(rel) = s.next_key()? {
                        more |= rel == "Next" && s.peek()? == Kind::String;
                        s.skip_value()?;
                    }
                }
                _ => s.skip_value()?,
            }
        }
        s.end()?;
        if !is_list {
            return Err(Error::new(ErrorKind::Protocol, "the server's answer is not a list: it has no Items"));
        }
        Ok(Self { items: Items { body, spans }, ids, more })
    }
}

/// What tells an item from others: its WebID, else its whole text.
fn identity(item: &str) -> Result<u128> {
    let webid = text_member(item, "WebId")?;
    let text = webid.as_deref().unwrap_or(item);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, text).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    Ok(half(0) << 64 | half(1))
}

/// A text member of an item.
pub(super) fn text_member(item: &str, name: &str) -> Result<Option<String>> {
    let mut s = Scanner::new(item);
    if s.peek()? != Kind::Object {
        return Ok(None);
    }
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match s.peek()? {
            Kind::String if key == name => return s.string().map(|text| Some(text.into_owned())),
            _ => s.skip_value()?,
        }
    }
    Ok(None)
}
