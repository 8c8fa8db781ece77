//! Links between pages.

use url::form_urlencoded::Serializer;

use super::{
    config::{LinkStyle, PagingStyle},
    service::Service,
};

/// A place in a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Rows before the page.
    pub(crate) offset: usize,
    /// Keyset paging: stamp and row before the page.
    pub(crate) after: Option<(i64, u32)>,
    /// Pages before this one.
    pub(crate) page: usize,
    /// The blank page before this one was shown.
    pub(crate) blank_shown: bool,
}

impl Place {
    /// The place that a cursor or offset parameter names.
    pub(crate) fn parse(parameters: &[(String, String)]) -> Option<Self> {
        let find = |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let mut place = Self { blank_shown: find("_blank").is_some(), ..Self::default() };
        if let Some(cursor) = find("_cursor") {
            let mut parts = cursor.split('.');
            place.page = parts.next()?.parse().ok()?;
            place.after = match (parts.next()?, parts.next()?) {
                ("", _) => None,
                (stamp, row) => Some((stamp.parse().ok()?, row.parse().ok()?)),
            };
        }
        if let Some(offset) = find("_offset") {
            place.offset = offset.parse().ok()?;
        }
        Some(place)
    }
}

impl Service {
    /// The link of a search page that is found by searching again.
    pub(crate) fn search_link(&self, path: &str, shown: &[(String, String)], place: &Place, count: usize) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(shown.iter().filter(|(name, _)| name != "_count"));
        query.append_pair("_count", &count.to_string());
        if self.config.paging.style == PagingStyle::Keyset {
            let (stamp, row) =
                place.after.map_or(Default::default(), |(stamp, row)| (stamp.to_string(), row.to_string()));
            query.append_pair("_cursor", &format!("{}.{stamp}.{row}", place.page));
        } else {
            query.append_pair("_offset", &place.offset.to_string());
        }
        if place.blank_shown {
            query.append_pair("_blank", "1");
        }
        self.spelled(path, &query.finish(), true)
    }

    /// The link of a page of a stored result.
    pub(crate) fn stored_link(&self, path: &str, id: &str, place: &Place, count: usize, kind: &str) -> String {
        let mut query = Serializer::new(String::new());
        let blank = if place.blank_shown { "b" } else { "" };
        if self.config.paging.style == PagingStyle::Snapshot {
            query.append_pair("_getpages", id);
            query.append_pair("_getpagesoffset", &place.offset.to_string());
            query.append_pair("_count", &count.to_string());
            if place.blank_shown {
                query.append_pair("_blank", "1");
            }
            query.append_pair("_bundletype", kind);
            self.spelled("", &query.finish(), true)
        } else {
            let padding = if self.config.paging.long_links { "A".repeat(2_500) } else { String::new() };
            query.append_pair("ct", &format!("{id}~{}~{count}~{blank}~{padding}", place.offset));
            self.spelled(path, &query.finish(), true)
        }
    }

    /// The link of this very search.
    pub(crate) fn self_link(&self, path: &str, shown: &[(String, String)]) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(shown);
        self.spelled(path, &query.finish(), false)
    }

    fn spelled(&self, path: &str, query: &str, next: bool) -> String {
        let query = match query {
            "" => String::new(),
            query if next && self.config.paging.long_links && self.config.paging.style != PagingStyle::Token => {
                format!("?{query}&_pad={}", "A".repeat(2_500))
            }
            query => format!("?{query}"),
        };
        let slash = if path.is_empty() { "" } else { "/" };
        let base_path = &self.config.base_path;
        match &self.config.paging.links {
            LinkStyle::Rooted if next => format!("/{path}{query}"),
            LinkStyle::Relative if next => format!("{path}{query}"),
            LinkStyle::OtherOrigin if next => format!("{}{base_path}{slash}{path}{query}", self.other_origin),
            LinkStyle::Authority(authority) => format!("http://{authority}{base_path}{slash}{path}{query}"),
            _ => format!("{}{slash}{path}{query}", self.base),
        }
    }
}
