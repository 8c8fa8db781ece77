//! WebIDs to streams.

use super::super::{
    af::{Af, AfStream, Member},
    call::{Call, Refusal, read_web_id},
    model::{Point, PointFault, PointType},
    webid::{Kind, Spelling, encode},
    world::World,
};

/// One stream that a call reads.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) web_id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) source: AfStream,
}

impl From<Member> for Stream {
    fn from(member: Member) -> Self {
        Self { web_id: member.web_id, name: member.name, path: member.path, source: member.stream }
    }
}

impl Stream {
    /// The stream of a point.
    pub(crate) fn of_point(call: &Call<'_>, world: &World, point: &Point) -> Self {
        Self {
            web_id: point_web_id(call, world, point),
            name: point.spec.name.clone(),
            path: point.path.clone(),
            source: AfStream::Point(point.number),
        }
    }

    /// The point behind the stream, if it is one that can be read.
    ///
    /// # Errors
    /// What is wrong with the point or its server.
    pub(crate) fn point<'a>(&self, world: &'a World) -> Result<Option<&'a Point>, Refusal> {
        let AfStream::Point(number) = &self.source else { return Ok(None) };
        let point = world.points.get(*number).ok_or_else(|| Refusal::absent("The PI Point was not found."))?;
        readable(world, point)?;
        Ok(Some(point))
    }
}

/// The WebID of a point as a call wants it spelled.
pub(crate) fn point_web_id(call: &Call<'_>, world: &World, point: &Point) -> String {
    let server = world.servers.get(point.server).map(|server| server.id);
    let spelling = if call.config.wire.respelled { Spelling::Full } else { call.spelling().unwrap_or_default() };
    encode(Kind::Point, spelling, &server.into_iter().collect::<Vec<_>>(), Some(point.id), &point.path)
}

/// The stream that a WebID names.
///
/// # Errors
/// 400 when it is no WebID or names nothing that has a stream, 404 when there is no such object.
pub(crate) fn resolve(call: &Call<'_>, world: &World, text: &str) -> Result<Stream, Refusal> {
    let id = read_web_id(text)?;
    match id.kind {
        Kind::Point => {
            let number = world.point_of(&id);
            let point = number.and_then(|number| world.points.get(number));
            let point = point.ok_or_else(|| Refusal::absent(format!("PI Point not found for WebID '{text}'.")))?;
            Ok(Stream::of_point(call, world, point))
        }
        Kind::Attribute | Kind::FrameAttribute => Af::member(call, world, &id)
            .map(Stream::from)
            .ok_or_else(|| Refusal::absent(format!("Attribute not found for WebID '{text}'."))),
        _ => Err(Refusal::bad(format!("The WebID '{text}' is not that of a stream."))),
    }
}

/// Whether values of a point can be read at all.
///
/// # Errors
/// What is wrong with the point or its server.
pub(crate) fn readable(world: &World, point: &Point) -> Result<(), Refusal> {
    reachable(world, point)?;
    if point.spec.point_type == PointType::Blob {
        return Err(Refusal::new(501, format!("Values of type Blob are not supported ('{}').", point.spec.name)));
    }
    Ok(())
}

/// Whether a point can be had from its server.
///
/// # Errors
/// What is wrong with the point or its server.
pub(crate) fn reachable(world: &World, point: &Point) -> Result<(), Refusal> {
    let name = &point.spec.name;
    if point.deleted {
        return Err(Refusal::absent(format!("PI Point not found '{}'.", point.path)));
    }
    match point.fault {
        None | Some(PointFault::WebException | PointFault::MissingFromSets) => {}
        Some(PointFault::Forbidden) => {
            return Err(Refusal::new(403, format!("The user has no permission to read '{name}'.")));
        }
        Some(PointFault::Absent) => return Err(Refusal::absent(format!("PI Point not found '{}'.", point.path))),
        Some(PointFault::Unreachable) => return Err(Refusal::new(502, "The data server is not reachable.")),
        Some(PointFault::Status(status)) => {
            return Err(Refusal::new(status, format!("A fault that the script asked for '{name}'.")));
        }
        Some(PointFault::HtmlPage) => {
            return Err(Refusal { html: true, ..Refusal::new(502, "502 Bad Gateway") });
        }
    }
    alive(world, point.server)
}

/// Whether a data server answers.
///
/// # Errors
/// 502 when it does not.
pub(crate) fn alive(world: &World, server: usize) -> Result<(), Refusal> {
    match world.servers.get(server) {
        Some(server) if server.alive => Ok(()),
        Some(server) => Err(Refusal::new(502, format!("The data server '{}' is not reachable.", server.name))),
        None => Err(Refusal::absent("There is no such data server.")),
    }
}
