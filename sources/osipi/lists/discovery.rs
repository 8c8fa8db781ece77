//! Data servers, points and their attributes.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    super::{
        items::{Items, Listing},
        ledger::Object,
        objects::{Named, parse_item, selected},
        webid::WebId,
    },
    out::Out,
    parents::each_list,
};
use crate::error::{Error, ErrorKind, Result};

/// Points of one page, where only their attributes are wanted.
const POINTS_PAGE: u32 = 1000;

pub(super) async fn data_servers(out: &mut Out) -> Result<()> {
    let wanted = out.reading.data_servers().await?;
    let listing = Listing::whole("dataservers", vec![out.selected(&[])]);
    for item in out.reading.client().all_items(listing).await? {
        let server = Named::of(&item)?;
        if wanted.iter().any(|wanted| wanted.web_id == server.web_id) {
            out.row(&item, |_| Ok(()))?;
        }
    }
    Ok(())
}

pub(super) async fn points(out: &mut Out) -> Result<()> {
    let lists = out.reading.options.lists.clone();
    let mut query = vec![out.selected(&[])];
    query.extend(out.reading.options.tags.name_filter.iter().map(|filter| ("nameFilter", filter.clone())));
    let mut total: u64 = 0;
    for server in out.reading.data_servers().await? {
        let path = format!("dataservers/{}/points", server.web_id);
        let mut listing = Listing::pages(path, query.clone(), out.reading.list_size());
        listing.start = lists.start_index;
        let mut pages = out.reading.client().items(listing);
        loop {
            let items = match pages.next().await {
                Ok(Some(items)) => items,
                Ok(None) => break,
                Err(error) => {
                    out.failed(Object::of(&server), error)?;
                    break;
                }
            };
            total += items.len() as u64;
            if lists.max_total_count.is_some_and(|most| total > most) {
                return Err(Error::new(ErrorKind::Config, "there are more points than 'maxTotalCount' allows")
                    .help("raise it or leave it out, or narrow nameFilter"));
            }
            out.page(&items, |row| row.text("dataserver_webid", Some(&server.web_id))).await?;
        }
    }
    Ok(())
}

/// An attribute of a point.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute<'a> {
    #[serde(borrow)]
    #[expect(dead_code, reason = "an attribute without a name is refused: it is part of the key")]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

pub(super) async fn point_attributes(out: &mut Out) -> Result<()> {
    let lists = out.reading.options.lists.clone();
    if !lists.point_webids.is_empty() {
        let webids = out.reading.canonical("points", "point_webids", &lists.point_webids).await?;
        let points = webids.into_iter().map(|web_id| Named { web_id, name: None, path: None }).collect();
        return attributes_of(out, points).await;
    }
    let mut query = selected("WebId Name");
    query.extend(out.reading.options.tags.name_filter.iter().map(|filter| ("nameFilter", filter.clone())));
    let mut left = lists.default_points.unwrap_or(u64::MAX);
    for server in out.reading.data_servers().await? {
        let path = format!("dataservers/{}/points", server.web_id);
        let mut pages = out.reading.client().items(Listing::pages(path, query.clone(), POINTS_PAGE));
        while left > 0 {
            let items = match pages.next().await {
                Ok(Some(items)) => items,
                Ok(None) => break,
                Err(error) => {
                    out.failed(Object::of(&server), error)?;
                    break;
                }
            };
            let mut points: Vec<Named> = items.iter().map(Named::of).collect::<Result<_>>()?;
            points.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= points.len() as u64;
            attributes_of(out, points).await?;
        }
    }
    Ok(())
}

async fn attributes_of(out: &mut Out, points: Vec<Named>) -> Result<()> {
    let lists = out.reading.options.lists.clone();
    let mut query = vec![("selectedFields", "Items.Name;Items.Value".to_owned())];
    query.extend(lists.name.iter().map(|name| ("name", name.clone())));
    query.extend(lists.attribute_name_filter.iter().map(|filter| ("nameFilter", filter.clone())));
    let listing = move |point: &Named| Listing::whole(format!("points/{}/attributes", point.web_id), query.clone());
    each_list(out, points, listing, point_values).await
}

fn point_values(out: &mut Out, point: &Named, items: &Items) -> Result<()> {
    let webid = canonical(&point.web_id);
    for item in items.iter() {
        let attribute: Attribute<'_> = parse_item(item)?;
        let (kind, text) = plain(attribute.value)?;
        out.row(item, |row| {
            row.text("point_webid", Some(&webid));
            row.text("value", text.as_deref());
            row.text("type", Some(kind));
            Ok(())
        })?;
    }
    Ok(())
}

/// The JSON kind of a value, and its text: that of strings as it reads, of others as it is written.
fn plain(value: Option<&RawValue>) -> Result<(&'static str, Option<Cow<'_, str>>)> {
    let Some(text) = value.map(RawValue::get) else { return Ok(("null", None)) };
    Ok(match text.as_bytes().first() {
        Some(b'"') => ("string", Some(parse_item::<Cow<'_, str>>(text.as_bytes())?)),
        Some(b'{') => ("object", Some(text.into())),
        Some(b'[') => ("array", Some(text.into())),
        Some(b't' | b'f') => ("boolean", Some(text.into())),
        Some(b'n') | None => ("null", None),
        Some(_) => ("number", Some(text.into())),
    })
}

/// The spelling that keys have; as the server gave it when that is not one we know.
pub(super) fn canonical(webid: &str) -> String {
    WebId::parse(webid).map_or_else(|_| webid.to_owned(), |id| id.as_str().to_owned())
}

/// A point's type and unit.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PointType<'a> {
    #[serde(borrow, default)]
    point_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    engineering_units: Option<Cow<'a, str>>,
}

pub(super) async fn point_types(out: &mut Out) -> Result<()> {
    let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
    let query = selected("WebId PointType EngineeringUnits");
    for server in out.reading.data_servers().await? {
        let path = format!("dataservers/{}/points", server.web_id);
        let mut pages = out.reading.client().items(Listing::pages(path, query.clone(), out.reading.list_size()));
        loop {
            let items = match pages.next().await {
                Ok(Some(items)) => items,
                Ok(None) => break,
                Err(error) => {
                    out.failed(Object::of(&server), error)?;
                    break;
                }
            };
            for item in items.iter() {
                let point: PointType<'_> = parse_item(item)?;
                let text = |text: Option<Cow<'_, str>>| text.unwrap_or_default().into_owned();
                *counts.entry((text(point.point_type), text(point.engineering_units))).or_default() += 1;
            }
        }
    }
    for ((point_type, units), count) in counts {
        out.row(b"{}", |row| {
            row.text("point_type", Some(&point_type));
            row.text("engineering_units", Some(&units));
            row.long("count_points", Some(count));
            Ok(())
        })?;
    }
    Ok(())
}
