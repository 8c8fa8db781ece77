//! Reading and writing single resources over HTTP.

use super::{
    instant::MISSING,
    json::{members, plain_string},
    outcome::{FHIR_JSON, error},
    search::unknown_type,
    service::Service,
    store::{Change, Version},
    writes::{Content, Write},
};
use crate::server::Reply;

impl Service {
    /// `GET {type}/{id}[/_history/{version}]`
    pub(crate) fn read(&self, kind: &str, id: &str, version: Option<&str>) -> Reply {
        let store = self.store();
        let Some(table) = store.number(kind).and_then(|number| store.table(number)) else { return unknown_type(kind) };
        let missing = || error(404, "not-found", &format!("{kind}/{id} does not exist on this server"));
        let Some(row) = table.row(id) else { return missing() };
        let found = match version {
            None => table.current(row),
            Some(number) => number.parse().ok().and_then(|number| table.version(row, number)),
        };
        let Some(found) = found else { return missing() };
        if found.is_deleted() {
            let reply = error(410, "deleted", &format!("{kind}/{id} was deleted"));
            return stamped(reply, found);
        }
        let mut text = Vec::new();
        store.render(row, id, found, &mut text);
        stamped(Reply::new(200, FHIR_JSON, text), found)
    }

    /// `PUT {type}/{id}`
    pub(crate) fn put(&self, kind: &str, id: &str, body: &[u8]) -> Reply {
        match checked(kind, id, body) {
            Ok(content) => self.write(kind, id, content),
            Err(reply) => *reply,
        }
    }

    /// `POST {type}`
    pub(crate) fn create(&self, kind: &str, body: &[u8]) -> Reply {
        let id = {
            let store = self.store();
            match store.number(kind).and_then(|number| store.fresh_id(number)) {
                Some(id) => id,
                None => return unknown_type(kind),
            }
        };
        let Ok(text) = std::str::from_utf8(body) else { return invalid("the body is not UTF-8") };
        // The server chooses the id, whatever the client wrote.
        let text = match members(text) {
            Some(all) => match all.iter().find(|member| member.name(text) == "id") {
                Some(member) => format!("{}\"{id}\"{}", &text[..member.value.0], &text[member.value.1..]),
                None => text.replacen('{', &format!("{{\"id\":\"{id}\","), 1),
            },
            None => return invalid("the body is no JSON object"),
        };
        match checked(kind, &id, text.as_bytes()) {
            Ok(content) => self.write(kind, &id, content),
            Err(reply) => *reply,
        }
    }

    /// `DELETE {type}/{id}`
    pub(crate) fn delete(&self, kind: &str, id: &str) -> Reply {
        let known = {
            let store = self.store();
            let Some(number) = store.number(kind) else { return unknown_type(kind) };
            store.table(number).is_some_and(|table| table.row(id).is_some())
        };
        if known { self.write(kind, id, Content::Deleted) } else { Reply::new(204, FHIR_JSON, "") }
    }

    fn write(&self, kind: &str, id: &str, content: Content) -> Reply {
        let mut store = self.store();
        let Some(table) = store.number(kind) else { return unknown_type(kind) };
        let written = store.write(Write { table, id: id.into(), content }, None);
        let Some((row, version)) = written else {
            // Accepted, but not to be seen yet; or a delete of what is gone already.
            return Reply::new(204, FHIR_JSON, "");
        };
        let status = match version.change {
            Change::Create => 201,
            Change::Update => 200,
            Change::Delete => 204,
        };
        let mut text = Vec::new();
        store.render(row, id, &version, &mut text);
        let location = format!("{}/{kind}/{id}/_history/{}", self.base, version.number);
        let reply = Reply::new(status, FHIR_JSON, text).with("location", location);
        stamped(reply, &version)
    }
}

fn stamped(reply: Reply, version: &Version) -> Reply {
    let reply = reply.with("etag", format!("W/\"{}\"", version.number));
    if version.stamp == MISSING {
        return reply;
    }
    let at = chrono::DateTime::from_timestamp_nanos(version.stamp);
    reply.with("last-modified", httpdate::fmt_http_date(at.into()))
}

/// The content of a request body, when it is JSON of this type and id.
fn checked(kind: &str, id: &str, body: &[u8]) -> Result<Content, Box<Reply>> {
    let text = std::str::from_utf8(body).map_err(|_| Box::new(invalid("the body is not UTF-8")))?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| Box::new(invalid("the body is not JSON")))?;
    let all = members(text).ok_or_else(|| Box::new(invalid("the body is no JSON object")))?;
    let find = |name: &str| {
        let member = all.iter().find(|member| member.name(text) == name)?;
        plain_string(text.get(member.value.0..member.value.1)?)
    };
    if find("resourceType") != Some(kind) {
        return Err(Box::new(invalid("resourceType is not the type in the URL")));
    }
    if find("id") != Some(id) {
        return Err(Box::new(invalid("id is not the id in the URL")));
    }
    let legal = |id: &str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    if !legal(id) {
        return Err(Box::new(invalid("id is not 1 to 64 letters, digits, dots and dashes")));
    }
    Content::text(text).ok_or_else(|| Box::new(invalid("the body is no resource")))
}

fn invalid(message: &str) -> Reply {
    error(400, "invalid", message)
}
