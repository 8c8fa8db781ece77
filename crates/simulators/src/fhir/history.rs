//! `_history` of an instance, a type and the whole server, newest first.

use super::{
    bundle::{BundleWriter, Head, bundle_time},
    instant::{Interval, MISSING},
    links::Place,
    outcome::{FHIR_JSON, error},
    pages::Listed,
    search::unknown_type,
    service::Service,
    store::{Key, Store},
};
use crate::server::{Reply, Request};

impl Service {
    /// `GET [{type}[/{id}]]/_history`
    pub(crate) fn history(&self, request: &Request, kind: Option<&str>, id: Option<&str>) -> Reply {
        let behaviour = &self.config.history;
        let offered = match (kind, id) {
            (None, _) => behaviour.of_system,
            (Some(_), None) => behaviour.of_type,
            (Some(_), Some(_)) => true,
        };
        if !offered {
            return error(404, "not-supported", "this server has no history on this level");
        }
        let (mut since, mut wish) = (MISSING, None);
        for (name, value) in request.parameters() {
            match name.as_str() {
                "_since" => match Interval::parse(&value) {
                    Some(interval) => since = interval.start,
                    None => return error(400, "invalid", "parameter _since is not an instant"),
                },
                "_count" => match value.parse::<usize>() {
                    Ok(count) => wish = Some(count),
                    Err(_) => return error(400, "invalid", "parameter _count is not a number"),
                },
                _ => {}
            }
        }
        let store = self.store();
        let versions = match select(&store, kind, id, since) {
            Ok(versions) => versions,
            Err(missing) => return *missing,
        };
        let count = self.page_size(wish.filter(|wish| *wish > 0), &mut Vec::new());
        let path = [kind, id, Some("_history")].into_iter().flatten().collect::<Vec<_>>().join("/");
        let mut links = vec![("self", self.self_link(&path, &request.parameters()))];
        let total = self.total(versions.len(), None);
        if wish == Some(0) {
            return self.history_page(&store, &[], total, &links);
        }
        let first: Vec<_> = versions.iter().take(count).copied().collect();
        let next = self.next_place(&Place::default(), count, versions.len());
        let blank = next.as_ref().is_some_and(|(_, blank)| *blank);
        if let Some((next, _)) = next {
            let now = self.config.clock.nanos();
            let id = self.pages().store(Listed::Versions(versions), total, &path, now);
            self.pages().open(&id, &self.config.paging, now);
            links.push(("next", self.stored_link(&path, &id, &next, count, "history")));
        }
        self.history_page(&store, if blank { &[] } else { &first }, total, &links)
    }

    /// One page of a history.
    pub(crate) fn history_page(
        &self,
        store: &Store,
        versions: &[(u32, u32, u32)],
        total: Option<usize>,
        links: &[(&'static str, String)],
    ) -> Reply {
        let now = bundle_time(self.config.clock.nanos());
        let head = Head { kind: "history", id: "page", total, now: &now, links };
        let mut bundle = BundleWriter::new(&self.base, &head, versions.len() * 3_072);
        for (table, row, number) in versions {
            if let Some(table) = store.table(*table)
                && let Some(version) = table.version(*row, *number)
            {
                bundle.version(store, table, *row, version);
            }
        }
        Reply::new(200, FHIR_JSON, bundle.finish())
    }
}

/// All versions at or after an instant, newest first.
fn select(store: &Store, kind: Option<&str>, id: Option<&str>, since: i64) -> Result<Vec<(u32, u32, u32)>, Box<Reply>> {
    let numbers: Vec<u32> = match kind {
        Some(kind) => vec![store.number(kind).ok_or_else(|| Box::new(unknown_type(kind)))?],
        None => (0u32..).zip(&store.tables).map(|(number, _)| number).collect(),
    };
    let mut found: Vec<(Key, u32)> = Vec::new();
    for number in numbers {
        let Some(table) = store.table(number) else { continue };
        let only = match id {
            Some(id) => Some(table.row(id).ok_or_else(|| {
                Box::new(error(404, "not-found", &format!("{}/{id} never existed on this server", table.name)))
            })?),
            None => None,
        };
        let keys = table.index.range((since, 0, 0)..);
        found.extend(keys.filter(|key| only.is_none_or(|only| key.1 == only)).map(|key| (*key, number)));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found.into_iter().map(|((_, row, number), table)| (table, row, number)).collect())
}
