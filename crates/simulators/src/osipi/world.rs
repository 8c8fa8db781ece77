//! The state of a server: data servers, points, archive, assets.

use std::{collections::HashMap, sync::Arc};

use super::{
    af::{Af, PointRef, Tag},
    archive::Archive,
    call::{Refusal, read_web_id},
    config::Config,
    generate,
    guid::Guid,
    hash::mix,
    model::{DataServer, Point, PointSpec},
    ticks::Ticks,
    updates::Updates,
    webid::{Kind, Target, WebId},
};
use crate::{SimError, faults::FaultPlan};

/// Everything a server holds.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) servers: Vec<DataServer>,
    /// All points that ever were, by number.
    pub(crate) points: Vec<Point>,
    pub(crate) archive: Archive,
    pub(crate) af: Af,
    pub(crate) updates: Updates,
    pub(crate) item_faults: Arc<FaultPlan>,
    by_id: HashMap<(usize, i32), usize>,
    by_name: HashMap<(usize, String), usize>,
    /// Distinguishes replies that are shuffled.
    shuffles: u64,
}

impl World {
    /// The world of a configuration at `now`.
    pub(crate) fn new(config: Config, now: Ticks) -> Self {
        let servers = config
            .data_servers
            .iter()
            .map(|name| DataServer { id: Guid::made(config.seed, name, 0), name: name.clone(), alive: true })
            .collect();
        let mut world = Self {
            servers,
            points: Vec::with_capacity(config.points as usize),
            archive: Archive::new(config.seed, config.archive.clone(), config.wire.clone()),
            af: Af::default(),
            updates: Updates::default(),
            item_faults: Arc::new(FaultPlan::new(config.item_faults.clone(), config.seed)),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            shuffles: 0,
            config,
        };
        for number in 0..world.config.points as usize {
            let server = number % world.servers.len().max(1);
            let spec = generate::spec(&world.config, number, now);
            world.insert(server, spec);
        }
        world.af = Af::new(&world.config.af, world.config.seed, now, &world.tags());
        (0..world.points.len()).for_each(|number| world.tell_af(number));
        world
    }

    /// Attributes may refer to a point under the name that it has now.
    fn tell_af(&mut self, number: usize) {
        let Some(point) = self.points.get(number) else { return };
        let Some(server) = self.servers.get(point.server) else { return };
        let (name, path) = (point.spec.name.clone(), point.path.clone());
        self.af.store.add_point(PointRef { server: server.id, id: point.id, name, path });
    }

    /// The points that attributes may name.
    fn tags(&self) -> Vec<Tag> {
        let tag = |point: &Point| Tag {
            server: self.servers.get(point.server).map(|server| server.name.clone()).unwrap_or_default(),
            name: point.spec.name.clone(),
            numeric: point.spec.point_type.is_real(),
        };
        self.points.iter().map(tag).collect()
    }

    /// Adds a point.
    ///
    /// # Errors
    /// When there is no such data server, or it has a point of that name.
    pub(crate) fn add_point(&mut self, server: &str, spec: PointSpec) -> Result<usize, SimError> {
        let place = self.server_by_name(server);
        let place = place.ok_or_else(|| SimError::Resource(format!("there is no data server `{server}`")))?;
        if self.by_name.contains_key(&(place, spec.name.to_uppercase())) {
            return Err(SimError::Resource(format!("data server `{server}` has a point `{}` already", spec.name)));
        }
        Ok(self.insert(place, spec))
    }

    fn insert(&mut self, server: usize, spec: PointSpec) -> usize {
        let number = self.points.len();
        let id = i32::try_from(number).unwrap_or(i32::MAX).saturating_add(1_000);
        let name = self.servers.get(server).map_or("", |server| &server.name);
        let path = format!(r"\\{name}\{}", spec.name);
        self.by_id.insert((server, id), number);
        self.by_name.insert((server, spec.name.to_uppercase()), number);
        self.points.push(Point { number, server, id, path, spec, deleted: false, fault: None });
        self.tell_af(number);
        number
    }

