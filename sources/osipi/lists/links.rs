//! What servers, databases and tables link to.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use super::{
    super::{
        items::Listing,
        ledger::Object,
        objects::{Named, parse_item},
    },
    discovery::canonical,
    out::Out,
};
use crate::error::Result;

#[derive(Deserialize)]
struct Linked<'a> {
    #[serde(borrow, default, rename = "Links")]
    links: BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>,
}

pub(super) async fn links(out: &mut Out) -> Result<()> {
    let wanted = out.reading.data_servers().await?;
    let is_wanted = |object: &Named| wanted.iter().any(|wanted| wanted.web_id == object.web_id);
    of_list(out, "DataServer", Object::default(), Listing::whole("dataservers", fields()), is_wanted).await?;
    of_list(out, "AssetServer", Object::default(), Listing::whole("assetservers", fields()), |_| true).await?;
    let wanted = out.reading.databases().await?;
    let is_wanted = |object: &Named| wanted.iter().any(|wanted| wanted.web_id == object.web_id);
    for server in out.reading.client().asset_servers().await? {
        let listing = Listing::whole(format!("assetservers/{}/assetdatabases", server.web_id), fields());
        of_list(out, "AssetDatabase", Object::of(&server), listing, is_wanted).await?;
    }
    for database in &wanted {
        let listing = Listing::whole(format!("assetdatabases/{}/tables", database.web_id), fields());
        of_list(out, "Table", Object::of(database), listing, |_| true).await?;
    }
    Ok(())
}

fn fields() -> Vec<(&'static str, String)> {
    vec![("selectedFields", "Items.WebId;Items.Name;Items.Links;Links.Next".to_owned())]
}

async fn of_list(
    out: &mut Out,
    entity_type: &str,
    owner: Object<'_>,
    listing: Listing,
    is_wanted: impl Fn(&Named) -> bool,
) -> Result<()> {
    let items = match out.reading.client().all_items(listing).await {
        Ok(items) => items,
        Err(error) => return out.failed(owner, error),
    };
    for item in items {
        let object = Named::of(&item)?;
        if !is_wanted(&object) {
            continue;
        }
        let webid = canonical(&object.web_id);
        for (rel, href) in parse_item::<Linked<'_>>(&item)?.links {
            out.row(b"{}", |row| {
                row.text("entity_type", Some(entity_type));
                row.text("webid", Some(&webid));
                row.text("rel", Some(&rel));
                row.text("href", href.as_deref());
                Ok(())
            })?;
        }
    }
    out.send_ready().await
}
