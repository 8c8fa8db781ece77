//! Who comes in, what is served, and what is refused by the PI Web API server.

use base64::{Engine, engine::general_purpose::STANDARD};
use lakeflow_simulators::{
    oauth::{Client, ClientCredential},
    osipi::{Auth, NegotiateScript, PointFault, RunningServer, Spelling},
};
use serde_json::Value;

use crate::{
    osipi_archive_support::{ask, first, good, items, pi, pi_with, read, refused},
    support::client,
};

async fn status(server: &RunningServer, authorization: Option<&str>) -> (u16, String) {
    let mut request = client().get(format!("{}/system", server.base_url()));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge.unwrap_or_default())
}

#[tokio::test]
async fn routes_that_are_not_in_the_api_do_not_exist() {
    let server = pi_with("");
    let (_, id) = first(&server);
    for route in [
        "uoms".to_owned(),
        "categories".to_owned(),
        "eventframetemplates".to_owned(),
        format!("eventframetemplates/{id}/attributetemplates"),
        "acknowledgements".to_owned(),
        format!("streams/{id}/calculated"),
        format!("tables/{id}/rows"),
    ] {
        assert_eq!(ask(&server, &route).await.0, 404, "{route}");
    }
}

#[tokio::test]
async fn a_post_needs_the_header_against_forged_requests() {
    let (guarded, open) = (pi_with(""), pi_with("personality=no-csrf"));
    for (server, wanted) in [(&guarded, 403), (&open, 207)] {
        let request = client().post(format!("{}/batch", server.base_url())).body("{}");
        assert_eq!(read(request.send().await.unwrap()).await.0, wanted);
    }
}

#[tokio::test]
async fn basic_and_bearer_are_checked() {
    let basic = pi_with(r"auth=basic:PLANT\reader:pa:ss");
    let good = format!("Basic {}", STANDARD.encode(r"PLANT\reader:pa:ss"));
    assert_eq!(status(&basic, Some(&good)).await.0, 200);
    assert_eq!(status(&basic, None).await, (401, "Basic realm=\"piwebapi\"".to_owned()));
    let bearer = pi_with("auth=bearer:token");
    assert_eq!(status(&bearer, Some("Bearer token")).await.0, 200);
    assert_eq!(status(&bearer, Some("Bearer other")).await, (401, "Bearer".to_owned()));
}

#[tokio::test]
async fn tokens_come_from_the_endpoint_that_discovery_names_and_end() {
    let credential = ClientCredential::Secret("secret".to_owned());
    let server = pi(|config| config.auth = Auth::open_id(Client { id: "lake".to_owned(), credential }));
    let found = good(&server, ".well-known/openid-configuration").await;
    let ask_for = async |scope: &str| {
        let form = format!("grant_type=client_credentials&scope={scope}");
        let request = client().post(found["token_endpoint"].as_str().unwrap()).basic_auth("lake", Some("secret"));
        read(request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap()).await
    };
    assert_eq!(ask_for("all-apis").await.0, 400);
    let (_, token) = ask_for("system").await;
    let token = format!("Bearer {}", token["access_token"].as_str().unwrap());
    assert_eq!(status(&server, Some(&token)).await.0, 200);
    server.clock().advance(std::time::Duration::from_secs(301));
    assert_eq!(status(&server, Some(&token)).await.0, 401);
}

#[tokio::test]
async fn negotiate_takes_the_legs_of_its_script_on_one_connection() {
    let legs = vec![(b"one".to_vec(), b"more".to_vec()), (b"two".to_vec(), b"done".to_vec())];
    let server = pi(|config| config.auth = Auth::Negotiate(NegotiateScript { legs, per_connection: false }));
    let keeping = reqwest::Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let leg = async |token: Option<&str>| {
        let mut request = keeping.get(format!("{}/system", server.base_url()));
        if let Some(token) = token {
            request = request.header("authorization", format!("Negotiate {}", STANDARD.encode(token)));
        }
        let response = request.send().await.unwrap();
        let header = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        response.bytes().await.unwrap();
        (status, header.unwrap_or_default())
    };
    let token = |text: &str| format!("Negotiate {}", STANDARD.encode(text));
    assert_eq!(leg(None).await, (401, "Negotiate".to_owned()));
    assert_eq!(leg(Some("two")).await, (401, "Negotiate".to_owned()));
    assert_eq!(leg(Some("one")).await, (401, token("more")));
    assert_eq!(leg(Some("two")).await, (200, token("done")));
    assert_eq!(leg(None).await.0, 401);
}

#[tokio::test]
async fn requests_beyond_the_limits_are_refused() {
    let server = pi_with("rate=3");
    let (_, id) = first(&server);
    for _ in 0..3 {
        good(&server, "system").await;
    }
    assert_eq!(refused(&server, "system").await.0, 429);
    server.clock().advance(std::time::Duration::from_secs(1));
    assert_eq!(ask(&server, &format!("points/{}", "x".repeat(261))).await.0, 400);
    let long = format!("streamsets/value?{}", format!("webId={id}&").repeat(500));
    let (status, page) = ask(&server, &long).await;
    assert!(status == 400 && page.as_str().unwrap().contains("Too Long"), "{status} {page}");
}

