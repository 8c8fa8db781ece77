//! Which tables there are.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{client::LanceClient, config::is_name, dialect::Dialect};
use crate::error::{Error, ErrorKind, Result};

/// Names asked for at a time.
const PAGE: usize = 1_000;
/// What stands between the parts of a table's id.
const DELIMITER: &str = "$";
/// The most namespaces that are walked.
const MOST_NAMESPACES: usize = 100_000;

#[derive(Deserialize)]
struct Tables {
    #[serde(default)]
    tables: Vec<String>,
    page_token: Option<String>,
}

#[derive(Deserialize)]
struct Namespaces {
    #[serde(default)]
    namespaces: Vec<String>,
    page_token: Option<String>,
}

impl LanceClient {
    /// The tables of the connection's namespace and of those below it, sorted: `people`, `plant$readings`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when there are more than `most`; those of the HTTP client.
    pub(super) async fn tables(&self, most: usize) -> Result<Vec<String>> {
        let mut found = BTreeSet::new();
        let mut namespaces = vec![self.namespace.to_vec()];
        let mut walked = 0;
        while let Some(namespace) = namespaces.pop() {
            self.tables_of(&namespace, most, &mut found).await?;
            walked += 1;
            if walked > MOST_NAMESPACES {
                return Err(too_many("namespaces", MOST_NAMESPACES));
            }
            for child in self.namespaces_of(&namespace).await? {
                namespaces.push(namespace.iter().cloned().chain([child]).collect());
            }
        }
        Ok(found.into_iter().collect())
    }

    async fn tables_of(&self, namespace: &[String], most: usize, found: &mut BTreeSet<String>) -> Result<()> {
        let is_flat = namespace.is_empty() && self.dialect().await? == Dialect::Cloud;
        let path =
            if is_flat { "v1/table/".to_owned() } else { format!("v1/namespace/{}/table/list", id_of(namespace)) };
        let mut pages = Pages::default();
        while let Some(token) = pages.next.take() {
            let mut query = query(&token);
            if !is_flat {
                // A table that was declared and never written has no schema yet.
                query.push(("include_declared", "false"));
            }
            let page: Tables = self.get(&path, &query).await?;
            let before = found.len();
            let last = page.tables.last().cloned();
            let full = page.tables.len() >= PAGE;
            for name in page.tables {
                if is_name(&name, 128) {
                    found.insert(namespace.iter().cloned().chain([name]).collect::<Vec<_>>().join(DELIMITER));
                } else {
                    left_out("table", namespace, &name);
                }
            }
            if found.len() > most {
                return Err(too_many("tables", most));
            }
            // Some servers cut the list without a word: a full page without a token is asked about once more.
            let token = page.page_token.filter(|token| !token.is_empty());
            pages.go_on(token.or(last.filter(|_| full && found.len() > before)));
        }
        Ok(())
    }

    /// The namespaces in a namespace; none where the server does not know any.
    async fn namespaces_of(&self, namespace: &[String]) -> Result<Vec<String>> {
        let may_lack = namespace.is_empty() && self.dialect().await? == Dialect::Cloud;
        match self.listed_namespaces(namespace).await {
            // What a server says that has databases in place of namespaces.
            Err(error) if may_lack && matches!(error.get("status"), Some("404" | "405" | "406" | "501")) => {
                tracing::debug!("the server does not list namespaces: it has none");
                Ok(Vec::new())
            }
            listed => listed,
        }
    }

    async fn listed_namespaces(&self, namespace: &[String]) -> Result<Vec<String>> {
        let path = format!("v1/namespace/{}/list", id_of(namespace));
        let mut found = BTreeSet::new();
        let mut pages = Pages::default();
        while let Some(token) = pages.next.take() {
            let page: Namespaces = self.get(&path, &query(&token)).await?;
            let before = found.len();
            let last = page.namespaces.last().cloned();
            let full = page.namespaces.len() >= PAGE;
            for name in page.namespaces {
                if is_name(&name, 64) {
                    found.insert(name);
                } else {
                    left_out("namespace", namespace, &name);
                }
            }
            let token = page.page_token.filter(|token| !token.is_empty());
            pages.go_on(token.or(last.filter(|_| full && found.len() > before)));
        }
        Ok(found.into_iter().collect())
    }
}

/// A name that could not stand in an address is told, and not dropped without a word.
fn left_out(what: &'static str, namespace: &[String], name: &str) {
    tracing::warn!(
        what,
        ?name,
        namespace = %namespace.join(DELIMITER),
        "left out: its name is not one that servers allow (letters, digits and _.-)"
    );
}

/// Where a listing goes on; the empty token is its beginning.
struct Pages {
    next: Option<String>,
    seen: BTreeSet<String>,
}

impl Default for Pages {
    fn default() -> Self {
        Self { next: Some(String::new()), seen: BTreeSet::new() }
    }
}

impl Pages {
    /// Goes on from a token, unless it was used before: then the server goes round in circles.
    fn go_on(&mut self, token: Option<String>) {
        self.next = token.filter(|token| self.seen.insert(token.clone()));
    }
}

fn query(token: &str) -> Vec<(&'static str, &str)> {
    let mut query = vec![("limit", "1000")];
    if !token.is_empty() {
        query.push(("page_token", token));
    }
    query
}

/// The id of a namespace; the root's is the delimiter alone.
fn id_of(namespace: &[String]) -> String {
    if namespace.is_empty() { DELIMITER.to_owned() } else { namespace.join(DELIMITER) }
}

/// Checks the id of a table before it becomes part of an address.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) for a name that no server allows.
pub(super) fn check_table(id: &str) -> Result<()> {
    let parts: Vec<&str> = id.split(DELIMITER).collect();
    let (name, namespace) = parts.split_last().unwrap_or((&"", &[]));
    if is_name(name, 128) && namespace.len() <= 10 && namespace.iter().all(|part| is_name(part, 64)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "no table can have this name")
        .with("table", id)
        .help("names have letters, digits and _.- only; namespaces stand before them, as in plant$readings"))
}

fn too_many(what: &'static str, most: usize) -> Error {
    Error::new(ErrorKind::Config, "the server lists more than the connection allows")
        .with("what", what)
        .with("allowed", most)
        .help("raise max_tables, or read one namespace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_names_that_need_no_escape() {
        for id in ["people", "plant$readings", "a.b-c_d", "a$b$c"] {
            assert!(check_table(id).is_ok(), "{id}");
        }
        for id in ["", "$", "a$", "..", "a/../b", "a%2fb", "a b", "ä", &"x".repeat(129)] {
            assert_eq!(check_table(id).unwrap_err().kind(), ErrorKind::NotFound, "{id}");
        }
    }

    #[test]
    fn a_listing_that_repeats_its_token_ends() {
        let mut pages = Pages::default();
        assert_eq!(pages.next.take().as_deref(), Some(""));
        pages.go_on(Some("a".to_owned()));
        assert_eq!(pages.next.take().as_deref(), Some("a"));
        pages.go_on(Some("a".to_owned()));
        assert_eq!(pages.next, None);
    }
}
