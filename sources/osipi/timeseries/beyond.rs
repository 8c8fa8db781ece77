//! Where the newest events of streams are: after the end of a table, or before an end of which no marks are left.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::{
    super::{
        batch::SubRequest,
        client::{PiClient, Query},
        objects::parse_item,
        reading::Reading,
        time::{Micros, Ticks},
    },
    fetch::Stream,
};
use crate::error::Result;

/// Batches under way at a time.
const AHEAD: usize = 4;

/// An event of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Value {
    timestamp: Option<String>,
}

/// The places of streams that have an event at `end` or after it: what they have before it is in the archive for good, while the
/// newest event of a stream may still be discarded by compression. A stream that does not say is none of them.
///
/// # Errors
/// Those of the server for all streams together.
pub(super) async fn gone_beyond(reading: &Reading, streams: &[Stream], end: Micros) -> Result<HashSet<usize>> {
    let newest = instants(reading, streams, "end", Vec::new()).await?;
    Ok(newest.into_iter().filter(|(_, at)| at.micros() >= end).map(|(place, _)| place).collect())
}

/// By place of the stream, its newest event before `end`, where it has one.
///
/// # Errors
/// Those of the server for all streams together.
pub(super) async fn newest_before(
    reading: &Reading,
    streams: &[Stream],
    end: Micros,
) -> Result<HashMap<usize, Micros>> {
    let query =
        vec![("time", Ticks(Ticks::from_micros(end).0 - 1).to_string()), ("retrievalMode", "AtOrBefore".to_owned())];
    let newest = instants(reading, streams, "recordedattime", query).await?;
    Ok(newest.into_iter().map(|(place, at)| (place, at.micros())).collect())
}

/// The instants of single values of streams that have them, by place.
async fn instants(
    reading: &Reading,
    streams: &[Stream],
    question: &str,
    mut query: Query,
) -> Result<Vec<(usize, Ticks)>> {
    let client = reading.client();
    query.push(("selectedFields", "Timestamp;WebException;Errors".to_owned()));
    let request =
        |stream: &Stream| SubRequest::get(client.target(&format!("streams/{}/{question}", stream.webid), &query));
    let requests = streams.iter().map(request).enumerate().collect::<Vec<_>>();
    let chunks: Vec<_> = requests.chunks(reading.options.tags.tags_per_request()).map(<[_]>::to_vec).collect();
    let client = client.clone();
    let mut answers = Box::pin(stream::iter(chunks).map(move |chunk| answered(client.clone(), chunk)).buffered(AHEAD));
    let mut instants = Vec::with_capacity(streams.len());
    while let Some(answered) = answers.try_next().await? {
        instants.extend(answered);
    }
    Ok(instants)
}

async fn answered(client: PiClient, asked: Vec<(usize, SubRequest)>) -> Result<Vec<(usize, Ticks)>> {
    let (places, requests): (Vec<usize>, Vec<SubRequest>) = asked.into_iter().unzip();
    let answers = client.batch(&requests).await?;
    let told = places.into_iter().zip(answers).zip(&requests).filter_map(|((place, answer), request)| {
        let value: Value = parse_item(&answer.into_result(request.resource()).ok()?).ok()?;
        Some((place, Ticks::parse(&value.timestamp?)?))
    });
    Ok(told.collect())
}
