//! Running the sub-requests of a batch.

use std::collections::HashMap;

use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{
    super::{
        call::{Answer, Call, JSON, Refusal, json_reply, segments},
        json::{quoted, write_quoted},
        service,
        world::World,
    },
    jsonpath::JsonPath,
    plan::{Resource, SubRequest, plan},
};
use crate::{faults::play, server::Reply};

/// What a sub-request came to: status, headers as JSON, content as JSON.
#[derive(Clone, Debug)]
struct Outcome {
    status: u16,
    headers: String,
    content: Vec<u8>,
    /// The same for the children, read only when there are some.
    parsed: Option<Value>,
}

/// Answers `POST /batch`; nothing when the call is about something else.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
    (call.segments() == ["batch"]).then(|| call.only(&Method::POST).and_then(|()| batch(call, world)))
}

fn batch(call: &Call<'_>, world: &mut World) -> Answer {
    let requests = plan(call.body)?;
    if let Some(most) = call.config.limits.max_batch.filter(|most| requests.len() > *most) {
        return Err(Refusal::bad(format!(
            "The number of requests in the batch is greater than the maximum allowed ({most})."
        )));
    }
    let mut outcomes: HashMap<&str, Outcome> = HashMap::with_capacity(requests.len());
    for request in &requests {
        let mut outcome = run(call, world, request, &outcomes);
        if requests.iter().any(|child| child.parents.contains(&request.id)) {
            let content = serde_json::from_slice(&outcome.content).unwrap_or(Value::Null);
            let headers: Value = serde_json::from_str(&outcome.headers).unwrap_or(Value::Null);
            outcome.parsed = Some(json!({ "Status": outcome.status, "Headers": headers, "Content": content }));
        }
        outcomes.insert(&request.id, outcome);
    }
    let order = world.shuffled(requests.iter().map(|request| request.id.as_str()).collect());
    let bytes: usize = outcomes.values().map(|outcome| outcome.content.len() + 150).sum();
    let mut out = Vec::with_capacity(bytes);
    out.push(b'{');
    for id in order {
        let Some(outcome) = outcomes.get(id) else { continue };
        if out.len() > 1 {
            out.push(b',');
        }
        write_quoted(id, &mut out);
        out.push(b':');
        outcome.write(&mut out);
    }
    out.push(b'}');
    Ok(json_reply(207, out))
}

impl Outcome {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            format!("{{\"Status\":{},\"Headers\":{},\"Content\":", self.status, self.headers).as_bytes(),
        );
        out.extend_from_slice(&self.content);
        out.push(b'}');
    }

    fn of(reply: Reply) -> Self {
        let headers: serde_json::Map<String, Value> = reply
            .headers
            .iter()
            .map(|(name, value)| {
                let name = if *name == "content-type" {
                    "Content-Type"
                } else if *name == "location" {
                    "Location"
                } else {
                    name
                };
                (name.to_owned(), Value::from(value.as_str()))
            })
            .collect();
        let is_json = reply.headers.iter().any(|(_, value)| value == JSON) && !reply.body.is_empty();
        let content =
            if is_json { reply.body.to_vec() } else { quoted(&String::from_utf8_lossy(&reply.body)).into_bytes() };
        Self { status: reply.status, headers: Value::Object(headers).to_string(), content, parsed: None }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::of(refusal.into())
    }
}

fn run(call: &Call<'_>, world: &mut World, request: &SubRequest, outcomes: &HashMap<&str, Outcome>) -> Outcome {
    let failed = request.parents.iter().find(|parent| outcomes.get(parent.as_str()).is_none_or(|o| o.status >= 400));
    if let Some(parent) = failed {
        return Refusal::bad(format!("The request was not executed because its parent '{parent}' failed.")).into();
    }
    match prepared(request, outcomes) {
        Err(refusal) => refusal.into(),
        Ok(Prepared::One(url)) => one(call, world, request, &url),
        Ok(Prepared::Many(urls)) => {
            let outcomes: Vec<Outcome> = urls.iter().map(|url| one(call, world, request, url)).collect();
            let mut content = format!("{{\"Total\":{},\"Items\":[", outcomes.len()).into_bytes();
            for (at, outcome) in outcomes.iter().enumerate() {
                if at > 0 {
                    content.push(b',');
                }
                outcome.write(&mut content);
            }
            content.extend_from_slice(b"]}");
            Outcome { status: 207, headers: "{}".to_owned(), content, parsed: None }
        }
    }
}

enum Prepared {
    One(String),
    Many(Vec<String>),
}

