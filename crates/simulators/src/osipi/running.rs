//! Starting, changing and asking a server from the program that runs it.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, MutexGuard},
};

use super::{
    archive::{Change, Changed, Entry, Position},
    config::Config,
    model::{Point, PointFault, PointSpec},
    oracle::{Expected, expected},
    service::Service,
    ticks::Ticks,
    webid::{Kind, Spelling, encode},
    world::World,
};
use crate::{
    SimError, faults::FaultPlan, handle::Handle, oauth::TokenServer, server::Bound, settings::check_base_path,
};

/// A PI Web API server, before it runs.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Listens, and serves on a thread of its own until the handle is stopped or dropped.
    ///
    /// # Errors
    /// When the address is taken, the base path is none, or there is no data server.
    pub fn start(config: Config) -> Result<RunningServer, SimError> {
        check_base_path(&config.base_path)?;
        if config.data_servers.is_empty() || config.types.is_empty() {
            return Err(SimError::Config("a PI system has at least one data server and one type of points".to_owned()));
        }
        let bound = Bound::bind(&[config.address])?;
        let origin = bound.addresses().first().map(|address| format!("http://{address}")).unwrap_or_default();
        let service = Arc::new(Service::new(config, &origin));
        let handle = Handle::serve(
            bound,
            &service.base,
            &service.config.clock,
            &service.faults,
            &service.journal,
            service.clone(),
        )?;
        tracing::info!(base_url = %service.base, "PI Web API simulator is serving");
        Ok(RunningServer { service, handle })
    }
}

/// A PI Web API server that runs; dropped, it stops.
#[derive(Debug)]
pub struct RunningServer {
    service: Arc<Service>,
    handle: Handle,
}

impl Deref for RunningServer {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl DerefMut for RunningServer {
    fn deref_mut(&mut self) -> &mut Handle {
        &mut self.handle
    }
}

impl RunningServer {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.service.world()
    }

    fn now(&self) -> Ticks {
        Ticks::from(self.clock().now())
    }

    /// The token endpoint, on a server with [`Auth::OpenId`](super::Auth::OpenId).
    pub fn tokens(&self) -> Option<&TokenServer> {
        self.service.tokens.as_deref()
    }

    /// Where the journal of changes is now.
    pub fn position(&self) -> Position {
        self.world().archive.position(self.now())
    }

    /// Changes the events of a point: late data, edits, deletes, new and superseded snapshots.
    ///
    /// # Errors
    /// When there is no such point or event, or the event lies too far ahead.
    pub fn change(&self, point: &str, change: Change) -> Result<Position, SimError> {
        let (mut world, now) = (self.world(), self.now());
        let World { archive, points, .. } = &mut *world;
        let number = find(points, point)?;
        let point = points.get(number).ok_or_else(|| unknown(point))?;
        archive.change(point, &change, now)
    }

    /// All changes so far, oldest first.
    pub fn changes(&self) -> Vec<Changed> {
        let world = self.world();
        let path = |number: usize| world.points.get(number).map(|point| point.path.clone()).unwrap_or_default();
        let tell = |entry: &Entry| Changed {
            point: path(entry.point),
            at: entry.at,
            time: entry.time,
            action: entry.action,
            previous: entry.previous,
        };
        world.archive.journal().iter().map(tell).collect()
    }

    /// The events of a point in `[from, to)` as they are now: what a lake must hold. Of a deleted point, those that it
    /// had.
    ///
    /// # Errors
    /// When there never was such a point.
    pub fn events(&self, point: &str, from: Ticks, to: Ticks) -> Result<Vec<Expected>, SimError> {
        self.events_at(self.position(), point, from, to)
    }

    /// The same as they were at an earlier position of the journal.
    ///
    /// # Errors
    /// When there never was such a point.
    pub fn events_at(&self, at: Position, point: &str, from: Ticks, to: Ticks) -> Result<Vec<Expected>, SimError> {
        let world = self.world();
        let point = world.points.get(find(&world.points, point)?).ok_or_else(|| unknown(point))?;
        Ok(expected(&world, point, (from, to), at))
    }

    /// The paths (`\\server\point`) of all points that exist now, by data server and name.
    pub fn points(&self) -> Vec<String> {
        let world = self.world();
        let numbers = (0..world.servers.len()).flat_map(|server| world.points_of(server));
        numbers.filter_map(|number| world.points.get(number)).map(|point| point.path.clone()).collect()
    }

