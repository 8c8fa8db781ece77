//! Asset servers, AF databases, attribute traits.

use serde::Deserialize;

use super::{
    super::{
        items::Listing,
        ledger::Object,
        objects::{Named, parse_item},
    },
    discovery::canonical,
    extended::{Properties, texts},
    out::Out,
};
use crate::error::Result;

pub(super) async fn servers(out: &mut Out) -> Result<()> {
    let listing = Listing::whole("assetservers", vec![out.selected(&[])]);
    out.list(Object::default(), listing, |_| ()).await
}

#[derive(Deserialize)]
struct Extended<'a> {
    #[serde(borrow, default, rename = "ExtendedProperties")]
    properties: Option<Properties<'a>>,
}

pub(super) async fn databases(out: &mut Out) -> Result<()> {
    let wanted = out.reading.databases().await?;
    for server in out.reading.client().asset_servers().await? {
        let path = format!("assetservers/{}/assetdatabases", server.web_id);
        let listing = Listing::whole(path, vec![out.selected(&["ExtendedProperties"])]);
        let items = match out.reading.client().all_items(listing).await {
            Ok(items) => items,
            Err(error) => {
                out.failed(Object::of(&server), error)?;
                continue;
            }
        };
        let server_webid = canonical(&server.web_id);
        for item in items {
            let database = Named::of(&item)?;
            if !wanted.iter().any(|wanted| wanted.web_id == database.web_id) {
                continue;
            }
            let extended: Extended<'_> = parse_item(&item)?;
            let properties = extended.properties.as_ref().map(texts).transpose()?;
            out.row(&item, |row| {
                row.text("assetserver_webid", Some(&server_webid));
                row.map("extended_properties", properties);
                Ok(())
            })?;
        }
    }
    Ok(())
}

pub(super) async fn traits(out: &mut Out) -> Result<()> {
    let listing = Listing::whole("attributetraits", vec![("category", "All".to_owned()), out.selected(&[])]);
    out.list(Object::default(), listing, |_| ()).await
}