/// The URLs of a sub-request with its parameters filled in.
fn prepared(request: &SubRequest, outcomes: &HashMap<&str, Outcome>) -> Result<Prepared, Refusal> {
    let values = request
        .parameters
        .iter()
        .map(|path| selected(request, path, outcomes))
        .collect::<Result<Vec<Vec<String>>, Refusal>>()?;
    let single = |values: &[String], what: &str| match values {
        [one] => Ok(one.clone()),
        _ => Err(Refusal::bad(format!("{what} selects {} values instead of one.", values.len()))),
    };
    let url = match &request.resource {
        Resource::Template(template) => {
            let rows = values.first().map_or(0, Vec::len);
            if values.is_empty() || values.iter().any(|column| column.len() != rows) {
                return Err(Refusal::bad("The parameters of a RequestTemplate must select equally many values."));
            }
            let urls = (0..rows).map(|row| {
                let row: Vec<String> = values.iter().filter_map(|column| column.get(row).cloned()).collect();
                filled(template, &row)
            });
            return urls.collect::<Result<_, _>>().map(Prepared::Many);
        }
        Resource::Url(url) => url.clone(),
        Resource::Path(path) => single(&selected(request, path, outcomes)?, "The resource")?,
    };
    let values = values.iter().map(|values| single(values, "A parameter")).collect::<Result<Vec<_>, _>>()?;
    filled(&url, &values).map(Prepared::One)
}

/// The values that a path selects in the answer of a parent, as text.
fn selected(request: &SubRequest, path: &JsonPath, outcomes: &HashMap<&str, Outcome>) -> Result<Vec<String>, Refusal> {
    let parent = path.request().filter(|parent| request.parents.iter().any(|known| known == parent));
    let parent =
        parent.ok_or_else(|| Refusal::bad("A JSONPath must start at a request that is named in ParentIds."))?;
    let root = outcomes.get(parent).and_then(|outcome| outcome.parsed.as_ref());
    let found = root.map(|root| path.select(root, 1)).unwrap_or_default();
    if found.is_empty() && !path.0.contains(&super::jsonpath::Step::All) {
        return Err(Refusal::bad("A JSONPath selects nothing."));
    }
    Ok(found
        .into_iter()
        .map(|value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        })
        .collect())
}

fn filled(template: &str, values: &[String]) -> Result<String, Refusal> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        let hole = tail.split_once('}').and_then(|(number, tail)| Some((number.parse::<usize>().ok()?, tail)));
        let (number, tail) = hole.ok_or_else(|| Refusal::bad("The resource has a brace that is no parameter."))?;
        let value = values.get(number).ok_or_else(|| Refusal::bad(format!("There is no parameter {{{number}}}.")))?;
        out.push_str(before);
        out.push_str(value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn one(call: &Call<'_>, world: &mut World, request: &SubRequest, url: &str) -> Outcome {
    let answer = sub_call(call, request, url).and_then(|(method, path, query)| {
        let path_and_query = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let fault = world.item_faults.decide(method.as_str(), &path_and_query, false);
        let below = path.strip_prefix(&call.config.base_path).filter(|below| below.starts_with('/'));
        let below =
            below.ok_or_else(|| Refusal::absent(format!("No HTTP resource was found that matches '{url}'.")))?;
        let inner = Call {
            method: &method,
            path: segments(below).ok_or_else(|| Refusal::bad("The path is not UTF-8."))?,
            parameters: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            body: request.content.as_bytes(),
            ..call.clone()
        };
        if inner.path.first().is_some_and(|first| first == "batch") {
            return Err(Refusal::bad("A batch must not hold another batch."));
        }
        let answer = service::route(&inner, world);
        let Some(fault) = fault else { return answer };
        let reply = answer.unwrap_or_else(Reply::from);
        let now = call.config.clock.now();
        Ok(play(&fault, reply, &path_and_query, &HeaderMap::new(), now, |text| {
            (JSON, Refusal::new(500, text).body().to_string())
        }))
    });
    match answer {
        Ok(reply) => Outcome::of(reply),
        Err(refusal) => refusal.into(),
    }
}

/// Method, path and query of a sub-request. The authority of the URL does not matter.
fn sub_call(call: &Call<'_>, request: &SubRequest, url: &str) -> Result<(Method, String, String), Refusal> {
    let wrong = || Refusal::bad(format!("Invalid URI: the resource '{url}' must be an absolute URL."));
    let parsed = url::Url::parse(url).ok().filter(|url| url.has_host()).ok_or_else(wrong)?;
    let method = Method::from_bytes(request.method.to_uppercase().as_bytes())
        .map_err(|_| Refusal::bad(format!("'{}' is no method.", request.method)))?;
    if !matches!(method, Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE) {
        return Err(Refusal::bad(format!("Method '{method}' is not allowed in a batch.")));
    }
    if parsed.path().split('/').any(|segment| segment.len() > call.config.limits.max_segment) {
        return Err(Refusal::bad("Invalid URI: a segment of the path is too long."));
    }
    Ok((method, parsed.path().to_owned(), parsed.query().unwrap_or_default().to_owned()))
}
