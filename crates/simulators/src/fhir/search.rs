//! Searches and the pages of their results.

use super::{
    bundle::{BundleWriter, Head, bundle_time},
    config::{PagingStyle, Totals},
    links::Place,
    outcome::{self, FHIR_JSON, error},
    pages::Listed,
    query::{Query, Total},
    select,
    service::Service,
    store::{Store, Table},
};
use crate::server::{Reply, Request};

/// Bytes to reserve for one entry of a page.
const ENTRY: usize = 3_072;

/// One page of a searchset before it is text.
struct Page<'a> {
    rows: &'a [u32],
    elements: &'a [String],
    total: Option<usize>,
    links: Vec<(&'static str, String)>,
    warnings: Vec<String>,
    blank: bool,
}

impl Service {
    /// `GET {type}?...`
    pub(crate) fn search(&self, request: &Request, kind: &str) -> Reply {
        let store = self.store();
        let Some((number, table)) = store.number(kind).and_then(|number| Some((number, store.table(number)?))) else {
            return unknown_type(kind);
        };
        let query = match Query::parse(request, &self.config.search) {
            Ok(query) => query,
            Err(refused) => return *refused,
        };
        let values = self.config.search.values;
        let self_link = self.self_link(kind, &query.shown);
        let mut warnings: Vec<String> =
            query.ignored.iter().map(|name| format!("search parameter {name} was ignored")).collect();
        if query.count_only {
            let total = self.total(select::count(&store, table, &query, values), query.total);
            let links = vec![("self", self_link)];
            return self.page(&store, table, Page { rows: &[], elements: &[], total, links, warnings, blank: true });
        }
        let Some(mut place) = Place::parse(&request.parameters()) else {
            return error(400, "invalid", "the page link was not made by this server");
        };
        if self.config.paging.deepest_offset.is_some_and(|deepest| place.offset > deepest) {
            return error(400, "too-costly", "the search is paged too far");
        }
        let count = self.page_size(query.count, &mut warnings);
        let mut links = vec![("self", self_link)];
        match self.config.paging.style {
            PagingStyle::Snapshot | PagingStyle::Token => {
                let rows = select::rows(&store, table, &query, values);
                let total = self.total(rows.len(), query.total);
                let first: Vec<u32> = rows.iter().take(count).copied().collect();
                let all = rows.len();
                let elements = query.elements.clone();
                let next = self.next_place(&place, count, all);
                if let Some((next, _)) = &next {
                    let listed = Listed::Rows { table: number, rows, elements };
                    let id = self.pages().store(listed, total, kind, self.config.clock.nanos());
                    // The first page counts as served.
                    self.pages().open(&id, &self.config.paging, self.config.clock.nanos());
                    links.push(("next", self.stored_link(kind, &id, next, count, "searchset")));
                }
                let blank = next.is_some_and(|(_, blank)| blank);
                self.page(
                    &store,
                    table,
                    Page { rows: &first, elements: &query.elements, total, links, warnings, blank },
                )
            }
            style => {
                let after = place.after.map(|(stamp, row)| (stamp, row, u32::MAX));
                let (rows, more) = if style == PagingStyle::Keyset {
                    select::rows_after(&store, table, &query, values, after, count)
                } else {
                    let all = select::rows(&store, table, &query, values);
                    let more = all.len() > place.offset + count;
                    (all.into_iter().skip(place.offset).take(count).collect(), more)
                };
                if style == PagingStyle::Offset {
                    place.page = place.offset / count;
                }
                let blank = self.is_blank(&place);
                let loops = self.config.paging.loops_at.is_some_and(|at| place.page >= at);
                if more || blank || (loops && !rows.is_empty()) {
                    let next = if blank {
                        Place { blank_shown: true, ..place.clone() }
                    } else if loops {
                        place.clone()
                    } else {
                        let last = rows.last().and_then(|row| Some((table.current(*row)?.stamp, *row)));
                        Place { offset: place.offset + count, after: last, page: place.page + 1, blank_shown: false }
                    };
                    links.push(("next", self.search_link(kind, &query.shown, &next, count)));
                }
                let wanted = matches!(query.total, Some(Total::Accurate | Total::Estimate));
                let total = wanted.then(|| select::count(&store, table, &query, values));
                let total = total.and_then(|total| self.total(total, query.total));
                self.page(&store, table, Page { rows: &rows, elements: &query.elements, total, links, warnings, blank })
            }
        }
    }

