//! Categories, analyses, tables, units and enumerations.

use serde::Deserialize;

use super::{
    super::{
        items::Listing,
        ledger::Object,
        objects::{Named, parse_item, selected},
    },
    discovery::canonical,
    out::Out,
    parents::{each_list, sorted},
};
use crate::error::Result;

const CATEGORIES: [(&str, &str); 4] = [
    ("elementcategories", "Element"),
    ("attributecategories", "Attribute"),
    ("analysiscategories", "Analysis"),
    ("tablecategories", "Table"),
];

pub(super) async fn categories(out: &mut Out) -> Result<()> {
    for database in out.reading.databases().await? {
        let webid = canonical(&database.web_id);
        for (collection, category_type) in CATEGORIES {
            let path = format!("assetdatabases/{}/{collection}", database.web_id);
            let listing = Listing::whole(path, vec![out.selected(&[])]);
            out.list(Object::of(&database), listing, |row| {
                row.text("category_type", Some(category_type));
                row.text("assetdatabase_webid", Some(&webid));
            })
            .await?;
        }
    }
    Ok(())
}

/// A list of each database, whose rows name the database.
async fn of_databases(out: &mut Out, listing: impl Fn(&Out, &Named) -> Listing) -> Result<()> {
    for database in out.reading.databases().await? {
        let webid = canonical(&database.web_id);
        let listing = listing(out, &database);
        out.list(Object::of(&database), listing, |row| row.text("assetdatabase_webid", Some(&webid))).await?;
    }
    Ok(())
}

pub(super) async fn analyses(out: &mut Out) -> Result<()> {
    of_databases(out, |out, database| {
        let query = sorted(vec![out.selected(&[]), ("field", "Name".to_owned())]);
        Listing::pages(format!("assetdatabases/{}/analyses", database.web_id), query, out.reading.list_size())
    })
    .await
}

pub(super) async fn analysis_templates(out: &mut Out) -> Result<()> {
    of_databases(out, |out, database| {
        let query = vec![out.selected(&[]), ("field", "Name".to_owned())];
        Listing::cut(format!("assetdatabases/{}/analysistemplates", database.web_id), query)
    })
    .await
}

pub(super) async fn tables(out: &mut Out) -> Result<()> {
    of_databases(out, |out, database| {
        Listing::whole(format!("assetdatabases/{}/tables", database.web_id), vec![out.selected(&[])])
    })
    .await
}

/// A class of units.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UnitClass {
    #[serde(default)]
    canonical_unit_name: Option<String>,
}

pub(super) async fn units(out: &mut Out) -> Result<()> {
    for server in out.reading.client().asset_servers().await? {
        let path = format!("assetservers/{}/unitclasses", server.web_id);
        let listing = Listing::whole(path, selected("WebId Name CanonicalUnitName"));
        let items = match out.reading.client().all_items(listing).await {
            Ok(items) => items,
            Err(error) => {
                out.failed(Object::of(&server), error)?;
                continue;
            }
        };
        let server_webid = canonical(&server.web_id);
        let mut classes = Vec::with_capacity(items.len());
        let mut canonical_units = std::collections::HashMap::new();
        for item in &items {
            let class = Named::of(item)?;
            canonical_units.insert(class.web_id.clone(), parse_item::<UnitClass>(item)?.canonical_unit_name);
            classes.push(class);
        }
        let query = vec![out.selected(&[])];
        let listing = |class: &Named| Listing::whole(format!("unitclasses/{}/units", class.web_id), query.clone());
        each_list(out, classes, listing, |out, class, items| {
            let class_webid = canonical(&class.web_id);
            let unit = canonical_units.get(&class.web_id).and_then(Option::as_deref);
            items.iter().try_for_each(|item| {
                out.row(item, |row| {
                    row.text("quantity_type", class.name.as_deref());
                    row.text("canonical_unit", unit);
                    row.text("unitclass_webid", Some(&class_webid));
                    row.text("assetserver_webid", Some(&server_webid));
                    Ok(())
                })
            })
        })
        .await?;
    }
    Ok(())
}

/// Who may have enumeration sets.
async fn owners(out: &Out) -> Result<Vec<(&'static str, &'static str, Named)>> {
    let servers = out.reading.data_servers().await?;
    let databases = out.reading.databases().await?;
    let servers = servers.into_iter().map(|owner| ("DataServer", "dataservers", owner));
    Ok(servers.chain(databases.into_iter().map(|owner| ("AssetDatabase", "assetdatabases", owner))).collect())
}

pub(super) async fn enumeration_sets(out: &mut Out) -> Result<()> {
    for (owner_type, collection, owner) in owners(out).await? {
        let listing = Listing::whole(format!("{collection}/{}/enumerationsets", owner.web_id), vec![out.selected(&[])]);
        let webid = canonical(&owner.web_id);
        out.list(Object::of(&owner), listing, |row| {
            row.text("owner_type", Some(owner_type));
            row.text("owner_webid", Some(&webid));
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn enumeration_values(out: &mut Out) -> Result<()> {
    for (_, collection, owner) in owners(out).await? {
        let listing =
            Listing::whole(format!("{collection}/{}/enumerationsets", owner.web_id), selected("WebId Name Path"));
        let sets = match out.reading.client().all_items(listing).await {
            Ok(items) => items.iter().map(|item| Named::of(item)).collect::<Result<Vec<_>>>()?,
            Err(error) => {
                out.failed(Object::of(&owner), error)?;
                continue;
            }
        };
        let query = vec![out.selected(&[])];
        let listing =
            |set: &Named| Listing::whole(format!("enumerationsets/{}/enumerationvalues", set.web_id), query.clone());
        each_list(out, sets, listing, |out, set, items| {
            let webid = canonical(&set.web_id);
            items.iter().try_for_each(|item| {
                out.row(item, |row| {
                    row.text("enumeration_set_webid", Some(&webid));
                    Ok(())
                })
            })
        })
        .await?;
    }
    Ok(())
}
