//! The element hierarchy, level by level: for servers that cannot give it as one list, and for its upper levels.

use std::collections::HashSet;

use super::{
    super::{
        client::Query,
        items::Listing,
        objects::{Named, parse_item, selected},
    },
    discovery::canonical,
    hierarchy::{Element, MORE, Root, add, roots},
    out::Out,
    parents::{each_list, sorted},
};
use crate::error::Result;

/// Deeper than any hierarchy is.
const DEEPEST: u32 = 1000;

/// An element, at its highest level below the root.
struct Found<'a> {
    root: &'a Root,
    /// The element below which it was found; `None` at the top of a database.
    owner: Option<&'a str>,
    level: u32,
    webid: &'a str,
    item: &'a [u8],
}

pub(super) async fn elements(out: &mut Out) -> Result<()> {
    let query = sorted(vec![out.selected(MORE), ("associations", "Paths".to_owned())]);
    walk(out, query, |out, found| {
        let element: Element<'_> = parse_item(found.item)?;
        let (parent, depth) = element.place(found.owner, i64::from(found.level));
        add(out, found.item, &element, parent.as_deref(), Some(depth), found.root.database.as_deref())
    })
    .await
}

/// The elements of the levels that the options ask for, by WebID.
pub(super) async fn within(out: &mut Out) -> Result<HashSet<String>> {
    let mut all = HashSet::new();
    walk(out, sorted(selected("WebId")), |_, found| {
        all.insert(found.webid.to_owned());
        Ok(())
    })
    .await?;
    Ok(all)
}

/// Finds each element once, without the root that the options may name, down to `max_depth` levels.
async fn walk(out: &mut Out, query: Query, mut visit: impl FnMut(&mut Out, Found<'_>) -> Result<()>) -> Result<()> {
    let levels = out.reading.options.lists.max_depth.unwrap_or(DEEPEST);
    let size = out.reading.list_size();
    let roots = roots(out).await?;
    // References may lead back up: what was seen is not gone into again.
    let mut seen: HashSet<String> = roots.iter().map(|(root, _)| canonical(&root.object.web_id)).collect();
    for (root, path) in roots {
        let top = canonical(&root.object.web_id);
        let is_database = root.database.is_some();
        let listing = |owner: &Named| {
            let path = match canonical(&owner.web_id) == top {
                true => path.clone(),
                false => format!("elements/{}/elements", owner.web_id),
            };
            Listing::pages(path, query.clone(), size)
        };
        let mut owners = vec![root.object.clone()];
        for level in 0..levels {
            let mut below = Vec::new();
            each_list(out, owners, listing, |out, owner, items| {
                let owner_webid = canonical(&owner.web_id);
                let owner = (!(is_database && owner_webid == top)).then_some(owner_webid.as_str());
                for item in items.iter() {
                    let named = Named::of(item)?;
                    let webid = canonical(&named.web_id);
                    if seen.insert(webid.clone()) {
                        visit(out, Found { root: &root, owner, level, webid: &webid, item })?;
                        below.push(named);
                    }
                }
                Ok(())
            })
            .await?;
            owners = below;
            if owners.is_empty() {
                break;
            }
        }
    }
    Ok(())
}
