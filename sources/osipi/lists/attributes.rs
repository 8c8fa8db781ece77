//! Attributes of elements.

use serde::Deserialize;

use super::{
    super::{
        items::Listing,
        ledger::Object,
        objects::{Named, parse_item, selected},
    },
    discovery::canonical,
    extended::Links,
    out::Out,
    parents::{each_list, sorted},
};
use crate::error::Result;

/// Elements of one page, where only their attributes are wanted.
const ELEMENTS_PAGE: u32 = 1000;

#[derive(Deserialize)]
struct Linked<'a> {
    #[serde(borrow, default, rename = "Links")]
    links: Links<'a>,
}

pub(super) async fn of_elements(out: &mut Out) -> Result<()> {
    let options = out.reading.options.clone();
    if !options.tags.element_webids.is_empty() {
        let webids = out.reading.canonical("elements", "element_webids", &options.tags.element_webids).await?;
        let elements = webids.into_iter().map(|web_id| Named { web_id, name: None, path: None }).collect();
        return attributes_of(out, elements).await;
    }
    let mut query = sorted(selected("WebId Name Path"));
    query.push(("searchFullHierarchy", "true".to_owned()));
    query.extend(options.tags.template_name.iter().map(|name| ("templateName", name.clone())));
    let mut left = options.lists.default_elements.unwrap_or(u64::MAX);
    for database in out.reading.databases().await? {
        let path = format!("assetdatabases/{}/elements", database.web_id);
        let mut pages = out.reading.client().items(Listing::pages(path, query.clone(), ELEMENTS_PAGE));
        while left > 0 {
            let items = match pages.next().await {
                Ok(Some(items)) => items,
                Ok(None) => break,
                Err(error) => {
                    out.failed(Object::of(&database), error)?;
                    break;
                }
            };
            let mut elements: Vec<Named> = items.iter().map(Named::of).collect::<Result<_>>()?;
            elements.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= elements.len() as u64;
            attributes_of(out, elements).await?;
        }
    }
    Ok(())
}

async fn attributes_of(out: &mut Out, elements: Vec<Named>) -> Result<()> {
    let lists = &out.reading.options.lists;
    let mut query = sorted(vec![
        out.selected(&["Links"]),
        ("associations", "DataReference".to_owned()),
        ("searchFullHierarchy", lists.search_full_hierarchy.to_string()),
        ("showHidden", lists.show_hidden.to_string()),
        ("showExcluded", lists.show_excluded.to_string()),
    ]);
    query.extend(lists.attribute_name_filter.iter().map(|filter| ("nameFilter", filter.clone())));
    query.extend(lists.traits.iter().map(|name| ("trait", name.clone())));
    let size = out.reading.list_size();
    let listing =
        |element: &Named| Listing::pages(format!("elements/{}/attributes", element.web_id), query.clone(), size);
    each_list(out, elements, listing, |out, element, items| {
        let webid = canonical(&element.web_id);
        items.iter().try_for_each(|item| {
            let parent = parse_item::<Linked<'_>>(item)?.links.parent("attributes");
            out.row(item, |row| {
                row.text("element_webid", Some(&webid));
                row.text("parent_attribute_webid", parent.as_deref());
                Ok(())
            })
        })
    })
    .await
}
