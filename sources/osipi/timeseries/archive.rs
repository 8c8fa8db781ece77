//! The seam to the server: recorded values of many streams at a time. `model/` puts an archive in memory behind it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    super::{
        batch::SubRequest,
        client::{PiClient, Query},
        config::ChangeCapture,
        faults, fields,
        pages::Question,
        reading::Reading,
        streamset,
        webid::WebId,
    },
    fetch::RowKind,
};
use crate::error::{Error, ErrorKind, Result};

/// What is asked of one stream.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) webid: WebId,
    pub(super) question: Question,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    /// An object with `Items`, with up to `asked` events.
    Events { body: Bytes, asked: u32 },
    /// The server gives fewer at a time than was asked for, and has now said how many.
    TooMany,
    /// This stream cannot be read, the others can.
    Failed(Error),
}

/// Where recorded values come from.
#[async_trait]
pub(super) trait Archive: Send + Sync + 'static {
    /// Answers in the order of the questions, in as few requests as can be.
    ///
    /// # Errors
    /// What makes all of them fail.
    async fn recorded(&self, asks: &[Ask]) -> Result<Vec<Answer>>;

    /// The most events of a stream that the server gives at a time, as far as is known.
    fn cap(&self) -> u32;
}

/// The server.
#[derive(Clone, Debug)]
pub(super) struct PiArchive {
    client: PiClient,
    /// Parameters of each question beside its window.
    parameters: Query,
    /// Fields of a stream's answer.
    fields: String,
    /// Fields of a streamset's answer, where one address for many streams takes the place of a batch.
    in_sets: Option<String>,
}

impl PiArchive {
    /// The archive of a table's reads.
    pub(super) fn new(reading: &Reading, streamset: bool, rows: RowKind) -> Self {
        let options = &reading.options.recorded;
        // Streamsets neither convert units nor show annotations.
        let streamset = streamset && options.desired_units.is_none() && rows == RowKind::Events;
        let mut parameters: Query = Vec::new();
        parameters.extend(options.filter_expression.iter().map(|text| ("filterExpression", text.clone())));
        if options.include_filtered_values {
            parameters.push(("includeFilteredValues", "true".to_owned()));
        }
        parameters.extend(options.desired_units.iter().map(|units| ("desiredUnits", units.clone())));
        if rows == RowKind::Annotations {
            parameters.push(("associations", "Annotations".to_owned()));
        }
        let annotations = (rows == RowKind::Annotations).then_some("Annotations");
        let wanted = fields::of_values(reading.options.selected_fields.as_deref());
        let of_values = wanted.into_iter().chain(annotations).map(|field| format!("Items.{field}"));
        let of_stream = ["UnitsAbbreviation", "WebException", "Errors"].map(str::to_owned);
        let fields: Vec<String> = of_values.chain(of_stream).collect();
        let in_sets = streamset.then(|| {
            let of_streams = fields.iter().map(|field| format!("Items.{field}"));
            let of_set = ["Items.WebId", "WebException", "Errors"].map(str::to_owned);
            of_streams.chain(of_set).collect::<Vec<_>>().join(";")
        });
        // What is compared with the rows that were sent must not be what the server knew before.
        let client = match options.change_capture {
            ChangeCapture::Reconcile => reading.client().past_caches(),
            _ => reading.client().clone(),
        };
        Self { client, parameters, fields: fields.join(";"), in_sets }
    }

    fn query(&self, question: &Question, count: u32, fields: &str) -> Query {
        let mut query = vec![
            ("startTime", question.start.to_string()),
            ("endTime", question.end.to_string()),
            ("maxCount", count.to_string()),
        ];
        query.extend(self.parameters.iter().cloned());
        query.push(("selectedFields", fields.to_owned()));
        query
    }

