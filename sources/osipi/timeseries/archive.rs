//! The seam to the server: recorded values of many streams at a time. The model test puts an archive in memory behind it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    super::{
        batch::SubRequest,
        client::{PiClient, Query},
        fields,
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
    pub(super) client: PiClient,
    /// Parameters of each question beside its window.
    pub(super) parameters: Query,
    /// One address for many streams, in place of a batch.
    pub(super) streamset: bool,
}

impl PiArchive {
    /// The archive of a table's reads.
    pub(super) fn new(reading: &Reading, streamset: bool, rows: RowKind) -> Self {
        let options = &reading.options.recorded;
        let mut parameters: Query = Vec::new();
        if let Some(expression) = &options.filter_expression {
            parameters.push(("filterExpression", expression.clone()));
        }
        if options.include_filtered_values {
            parameters.push(("includeFilteredValues", "true".to_owned()));
        }
        if let Some(units) = options.desired_units.as_ref().filter(|_| !streamset) {
            parameters.push(("desiredUnits", units.clone()));
        }
        let prefix = if streamset { "Items.Items." } else { "Items." };
        let wanted = fields::of_values(reading.options.selected_fields.as_deref());
        let mut fields: Vec<String> = wanted.iter().map(|field| format!("{prefix}{field}")).collect();
        if rows == RowKind::Annotations {
            parameters.push(("associations", "Annotations".to_owned()));
            fields.push("Items.Annotations".to_owned());
        }
        if streamset {
            fields.extend(
                ["Items.WebId", "Items.UnitsAbbreviation", "Items.WebException", "Items.Errors"].map(str::to_owned),
            );
        } else {
            fields.push("UnitsAbbreviation".to_owned());
        }
        fields.extend(["WebException", "Errors"].map(str::to_owned));
        parameters.push(("selectedFields", fields.join(";")));
        Self { client: reading.client().clone(), parameters, streamset }
    }

    fn query(&self, question: &Question, count: u32) -> Query {
        let mut query = vec![
            ("startTime", question.start.to_string()),
            ("endTime", question.end.to_string()),
            ("maxCount", count.to_string()),
        ];
        query.extend(self.parameters.iter().cloned());
        query
    }

    async fn by_batch(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        let counts: Vec<u32> = asks.iter().map(|ask| self.client.page_size(ask.question.max_count)).collect();
        let requests = asks.iter().zip(&counts).map(|(ask, count)| {
            let path = format!("streams/{}/recorded", ask.webid);
            SubRequest::get(self.client.target(&path, &self.query(&ask.question, *count)))
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
    async fn by_streamset(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
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
            for (at, answer) in group.iter().zip(self.one_streamset(&wanted, &first.question).await?) {
                if let Some(slot) = answers.get_mut(*at) {
                    *slot = Some(answer);
                }
            }
        }
        let lost = || Answer::Failed(Error::new(ErrorKind::Internal, "a question was not asked"));
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect())
    }

    async fn one_streamset(&self, asks: &[&Ask], question: &Question) -> Result<Vec<Answer>> {
        let mut query: Query = asks.iter().map(|ask| ("webId", ask.webid.to_string())).collect();
        query.extend(self.query(question, 0).into_iter().filter(|(name, _)| *name != "maxCount"));
        let (body, asked) = self.client.get_capped("streamsets/recorded", &query, question.max_count).await?;
        let mut found = streamset::members(&body)?;
        let missing = || {
            Error::new(ErrorKind::NotFound, "the server's answer leaves this stream out")
                .help("does it exist, and may this login read it?")
        };
        Ok(asks
            .iter()
            .map(|ask| match found.iter().position(|(webid, _)| *webid == ask.webid) {
                Some(at) => Answer::Events { body: found.swap_remove(at).1, asked },
                None => Answer::Failed(missing()),
            })
            .collect())
    }
}

#[async_trait]
impl Archive for PiArchive {
    async fn recorded(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        if self.streamset { self.by_streamset(asks).await } else { self.by_batch(asks).await }
    }

    fn cap(&self) -> u32 {
        self.client.item_cap().unwrap_or(i32::MAX.unsigned_abs())
    }
}

/// Shared by the batches under way.
pub(super) type SharedArchive = Arc<dyn Archive>;
