//! Two asset servers and their databases.

use super::{AfConfig, Tag, catalogue, elements, frames, guid, tables, templates};
use crate::osipi::{
    af::{
        object::{Body, Ix, Kind, Server},
        store::Store,
    },
    ticks::Ticks,
};

/// The objects that a seed makes. `tags` are the points that attributes may name.
pub(crate) fn plant(config: &AfConfig, seed: u64, now: Ticks, tags: &[Tag]) -> Store {
    let mut store = Store::default();
    let mut random = fastrand::Rng::with_seed(seed ^ 0x000a_f5e2_7e12);
    let first = server(&mut store, "AFSRV1", true, &mut random);
    let plant = database(&mut store, first, "Plant", &mut random);
    let all = elements::tree(&mut store, plant, config.elements, tags, config.denied, &mut random);
    frames::history(&mut store, plant, &all, config, now, tags, &mut random);

    let small = AfConfig { event_frames: config.event_frames.min(12), ..config.clone() };
    let utilities = database(&mut store, first, "Utilities & Café", &mut random);
    let some = elements::tree(&mut store, utilities, config.elements.min(10), tags, false, &mut random);
    frames::history(&mut store, utilities, &some, &small, now, tags, &mut random);
    store.add(Some(first), Kind::AssetDatabase, guid(&mut random), "Empty", Body::Plain);
    if config.denied {
        let secret = store.add(Some(first), Kind::AssetDatabase, guid(&mut random), "Payroll", Body::Plain);
        store.object_mut(secret).denied = true;
    }

    // The same names on another server: everything must be told apart by id.
    let second = server(&mut store, "AFSRV2", true, &mut random);
    let twin = database(&mut store, second, "Plant", &mut random);
    elements::tree(&mut store, twin, config.elements.min(10), tags, false, &mut random);
    store
}

fn server(store: &mut Store, name: &str, connected: bool, random: &mut fastrand::Rng) -> Ix {
    let body = Body::Server(Server { connected, version: "2.10.9.593".to_owned() });
    let server = store.add(None, Kind::AssetServer, guid(random), name, body);
    store.object_mut(server).description = format!("Asset server {name}");
    catalogue::units(store, server, random);
    server
}

fn database(store: &mut Store, server: Ix, name: &str, random: &mut fastrand::Rng) -> Ix {
    let database = store.add(Some(server), Kind::AssetDatabase, guid(random), name, Body::Plain);
    store.object_mut(database).description = format!("Everything of {name}");
    catalogue::enumeration_sets(store, database, random);
    catalogue::categories(store, database, random);
    tables::all(store, database, random);
    templates::all(store, database, random);
    database
}
