//! The AF databases to read, and the time at their servers.

use super::super::{client::PiClient, items::Listing, reading::Reading, time::Ticks, webid::WebId};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// The databases that a read is about.
#[derive(Clone, Debug)]
pub(super) struct Databases {
    pub(super) webids: Vec<String>,
    /// The earliest clock of the AF servers, else of the data servers; our own when none tells its time.
    pub(super) now: Ticks,
}

impl Databases {
    /// Asks which there are; those that the options name, else all.
    ///
    /// # Errors
    /// Those of the client; [`NotFound`](ErrorKind::NotFound) when there is no AF server at all.
    pub(super) async fn find(reading: &Reading) -> Result<Self> {
        let client = reading.client();
        let fields = vec![("selectedFields", "Items.WebId;Items.ServerTime".to_owned())];
        let servers = client.all_items(Listing::whole("assetservers", fields)).await?;
        let servers = servers.iter().map(|item| Server::parse(item)).collect::<Result<Vec<_>>>()?;
        let mut now = servers.iter().filter_map(|server| server.time).min();
        if now.is_none() {
            // AF servers of older releases do not tell their time; the Data Archive beside them does.
            let fields = vec![("selectedFields", "Items.WebId;Items.ServerTime".to_owned())];
            let archives = client.all_items(Listing::whole("dataservers", fields)).await?;
            let archives = archives.iter().map(|item| Server::parse(item)).collect::<Result<Vec<_>>>()?;
            now = archives.iter().filter_map(|server| server.time).min();
        }
        let now = now.unwrap_or_else(|| Ticks::from_utc(reading.now()));
        let named = &reading.options.lists.assetdatabase_webid;
        let mut webids = named.iter().map(|webid| Ok(WebId::parse(webid)?.to_string())).collect::<Result<Vec<_>>>()?;
        if named.is_empty() {
            for server in &servers {
                let Some(webid) = &server.webid else { continue };
                webids.extend(of_server(client, webid).await?);
            }
            if servers.is_empty() {
                return Err(Error::new(ErrorKind::NotFound, "the PI Web API shows no AF server")
                    .help("add one on the PI Web API server, or grant this login the right to see it"));
            }
        }
        webids.sort_unstable();
        webids.dedup();
        Ok(Self { webids, now })
    }
}

async fn of_server(client: &PiClient, server: &str) -> Result<Vec<String>> {
    let fields = vec![("selectedFields", "Items.WebId".to_owned())];
    let databases = client.all_items(Listing::whole(format!("assetservers/{server}/assetdatabases"), fields)).await?;
    let mut webids = Vec::with_capacity(databases.len());
    for item in &databases {
        webids.extend(Server::parse(item)?.webid);
    }
    Ok(webids)
}

/// What is read of an item.
#[derive(Default)]
struct Server {
    webid: Option<String>,
    time: Option<Ticks>,
}

impl Server {
    fn parse(item: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        let mut s = Scanner::from_utf8(item)?;
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            match (&*key, s.peek()?) {
                ("WebId", Kind::String) => found.webid = Some(super::frame::canonical(&s.string()?)),
                ("ServerTime", Kind::String) => found.time = Ticks::parse(&s.string()?),
                _ => s.skip_value()?,
            }
        }
        Ok(found)
    }
}
