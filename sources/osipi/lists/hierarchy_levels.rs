//! The element hierarchy, level by level: for servers that cannot give it as one list.

use std::collections::{HashMap, HashSet};

use super::{
    super::{
        items::Listing,
        objects::{Named, parse_item},
    },
    discovery::canonical,
    hierarchy::{Element, MORE, add, roots},
    out::Out,
    parents::{each_list, sorted},
};
use crate::error::{Error, ErrorKind, Result};

/// Deeper than any hierarchy is.
const DEEPEST: u32 = 1000;

pub(super) async fn elements(out: &mut Out) -> Result<()> {
    let options = out.reading.options.clone();
    let tags = &options.tags;
    let filtered = tags.template_name.is_some() || tags.name_filter.is_some() || options.lists.category_name.is_some();
    if filtered || options.lists.element_type != "Any" {
        return Err(Error::new(ErrorKind::Config, "filters of elements need traversal=full")
            .help("leave the filters out, or read the hierarchy as one list"));
    }
    let query = sorted(vec![out.selected(MORE), ("associations", "Paths".to_owned())]);
    let size = out.reading.list_size();
    // References may lead back up: what was seen is not gone into again.
    let mut seen: HashSet<String> = HashSet::new();
    for (root, path) in roots(out).await? {
        let top = canonical(&root.object.web_id);
        let is_database = root.database.is_some();
        let listing = |owner: &Named| {
            let path = match canonical(&owner.web_id) == top {
                true => path.clone(),
                false => format!("elements/{}/elements", owner.web_id),
            };
            Listing::pages(path, query.clone(), size)
        };
        let mut level = vec![root.object.clone()];
        for depth in 0..options.lists.max_depth.unwrap_or(DEEPEST) {
            let mut below: HashMap<String, Named> = HashMap::new();
            let mut order = Vec::new();
            let owners = std::mem::take(&mut level);
            each_list(out, owners, listing, |out, owner, items| {
                let owner_webid = canonical(&owner.web_id);
                let parent = (!(is_database && owner_webid == top)).then_some(owner_webid.as_str());
                for item in items.iter() {
                    let named = Named::of(item)?;
                    let webid = canonical(&named.web_id);
                    if seen.insert(webid.clone()) {
                        let element: Element<'_> = parse_item(item)?;
                        let (parent, depth) = element.place(parent, i64::from(depth));
                        add(out, item, &element, parent.as_deref(), Some(depth), root.database.as_deref())?;
                        order.push(webid.clone());
                        below.insert(webid, named);
                    }
                }
                Ok(())
            })
            .await?;
            level = order.iter().filter_map(|webid| below.remove(webid)).collect();
            if level.is_empty() {
                break;
            }
        }
    }
    Ok(())
}
