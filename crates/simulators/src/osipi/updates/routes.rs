//! The routes of stream updates.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    super::{
        af::AfStream,
        call::{Answer, Call, Refusal, read_web_id},
        streams::{Stream, readable, resolve},
        ticks::Ticks,
        world::World,
    },
    registry::{Bad, Registration, retrieve},
};

/// Answers calls about stream updates; nothing when there is no such route.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
    let segments = call.segments();
    let answer = match segments.as_slice() {
        ["streamsets", "updates"] if call.method == Method::POST => register_all,
        ["streamsets", "updates"] => retrieve_all,
        ["streams", "updates", _] => retrieve_one,
        ["streams", _, "updates"] => register_one,
        _ => return None,
    };
    let life = i64::try_from(call.config.updates_life.as_nanos() / 100).unwrap_or(i64::MAX);
    world.updates.expire(call.now, life);
    Some(answer(call, world))
}

fn register_one(call: &Call<'_>, world: &mut World) -> Answer {
    call.only(&Method::POST)?;
    let id = call.path.get(1).map(String::as_str).unwrap_or_default();
    let stream = resolve(call, world, id)?;
    let point = can_register(world, &stream)?;
    let item = registered(call, world, &stream, point);
    let marker = item["LatestMarker"].as_str().unwrap_or_default().to_owned();
    Ok(call.ok(item)?.with("location", call.link(&format!("streams/updates/{marker}"))))
}

fn register_all(call: &Call<'_>, world: &mut World) -> Answer {
    let ids: Vec<&str> = call.all("webId").filter(|id| !id.is_empty()).collect();
    if ids.is_empty() {
        return Err(Refusal::bad("The parameter 'webId' is required."));
    }
    for id in &ids {
        read_web_id(id)?;
    }
    let mut items = Vec::with_capacity(ids.len());
    let mut markers = url::form_urlencoded::Serializer::new(String::new());
    for id in ids {
        let outcome = resolve(call, world, id).and_then(|stream| Ok((can_register(world, &stream)?, stream)));
        let item = match outcome {
            Ok((point, stream)) => registered(call, world, &stream, point),
            Err(refusal) => json!({
                "Source": id, "SourceName": null, "SourcePath": null, "LatestMarker": null, "Status": "Failed",
                "Exception": refusal.body(),
            }),
        };
        if let Some(marker) = item["LatestMarker"].as_str() {
            markers.append_pair("marker", marker);
        }
        items.push(item);
    }
    let items = world.shuffled(items);
    let location = call.link(&format!("streamsets/updates?{}", markers.finish()));
    Ok(call.ok(json!({ "Links": {}, "Items": items }))?.with("location", location))
}

/// The point behind a stream that has updates.
///
/// # Errors
/// 409 for a value without a history, and what is wrong with the point.
fn can_register(world: &World, stream: &Stream) -> Result<usize, Refusal> {
    let AfStream::Point(number) = stream.source else {
        return Err(Refusal::new(409, "The attribute's data reference does not support updates."));
    };
    let point = world.points.get(number).ok_or_else(|| Refusal::absent("The PI Point was not found."))?;
    readable(world, point)?;
    Ok(number)
}

fn registered(call: &Call<'_>, world: &mut World, stream: &Stream, point: usize) -> Value {
    let now = world.archive.position(call.now);
    let names = (stream.web_id.clone(), stream.name.clone(), stream.path.clone());
    let (marker, new) = world.updates.register(Registration::new(point, names, now), call.config.seed);
    json!({
        "Source": stream.web_id,
        "SourceName": stream.name,
        "SourcePath": stream.path,
        "LatestMarker": marker,
        "Status": if new { "Succeeded" } else { "AlreadyRegistered" },
        "Exception": null,
    })
}

fn retrieve_one(call: &Call<'_>, world: &mut World) -> Answer {
    call.only_get()?;
    let marker = call.path.get(2).cloned().unwrap_or_default();
    call.ok(updated(call, world, &marker)?)
}

fn retrieve_all(call: &Call<'_>, world: &mut World) -> Answer {
    call.only_get()?;
    let markers: Vec<String> = call.all("marker").filter(|marker| !marker.is_empty()).map(str::to_owned).collect();
    if markers.is_empty() {
        return Err(Refusal::bad("The parameter 'marker' is required."));
    }
    let mut items = Vec::with_capacity(markers.len());
    for marker in &markers {
        items.push(updated(call, world, marker).unwrap_or_else(|refusal| {
            json!({
                "Source": null, "SourceName": null, "SourcePath": null, "RequestedMarker": marker,
                "LatestMarker": null, "Status": "Failed", "Events": [], "Exception": refusal.body(),
            })
        }));
    }
    let items = world.shuffled(items);
    call.ok(json!({ "Links": {}, "Items": items }))
}

/// The updates of one stream. One that fails is not registered any more.
///
/// # Errors
/// 404 when the registration is gone, 409 when the marker is none, and what is wrong with the point.
fn updated(call: &Call<'_>, world: &mut World, requested: &str) -> Result<Value, Refusal> {
    let (id, point, place) = match world.updates.find(requested) {
        Ok((id, registration, place)) => (id.to_owned(), registration.point, place),
        Err(Bad::Gone) => {
            return Err(Refusal::absent(format!("The cache of the marker '{requested}' was not found.")));
        }
        Err(Bad::Invalid) => {
            if let Some((id, _)) = requested.split_once('_') {
                world.updates.unregister(id);
            }
            return Err(Refusal::new(409, format!("The marker '{requested}' is not valid.")));
        }
    };
    let readable =
        world.points.get(point).ok_or_else(|| Refusal::absent("Gone.")).and_then(|point| readable(world, point));
    if let Err(refusal) = readable {
        world.updates.unregister(&id);
        return Err(refusal);
    }
    let now = world.archive.position(Ticks(call.now.0));
    let (events, latest) = retrieve(world, &id, place, now);
    let (_, registration, _) = world.updates.find(&latest).map_err(|_| Refusal::absent("Gone."))?;
    Ok(json!({
        "Source": registration.web_id,
        "SourceName": registration.name,
        "SourcePath": registration.path,
        "RequestedMarker": requested,
        "LatestMarker": latest,
        "Status": "Updated",
        "Events": events,
        "Exception": null,
    }))
}
