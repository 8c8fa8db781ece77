//! What `lakeflow check` tells of a PI Web API.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use lakeflow_connect::{Context, ErrorKind, Options, Registry, clock::ManualClock};
use lakeflow_simulators::{
    clock::SimClock,
    faults::{Fault, FaultRule, When},
    osipi::{Config, PointFault, RunningServer, Server},
};

fn start(settings: &[(&str, &str)]) -> RunningServer {
    let now: DateTime<Utc> = "2026-03-18T12:00:00Z".parse().unwrap();
    let mut config = Config { clock: SimClock::fixed(now), ..Config::default() };
    settings.iter().for_each(|(name, value)| config.set(name, value).unwrap());
    Server::start(config).unwrap()
}

/// What a connection tells whose clock is this much behind the server's.
async fn told(server: &RunningServer, behind: TimeDelta) -> BTreeMap<String, String> {
    let clock = Arc::new(ManualClock::new(server.clock().now() - behind));
    let options = Options::new()
        .with("pi_base_url", server.base_url())
        .with("auth_type", "anonymous")
        .with("max_retries", "0")
        .with("requests_per_second", "100000");
    let source = Registry::builtin().connect("osipi", &options, &Context::new().clock(clock)).unwrap();
    source.describe().await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn versions_user_caps_and_clocks_are_told() {
    let server = start(&[("data-servers", "PISRV1,PISRV2"), ("max-items", "500")]);
    let told = told(&server, TimeDelta::seconds(90)).await;
    assert_eq!(told["login"], r"anonymous, as PLANT\reader");
    assert_eq!(told["product"], "PI Web API (simulated) 2023.1.0.0");
    assert!(told["versions"].contains("OSIsoft.AFSDK 2023.1.0.0"), "{told:?}");
    assert_eq!(told["items a request"], "at most 500");
    for name in ["data server PISRV1", "data server PISRV2"] {
        let server = &told[name];
        assert!(server.starts_with("version 3.4.440.477; its clock is 90.0 s ahead of ours (set one"), "{server}");
        assert!(server.ends_with("points and values can be read"), "{server}");
    }
    let databases: Vec<&String> =
        told.iter().filter(|(what, _)| what.starts_with("AF database ")).map(|(_, t)| t).collect();
    assert!(!databases.is_empty());
    assert!(databases.iter().all(|told| *told == "elements and event frames can be read"), "{databases:?}");
}

#[tokio::test]
async fn what_this_login_may_not_read_is_told_object_by_object() {
    let server = start(&[("data-servers", "PISRV1,PISRV2,PISRV3")]);
    server.set_alive("PISRV2", false).unwrap();
    for point in server.points().iter().filter(|point| point.starts_with(r"\\PISRV1\")) {
        server.break_point(point, Some(PointFault::Forbidden)).unwrap();
    }
    let forbid = |path: &str| FaultRule {
        when: When::Always,
        path: Some(path.to_owned()),
        fault: Fault::Status { status: 403, retry_after: None },
    };
    server.faults().add(forbid("/eventframes"));
    let told = told(&server, TimeDelta::zero()).await;
    let of = |name: &str| told.get(name).unwrap_or_else(|| panic!("{name} not in {told:?}"));
    let values = of("data server PISRV1");
    assert!(values.contains("no permission to read the values of"), "{values}");
    assert!(values.contains("its clock agrees with ours; no"), "{values}");
    assert!(of("data server PISRV2").contains("not connected"), "{told:?}");
    assert!(of("data server PISRV3").ends_with("points and values can be read"), "{told:?}");
    let frames = told.iter().find(|(what, _)| what.starts_with("AF database ")).unwrap().1;
    assert!(frames.contains("no permission to search its event frames") && frames.contains("grant"), "{frames}");
    assert!(!frames.contains("elements and"), "{frames}");
}

#[tokio::test]
async fn a_login_that_is_refused_is_an_error() {
    let server = start(&[("auth", "basic:reader:marker-password")]);
    let options = Options::new()
        .with("pi_base_url", server.base_url())
        .with("username", "reader")
        .with("password", "other-marker");
    let source = Registry::builtin().connect("osipi", &options, &Context::new()).unwrap();
    let error = source.describe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!format!("{error:?}{error}").contains("other-marker"));
}