    async fn by_batch(&self, asks: &[&Ask]) -> Result<Vec<Answer>> {
        let counts: Vec<u32> = asks.iter().map(|ask| self.client.page_size(ask.question.max_count)).collect();
        let requests = asks.iter().zip(&counts).map(|(ask, count)| {
            let path = format!("streams/{}/recorded", ask.webid);
            SubRequest::get(self.client.target(&path, &self.query(&ask.question, *count, &self.fields)))
        });
        let requests: Vec<SubRequest> = requests.collect();
        let answers = self.client.batch(&requests).await?;
        let joined = answers.into_iter().zip(counts).zip(&requests);
        Ok(joined
            .map(|((answer, asked), request)| {
                if answer.status == 400 && self.client.learn_cap(&answer.content, asked) {
                    return Answer::TooMany;
                }
                match answer.into_result(request.resource()) {
                    Ok(body) => Answer::Events { body, asked },
                    Err(error) => Answer::Failed(error),
                }
            })
            .collect())
    }

    /// Streams that are asked the same share an address.
    async fn by_streamset(&self, asks: &[Ask], fields: &str) -> Result<Vec<Answer>> {
        let mut answers: Vec<Option<Answer>> = asks.iter().map(|_| None).collect();
        let mut left: Vec<usize> = (0..asks.len()).collect();
        while let Some(first) = left.first().and_then(|at| asks.get(*at)) {
            let room = streamset::room(first.webid.as_str());
            let same = |ask: &Ask| ask.question == first.question;
            let (mut group, rest): (Vec<usize>, Vec<usize>) =
                left.iter().partition(|at| asks.get(**at).is_some_and(same));
            let over = group.split_off(group.len().min(room));
            left = over.into_iter().chain(rest).collect();
            let wanted: Vec<&Ask> = group.iter().filter_map(|at| asks.get(*at)).collect();
            for (at, answer) in group.iter().zip(self.one_streamset(&wanted, &first.question, fields).await?) {
                if let Some(slot) = answers.get_mut(*at) {
                    *slot = Some(answer);
                }
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(not_asked)).collect())
    }

    /// What the set leaves out, or could not read, is asked again stream by stream: then the server says why.
    async fn one_streamset(&self, asks: &[&Ask], question: &Question, fields: &str) -> Result<Vec<Answer>> {
        let asked = self.client.page_size(question.max_count);
        let mut query: Query = asks.iter().map(|ask| ("webId", ask.webid.to_string())).collect();
        query.extend(self.query(question, asked, fields));
        let answer = self.client.answer("streamsets/recorded", &query).await?;
        if answer.status == 400 {
            if self.client.learn_cap(&answer.content, asked) {
                return Ok(asks.iter().map(|_| Answer::TooMany).collect());
            }
            // One stream that the server does not understand spoils the set.
            return self.by_batch(asks).await;
        }
        let mut found = streamset::members(&answer.content)?;
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(asks.len());
        for ask in asks {
            let member = found.iter().position(|(webid, _)| *webid == ask.webid).map(|at| found.swap_remove(at).1);
            let whole = member.filter(|body| faults::in_answer(body).is_none());
            answers.push(whole.map(|body| Answer::Events { body, asked }));
        }
        let left: Vec<&Ask> =
            asks.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(ask, _)| *ask).collect();
        let mut again = match left.is_empty() {
            true => Vec::new(),
            false => self.by_batch(&left).await?,
        }
        .into_iter();
        Ok(answers.into_iter().map(|answer| answer.or_else(|| again.next()).unwrap_or_else(not_asked)).collect())
    }
}

fn not_asked() -> Answer {
    Answer::Failed(Error::new(ErrorKind::Internal, "a question was not asked"))
}

#[async_trait]
impl Archive for PiArchive {
    async fn recorded(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        match &self.in_sets {
            Some(fields) => self.by_streamset(asks, fields).await,
            None => self.by_batch(&asks.iter().collect::<Vec<_>>()).await,
        }
    }

    fn cap(&self) -> u32 {
        self.client.item_cap().unwrap_or(i32::MAX.unsigned_abs())
    }
}

/// Shared by the batches under way.
pub(super) type SharedArchive = Arc<dyn Archive>;
