//! `/`, `/system` and `/dataservers`.

use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Call, Refusal},
    lists::whole,
    webid::Kind,
    world::World,
};

/// Answers calls about the server itself and its data servers; nothing when there is no such route.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
    let get = |answer: Answer| Some(call.only_get().and(answer));
    match call.segments().as_slice() {
        [] => get(home(call)),
        ["system"] => get(system(call)),
        ["system", "versions"] => get(versions(call)),
        ["system", "status"] => get(call.ok(json!({
            "UpTimeInMinutes": 1_234.5, "State": "Running", "CacheInstances": 1, "ServerTime": call.now.to_string(),
        }))),
        ["system", "userinfo"] => get(call.ok(json!({
            "IdentityType": "WindowsIdentity", "Name": "PLANT\\reader", "IsAuthenticated": true,
            "SID": "S-1-5-21-1-2-3-1001", "ImpersonationLevel": "Impersonation",
        }))),
        ["system", "configuration"] => {
            get(Err(Refusal::new(403, "The user has no permission to read the configuration.")))
        }
        ["dataservers"] => get(data_servers(call, world)),
        ["dataservers", id] => get(world.server(id).and_then(|place| call.ok(data_server(call, world, place)))),
        _ => None,
    }
}

fn home(call: &Call<'_>) -> Answer {
    call.ok(json!({ "Links": {
        "Self": call.link(""),
        "AssetServers": call.link("assetservers"),
        "DataServers": call.link("dataservers"),
        "System": call.link("system"),
    }}))
}

fn system(call: &Call<'_>) -> Answer {
    call.ok(json!({
        "ProductTitle": "PI Web API (simulated)",
        "ProductVersion": call.config.wire.version,
        "Links": {
            "Self": call.link("system"),
            "CacheInstances": call.link("system/cacheinstances"),
            "Configuration": call.link("system/configuration"),
            "UserInfo": call.link("system/userinfo"),
            "Versions": call.link("system/versions"),
            "Status": call.link("system/status"),
        },
    }))
}

fn versions(call: &Call<'_>) -> Answer {
    let version = &call.config.wire.version;
    // The last number of the four is the build.
    let (revision, build) = version.rsplit_once('.').unwrap_or((version, "0"));
    let of = json!({ "FullVersion": version, "MajorMinorRevision": revision, "Build": build });
    call.ok(json!({ "PI Web API": of, "OSIsoft.AFSDK": of }))
}

fn data_servers(call: &Call<'_>, world: &World) -> Answer {
    let absent = |what: &str| Refusal::absent(format!("There is no data server '{what}'."));
    let named = match (call.filled("path"), call.filled("name")) {
        (Some(path), _) => Some(path.trim_start_matches('\\')),
        (None, name) => name,
    };
    if let Some(name) = named {
        let place = world.server_by_name(name).ok_or_else(|| absent(name))?;
        return call.ok(data_server(call, world, place));
    }
    whole(call, (0..world.servers.len()).map(|place| data_server(call, world, place)).collect())
}

/// The data server of that place as JSON.
pub(crate) fn data_server(call: &Call<'_>, world: &World, place: usize) -> Value {
    let Some(server) = world.servers.get(place) else { return Value::Null };
    let path = format!(r"\\{}", server.name);
    let web_id = call.web_id(Kind::DataServer, &[server.id], None, &path);
    let mut out = json!({
        "WebId": web_id,
        "Id": server.id.to_string(),
        "Name": server.name,
        "Path": format!(r"\\PIServers[{}]", server.name),
        "IsConnected": server.alive,
        "ServerVersion": "3.4.440.477",
        "ServerTime": call.now.to_string(),
    });
    let links =
        ["Points", "EnumerationSets"].map(|name| (name, format!("dataservers/{web_id}/{}", name.to_lowercase())));
    add_links(call, &mut out, &format!("dataservers/{web_id}"), links);
    out
}

/// Adds `Links` with `Self` and the given ones (names and paths below the base), unless the server sends none.
pub(crate) fn add_links<'a>(
    call: &Call<'_>,
    object: &mut Value,
    itself: &str,
    links: impl IntoIterator<Item = (&'a str, String)>,
) {
    let mut all = Map::new();
    if call.config.wire.object_links {
        all.insert("Self".to_owned(), Value::from(call.link(itself)));
        all.extend(links.into_iter().map(|(name, path)| (name.to_owned(), Value::from(call.link(&path)))));
    }
    if let Value::Object(members) = object {
        members.insert("Links".to_owned(), Value::Object(all));
    }
}
