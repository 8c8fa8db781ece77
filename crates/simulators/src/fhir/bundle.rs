//! The text of a Bundle.

use super::{
    instant::{MISSING, StampStyle},
    json::{members, quoted},
    store::{Change, Store, Table, Version},
    template::write_number,
};

/// Writes one Bundle, entry by entry.
pub(crate) struct BundleWriter<'a> {
    base: &'a str,
    out: Vec<u8>,
    entries: usize,
}

/// What comes before the entries.
pub(crate) struct Head<'a> {
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
    pub(crate) total: Option<usize>,
    pub(crate) now: &'a str,
    /// Relation and URL.
    pub(crate) links: &'a [(&'a str, String)],
}

impl<'a> BundleWriter<'a> {
    pub(crate) fn new(base: &'a str, head: &Head<'_>, capacity: usize) -> Self {
        let mut text = format!(
            r#"{{"resourceType":"Bundle","id":"{}","meta":{{"lastUpdated":"{}"}},"type":"{}""#,
            head.id, head.now, head.kind
        );
        if let Some(total) = head.total {
            text.push_str(&format!(r#","total":{total}"#));
        }
        let links: Vec<String> = head
            .links
            .iter()
            .map(|(relation, url)| format!(r#"{{"relation":"{relation}","url":{}}}"#, quoted(url)))
            .collect();
        text.push_str(&format!(r#","link":[{}]"#, links.join(",")));
        let mut out = Vec::with_capacity(capacity + text.len());
        out.extend_from_slice(text.as_bytes());
        Self { base, out, entries: 0 }
    }

    fn start_entry(&mut self) {
        self.out.extend_from_slice(if self.entries == 0 { b",\"entry\":[{" } else { b",{" });
        self.entries += 1;
    }

    fn full_url(&mut self, table: &str, id: &[u8]) {
        for part in [b"\"fullUrl\":\"", self.base.as_bytes(), b"/", table.as_bytes(), b"/", id, b"\""] {
            self.out.extend_from_slice(part);
        }
    }

    /// A row of a searchset. `mode` is `match` or `include`.
    pub(crate) fn row(
        &mut self,
        store: &Store,
        table: &Table,
        row: u32,
        version: &Version,
        elements: &[String],
        mode: &str,
    ) {
        self.start_entry();
        let mut id = Vec::with_capacity(64);
        store.write_id(table, row, &mut id);
        self.full_url(&table.name, &id);
        self.out.extend_from_slice(b",\"resource\":");
        let id = std::str::from_utf8(&id).unwrap_or_default();
        if elements.is_empty() {
            store.render(row, id, version, &mut self.out);
        } else {
            let mut whole = Vec::new();
            store.render(row, id, version, &mut whole);
            self.out.extend_from_slice(subset(&String::from_utf8_lossy(&whole), elements).as_bytes());
        }
        for part in [",\"search\":{\"mode\":\"", mode, "\"}}"] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    /// An OperationOutcome of a searchset.
    pub(crate) fn outcome(&mut self, outcome: &str) {
        self.start_entry();
        for part in ["\"resource\":", outcome, ",\"search\":{\"mode\":\"outcome\"}}"] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    /// A version of a history.
    pub(crate) fn version(&mut self, store: &Store, table: &Table, row: u32, version: &Version) {
        self.start_entry();
        let id = store.id(table, row);
        self.full_url(&table.name, id.as_bytes());
        if !version.is_deleted() {
            self.out.extend_from_slice(b",\"resource\":");
            store.render(row, &id, version, &mut self.out);
        }
        let (method, status) = match version.change {
            Change::Create => ("POST", "201 Created"),
            Change::Update => ("PUT", "200 OK"),
            Change::Delete => ("DELETE", "204 No Content"),
        };
        let url = if version.change == Change::Create { table.name.clone() } else { format!("{}/{id}", table.name) };
        let mut text = format!(r#","request":{{"method":"{method}","url":"{url}"}},"response":{{"status":"{status}","#);
        text.push_str("\"etag\":\"W/\\\"");
        self.out.extend_from_slice(text.as_bytes());
        write_number(version.number, &mut self.out);
        self.out.extend_from_slice(b"\\\"\"");
        if version.stamp != MISSING {
            self.out.extend_from_slice(b",\"lastModified\":\"");
            store.style(row).write(version.stamp, &mut self.out);
            self.out.push(b'"');
        }
        self.out.extend_from_slice(b"}}");
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(if self.entries == 0 { b"}" } else { b"]}" });
        self.out
    }
}

/// The spelling of the server's time in its own bundles.
pub(crate) fn bundle_time(nanos: i64) -> String {
    StampStyle::Millis.text(nanos)
}

/// The resource with only these top-level members, type, id and meta, and with the tag that says so.
fn subset(whole: &str, elements: &[String]) -> String {
    const TAG: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;
    let mut kept = Vec::new();
    for member in members(whole).unwrap_or_default() {
        let (name, value) = (member.name(whole), member.value(whole));
        let wanted = elements.iter().any(|element| element == name.trim_start_matches('_'));
        match name {
            "meta" => kept.push(format!("\"meta\":{}", tagged(value, TAG))),
            "resourceType" | "id" => kept.push(format!("\"{name}\":{value}")),
            _ if wanted => kept.push(format!("\"{name}\":{value}")),
            _ => {}
        }
    }
    format!("{{{}}}", kept.join(","))
}

/// The meta object with one more tag.
fn tagged(meta: &str, tag: &str) -> String {
    let mut kept = Vec::new();
    let mut tags = None;
    for member in members(meta).unwrap_or_default() {
        let (name, value) = (member.name(meta), member.value(meta));
        if name == "tag" {
            tags = Some(value);
        } else {
            kept.push(format!("\"{name}\":{value}"));
        }
    }
    let others = tags.and_then(|tags| tags.strip_prefix('[')?.strip_suffix(']')).filter(|tags| !tags.is_empty());
    kept.push(match others {
        Some(others) => format!("\"tag\":[{others},{tag}]"),
        None => format!("\"tag\":[{tag}]"),
    });
    format!("{{{}}}", kept.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_says_so_and_keeps_other_tags() {
        let whole =
            r#"{"resourceType":"X","id":"1","meta":{"versionId":"2","tag":[{"code":"a"}]},"a":1.00,"_a":{},"b":2}"#;
        assert_eq!(
            subset(whole, &["a".to_owned()]),
            r#"{"resourceType":"X","id":"1","meta":{"versionId":"2","tag":[{"code":"a"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]},"a":1.00,"_a":{}}"#
        );
    }
}
