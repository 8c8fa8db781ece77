//! The same asked of many streams, in as few requests as can be.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use super::{
    super::{
        batch::{SubRequest, SubResponse},
        client::{PiClient, Query},
        faults, streamset,
        webid::WebId,
    },
    question::{Question, Route, Wanted},
    target::Targets,
};
use crate::error::{Error, ErrorKind, Result};

/// What became of a question to one stream.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// The server allows fewer intervals at a time, and has now said how many.
    TooMany,
    /// This stream cannot be read, the others can.
    Failed(Error),
}

/// What a stream answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// It is one timed value, not an object with `Items`.
    pub(super) single: bool,
}

/// Places among the targets, with what became of them.
pub(super) type Answered = Vec<(usize, Outcome)>;

/// Asks streams in parts of at most `size`, some parts at a time; answers in their order.
pub(super) fn ask_all(
    client: &PiClient,
    question: &Arc<Question>,
    targets: &Targets,
    places: &[usize],
    size: usize,
) -> impl Stream<Item = Result<Answered>> + Send + Unpin + use<> {
    let ahead = client.http.max_concurrency();
    let parts: Vec<Vec<usize>> = places.chunks(size.max(1)).map(<[usize]>::to_vec).collect();
    let (client, question, targets) = (client.clone(), Arc::clone(question), Arc::clone(targets));
    let asked = move |part: Vec<usize>| {
        let (client, question, targets) = (client.clone(), Arc::clone(&question), Arc::clone(&targets));
        async move {
            let webids: Vec<Arc<str>> =
                part.iter().filter_map(|at| targets.get(*at)).map(|target| Arc::clone(&target.webid)).collect();
            let outcomes = ask(&client, &question, &webids).await?;
            Ok(part.into_iter().zip(outcomes).collect())
        }
    };
    Box::pin(stream::iter(parts).map(asked).buffered(ahead.max(1)))
}

impl Question {
    /// How many streams like this one go into a request.
    pub(super) fn size(&self, tags_per_request: usize, webid: &str) -> usize {
        match self.route {
            Route::Batch => tags_per_request,
            Route::Streamset => tags_per_request.min(streamset::room(webid)),
            Route::Expression => 1,
        }
    }

    /// Whether the answer of one stream is one timed value. A streamset lists what ends its streams.
    fn is_single(&self) -> bool {
        matches!(self.wanted, Wanted::Newest | Wanted::At(_))
    }

    fn selected(&self, in_set: bool) -> (&'static str, String) {
        let set = if in_set { "Items." } else { "" };
        let mut fields: Vec<String> = match (self.wanted, self.is_single() && !in_set) {
            (_, true) => self.fields.iter().map(|field| (*field).to_owned()).collect(),
            (Wanted::Summaries(_), _) => ["Type", "Value"].map(|field| format!("{set}Items.{field}")).into(),
            _ => self.fields.iter().map(|field| format!("{set}Items.{field}")).collect(),
        };
        if !self.is_single() || in_set {
            fields.push(format!("{set}UnitsAbbreviation"));
        }
        fields.extend(["WebException", "Errors"].map(|field| format!("{set}{field}")));
        if in_set {
            fields.extend(["Items.WebId", "WebException", "Errors"].map(str::to_owned));
        }
        fields.dedup();
        ("selectedFields", fields.join(";"))
    }

    fn query(&self, in_set: bool) -> Query {
        let mut query = self.query.clone();
        query.push(self.selected(in_set));
        query
    }
}

async fn ask(client: &PiClient, question: &Question, webids: &[Arc<str>]) -> Result<Vec<Outcome>> {
    match question.route {
        Route::Batch => by_batch(client, question, webids).await,
        Route::Streamset => by_streamset(client, question, webids).await,
        Route::Expression => by_expression(client, question, webids).await,
    }
}

async fn by_batch(client: &PiClient, question: &Question, webids: &[Arc<str>]) -> Result<Vec<Outcome>> {
    let query = question.query(false);
    let target = |webid: &Arc<str>| client.target(&format!("streams/{webid}/{}", question.what), &query);
    let requests: Vec<SubRequest> = webids.iter().map(|webid| SubRequest::get(target(webid))).collect();
    let answers = client.batch(&requests).await?;
    let judged = answers.into_iter().zip(&requests);
    Ok(judged.map(|(answer, request)| judge(client, question, answer, request.resource())).collect())
}

fn judge(client: &PiClient, question: &Question, answer: SubResponse, resource: &str) -> Outcome {
    if answer.status == 400 && client.learn_cap(&answer.content, question.intervals) {
        return Outcome::TooMany;
    }
    match answer.into_result(resource) {
        Ok(body) => Outcome::Answer(Answer { body, single: question.is_single() }),
        Err(error) => Outcome::Failed(error),
    }
}

/// What the set leaves out, or could not read, is asked again stream by stream: then the server says why.
async fn by_streamset(client: &PiClient, question: &Question, webids: &[Arc<str>]) -> Result<Vec<Outcome>> {
    let mut query: Query = webids.iter().map(|webid| ("webId", webid.to_string())).collect();
    query.extend(question.query(true));
    let path = format!("streamsets/{}", question.what);
    let answer = client.answer(&path, &query).await?;
    if answer.status == 400 {
        if client.learn_cap(&answer.content, question.intervals) {
            return Ok(webids.iter().map(|_| Outcome::TooMany).collect());
        }
        // One stream that the server does not understand spoils the set.
        return by_batch(client, question, webids).await;
    }
    let mut found = streamset::members(&answer.content)?;
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(webids.len());
    for webid in webids {
        let own = WebId::parse(webid)?;
        let member = found.iter().position(|(webid, _)| *webid == own).map(|at| found.swap_remove(at).1);
        let whole = member.filter(|body| faults::in_answer(body).is_none());
        outcomes.push(whole.map(|body| Outcome::Answer(Answer { body, single: false })));
    }
    let left: Vec<Arc<str>> =
        webids.iter().zip(&outcomes).filter(|(_, o)| o.is_none()).map(|(webid, _)| Arc::clone(webid)).collect();
    let mut again = match left.is_empty() {
        true => Vec::new(),
        false => by_batch(client, question, &left).await?,
    }
    .into_iter();
    let lost = || Outcome::Failed(Error::new(ErrorKind::Internal, "a question was not asked"));
    Ok(outcomes.into_iter().map(|outcome| outcome.or_else(|| again.next()).unwrap_or_else(lost)).collect())
}

async fn by_expression(client: &PiClient, question: &Question, webids: &[Arc<str>]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(webids.len());
    for webid in webids {
        let mut query = question.query(false);
        query.push(("webId", webid.to_string()));
        let answer = client.answer(question.what, &query).await?;
        outcomes.push(judge(client, question, answer, question.what));
    }
    Ok(outcomes)
}
