//! Asks a database for its event frames.

use bytes::Bytes;

use super::{
    super::{
        client::{PiClient, Query},
        config::TableOptions,
        items::Items,
        tables::EventFrames,
        time::Ticks,
    },
    frame::Frame,
    keyset::Ask,
    tracker::{Head, Mode},
};
use crate::{
    decode::{Kind, Scanner},
    error::{ErrorKind, Result},
};

/// What every table needs of a frame.
const HEAD: &str = "WebId;Id;StartTime;EndTime;IsAnnotated;IsAcknowledged;AcknowledgedBy;AcknowledgedDate;\
                    RefElementWebIds;Links.PrimaryReferencedElement";
/// What the table of frames needs besides.
const WHOLE: &str = ";Name;Description;Path;TemplateName;CategoryNames;ExtendedProperties;Severity;CanBeAcknowledged;\
                     IsLocked;AreValuesCaptured;HasChildren;Links.Parent;Links.Database";

/// Finds event frames.
#[derive(Clone, Debug)]
pub(super) struct Searcher {
    client: PiClient,
    filters: Query,
    fields: String,
}

/// Frames found by WebID, and the WebIDs of those that could not be.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) frames: Vec<Frame>,
    pub(super) missing: Vec<String>,
}

impl Mode {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::StartInclusive => ("StartInclusive", "StartTime"),
            Self::EndInclusive => ("EndInclusive", "EndTime"),
            Self::InProgress => ("InProgress", "StartTime"),
        }
    }
}

impl Searcher {
    pub(super) fn new(client: PiClient, options: &TableOptions, table: EventFrames) -> Self {
        let fields = if table == EventFrames::Frames { format!("{HEAD}{WHOLE}") } else { HEAD.to_owned() };
        Self { client, filters: filters(options), fields }
    }

    /// The filters, as what a selection depends on.
    pub(super) fn selection(&self) -> Vec<String> {
        self.filters.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// One page, and how many frames were asked for, which is less than wanted when the server has a lower cap.
    ///
    /// # Errors
    /// Those of the client, and of [`Frame::parse`].
    pub(super) async fn page(&self, database: &str, mode: Mode, ask: Ask) -> Result<(Vec<Frame>, u64)> {
        let (mode, field) = mode.words();
        let mut query = self.listing_query();
        query.extend([
            ("searchMode", mode.to_owned()),
            ("startTime", Ticks(ask.from).to_string()),
            ("endTime", Ticks(ask.to).min(Ticks::OPEN_END).to_string()),
            ("sortField", field.to_owned()),
            ("sortOrder", "Ascending".to_owned()),
            ("startIndex", ask.start_index.to_string()),
        ]);
        let wanted = u32::try_from(ask.max_count).unwrap_or(u32::MAX);
        let path = Self::path(database);
        let (body, asked) = self.client.get_capped(&path, &query, wanted).await?;
        let frames = Items::of(body)?.bytes().map(Frame::parse).collect::<Result<Vec<_>>>()?;
        Ok((frames, u64::from(asked)))
    }

    /// As [`Searcher::page`], with nothing but what tells frames apart.
    ///
    /// # Errors
    /// As [`Searcher::page`].
    pub(super) async fn heads(&self, database: &str, mode: Mode, ask: Ask) -> Result<(Vec<Head>, u64)> {
        let searcher = Self { fields: "WebId;StartTime;EndTime".to_owned(), ..self.clone() };
        let (frames, asked) = searcher.page(database, mode, ask).await?;
        Ok((frames.into_iter().map(|frame| frame.head).collect(), asked))
    }

    /// Filters and fields of a list of frames.
    pub(super) fn listing_query(&self) -> Query {
        let mut query = self.filters.clone();
        let fields: Vec<String> = self.fields.split(';').map(|field| format!("Items.{field}")).collect();
        query.push(("selectedFields", format!("{};Links.Next", fields.join(";"))));
        query
    }

    pub(super) fn path(database: &str) -> String {
        format!("assetdatabases/{database}/eventframes")
    }

    /// Frames by their WebIDs.
    ///
    /// # Errors
    /// Those of the client; [`Protocol`](ErrorKind::Protocol) for an answer that leaves a frame out.
    pub(super) async fn lookup(&self, webids: &[String]) -> Result<Found> {
        if webids.is_empty() {
            return Ok(Found::default());
        }
        let mut query: Query = webids.iter().map(|webid| ("webId", webid.clone())).collect();
        let fields: Vec<String> = self.fields.split(';').map(|field| format!("Items.Object.{field}")).collect();
        query.push(("selectedFields", format!("Items.Identifier;Items.Exception;{}", fields.join(";"))));
        let body = self.client.get("eventframes/multiple", &query).await?;
        let mut found = Found::default();
        for item in Items::of(body)?.bytes() {
            if let Some(frame) = object_of(&item)? {
                found.frames.push(Frame::parse(frame)?);
            }
        }
        // Compared by id: the server may spell them as it likes.
        let is_there = |webid: &&String| found.frames.iter().any(|frame| frame.head.webid == **webid);
        found.missing = webids.iter().filter(|webid| !is_there(webid)).cloned().collect();
        Ok(found)
    }

    /// Whether a frame exists. What cannot be read now is not taken for deleted.
    ///
    /// # Errors
    /// Those of the client other than [`NotFound`](ErrorKind::NotFound).
    pub(super) async fn exists(&self, webid: &str) -> Result<bool> {
        let query = vec![("selectedFields", "WebId".to_owned())];
        match self.client.get(&format!("eventframes/{webid}"), &query).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.with("webid", webid)),
        }
    }
}

/// The object of an item of a list by WebIDs; `None` when there is an exception in its place.
fn object_of(item: &Bytes) -> Result<Option<Bytes>> {
    let mut s = Scanner::from_utf8(item)?;
    let mut object = None;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        if key == "Object" && s.peek()? == Kind::Object {
            let text = s.skip()?;
            object = Some(item.slice_ref(text.as_bytes())).filter(|_| text.len() > 2);
        } else {
            s.skip_value()?;
        }
    }
    Ok(object)
}

fn filters(options: &TableOptions) -> Query {
    let frames = &options.event_frames;
    let mut query: Query = vec![("searchFullHierarchy", options.lists.search_full_hierarchy.to_string())];
    let texts = [
        ("nameFilter", &options.tags.name_filter),
        ("templateName", &options.tags.template_name),
        ("categoryName", &options.lists.category_name),
        ("referencedElementNameFilter", &frames.referenced_element_name_filter),
        ("referencedElementTemplateName", &frames.referenced_element_template_name),
    ];
    for (name, value) in texts {
        query.extend(value.iter().map(|value| (name, value.clone())));
    }
    query.extend(frames.severity.iter().map(|severity| ("severity", severity.clone())));
    query
}
