//! What `lakeflow check` tells of a connection: versions, caps, clocks, what this login may not read, and what to do.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use serde::Deserialize;

use super::{
    client::{PiClient, Query},
    config::AuthType,
    items::{Items, Listing},
    objects::{Named, parse_item, selected},
    reading::Source,
    system::{System, seen},
    time::Ticks,
};
use crate::error::{Error, ErrorKind, Result};

/// Objects looked at side by side.
const PARALLEL: usize = 4;
/// Clocks that differ by more are worth a word.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(10);
/// Larger than any cap: asked for once, to be told the cap.
const ABOVE_ANY_CAP: u32 = 2_147_483_647;

type Fact = (String, String);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataServer {
    #[serde(flatten)]
    named: Named,
    #[serde(default)]
    is_connected: Option<bool>,
    #[serde(default)]
    server_version: Option<String>,
    #[serde(default)]
    server_time: Option<String>,
}

/// What the server says of itself, and what this login may not read. Objects that cannot be read are told, they are no error.
///
/// # Errors
/// Those of the client for the first request: address, credentials, no answer.
pub(super) async fn facts(source: &Source, login: AuthType) -> Result<Vec<Fact>> {
    let client = &source.client;
    let system = System::ask(client).await?;
    let mut facts = of_system(&system, login);
    let servers = Listing::whole("dataservers", selected("WebId Name Path IsConnected ServerVersion ServerTime"));
    let asked = source.clock.now();
    match listed::<DataServer>(client, servers).await {
        Ok(servers) if servers.is_empty() => facts.push((
            "data servers".to_owned(),
            "none that this login may see: map its Windows or OpenID identity to a PI identity on the Data Archive"
                .to_owned(),
        )),
        Ok(servers) => {
            // Halfway between question and answer.
            let now = asked + (source.clock.now() - asked) / 2;
            let cap = item_cap(client, &servers).await;
            let told = stream::iter(servers).map(|server| of_data_server(client, server, now));
            facts.extend(told.buffered(PARALLEL).collect::<Vec<_>>().await);
            facts.push(("items a request".to_owned(), cap));
        }
        Err(error) => facts.push(("data servers".to_owned(), refused(&error, "list them"))),
    }
    match client.databases(&[]).await {
        Ok(databases) if databases.is_empty() => {
            facts.push(("AF databases".to_owned(), "none that this login may see".to_owned()));
        }
        Ok(databases) => {
            let told = stream::iter(databases).map(|database| of_database(client, database));
            facts.extend(told.buffered(PARALLEL).collect::<Vec<_>>().await);
        }
        Err(error) => facts.push(("AF databases".to_owned(), refused(&error, "list them"))),
    }
    Ok(facts)
}

fn of_system(system: &System, login: AuthType) -> Vec<Fact> {
    let mut who = login.as_str().to_owned();
    if let Some(user) = &system.user {
        write_to(&mut who, format_args!(", as {user}"));
    }
    if system.is_authenticated == Some(false) {
        who.push_str("; the server does not know this user");
    }
    let title = system.title.as_deref().unwrap_or("PI Web API");
    let mut facts = vec![
        ("login".to_owned(), who),
        (
            "product".to_owned(),
            [Some(title), system.version.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" "),
        ),
    ];
    if !system.versions.is_empty() {
        let versions: Vec<String> = system.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        facts.push(("versions".to_owned(), versions.join(", ")));
    }
    if let Some(state) = system.state.as_deref().filter(|state| !state.eq_ignore_ascii_case("running")) {
        facts.push(("state".to_owned(), state.to_owned()));
    }
    facts
}

async fn of_data_server(client: &PiClient, server: DataServer, now: DateTime<Utc>) -> Fact {
    let mut told = Vec::new();
    told.extend(server.server_version.as_ref().map(|version| format!("version {version}")));
    let time = server.server_time.as_deref().and_then(Ticks::parse);
    told.extend(time.map(|time| clock(time.to_utc() - now)));
    told.push(match server.is_connected {
        Some(false) => "not connected to the PI Web API: is it running, and does the web server reach it?".to_owned(),
        _ => points(client, &server.named).await,
    });
    (format!("data server {}", label(&server.named)), told.join("; "))
}

