//! Tags by WebID, name or path.

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    super::{
        batch::SubRequest,
        items::Items,
        ledger::Object,
        objects::{Named, selected},
        reading::Reading,
        webid::{Marker, Spelled, of_path},
    },
    tag::{FIELDS, Tag},
};
use crate::error::{Error, ErrorKind, Result};

/// Batches under way at a time.
const AHEAD: usize = 4;

/// Tags by WebID. Those that hold ids are taken as they are; those that hold a path are looked up.
pub(super) async fn by_webid(reading: &Reading, option: &'static str, given: &[String]) -> Result<Vec<Tag>> {
    let mut tags = Vec::with_capacity(given.len());
    let mut paths = Vec::new();
    for text in given {
        match Spelled::parse(text) {
            Ok(Spelled::Id(id)) if id.marker().is_some_and(Marker::is_stream) => tags.push(Tag::bare(&id)),
            Ok(Spelled::Path(webid)) => paths.push((webid.to_string(), text.clone())),
            Ok(Spelled::Id(_)) => {
                let error = Error::new(ErrorKind::Config, "this is the WebID of an object that has no values");
                reading.tolerate(Object::named(text), error.with("option", option))?;
            }
            Err(error) => {
                let error =
                    error.with("option", option).help("the table pi_points has WebIDs; or use tag_names or tag_paths");
                reading.tolerate(Object::named(text), error)?;
            }
        }
    }
    tags.extend(by_path_webid(reading, paths).await?);
    Ok(tags)
}

/// Tags by path: `\\server\point`, or `\\server\database\element|attribute`.
pub(super) async fn by_path(reading: &Reading, given: &[String]) -> Result<Vec<Tag>> {
    let mut paths = Vec::new();
    for path in given {
        let is_attribute = path.contains('|');
        if !path.starts_with(r"\\") || (!is_attribute && path[2..].matches('\\').count() != 1) {
            let error = Error::new(ErrorKind::Config, "this is not the path of a point or attribute")
                .with("option", "tag_paths")
                .help(r"write \\SERVER\point or \\SERVER\Database\Element|Attribute");
            reading.tolerate(Object::named(path), error)?;
            continue;
        }
        let marker = if is_attribute { Marker::ATTRIBUTE } else { Marker::POINT };
        paths.push((of_path(marker, path), path.clone()));
    }
    by_path_webid(reading, paths).await
}

/// Tags by WebIDs that hold paths, with the text that the user gave for each.
async fn by_path_webid(reading: &Reading, paths: Vec<(String, String)>) -> Result<Vec<Tag>> {
    let fields = FIELDS.replace(' ', ";");
    let requests = paths.into_iter().map(|(webid, given)| {
        let collection = if webid.starts_with("P1DP") { "points" } else { "attributes" };
        let query = vec![("selectedFields", fields.clone())];
        (SubRequest::get(reading.client().target(&format!("{collection}/{webid}"), &query)), given)
    });
    let mut tags = Vec::new();
    let mut answers = batches(reading, requests.collect());
    while let Some(answered) = answers.try_next().await? {
        for (given, answer) in answered {
            match answer.and_then(|body| Tag::of(&body)) {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => {
                    let error = Error::new(
                        ErrorKind::Config,
                        "the attribute has no data reference, and so no values over time",
                    );
                    reading.tolerate(Object::named(&given), error)?;
                }
                Err(error) => reading.tolerate(Object::named(&given), unknown(error))?,
            }
        }
    }
    Ok(tags)
}

/// Points by name, on any of the data servers.
pub(super) async fn by_name(reading: &Reading, servers: &[Named], given: &[String]) -> Result<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut requests = Vec::new();
    for name in given {
        if name.contains(['*', '?']) {
            let error = Error::new(ErrorKind::Config, "a tag name holds no wildcard").with("option", "tag_names");
            reading.tolerate(Object::named(name), error.help("use nameFilter"))?;
            continue;
        }
        for server in servers {
            let mut query = selected(FIELDS);
            query.push(("nameFilter", name.clone()));
            let path = format!("dataservers/{}/points", server.web_id);
            requests.push((SubRequest::get(reading.client().target(&path, &query)), name.clone()));
        }
    }
    // The answers for one name follow each other: one for each server.
    let mut current: Option<(String, Search)> = None;
    let mut answers = batches(reading, requests);
    while let Some(answered) = answers.try_next().await? {
        for (name, answer) in answered {
            if current.as_ref().is_none_or(|(before, _)| *before != name)
                && let Some((name, search)) = current.replace((name, Search::default()))
            {
                search.end(reading, &name, &mut tags)?;
            }
            if let Some((name, search)) = &mut current {
                search.add(name, answer);
            }
        }
    }
    match current {
        Some((name, search)) => search.end(reading, &name, &mut tags).map(|()| tags),
        None => Ok(tags),
    }
}

/// What the data servers said of one name.
#[derive(Default)]
struct Search {
    found: Vec<Tag>,
    failed: Option<Error>,
}

impl Search {
    fn add(&mut self, name: &str, answer: Result<bytes::Bytes>) {
        match answer.and_then(Items::of).and_then(|items| Tag::all_of(&items)) {
            Ok(tags) => {
                let is = |tag: &Tag| tag.name.as_deref().is_some_and(|own| own.to_lowercase() == name.to_lowercase());
                self.found.extend(tags.into_iter().filter(is));
            }
            Err(error) => self.failed = Some(error),
        }
    }

    fn end(self, reading: &Reading, name: &str, tags: &mut Vec<Tag>) -> Result<()> {
        // A server that does not answer may be the one that has it, or has another of that name.
        if let Some(error) = self.failed {
            return reading.tolerate(Object::named(name), error);
        }
        if self.found.is_empty() {
            let error = Error::new(ErrorKind::NotFound, "no data server has a point of this name")
                .help("is it spelled right, and may this login read it?");
            return reading.tolerate(Object::named(name), error.with("option", "tag_names"));
        }
        tags.extend(self.found);
        Ok(())
    }
}

type Answers = Vec<(String, Result<bytes::Bytes>)>;

/// Answers by what was asked for, in order, batch by batch.
fn batches(
    reading: &Reading,
    requests: Vec<(SubRequest, String)>,
) -> impl futures::Stream<Item = Result<Answers>> + Send + Unpin + use<> {
    let client = reading.client().clone();
    let mut chunks = Vec::new();
    let mut requests = requests.into_iter().peekable();
    while requests.peek().is_some() {
        chunks.push(requests.by_ref().take(reading.options.tags.tags_per_request()).collect::<Vec<_>>());
    }
    let answered = move |chunk: Vec<(SubRequest, String)>| {
        let client = client.clone();
        async move {
            let (requests, names): (Vec<SubRequest>, Vec<String>) = chunk.into_iter().unzip();
            let answers = client.batch(&requests).await?;
            let answers =
                answers.into_iter().zip(&requests).map(|(answer, request)| answer.into_result(request.resource()));
            Ok(names.into_iter().zip(answers).collect())
        }
    };
    Box::pin(stream::iter(chunks).map(answered).buffered(AHEAD))
}

/// An unknown path is answered with 400 or 404.
fn unknown(error: Error) -> Error {
    match error.get("status") {
        Some("400" | "404") => {
            let mut named = Error::new(ErrorKind::NotFound, "the server has no point or attribute at this path");
            if let Some(detail) = error.get("detail") {
                named = named.with("detail", detail);
            }
            named.help("is it spelled right, and may this login read it?")
        }
        _ => error,
    }
}