    /// `GET ...?_getpages=...` or `...?ct=...`: a page of a stored result.
    pub(crate) fn stored_page(&self, request: &Request) -> Reply {
        let parameters = request.parameters();
        let find = |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let (id, offset, count, blank_shown) = match find("ct") {
            Some(token) => {
                let mut parts = token.split('~');
                let mut next = || parts.next().unwrap_or_default();
                (next(), next(), next(), next() == "b")
            }
            None => (
                find("_getpages").unwrap_or_default(),
                find("_getpagesoffset").unwrap_or("0"),
                find("_count").unwrap_or("20"),
                find("_blank").is_some(),
            ),
        };
        let (Ok(offset), Ok(count)) = (offset.parse::<usize>(), count.parse::<usize>()) else {
            return error(400, "invalid", "the page link was not made by this server");
        };
        let count = count.clamp(1, self.config.paging.max_count);
        let store = self.store();
        let mut pages = self.pages();
        let Some(stored) = pages.open(id, &self.config.paging, self.config.clock.nanos()) else {
            return error(410, "expired", "this page link is unknown or has expired; search again");
        };
        let place = Place { offset, after: None, page: offset / count, blank_shown };
        let next = self.next_place(&place, count, stored.listed.len());
        let mut links = vec![("self", format!("{}{}", self.base, self.tail(request)))];
        let (path, total) = (stored.path.clone(), stored.total);
        let blank = next.as_ref().is_some_and(|(_, blank)| *blank);
        let mut link = |kind: &str| {
            if let Some((next, _)) = &next {
                links.push(("next", self.stored_link(&path, id, next, count, kind)));
            }
        };
        match &stored.listed {
            Listed::Rows { table, rows, elements } => {
                link("searchset");
                let Some(table) = store.table(*table) else { return unknown_type("") };
                let rows = &rows[offset.min(rows.len())..(offset + count).min(rows.len())];
                self.page(&store, table, Page { rows, elements, total, links, warnings: Vec::new(), blank })
            }
            Listed::Versions(versions) => {
                link("history");
                let from = offset.min(versions.len()).saturating_sub(usize::from(self.repeats(offset)));
                let versions = &versions[from..(offset + count).min(versions.len())];
                self.history_page(&store, if blank { &[] } else { versions }, total, &links)
            }
        }
    }

    fn repeats(&self, offset: usize) -> bool {
        offset > 0 && self.config.history.repeats_entries
    }

    fn tail(&self, request: &Request) -> String {
        let path = request.path.strip_prefix(&self.config.base_path).unwrap_or_default();
        format!("{path}?{}", request.query)
    }

    /// The place after a page of a stored result of `all` rows, and whether the page itself is a blank one.
    pub(crate) fn next_place(&self, place: &Place, count: usize, all: usize) -> Option<(Place, bool)> {
        if self.is_blank(place) {
            return Some((Place { blank_shown: true, ..place.clone() }, true));
        }
        if self.config.paging.loops_at.is_some_and(|at| place.page >= at) {
            return Some((place.clone(), false));
        }
        let offset = place.offset + count;
        (offset < all).then(|| (Place { offset, page: place.page + 1, ..Place::default() }, false))
    }

    fn is_blank(&self, place: &Place) -> bool {
        !place.blank_shown
            && self.config.paging.blank_every.is_some_and(|every| place.page.is_multiple_of(every.max(1)))
    }

    /// The page size for a wish, with a warning when it was cut.
    pub(crate) fn page_size(&self, wish: Option<usize>, warnings: &mut Vec<String>) -> usize {
        let most = self.config.paging.max_count.max(1);
        match wish {
            None => self.config.paging.default_count.clamp(1, most),
            Some(wish) if wish > most => {
                warnings.push(format!("_count was reduced to {most}"));
                most
            }
            Some(wish) => wish.max(1),
        }
    }

    /// What `Bundle.total` says about `exact` rows.
    pub(crate) fn total(&self, exact: usize, wish: Option<Total>) -> Option<usize> {
        let wrong = exact + exact / 10 + 1;
        match (self.config.search.totals, wish) {
            (Totals::Absent, _) | (_, Some(Total::None)) => None,
            (Totals::Zero, _) => Some(0),
            (Totals::Wrong, _) => Some(wrong),
            (Totals::Estimated, wish) if wish != Some(Total::Accurate) => Some(wrong),
            _ => Some(exact),
        }
    }

    fn page(&self, store: &Store, table: &Table, page: Page<'_>) -> Reply {
        let now = bundle_time(self.config.clock.nanos());
        let head = Head { kind: "searchset", id: "page", total: page.total, now: &now, links: &page.links };
        let rows = if page.blank { &[] } else { page.rows };
        let mut bundle = BundleWriter::new(&self.base, &head, rows.len() * ENTRY);
        let behaviour = &self.config.search;
        if behaviour.outcomes {
            bundle.outcome(&outcome::text("warning", "informational", "this server adds a remark to every page"));
        }
        // Remarks are only entries of pages that are no mere counts: a count has no entries.
        if !page.blank {
            for warning in &page.warnings {
                bundle.outcome(&outcome::text("warning", "not-supported", warning));
            }
        }
        let few = ["identifier".to_owned()];
        for (at, row) in rows.iter().enumerate() {
            let cut = behaviour.subsets_every.is_some_and(|every| row.is_multiple_of(every.max(1)));
            let elements = if cut { few.as_slice() } else { page.elements };
            // A resource that was deleted after the search is left out.
            if let Some(version) = table.current(*row).filter(|version| !version.is_deleted()) {
                bundle.row(store, table, *row, version, elements, "match");
            }
            if at == 0 && behaviour.foreign_type {
                extra(store, table, "match", &mut bundle);
            }
        }
        if behaviour.includes && !rows.is_empty() {
            extra(store, table, "include", &mut bundle);
        }
        Reply::new(200, FHIR_JSON, bundle.finish())
    }
}

/// An entry of another type than the table's.
fn extra(store: &Store, table: &Table, mode: &str, bundle: &mut BundleWriter<'_>) {
    let other = if table.name == "Organization" { "Practitioner" } else { "Organization" };
    let other = store.number(other).and_then(|number| store.table(number));
    if let Some(other) = other
        && let Some(version) = other.example()
    {
        bundle.row(store, other, 0, &version, &[], mode);
    }
}

/// The reply about a type that the server does not have.
pub(crate) fn unknown_type(kind: &str) -> Reply {
    error(404, "not-supported", &format!("resource type {kind} is not supported by this server"))
}
