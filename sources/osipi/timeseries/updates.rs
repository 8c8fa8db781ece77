//! The feed of updates: which instants of a stream changed since a marker.
//!
//! The feed only says where to look. Every instant that it names is read again, so that what is sent is what the archive
//! holds, and a feed that was lost costs no more than reading again what it would have told.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::super::{
    client::{PiClient, Query},
    faults,
    time::{Micros, Ticks},
    webid::WebId,
};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// Streams of one request: their markers fit into an address.
const STREAMS: usize = 100;

/// The feed of a server.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    client: PiClient,
    /// Fields of an answer that are asked for; all when empty.
    fields: &'static str,
}

/// Where a change happened, and what kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// An event was added at the end of the stream.
    Added(Micros),
    /// An event was added or replaced.
    Updated(Micros),
    /// An event was removed.
    Deleted(Micros),
    /// Everything from there on is to be read again.
    Refreshed(Micros),
}

/// What the feed tells of one stream.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// The events since the marker, as an array of JSON, and the marker behind them.
    Events { events: Bytes, marker: Box<str> },
    /// The marker means nothing to the server any more.
    Lost,
}

/// One stream of an answer.
#[derive(Debug, Default)]
struct Item {
    source: Option<String>,
    requested: Option<String>,
    latest: Option<Box<str>>,
    failed: bool,
    events: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    timestamp: String,
}

impl Feed {
    /// A feed of which only the places of changes are wanted.
    pub(super) fn of_places(client: &PiClient) -> Self {
        let fields = "Items.Source;Items.RequestedMarker;Items.LatestMarker;Items.Status;Items.Exception;\
                      Items.Events.Action;Items.Events.Timestamp";
        Self { client: client.clone(), fields }
    }

    /// A feed of which everything is wanted.
    pub(super) fn of_events(client: &PiClient) -> Self {
        Self { client: client.clone(), fields: "" }
    }

    fn at_a_time(&self) -> usize {
        self.client.http.max_concurrency().max(1)
    }