    /// Removes a point; its WebIDs answer 404 from then on. A new one of that name gets another id.
    pub(crate) fn delete_point(&mut self, number: usize) {
        let Some(point) = self.points.get_mut(number) else { return };
        point.deleted = true;
        let name = (point.server, point.spec.name.to_uppercase());
        self.by_name.remove(&name);
        self.af.store.remove_point(&point.path);
    }

    /// Gives a point another name, and with it another path; its id stays.
    pub(crate) fn rename_point(&mut self, number: usize, name: &str) {
        let Some(point) = self.points.get_mut(number) else { return };
        let server = self.servers.get(point.server).map_or("", |server| &server.name);
        self.by_name.remove(&(point.server, point.spec.name.to_uppercase()));
        self.af.store.remove_point(&point.path);
        point.spec.name = name.to_owned();
        point.path = format!(r"\\{server}\{name}");
        self.by_name.insert((point.server, name.to_uppercase()), number);
        self.tell_af(number);
    }

    /// The place of the data server of that name, in any case.
    pub(crate) fn server_by_name(&self, name: &str) -> Option<usize> {
        self.servers.iter().position(|server| server.name.eq_ignore_ascii_case(name))
    }

    /// The number of the point at a path (`\\server\point`, the backslashes in front may lack) or of a bare name on any
    /// data server.
    pub(crate) fn point_at(&self, path: &str) -> Option<usize> {
        let path = path.trim_start_matches('\\');
        match path.split_once('\\') {
            Some((server, name)) => {
                let server = self.server_by_name(server)?;
                self.by_name.get(&(server, name.to_uppercase())).copied()
            }
            None => {
                (0..self.servers.len()).find_map(|server| self.by_name.get(&(server, path.to_uppercase())).copied())
            }
        }
    }

    /// The data server that a WebID in a path names.
    ///
    /// # Errors
    /// 400 when it is no WebID, 404 when it names no data server.
    pub(crate) fn server(&self, text: &str) -> Result<usize, Refusal> {
        let id = read_web_id(text)?;
        let absent = || Refusal::absent(format!("Unknown or invalid WebID '{text}': there is no such data server."));
        if id.kind != Kind::DataServer {
            return Err(absent());
        }
        let found = match &id.target {
            Target::Path(path) => self.server_by_name(path),
            Target::Ids(ids, _) => self.servers.iter().position(|server| Some(&server.id) == ids.first()),
            Target::Local(..) => (!self.servers.is_empty()).then_some(0),
        };
        found.ok_or_else(absent)
    }

    /// The number of the point that a WebID names, whatever is wrong with the point.
    pub(crate) fn point_of(&self, id: &WebId) -> Option<usize> {
        if id.kind != Kind::Point {
            return None;
        }
        let number = match &id.target {
            Target::Path(path) => self.point_at(path)?,
            _ => {
                let (ids, number) = id.ids(self.servers.first()?.id)?;
                let server = self.servers.iter().position(|server| Some(&server.id) == ids.first())?;
                *self.by_id.get(&(server, number?))?
            }
        };
        self.points.get(number).filter(|point| !point.deleted).map(|_| number)
    }

    /// Points of one data server that exist now, sorted by name.
    pub(crate) fn points_of(&self, server: usize) -> Vec<usize> {
        let mut all: Vec<usize> =
            self.points.iter().filter(|p| p.server == server && !p.deleted).map(|p| p.number).collect();
        all.sort_by(|a, b| {
            let name = |number: &usize| self.points.get(*number).map(|point| &point.spec.name);
            name(a).cmp(&name(b))
        });
        all
    }

    /// The order in which things of a reply come: shuffled unless the server is told not to.
    pub(crate) fn shuffled<T>(&mut self, mut all: Vec<T>) -> Vec<T> {
        if self.config.wire.shuffled {
            self.shuffles += 1;
            fastrand::Rng::with_seed(mix(self.config.seed, self.shuffles, 77)).shuffle(&mut all);
        }
        all
    }
}