    /// What a point is like, given by path or name.
    ///
    /// # Errors
    /// When there never was such a point.
    pub fn point(&self, point: &str) -> Result<PointSpec, SimError> {
        let world = self.world();
        let found = world.points.get(find(&world.points, point)?).ok_or_else(|| unknown(point))?;
        Ok(found.spec.clone())
    }

    /// The WebID of a point, given by path or name.
    ///
    /// # Errors
    /// When there never was such a point.
    pub fn web_id(&self, point: &str, spelling: Spelling) -> Result<String, SimError> {
        let world = self.world();
        let found = world.points.get(find(&world.points, point)?).ok_or_else(|| unknown(point))?;
        let server: Vec<_> = world.servers.get(found.server).map(|server| server.id).into_iter().collect();
        Ok(encode(Kind::Point, spelling, &server, Some(found.id), &found.path))
    }

    /// The WebID of a data server.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn server_web_id(&self, name: &str, spelling: Spelling) -> Result<String, SimError> {
        let world = self.world();
        let place = world.server_by_name(name).and_then(|place| world.servers.get(place));
        let server = place.ok_or_else(|| SimError::Resource(format!("there is no data server '{name}'")))?;
        Ok(encode(Kind::DataServer, spelling, &[server.id], None, &format!(r"\\{}", server.name)))
    }

    /// Adds a point to a data server; it gets a new id.
    ///
    /// # Errors
    /// When there is no such server, or it has a point of that name.
    pub fn add_point(&self, server: &str, spec: PointSpec) -> Result<(), SimError> {
        self.world().add_point(server, spec).map(drop)
    }

    /// Deletes a point; its WebIDs answer 404 from then on.
    ///
    /// # Errors
    /// When there is no such point.
    pub fn delete_point(&self, point: &str) -> Result<(), SimError> {
        let mut world = self.world();
        let number = find(&world.points, point)?;
        world.delete_point(number);
        Ok(())
    }

    /// Renames a point, which changes its path and every WebID that holds it; its id stays.
    ///
    /// # Errors
    /// When there is no such point.
    pub fn rename_point(&self, point: &str, name: &str) -> Result<(), SimError> {
        let mut world = self.world();
        let number = find(&world.points, point)?;
        world.rename_point(number, name);
        Ok(())
    }

    /// Makes every read of one point fail, or, with nothing, work again.
    ///
    /// # Errors
    /// When there is no such point.
    pub fn break_point(&self, point: &str, fault: Option<PointFault>) -> Result<(), SimError> {
        let mut world = self.world();
        let number = find(&world.points, point)?;
        world.points.get_mut(number).ok_or_else(|| unknown(point))?.fault = fault;
        Ok(())
    }

    /// Takes a data server off the net, or brings it back.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn set_alive(&self, server: &str, alive: bool) -> Result<(), SimError> {
        let mut world = self.world();
        let place = world.server_by_name(server);
        let found = place.and_then(|place| world.servers.get_mut(place));
        found.ok_or_else(|| SimError::Resource(format!("there is no data server '{server}'")))?.alive = alive;
        Ok(())
    }

    /// Forgets all registrations for stream updates, as a new process of the server does.
    pub fn restart_updates(&self) {
        self.world().updates.restart();
    }

    /// Tells all who registered for updates of a point that everything from an instant on is to be read again.
    ///
    /// # Errors
    /// When there is no such point.
    pub fn refresh(&self, point: &str, from: Ticks) -> Result<(), SimError> {
        let mut world = self.world();
        let number = find(&world.points, point)?;
        world.updates.refresh(number, from);
        Ok(())
    }

    /// The script of faults of sub-requests inside batches.
    pub fn item_faults(&self) -> Arc<FaultPlan> {
        self.world().item_faults.clone()
    }
}

/// The number of the newest point at a path or of a bare name, deleted ones included.
fn find(points: &[Point], name: &str) -> Result<usize, SimError> {
    let is = |point: &&Point| point.path.eq_ignore_ascii_case(name) || point.spec.name.eq_ignore_ascii_case(name);
    let live = points.iter().find(|point| is(point) && !point.deleted);
    live.or_else(|| points.iter().rev().find(is)).map(|point| point.number).ok_or_else(|| unknown(name))
}

fn unknown(point: &str) -> SimError {
    SimError::Resource(format!("there is no point '{point}'"))
}
