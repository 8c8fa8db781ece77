//! The element hierarchy, as one list.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    super::{
        batch::SubRequest,
        config::Traversal,
        items::{Items, Listing},
        ledger::Object,
        objects::{Named, parse_item},
        webid::{Marker, of_path},
    },
    discovery::canonical,
    extended::{Links, Properties, paths, texts},
    hierarchy_levels,
    out::Out,
    parents::sorted,
};
use crate::error::{Error, ErrorKind, Result};

/// What the columns of an element need beside its decoded members.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Element<'a> {
    #[serde(borrow, default)]
    pub(super) path: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    links: Links<'a>,
    #[serde(borrow, default)]
    extended_properties: Option<Properties<'a>>,
    #[serde(borrow, default)]
    paths: Option<&'a RawValue>,
}

impl Element<'_> {
    /// How deep it is below its database; 0 for those at its top.
    fn depth(&self) -> Option<i64> {
        let below = self.path.as_deref()?.trim_start_matches('\\');
        i64::try_from(below.matches('\\').count()).ok().map(|segments| (segments - 2).max(0))
    }

    /// The parent and depth of an element that was found below `owner`, at `level`: those of its primary path, which may
    /// be another one than that of the reference by which it was found.
    pub(super) fn place(&self, owner: Option<&str>, level: i64) -> (Option<String>, i64) {
        match self.depth().unwrap_or(level) {
            0 => (None, 0),
            depth => (self.links.parent("elements").or_else(|| owner.map(str::to_owned)), depth),
        }
    }

    /// The parent's path, for an element that is not at the top.
    fn parent_path(&self) -> Option<&str> {
        let path = self.path.as_deref()?;
        (self.depth()? > 0).then(|| path.rsplit_once('\\').map(|(parent, _)| parent)).flatten()
    }
}

/// Further fields of elements that are asked for.
pub(super) const MORE: &[&str] = &["Links", "ExtendedProperties", "Paths"];

