//! The body of a batch, checked before anything runs.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{super::call::Refusal, jsonpath::JsonPath};

/// One sub-request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SubRequest {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) resource: Resource,
    pub(crate) parameters: Vec<JsonPath>,
    pub(crate) parents: Vec<String>,
    pub(crate) content: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// Where a sub-request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// One URL, maybe with `{0}` in it.
    Url(String),
    /// A URL that is found in a parent's answer.
    Path(JsonPath),
    /// One URL for every value that the parameters select.
    Template(String),
}

/// Reads the body and puts parents before their children.
///
/// # Errors
/// 400 when it is not what a batch must be.
pub(crate) fn plan(body: &[u8]) -> Result<Vec<SubRequest>, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("The request body is not valid JSON: {error}.")))?;
    let Value::Object(members) = value else {
        return Err(Refusal::bad("The request body must be an object of requests by id."));
    };
    let mut waiting =
        members.into_iter().map(|(id, request)| sub_request(id, request)).collect::<Result<Vec<_>, _>>()?;
    let known: HashSet<String> = waiting.iter().map(|request| request.id.clone()).collect();
    for request in &waiting {
        if let Some(unknown) = request.parents.iter().find(|parent| !known.contains(*parent)) {
            return Err(Refusal::bad(format!(
                "Request '{}' names '{unknown}' in ParentIds, which is not in the batch.",
                request.id
            )));
        }
    }
    let mut ordered = Vec::with_capacity(waiting.len());
    let mut done: HashSet<String> = HashSet::new();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|request| request.parents.iter().all(|parent| done.contains(parent)));
        if ready.is_empty() {
            return Err(Refusal::bad("The ParentIds of the requests form a cycle."));
        }
        done.extend(ready.iter().map(|request| request.id.clone()));
        ordered.extend(ready);
        waiting = rest;
    }
    Ok(ordered)
}

fn sub_request(id: String, request: Value) -> Result<SubRequest, Refusal> {
    let bad = |what: &str| Refusal::bad(format!("Request '{id}': {what}."));
    let Value::Object(request) = request else { return Err(bad("it must be an object")) };
    let text = |name: &str| match request.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(&format!("{name} must be a string"))),
    };
    let method = text("Method")?.ok_or_else(|| bad("Method is missing"))?;
    let template = match request.get("RequestTemplate") {
        None | Some(Value::Null) => None,
        Some(Value::Object(template)) => match template.get("Resource") {
            Some(Value::String(resource)) => Some(resource.clone()),
            _ => return Err(bad("RequestTemplate must have a Resource")),
        },
        Some(_) => return Err(bad("RequestTemplate must be an object")),
    };
    let resource = match (text("Resource")?, template) {
        (Some(text), None) if text.starts_with('$') => {
            Resource::Path(JsonPath::parse(&text).ok_or_else(|| bad("Resource is no JSONPath"))?)
        }
        (Some(text), None) => Resource::Url(text),
        (None, Some(template)) => Resource::Template(template),
        _ => return Err(bad("it must have either Resource or RequestTemplate")),
    };
    let strings =
        |name: &str| strings(&request, name).ok_or_else(|| bad(&format!("{name} must be an array of strings")));
    let parameters = strings("Parameters")?
        .iter()
        .map(|path| JsonPath::parse(path).ok_or_else(|| bad("a parameter is no JSONPath")))
        .collect::<Result<_, _>>()?;
    let headers = match request.get("Headers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(headers)) => headers
            .iter()
            .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(|| bad("Headers must be an object of strings"))?,
        Some(_) => return Err(bad("Headers must be an object of strings")),
    };
    let (parents, content) = (strings("ParentIds")?, text("Content")?.unwrap_or_default());
    Ok(SubRequest { id, method, resource, parameters, parents, content, headers })
}

fn strings(request: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    match request.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| Some(item.as_str()?.to_owned())).collect(),
        Some(_) => None,
    }
}
