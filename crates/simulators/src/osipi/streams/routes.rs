//! Stream routes to streams and answers.

use hyper::Method;

use super::{
    super::{
        af::Af,
        call::{Answer, Call, Refusal, json_reply, read_web_id},
        world::World,
    },
    ask::Ask,
    body,
    source::{Stream, resolve},
    units,
};

/// The most WebIDs of one ad hoc streamset, as many as a request line can hold and more.
const MOST_STREAMS: usize = 10_000;

/// Answers calls about streams and streamsets; nothing when there is no such route.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
    match call.segments().as_slice() {
        ["streams", id, what] => {
            let ask = Ask::of(call, world, what)?;
            Some(guard(call, what).and_then(|()| one(call, world, id, ask?)))
        }
        ["streamsets", what] => {
            let ask = Ask::of(call, world, what)?;
            Some(guard(call, what).and_then(|()| ad_hoc(call, world, ask?)))
        }
        ["streamsets", id, what] => {
            let ask = Ask::of(call, world, what)?;
            Some(guard(call, what).and_then(|()| below(call, world, id, ask?)))
        }
        _ => None,
    }
}

/// Lets reads pass. Writes are part of the API, but this server's user may not write.
fn guard(call: &Call<'_>, what: &str) -> Result<(), Refusal> {
    if call.method == Method::POST && matches!(what, "value" | "recorded") {
        return Err(Refusal::new(403, "The user has no permission to write values."));
    }
    call.only_get()
}

fn one(call: &Call<'_>, world: &World, id: &str, ask: Ask) -> Answer {
    call.spelling()?;
    let stream = resolve(call, world, id)?;
    let body = body::stream(call, world, &ask, &stream)?;
    Ok(json_reply(200, units::converted(call, world, id, &ask, body)?))
}

fn ad_hoc(call: &Call<'_>, world: &mut World, ask: Ask) -> Answer {
    call.spelling()?;
    let ids: Vec<&str> = call.all("webId").collect();
    if ids.is_empty() {
        return Err(Refusal::bad("The parameter 'webId' is required."));
    }
    if ids.len() > MOST_STREAMS {
        return Err(Refusal::bad("There are too many streams in one request."));
    }
    // What is no WebID at all spoils the whole request; a stream that cannot be read only itself.
    for id in &ids {
        read_web_id(id)?;
    }
    let streams = ids.iter().map(|id| resolve(call, world, id)).collect();
    let streams = world.shuffled(streams);
    Ok(json_reply(200, body::set(call, world, &ask, &streams)?))
}

fn below(call: &Call<'_>, world: &mut World, id: &str, ask: Ask) -> Answer {
    call.spelling()?;
    let read = read_web_id(id)?;
    let members = Af::members(call, world, &read)
        .ok_or_else(|| Refusal::absent(format!("There is no object with streams for WebID '{id}'.")))?;
    let streams = members.into_iter().map(|member| Ok(Stream::from(member))).collect();
    let streams = world.shuffled(streams);
    Ok(json_reply(200, body::set(call, world, &ask, &streams)?))
}