    /// Registers streams; the marker of each, or why it has none, in their order.
    ///
    /// # Errors
    /// Those of the client; [`Unsupported`](ErrorKind::Unsupported) from a server without a feed.
    pub(super) async fn register(&self, streams: &[WebId]) -> Result<Vec<Result<Box<str>>>> {
        let chunks = stream::iter(streams.chunks(STREAMS).map(<[WebId]>::to_vec).collect::<Vec<_>>());
        let answers = chunks.map(|chunk| self.register_some(chunk)).buffered(self.at_a_time());
        Ok(answers.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    async fn register_some(&self, streams: Vec<WebId>) -> Result<Vec<Result<Box<str>>>> {
        let query: Query = streams.iter().map(|webid| ("webId", webid.to_string())).collect();
        let request = self.client.http.post(self.client.target("streamsets/updates", &query));
        let request = [400, 404, 405, 409, 501].into_iter().fold(request, |r, status| r.accept_status(status));
        let response = self.client.send(request).await?;
        let status = response.status();
        if matches!(status, 404 | 405 | 501) {
            return Err(Error::new(ErrorKind::Unsupported, "this server has no stream updates")
                .with("status", status)
                .help("set change_capture to reconcile, or update PI Web API to 2018 SP1 or later"));
        }
        if status != 200 && streams.len() > 1 {
            // One that the server refuses must not keep the others from their markers.
            let (first, second) = streams.split_at(streams.len() / 2);
            let mut all = Box::pin(self.register_some(first.to_vec())).await?;
            all.extend(Box::pin(self.register_some(second.to_vec())).await?);
            return Ok(all);
        }
        if status != 200 {
            return Ok(vec![Err(faults::of_status(status, response.body(), "streamsets/updates"))]);
        }
        let items = items(response.body())?;
        Ok(streams
            .iter()
            .map(|webid| {
                let is =
                    |item: &&Item| item.source.as_deref().and_then(|s| WebId::parse(s).ok()).as_ref() == Some(webid);
                let item = items.iter().find(is);
                match item.and_then(|item| item.latest.clone().filter(|_| !item.failed)) {
                    Some(marker) => Ok(marker),
                    None => Err(Error::new(ErrorKind::Unsupported, "the server gives no updates of this stream")),
                }
            })
            .collect())
    }

    /// What happened since the markers, in their order.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn since(&self, markers: &[Box<str>]) -> Result<Vec<Told>> {
        let chunks = stream::iter(markers.chunks(STREAMS).map(<[Box<str>]>::to_vec).collect::<Vec<_>>());
        let answers = chunks.map(|chunk| self.since_some(chunk)).buffered(self.at_a_time());
        Ok(answers.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    async fn since_some(&self, markers: Vec<Box<str>>) -> Result<Vec<Told>> {
        let mut query: Query = markers.iter().map(|marker| ("marker", marker.to_string())).collect();
        if !self.fields.is_empty() {
            query.push(("selectedFields", self.fields.to_owned()));
        }
        let request = self.client.http.get(self.client.target("streamsets/updates", &query));
        let request = [400, 404, 409].into_iter().fold(request, |r, status| r.accept_status(status));
        let response = self.client.send(request).await?;
        if response.status() != 200 {
            return Ok(vec![Told::Lost; markers.len()]);
        }
        let mut items = items(response.body())?;
        Ok(markers
            .iter()
            .map(|marker| {
                let found = items.iter().position(|item| item.requested.as_deref() == Some(&**marker));
                match found.map(|at| items.swap_remove(at)) {
                    Some(Item { latest: Some(marker), failed: false, events: Some(events), .. }) => {
                        Told::Events { events, marker }
                    }
                    _ => Told::Lost,
                }
            })
            .collect())
    }
}

/// Where the events of an answer happened.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) for events without action or time.
pub(super) fn changes(events: &[u8]) -> Result<Vec<Change>> {
    let broken = || Error::new(ErrorKind::Protocol, "the feed of updates holds an event that cannot be read");
    let events: Vec<Event> = serde_json::from_slice(events).map_err(|_| broken())?;
    let change = |event: Event| {
        let at = Ticks::parse(&event.timestamp)?.micros();
        Some(match event.action.as_str() {
            "Add" => Change::Added(at),
            "Update" => Change::Updated(at),
            "Delete" => Change::Deleted(at),
            // What is not known yet may mean anything.
            _ => Change::Refreshed(at),
        })
    };
    events.into_iter().map(|event| change(event).ok_or_else(broken)).collect()
}

fn items(body: &Bytes) -> Result<Vec<Item>> {
    let mut s = Scanner::from_utf8(body)?;
    let mut items = Vec::new();
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        if key != "Items" || s.peek()? != Kind::Array {
            s.skip_value()?;
            continue;
        }
        s.enter_array()?;
        while s.next_element()? {
            let mut item = Item::default();
            s.enter_object()?;
            while let Some(key) = s.next_key()? {
                match (&*key, s.peek()?) {
                    ("Source", Kind::String) => item.source = Some(s.string()?.into_owned()),
                    ("RequestedMarker", Kind::String) => item.requested = Some(s.string()?.into_owned()),
                    ("LatestMarker", Kind::String) => item.latest = Some(s.string()?.as_ref().into()),
                    ("Status", Kind::String) => item.failed |= s.string()? == "Failed",
                    ("Exception", Kind::Object) => {
                        item.failed = true;
                        s.skip_value()?;
                    }
                    ("Events", Kind::Array) => item.events = Some(body.slice_ref(s.skip()?.as_bytes())),
                    _ => s.skip_value()?,
                }
            }
            items.push(item);
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_of_each_stream_by_itself() {
        let body = br#"{"Links":{},"Items":[
            {"Source":"a","RequestedMarker":"m_0","LatestMarker":"m_2","Status":"Updated","Events":[
                {"Action":"Add","Timestamp":"2026-03-01T00:00:00.0000019Z"},
                {"Action":"Delete","Timestamp":"2026-03-01T00:00:01Z"},
                {"Action":"Tomorrow","Timestamp":"2026-03-01T00:00:02Z"}],"Exception":null},
            {"Source":null,"RequestedMarker":"n_0","LatestMarker":null,"Status":"Failed","Events":[],
             "Exception":{"Errors":["gone"]}}]}"#;
        let items = items(&Bytes::from_static(body)).unwrap();
        assert_eq!((items[0].failed, items[1].failed), (false, true));
        let at = Ticks::parse("2026-03-01T00:00:00Z").unwrap().micros();
        let told = changes(items[0].events.as_ref().unwrap()).unwrap();
        assert_eq!(told, [Change::Added(at + 1), Change::Deleted(at + 1_000_000), Change::Refreshed(at + 2_000_000)]);
        assert!(changes(br#"[{"Action":"Add","Timestamp":"soon"}]"#).is_err());
    }
}