/// The server's clock against ours.
fn clock(ahead: TimeDelta) -> String {
    let seconds = ahead.num_milliseconds() as f64 / 1000.0;
    if seconds.abs() < 0.1 {
        return "its clock agrees with ours".to_owned();
    }
    let side = if seconds < 0.0 { "behind" } else { "ahead of" };
    let told = format!("its clock is {:.1} s {side} ours", seconds.abs());
    if ahead.abs() > CLOCK_TOLERANCE {
        return format!("{told} (set one of them: reads end at the time of this machine)");
    }
    told
}

async fn points(client: &PiClient, server: &Named) -> String {
    let found = first(client, &format!("dataservers/{}/points", server.web_id), Vec::new()).await;
    let point = match found {
        Ok(Some(point)) => point,
        Ok(None) => return "no point that this login may see: give its PI identity read access to points".to_owned(),
        Err(error) => return refused(&error, "list its points"),
    };
    let query = vec![
        ("startTime", "*-1d".to_owned()),
        ("endTime", "*".to_owned()),
        ("maxCount", "1".to_owned()),
        ("selectedFields", "Items.Timestamp".to_owned()),
    ];
    match client.get(&format!("streams/{}/recorded", point.web_id), &query).await {
        Ok(_) => "points and values can be read".to_owned(),
        Err(error) => refused(&error, &format!("read the values of {} (data security of the point)", label(&point))),
    }
}

async fn of_database(client: &PiClient, database: Named) -> Fact {
    let path = format!("assetdatabases/{}", database.web_id);
    let elements = first(client, &format!("{path}/elements"), Vec::new()).await;
    let window = vec![("startTime", "*-1d".to_owned()), ("searchMode", "Overlapped".to_owned())];
    let frames = first(client, &format!("{path}/eventframes"), window).await;
    let mut missing = Vec::new();
    missing.extend(elements.err().map(|error| refused(&error, "list its elements")));
    missing.extend(frames.err().map(|error| refused(&error, "search its event frames")));
    let told = if missing.is_empty() { "elements and event frames can be read".to_owned() } else { missing.join("; ") };
    (format!("AF database {}", label(&database)), told)
}

/// How many items the server gives at a time, found out by asking for too many of nothing.
async fn item_cap(client: &PiClient, servers: &[DataServer]) -> String {
    for server in servers.iter().filter(|server| server.is_connected != Some(false)) {
        let path = format!("dataservers/{}/points", server.named.web_id);
        let nothing =
            vec![("nameFilter", "lakeflow no such point".to_owned()), ("selectedFields", "Items.WebId".to_owned())];
        if client.get_capped(&path, &nothing, ABOVE_ANY_CAP).await.is_ok() {
            break;
        }
    }
    match client.item_cap() {
        Some(cap) => format!("at most {cap}"),
        None => "no cap was named".to_owned(),
    }
}

/// The first item of a list.
async fn first(client: &PiClient, path: &str, mut query: Query) -> Result<Option<Named>> {
    query.extend([("maxCount", "1".to_owned()), ("selectedFields", "Items.WebId;Items.Name;Items.Path".to_owned())]);
    let items = Items::of(client.get(path, &query).await?)?;
    items.iter().next().map(Named::of).transpose()
}

async fn listed<T: for<'a> Deserialize<'a>>(client: &PiClient, listing: Listing) -> Result<Vec<T>> {
    let items = seen(client.all_items(listing).await)?.unwrap_or_default();
    items.iter().map(|item| parse_item(item)).collect()
}

fn label(object: &Named) -> &str {
    object.name.as_deref().unwrap_or(&object.web_id)
}

/// Why something cannot be done, and what to do.
fn refused(error: &Error, action: &str) -> String {
    let mut told = match error.kind() {
        ErrorKind::Permission => format!("no permission to {action}"),
        _ => format!("cannot {action}: {}", error.message()),
    };
    if let Some(detail) = error.get("detail") {
        write_to(&mut told, format_args!(" ({detail})"));
    }
    if let Some(help) = error.help_text() {
        write_to(&mut told, format_args!("; {help}"));
    }
    told
}

fn write_to(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    _ = text.write_fmt(more);
}