#[tokio::test]
async fn lists_are_paged_to_an_empty_last_page() {
    let server = pi_with("points=20");
    let id = server.server_web_id("PISRV1", Spelling::IdOnly).unwrap();
    let page =
        async |start: usize| good(&server, &format!("dataservers/{id}/points?maxCount=10&startIndex={start}")).await;
    let (one, two, three) = (page(0).await, page(10).await, page(20).await);
    let names: Vec<&str> = items(&one).iter().chain(items(&two)).map(|item| item["Name"].as_str().unwrap()).collect();
    assert!(names.len() == 20 && names.is_sorted());
    assert!(two["Links"]["Next"].is_string() && items(&three).is_empty() && three["Links"]["Next"].is_null());
    let some = good(&server, &format!("dataservers/{id}/points?nameFilter=*.XV*")).await;
    assert!(!items(&some).is_empty() && items(&some).iter().all(|item| item["PointType"] == "Digital"));
    assert_eq!(refused(&server, &format!("dataservers/{id}/points?maxCount=150001")).await.0, 400);
}

#[tokio::test]
async fn points_are_found_by_id_and_path_and_keep_their_id_when_renamed() {
    let server = pi_with("");
    let (path, id) = first(&server);
    let point = good(&server, &format!("points/{id}?webIdType=IDOnly")).await;
    assert_eq!((&point["WebId"], &point["Path"]), (&Value::from(id.as_str()), &Value::from(path.as_str())));
    let found = good(&server, &format!("points?path={}", path.replace('\\', "%5C"))).await;
    assert_eq!(found["Id"], point["Id"]);
    server.rename_point(&path, "RENAMED").unwrap();
    let renamed = good(&server, &format!("points/{id}?webIdType=IDOnly")).await;
    assert_eq!((&renamed["WebId"], &renamed["Name"]), (&point["WebId"], &Value::from("RENAMED")));
    let attributes = good(&server, &format!("points/{id}/attributes?name=pointid&name=tag")).await;
    assert_eq!(items(&attributes).len(), 2);
    server.delete_point("RENAMED").unwrap();
    assert_eq!(refused(&server, &format!("points/{id}")).await.0, 404);
    let several = good(&server, &format!("points/multiple?webId={id}")).await;
    assert_eq!(several["Items"][0]["Exception"]["Errors"][0], format!("PI Point not found for WebID '{id}'."));
}

#[tokio::test]
async fn a_streamset_shows_or_hides_what_is_wrong_with_one_stream() {
    let server = pi_with("points=4 types=Float32");
    let paths = server.points();
    let ids: Vec<String> = paths.iter().map(|path| server.web_id(path, Spelling::IdOnly).unwrap()).collect();
    server.break_point(&paths[1], Some(PointFault::MissingFromSets)).unwrap();
    server.break_point(&paths[2], Some(PointFault::WebException)).unwrap();
    server.break_point(&paths[3], Some(PointFault::Unreachable)).unwrap();
    let query: String = ids.iter().map(|id| format!("&webId={id}")).collect();
    let set = good(&server, &format!("streamsets/recorded?webIdType=IDOnly&startTime=*-2h{query}")).await;
    let of = |n: usize| items(&set).iter().find(|stream| stream["WebId"] == ids[n].as_str());
    assert!(items(of(0).unwrap()).len() > 100 && of(0).unwrap()["WebException"].is_null());
    assert!(of(1).is_none());
    let broken = of(2).unwrap();
    assert!(!items(broken).is_empty() && items(broken).len() < items(of(0).unwrap()).len());
    assert_eq!(broken["WebException"]["StatusCode"], 500);
    assert_eq!(of(3).unwrap()["WebException"]["StatusCode"], 502);
    assert_eq!(refused(&server, "streamsets/value?webId=nonsense").await.0, 400);
}

#[tokio::test]
async fn a_dead_data_server_takes_only_its_own_points_along() {
    let server = pi_with("data-servers=PISRV1,PISRV2 points=2");
    server.set_alive("PISRV2", false).unwrap();
    for (path, wanted) in server.points().iter().zip([200, 502]) {
        let id = server.web_id(path, Spelling::IdOnly).unwrap();
        assert_eq!(ask(&server, &format!("streams/{id}/value")).await.0, wanted, "{path}");
    }
    let servers = good(&server, "dataservers").await;
    let connected: Vec<_> = items(&servers).iter().map(|one| one["IsConnected"].as_bool().unwrap()).collect();
    assert_eq!(connected, [true, false]);
}

#[tokio::test]
async fn expressions_are_evaluated_and_digital_sets_listed() {
    let server = pi_with("types=Float64 bad-percent=0");
    let (path, id) = first(&server);
    let name = path.rsplit('\\').next().unwrap();
    let at = "2026-03-01T06:00:00Z";
    let window = format!("startTime={at}&endTime={at}&sampleInterval=1m");
    let plain = good(&server, &format!("streams/{id}/value?time={at}")).await["Value"].as_f64().unwrap();
    let twice = good(&server, &format!("calculation/intervals?{window}&expression=2*'{name}'%2B1")).await;
    assert_eq!(items(&twice)[0]["Value"].as_f64().unwrap(), 2.0 * plain + 1.0);
    assert_eq!(refused(&server, &format!("calculation/intervals?{window}&expression='nope'")).await.0, 400);
    let home = server.server_web_id("PISRV1", Spelling::IdOnly).unwrap();
    let sets = good(&server, &format!("dataservers/{home}/enumerationsets")).await;
    let valve = items(&sets).iter().find(|set| set["Name"] == "VALVE").unwrap()["WebId"].as_str().unwrap();
    let states = good(&server, &format!("enumerationsets/{valve}/enumerationvalues")).await;
    assert_eq!((items(&states).len(), &items(&states)[1]["Name"]), (4, &Value::from("OPEN")));
}
