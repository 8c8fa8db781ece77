//! Digital sets of data servers: `/dataservers/{webId}/enumerationsets`, `/enumerationsets`, `/enumerationvalues`.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Refusal, read_web_id},
    guid::Guid,
    lists::whole,
    model::{DIGITAL_SETS, DigitalSet},
    servers::add_links,
    streams::alive,
    webid::{Kind, Target, WebId},
    world::World,
};

/// A digital set and where it is.
#[derive(Clone, Copy)]
struct Place<'a> {
    server: usize,
    server_name: &'a str,
    server_id: Guid,
    set_id: Guid,
    set: &'static DigitalSet,
}

/// Answers calls about digital sets of data servers; nothing when the call is about something else.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
    let get = |answer: Answer| Some(call.only_get().and(answer));
    let ours = |id: &str| WebId::parse(id).is_some_and(|id| matches!(id.kind, Kind::DigitalSet | Kind::DigitalState));
    match call.segments().as_slice() {
        ["dataservers", id, "enumerationsets"] => get(list(call, world, id)),
        ["enumerationsets"] if call.filled("path").is_some_and(|path| path.starts_with(r"\\PIServers[")) => {
            get(by_path(call, world))
        }
        ["enumerationsets", id] if ours(id) => get(set(world, id).and_then(|place| call.ok(show(call, place)))),
        ["enumerationsets", id, "enumerationvalues"] if ours(id) => get(values(call, world, id)),
        ["enumerationvalues", id] if ours(id) => get(value(call, world, id)),
        _ => None,
    }
}

fn places(world: &World) -> impl Iterator<Item = Place<'_>> {
    world.servers.iter().enumerate().flat_map(move |(server, found)| {
        DIGITAL_SETS.iter().map(move |set| Place {
            server,
            server_name: &found.name,
            server_id: found.id,
            set_id: set_guid(world.config.seed, &found.name, set.name),
            set,
        })
    })
}

fn set_guid(seed: u64, server: &str, set: &str) -> Guid {
    Guid::made(seed, &format!("{server}/{set}"), 0)
}

fn state_guid(place: Place<'_>, code: i32) -> Guid {
    Guid::made(0, &place.set_id.to_string(), u64::from(code.unsigned_abs()))
}

impl Place<'_> {
    fn path(&self) -> String {
        format!(r"\\PIServers[{}]\DigitalSets[{}]", self.server_name, self.set.name)
    }
}

fn list(call: &Call<'_>, world: &World, id: &str) -> Answer {
    let server = world.server(id)?;
    alive(world, server)?;
    whole(call, places(world).filter(|place| place.server == server).map(|place| show(call, place)).collect())
}

fn by_path(call: &Call<'_>, world: &World) -> Answer {
    let path = call.required("path")?;
    let found = places(world).find(|place| place.path().eq_ignore_ascii_case(path));
    found.ok_or_else(|| absent(path)).and_then(|place| call.ok(show(call, place)))
}

fn absent(text: &str) -> Refusal {
    Refusal::absent(format!("Enumeration set or value not found '{text}'."))
}

fn set<'a>(world: &'a World, text: &str) -> Result<Place<'a>, Refusal> {
    let id = read_web_id(text)?;
    let found = places(world).find(|place| match &id.target {
        Target::Path(path) => place.path().trim_start_matches('\\').to_uppercase() == *path,
        _ => {
            let default = world.servers.first().map(|server| server.id);
            default
                .and_then(|default| id.ids(default))
                .is_some_and(|(ids, _)| ids.starts_with(&[place.server_id, place.set_id]))
        }
    });
    let place = found.ok_or_else(|| absent(text))?;
    alive(world, place.server)?;
    Ok(place)
}

fn show(call: &Call<'_>, place: Place<'_>) -> Value {
    let path = place.path();
    let web_id = call.web_id(Kind::DigitalSet, &[place.server_id, place.set_id], None, &path);
    let mut out = json!({
        "WebId": web_id,
        "Id": place.set_id.to_string(),
        "Name": place.set.name,
        "Description": place.set.description,
        "Path": path,
        "SerializeDescription": false,
    });
    let link = format!("enumerationsets/{web_id}");
    let values = [("Values", format!("{link}/enumerationvalues"))];
    add_links(call, &mut out, &link, values);
    out
}

fn values(call: &Call<'_>, world: &World, id: &str) -> Answer {
    let place = set(world, id)?;
    whole(call, place.set.states.iter().map(|(code, name)| show_value(call, place, *code, name)).collect())
}

fn value(call: &Call<'_>, world: &World, text: &str) -> Answer {
    let id = read_web_id(text)?;
    let Target::Ids(ids, _) = &id.target else { return Err(absent(text)) };
    let found = places(world).filter(|place| ids.starts_with(&[place.server_id, place.set_id])).find_map(|place| {
        let state = place.set.states.iter().find(|(code, _)| ids.get(2) == Some(&state_guid(place, *code)));
        state.map(|(code, name)| show_value(call, place, *code, name))
    });
    call.ok(found.ok_or_else(|| absent(text))?)
}

fn show_value(call: &Call<'_>, place: Place<'_>, code: i32, name: &str) -> Value {
    let id = state_guid(place, code);
    let path = format!(r"{}\{name}", place.path());
    let web_id = call.web_id(Kind::DigitalState, &[place.server_id, place.set_id, id], None, &path);
    let mut out = json!({
        "WebId": web_id,
        "Id": id.to_string(),
        "Name": name,
        "Description": "",
        "Value": code,
        "Path": path,
        "Parent": "",
        "SerializeDescription": false,
    });
    let set = call.web_id(Kind::DigitalSet, &[place.server_id, place.set_id], None, &place.path());
    add_links(
        call,
        &mut out,
        &format!("enumerationvalues/{web_id}"),
        [("EnumerationSet", format!("enumerationsets/{set}"))],
    );
    out
}