pub(super) async fn elements(out: &mut Out) -> Result<()> {
    let lists = out.reading.options.lists.clone();
    let tags = &out.reading.options.tags;
    let filtered = tags.template_name.is_some()
        || tags.name_filter.is_some()
        || lists.category_name.is_some()
        || lists.element_type != "Any";
    if filtered && lists.traversal == Traversal::Levels {
        return Err(Error::new(ErrorKind::Config, "filters of elements need traversal=full")
            .help("leave the filters out, or read the hierarchy as one list"));
    }
    // The list does not tell at which level an element was found: by way of a reference it may be another one than that of
    // its own path.
    if !filtered && (lists.traversal == Traversal::Levels || lists.max_depth.is_some()) {
        return hierarchy_levels::elements(out).await;
    }
    let within = match lists.max_depth {
        Some(_) => Some(hierarchy_levels::within(out).await?),
        None => None,
    };
    let mut query = sorted(vec![
        out.selected(MORE),
        ("associations", "Paths".to_owned()),
        ("searchFullHierarchy", "true".to_owned()),
    ]);
    let tags = &out.reading.options.tags;
    query.extend(tags.template_name.iter().map(|name| ("templateName", name.clone())));
    query.extend(tags.name_filter.iter().map(|filter| ("nameFilter", filter.clone())));
    query.extend(lists.category_name.iter().map(|name| ("categoryName", name.clone())));
    if lists.element_type != "Any" {
        query.push(("elementType", lists.element_type.clone()));
    }
    let mut parents = Parents::default();
    for (owner, path) in roots(out).await? {
        let top = canonical(&owner.object.web_id);
        let mut pages = out.reading.client().items(Listing::pages(path, query.clone(), out.reading.list_size()));
        loop {
            match pages.next().await {
                Ok(Some(items)) => {
                    parents.look_up(out, &items).await?;
                    for item in items.iter() {
                        let webid = canonical(&Named::of(item)?.web_id);
                        // References may lead back to the root.
                        if webid == top || within.as_ref().is_some_and(|within| !within.contains(&webid)) {
                            continue;
                        }
                        let element: Element<'_> = parse_item(item)?;
                        let depth = element.depth();
                        let parent = parents.of(&element);
                        add(out, item, &element, parent.as_deref(), depth, owner.database.as_deref())?;
                    }
                    out.send_ready().await?;
                }
                Ok(None) => break,
                Err(error) => {
                    out.failed(Object::of(&owner.object), error)?;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Where elements are listed from.
pub(super) struct Root {
    pub(super) object: Named,
    /// The database, where it is known.
    pub(super) database: Option<String>,
}

/// The databases, or the element that the options name, with the path of their elements.
pub(super) async fn roots(out: &Out) -> Result<Vec<(Root, String)>> {
    if let Some(root) = &out.reading.options.lists.root_element_webid {
        let given = [root.clone()];
        let webids = out.reading.canonical("elements", "root_element_webid", &given).await?;
        let root = |web_id: String| {
            let path = format!("elements/{web_id}/elements");
            (Root { object: Named { web_id, name: None, path: None }, database: None }, path)
        };
        return Ok(webids.into_iter().map(root).collect());
    }
    let root = |object: Named| {
        let path = format!("assetdatabases/{}/elements", object.web_id);
        (Root { database: Some(canonical(&object.web_id)), object }, path)
    };
    Ok(out.reading.databases().await?.into_iter().map(root).collect())
}

/// Adds the row of an element.
pub(super) fn add(
    out: &mut Out,
    item: &[u8],
    element: &Element<'_>,
    parent: Option<&str>,
    depth: Option<i64>,
    database: Option<&str>,
) -> Result<()> {
    let properties = element.extended_properties.as_ref().map(texts).transpose()?;
    let paths = paths(element.paths);
    out.row(item, |row| {
        row.text("parent_webid", parent);
        row.long("depth", depth);
        row.text("assetdatabase_webid", database);
        row.map("extended_properties", properties);
        row.texts("paths", paths);
        Ok(())
    })
}

/// Parents' WebIDs by path, for servers that do not link to the parent.
#[derive(Default)]
struct Parents(HashMap<String, Option<String>>);

impl Parents {
    /// Looks up the parents of a page's elements that have no link and are not known yet.
    async fn look_up(&mut self, out: &Out, items: &Items) -> Result<()> {
        let mut unknown: Vec<String> = Vec::new();
        for item in items.iter() {
            let element: Element<'_> = parse_item(item)?;
            if element.links.parent("elements").is_none()
                && let Some(path) = element.parent_path()
                && !self.0.contains_key(path)
                && !unknown.iter().any(|known| known == path)
            {
                unknown.push(path.to_owned());
            }
        }
        let client = out.reading.client();
        for paths in unknown.chunks(100) {
            let query = vec![("selectedFields", "WebId".to_owned())];
            let requests: Vec<SubRequest> = paths
                .iter()
                .map(|path| {
                    SubRequest::get(client.target(&format!("elements/{}", of_path(Marker::ELEMENT, path)), &query))
                })
                .collect();
            for ((path, answer), request) in paths.iter().zip(client.batch(&requests).await?).zip(&requests) {
                let webid = match answer.status {
                    // Not to be seen by this login, or gone meanwhile.
                    403 | 404 => None,
                    _ => Some(canonical(&Named::of(&answer.into_result(request.resource())?)?.web_id)),
                };
                self.0.insert(path.clone(), webid);
            }
        }
        Ok(())
    }

    fn of(&self, element: &Element<'_>) -> Option<String> {
        let linked = element.links.parent("elements");
        linked.or_else(|| self.0.get(element.parent_path()?).cloned().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_parent_follow_from_the_path() {
        let element = |path: &'static str| {
            let json = serde_json::json!({ "Path": path }).to_string();
            let element: Element<'_> = serde_json::from_str(&json).unwrap();
            (element.depth(), element.parent_path().map(str::to_owned))
        };
        assert_eq!(element(r"\\AF\Plant\Unit1"), (Some(0), None));
        assert_eq!(element(r"\\AF\Plant\Unit1\Pump"), (Some(1), Some(r"\\AF\Plant\Unit1".to_owned())));
        assert_eq!(element(r"\\AF\Plant\Unit1\Pump\Motor").0, Some(2));
    }
}
