//! Pages of lists: `startIndex`, `maxCount`, `Links`.

use serde_json::{Map, Value, json};

use super::call::{Answer, Call, Refusal};

/// The page that a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) start: usize,
    pub(crate) count: usize,
}

impl Page {
    /// Reads `startIndex` and `maxCount`.
    ///
    /// # Errors
    /// 400 for numbers that make no sense or exceed the server's cap.
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        Ok(Self { start: call.count("startIndex", 0)?, count: call.max_count(call.config.limits.default_count)? })
    }

    /// Answers with this page of `all`, each item as `show` makes it. `Next` is there when the page is full, so the last
    /// page may be an empty one.
    pub(crate) fn answer<T>(self, call: &Call<'_>, all: &[T], show: impl Fn(&T) -> Value) -> Answer {
        let items: Vec<Value> = all.iter().skip(self.start).take(self.count).map(show).collect();
        let links = self.links(call, items.len(), all.len());
        call.ok(json!({ "Links": links, "Items": items }))
    }

    /// The links of a page that holds `items` of `total`.
    pub(crate) fn links(self, call: &Call<'_>, items: usize, total: usize) -> Value {
        let mut links = Map::new();
        if !call.config.wire.list_links {
            return Value::Object(links);
        }
        let mut link = |name: &str, start: usize| {
            links.insert(name.to_owned(), Value::from(self.link(call, start)));
        };
        link("First", 0);
        if self.start > 0 {
            link("Previous", self.start.saturating_sub(self.count));
        }
        if items == self.count {
            link("Next", self.start + self.count);
        }
        link("Last", total.saturating_sub(1) / self.count * self.count);
        Value::Object(links)
    }

    fn link(self, call: &Call<'_>, start: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &call.parameters {
            if !name.eq_ignore_ascii_case("startIndex") && !name.eq_ignore_ascii_case("maxCount") {
                query.append_pair(name, value);
            }
        }
        query.append_pair("startIndex", &start.to_string()).append_pair("maxCount", &self.count.to_string());
        format!("{}?{}", call.link(&call.path.join("/")), query.finish())
    }
}

/// Answers with a whole list in one page: routes without `startIndex`.
pub(crate) fn whole(call: &Call<'_>, items: Vec<Value>) -> Answer {
    call.ok(json!({ "Links": {}, "Items": items }))
}

/// Whether a name fits a filter: `*` is any run, `?` one character, case is ignored; no filter fits all.
pub(crate) fn fits(filter: Option<&str>, name: &str) -> bool {
    let Some(filter) = filter.filter(|filter| !filter.is_empty() && *filter != "*") else { return true };
    let filter: Vec<char> = filter.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // The classic two-pointer match: on a mismatch the last star takes one more character.
    let (mut f, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match filter.get(f) {
            Some('*') => {
                star = Some((f, n));
                f += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                f += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                f = at + 1;
                n = taken + 1;
            }
        }
    }
    filter.iter().skip(f).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_know_star_and_question_mark() {
        for (filter, name, fit) in [
            ("sin*", "SINUSOID", true),
            ("*oid", "sinusoid", true),
            ("s?nu*d", "sinusoid", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("sinusoid?", "sinusoid", false),
            ("", "x", true),
            ("x", "", false),
            ("**", "", true),
        ] {
            assert_eq!(fits(Some(filter), name), fit, "{filter} {name}");
        }
        assert!(fits(None, "x"));
    }
}
