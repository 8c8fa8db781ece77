//! Templates of elements and event frames, and their attributes.

use std::collections::HashSet;

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
    parents::each_list,
};
use crate::error::Result;

/// What templates are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Elements,
    EventFrames,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instances {
    #[serde(default)]
    instance_type: Option<String>,
}

impl Of {
    /// Whether a template is of this kind; one that does not say is of elements.
    fn takes(self, item: &[u8]) -> Result<bool> {
        let instances: Instances = parse_item(item)?;
        let is_event_frame = instances.instance_type.as_deref() == Some("EventFrame");
        Ok(is_event_frame == (self == Self::EventFrames))
    }

    fn option(self) -> &'static str {
        match self {
            Self::Elements => "elementtemplate_webid",
            Self::EventFrames => "eventframe_template_webid",
        }
    }

    /// The templates that the options name; all when none.
    async fn wanted(self, out: &Out) -> Result<HashSet<String>> {
        let lists = &out.reading.options.lists;
        let given = match self {
            Self::Elements => &lists.elementtemplate_webid,
            Self::EventFrames => &lists.eventframe_template_webid,
        };
        Ok(out.reading.canonical("elementtemplates", self.option(), given).await?.into_iter().collect())
    }
}

fn listing(database: &Named, selection: (&'static str, String)) -> Listing {
    let query = vec![selection, ("field", "Name".to_owned())];
    Listing::cut(format!("assetdatabases/{}/elementtemplates", database.web_id), query)
}

pub(super) async fn templates(out: &mut Out, of: Of) -> Result<()> {
    let wanted = of.wanted(out).await?;
    for database in out.reading.databases().await? {
        let webid = canonical(&database.web_id);
        let items = match out.reading.client().all_items(listing(&database, out.selected(&["InstanceType"]))).await {
            Ok(items) => items,
            Err(error) => {
                out.failed(Object::of(&database), error)?;
                continue;
            }
        };
        for item in items {
            let is_wanted = wanted.is_empty() || wanted.contains(&canonical(&Named::of(&item)?.web_id));
            if is_wanted && of.takes(&item)? {
                out.row(&item, |row| {
                    row.text("assetdatabase_webid", Some(&webid));
                    Ok(())
                })?;
            }
        }
        out.send_ready().await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Linked<'a> {
    #[serde(borrow, default, rename = "Links")]
    links: Links<'a>,
}

/// Attributes of templates; with those of base and derived templates when `inherited`. Each attribute once, with the
/// template that it belongs to.
pub(super) async fn attributes(out: &mut Out, of: Of, inherited: bool) -> Result<()> {
    let wanted = of.wanted(out).await?;
    let mut seen = HashSet::new();
    for database in out.reading.databases().await? {
        let database_webid = canonical(&database.web_id);
        let listed = out.reading.client().all_items(listing(&database, ("selectedFields", fields()))).await;
        let items = match listed {
            Ok(items) => items,
            Err(error) => {
                out.failed(Object::of(&database), error)?;
                continue;
            }
        };
        let mut templates = Vec::new();
        for item in items {
            let template = Named::of(&item)?;
            if (wanted.is_empty() || wanted.contains(&canonical(&template.web_id))) && of.takes(&item)? {
                templates.push(template);
            }
        }
        let mut query = vec![out.selected(&["Links"])];
        if inherited {
            query.extend([("showInherited", "true".to_owned()), ("showDescendants", "true".to_owned())]);
        }
        let listing = |template: &Named| {
            Listing::whole(format!("elementtemplates/{}/attributetemplates", template.web_id), query.clone())
        };
        each_list(out, templates, listing, |out, template, items| {
            let parent = canonical(&template.web_id);
            for item in items.iter() {
                if !seen.insert(canonical(&Named::of(item)?.web_id)) {
                    continue;
                }
                let owner = parse_item::<Linked<'_>>(item)?.links.element_template();
                let owner = owner.as_deref().unwrap_or(&parent);
                out.row(item, |row| {
                    row.text("elementtemplate_webid", Some(owner));
                    row.text("eventframe_template_webid", Some(owner));
                    row.text("assetdatabase_webid", Some(&database_webid));
                    Ok(())
                })?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

fn fields() -> String {
    let mut query = selected("WebId Name InstanceType");
    query.pop().map(|(_, fields)| fields).unwrap_or_default()
}
