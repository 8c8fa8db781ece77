//! Lists of names, page by page.

use serde_json::{Map, Value};

use super::{config::Dialect, database::Database, refusal::Refusal};
use crate::server::Request;

/// What a page of a list is asked for with.
struct Page {
    limit: Option<usize>,
    after: Option<String>,
}

impl Page {
    fn of(request: &Request) -> Result<Self, Refusal> {
        let mut page = Self { limit: None, after: None };
        for (name, value) in request.parameters() {
            match name.as_str() {
                "limit" => {
                    let limit = value.parse::<i64>().map_err(|_| {
                        Refusal::invalid("Failed to deserialize query string: invalid digit found in string")
                    })?;
                    page.limit = Some(usize::try_from(limit).unwrap_or(usize::MAX));
                }
                "page_token" if !value.is_empty() => page.after = Some(value),
                _ => {}
            }
        }
        Ok(page)
    }
}

/// A page of sorted names: those after the token, which is the last name of the page before.
fn answer(database: &Database, page: &Page, member: &str, names: Vec<String>, limit: usize, flat: bool) -> Value {
    let limit = page.limit.unwrap_or(limit);
    let after = page.after.as_deref().unwrap_or("");
    let mut rest = names.into_iter().filter(|name| name.as_str() > after);
    let shown: Vec<String> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let mut answer = Map::new();
    if database.wire.repeats_token {
        answer.insert("page_token".to_owned(), "again".into());
    } else if let Some(last) = shown.last().filter(|_| more && !(flat && database.wire.hides_token)) {
        answer.insert("page_token".to_owned(), last.as_str().into());
    }
    answer.insert(member.to_owned(), shown.into());
    Value::Object(answer)
}

fn wants_declared(request: &Request) -> bool {
    !request.parameters().iter().any(|(name, value)| name == "include_declared" && value == "false")
}

/// The names of the tables of a namespace; of the root when the namespace is empty.
fn tables_of(database: &Database, namespace: &str, request: &Request) -> Vec<String> {
    let declared = wants_declared(request);
    let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}$") };
    let own = |(id, table): (&String, &super::table::Table)| {
        let name = id.strip_prefix(&prefix)?;
        let is_own = !name.contains('$') && (declared || table.latest().is_some());
        is_own.then(|| name.to_owned())
    };
    database.tables.iter().filter_map(own).collect()
}

/// The flat list of the root's tables.
///
/// # Errors
/// For a limit that is no number.
pub(crate) fn flat(database: &Database, request: &Request, dialect: Dialect, limit: usize) -> Result<Value, Refusal> {
    let page = Page::of(request)?;
    let limit = if dialect == Dialect::Cloud { limit } else { usize::MAX };
    Ok(answer(database, &page, "tables", tables_of(database, "", request), limit, true))
}

fn known<'a>(database: &Database, namespace: &'a str) -> Result<&'a str, Refusal> {
    let namespace = namespace.trim_matches('$');
    match namespace.is_empty() || database.namespaces.contains(namespace) {
        true => Ok(namespace),
        false => Err(Refusal::no_namespace(namespace)),
    }
}

/// The tables of a namespace.
///
/// # Errors
/// For a namespace that there is not, or a limit that is no number.
pub(crate) fn tables(database: &Database, namespace: &str, request: &Request) -> Result<Value, Refusal> {
    let namespace = known(database, namespace)?;
    let page = Page::of(request)?;
    Ok(answer(database, &page, "tables", tables_of(database, namespace, request), usize::MAX, false))
}

/// The namespaces in a namespace.
///
/// # Errors
/// As for [`tables`].
pub(crate) fn namespaces(database: &Database, namespace: &str, request: &Request) -> Result<Value, Refusal> {
    let namespace = known(database, namespace)?;
    let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}$") };
    let own = database.namespaces.iter().filter_map(|id| id.strip_prefix(&prefix));
    let own = own.filter(|name| !name.contains('$')).map(str::to_owned).collect();
    Ok(answer(database, &Page::of(request)?, "namespaces", own, usize::MAX, false))
}
