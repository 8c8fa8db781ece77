//! The objects that everything else hangs on: data servers, asset servers, databases.

use std::collections::HashSet;

use serde::Deserialize;

use super::{
    client::{PiClient, Query},
    items::Listing,
    reading::Reading,
    time::Ticks,
    webid::{Spelled, WebId, path_of},
};
use crate::error::{Error, ErrorKind, Result};

/// A server or database, or another object by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub(super) web_id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) path: Option<String>,
}

/// A server, of which only the clock is of interest.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    #[serde(default)]
    server_time: Option<String>,
}

impl Named {
    /// An item of a list.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when it has no WebID.
    pub(super) fn of(item: &[u8]) -> Result<Self> {
        parse_item(item)
    }
}

/// The members that a reader needs of an item.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) when one is missing or of another kind; never with the item's content.
pub(super) fn parse_item<'a, T: Deserialize<'a>>(item: &'a [u8]) -> Result<T> {
    serde_json::from_slice(item).map_err(|error| {
        Error::new(ErrorKind::Protocol, "an item of the server's answer lacks a member, or has one of another kind")
            .with("needed", std::any::type_name::<T>().rsplit("::").next().unwrap_or_default())
            .with("line", error.line())
            .with("column", error.column())
    })
}

/// Only the fields that are read, and the link to the next page.
pub(super) fn selected(fields: &str) -> Query {
    let fields: Vec<String> = fields.split(' ').map(|field| format!("Items.{field}")).collect();
    vec![("selectedFields", format!("{};Links.Next", fields.join(";")))]
}

impl PiClient {
    /// The WebID of an object in its ids-only spelling; one that holds a path only is looked up in `collection`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for text that is no WebID; those of the client.
    pub(super) async fn canonical(&self, collection: &str, text: &str) -> Result<String> {
        match Spelled::parse(text)? {
            Spelled::Id(id) => Ok(id.as_str().to_owned()),
            Spelled::Path(_) => {
                let query = vec![("selectedFields", "WebId".to_owned())];
                let found: Named = parse_item(&self.get(&format!("{collection}/{text}"), &query).await?)?;
                Ok(WebId::parse(&found.web_id)?.as_str().to_owned())
            }
        }
    }

    async fn named(&self, path: &str) -> Result<Vec<Named>> {
        let listing = Listing::whole(path, selected("WebId Name Path"));
        self.all_items(listing).await?.iter().map(|item| Named::of(item)).collect()
    }

    /// The data servers with these WebIDs, or all.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for one that the server does not have; those of the client.
    pub(super) async fn data_servers(&self, wanted: &[String]) -> Result<Vec<Named>> {
        choose(self.named("dataservers").await?, wanted, "data server", "dataserver_webid")
    }

    /// The asset servers.
    pub(super) async fn asset_servers(&self) -> Result<Vec<Named>> {
        self.named("assetservers").await
    }

    /// The AF databases with these WebIDs, or all; each with its server's WebID.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for one that the server does not have; those of the client.
    pub(super) async fn databases(&self, wanted: &[String]) -> Result<Vec<Named>> {
        let mut all = Vec::new();
        for server in self.asset_servers().await? {
            all.extend(self.named(&format!("assetservers/{}/assetdatabases", server.web_id)).await?);
        }
        choose(all, wanted, "AF database", "assetdatabase_webid")
    }
}

/// The wanted ones in their order, or all.
fn choose(all: Vec<Named>, wanted: &[String], what: &'static str, option: &'static str) -> Result<Vec<Named>> {
    if wanted.is_empty() {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for text in wanted {
        let is = |object: &Named| match Spelled::parse(text) {
            Ok(Spelled::Id(id)) => WebId::parse(&object.web_id).is_ok_and(|other| other == id),
            Ok(Spelled::Path(webid)) => {
                let own = object.path.as_deref().unwrap_or_default().trim_start_matches('\\');
                path_of(&webid).is_some_and(|path| path == own.to_uppercase())
            }
            Err(_) => object.web_id == *text,
        };
        let Some(found) = all.iter().find(|object| is(object)) else {
            let there: Vec<&str> = all.iter().filter_map(|object| object.name.as_deref()).collect();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no {what} with this WebID, or no right to see it"),
            )
            .with(option, text)
            .help(format!("there are: {}", there.join(", "))));
        };
        if !chosen.contains(found) {
            chosen.push(found.clone());
        }
    }
    Ok(chosen)
}

impl Reading {
    /// The data servers that the options name, or all.
    pub(super) async fn data_servers(&self) -> Result<Vec<Named>> {
        self.client().data_servers(&self.options.tags.dataserver_webid).await
    }

    /// The AF databases that the options name, or all.
    pub(super) async fn databases(&self) -> Result<Vec<Named>> {
        self.client().databases(&self.options.lists.assetdatabase_webid).await
    }

    /// The earliest and the latest of the clocks of the first of these lists of servers (`assetservers`, `dataservers`) that
    /// tells any; the clock of this machine where none does.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn clocks(&self, collections: &[&str]) -> Result<(Ticks, Ticks)> {
        for collection in collections {
            let query = vec![("selectedFields", "Items.WebId;Items.ServerTime".to_owned())];
            let servers = self.client().all_items(Listing::whole(*collection, query)).await?;
            let mut times = Vec::with_capacity(servers.len());
            for server in &servers {
                let server: Server = parse_item(server)?;
                times.extend(server.server_time.as_deref().and_then(Ticks::parse));
            }
            if let (Some(earliest), Some(latest)) = (times.iter().min(), times.iter().max()) {
                return Ok((*earliest, *latest));
            }
        }
        let now = Ticks::from_utc(self.now());
        Ok((now, now))
    }

    /// Items of a list to ask for at a time.
    pub(super) fn list_size(&self) -> u32 {
        self.options.max_count.unwrap_or(1000)
    }

    /// WebIDs that an option gives, in their one spelling, each once.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) naming the option for text that is no WebID; those of the client.
    pub(super) async fn canonical(
        &self,
        collection: &str,
        option: &'static str,
        given: &[String],
    ) -> Result<Vec<String>> {
        let mut seen = HashSet::new();
        let mut webids = Vec::new();
        for text in given {
            let webid = self.client().canonical(collection, text).await;
            let webid = webid.map_err(|error| error.with("option", option).with("value", text))?;
            if seen.insert(webid.clone()) {
                webids.push(webid);
            }
        }
        Ok(webids)
    }
}
