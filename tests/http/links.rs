//! Where requests go and what they carry there.

use lakeflow_connect::{
    ErrorKind, Secret,
    http::{Auth, HttpSettings},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path},
};

use super::support::{Timed, url};

fn with_secrets(settings: &mut HttpSettings) {
    settings.extra_headers.insert("x-api-key".to_owned(), Secret::new("key-MARKER"));
}

fn timed(base: &str, change: impl FnOnce(&mut HttpSettings)) -> Timed {
    let change = |settings: &mut HttpSettings| {
        with_secrets(settings);
        change(settings);
    };
    Timed::with(base, change, |b| b.auth(Auth::bearer(&Secret::new("token-MARKER")).unwrap()))
}

async fn server() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).with_priority(9).mount(&server).await;
    server
}

async fn redirect(server: &MockServer, from: &str, to: &str) {
    let answer = ResponseTemplate::new(302).insert_header("location", to);
    Mock::given(path(from)).respond_with(answer).with_priority(1).mount(server).await;
}

async fn requests(server: &MockServer) -> Vec<wiremock::Request> {
    server.received_requests().await.unwrap()
}

fn bears_secrets(request: &wiremock::Request) -> bool {
    let has = |name| request.headers.contains_key(name);
    assert_eq!(has("authorization"), has("x-api-key"), "both or none");
    assert_eq!(has("authorization"), format!("{request:?}").contains("MARKER"));
    has("authorization")
}

#[tokio::test]
async fn paths_are_below_the_base_and_queries_are_encoded() {
    let server = server().await;
    let timed = timed(&format!("{}/fhir/r4", server.uri()), |_| {});
    timed.client.get("Patient?a=1").query("_lastUpdated", "ge2024-01-01T00:00:00+01:00").send().await.unwrap();
    timed.client.get("/metadata").send().await.unwrap();
    timed.client.get(timed.client.url(&["Patient", "a/b?c"]).unwrap()).send().await.unwrap();
    let seen: Vec<String> = requests(&server)
        .await
        .iter()
        .map(|r| r.url.to_string().replace(&server.uri(), "").replace("http://localhost", ""))
        .collect();
    assert!(seen[0].ends_with("/fhir/r4/Patient?a=1&_lastUpdated=ge2024-01-01T00%3A00%3A00%2B01%3A00"), "{seen:?}");
    assert!(seen[1].ends_with("/fhir/r4/metadata"), "{seen:?}");
    assert!(seen[2].ends_with("/fhir/r4/Patient/a%2Fb%3Fc"), "{seen:?}");
    assert!(timed.client.get("../admin").send().await.is_err());
    assert!(timed.client.url(&["Patient", ".."]).is_err());
}

#[tokio::test]
async fn redirects_on_the_same_origin_are_followed_with_credentials() {
    let server = server().await;
    redirect(&server, "/fhir/old", "/fhir/new?x=1").await;
    let timed = timed(&format!("{}/fhir", server.uri()), |_| {});
    let response = timed.client.get("old").send().await.unwrap();
    assert_eq!(response.url().as_str(), format!("{}/fhir/new?x=1", server.uri()));
    let requests = requests(&server).await;
    assert!(requests.len() == 2 && requests.iter().all(bears_secrets));
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_refused_before_anything_is_sent_there() {
    let (server, elsewhere) = (server().await, server().await);
    redirect(&server, "/old", &format!("{}/steal", elsewhere.uri())).await;
    let timed = timed(&server.uri(), |_| {});
    let error = timed.client.get("old").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.get("base_host"), Some(server.uri().as_str()));
    assert_eq!(error.get("link_host"), Some(elsewhere.uri().as_str()));
    assert!(requests(&elsewhere).await.is_empty());
}

#[tokio::test]
async fn a_redirect_to_an_allowed_host_is_followed_without_credentials() {
    let (server, elsewhere) = (server().await, server().await);
    redirect(&server, "/old", &format!("{}/file?signature=1", elsewhere.uri())).await;
    let timed = timed(&server.uri(), |s| s.allowed_link_hosts = vec![elsewhere.address().to_string()]);
    timed.client.get("old").send().await.unwrap();
    assert!(requests(&server).await.iter().all(bears_secrets));
    let there = requests(&elsewhere).await;
    assert!(there.len() == 1 && !bears_secrets(&there[0]));
}

#[tokio::test]
async fn a_link_to_an_allowed_host_is_followed_with_credentials_unless_it_is_the_permission_itself() {
    let (server, files) = (server().await, server().await);
    let timed = timed(&server.uri(), |s| s.allowed_link_hosts = vec![files.uri()]);
    let link = timed.client.resolve_link(&format!("{}/1.ndjson", files.uri())).unwrap();
    timed.client.get(&link).send().await.unwrap();
    timed.client.get(&link).without_credential().send().await.unwrap();
    let there = requests(&files).await;
    assert!(bears_secrets(&there[0]) && !bears_secrets(&there[1]));
}

#[tokio::test]
async fn an_address_that_no_link_may_name_is_not_sent_to_either() {
    let (server, elsewhere) = (server().await, server().await);
    let timed = timed(&server.uri(), |_| {});
    let error = timed.client.get(url(&format!("{}/steal", elsewhere.uri()))).send().await.unwrap_err();
    assert!(error.help_text().unwrap().contains("allowed_link_hosts"));
    assert!(requests(&elsewhere).await.is_empty());
}

#[tokio::test]
async fn redirects_end_after_five() {
    let server = server().await;
    redirect(&server, "/a", "/b").await;
    redirect(&server, "/b", "/a").await;
    let timed = timed(&server.uri(), |_| {});
    let error = timed.client.get("a").send().await.unwrap_err();
    assert_eq!((error.kind(), requests(&server).await.len()), (ErrorKind::Protocol, 6));
}

#[tokio::test]
async fn only_reading_requests_follow_redirects() {
    let server = server().await;
    redirect(&server, "/old", "/new").await;
    let timed = timed(&server.uri(), |_| {});
    let error = timed.client.post_form("old", &[("a", "b")]).send().await.unwrap_err();
    assert_eq!((error.get("status"), requests(&server).await.len()), (Some("302"), 1));
    assert!(error.help_text().unwrap().contains("base_url"));
}

#[tokio::test]
async fn a_try_after_a_redirect_begins_at_the_original_address() {
    let (server, files) = (server().await, MockServer::start().await);
    redirect(&server, "/old", &format!("{}/file", files.uri())).await;
    let answers = super::support::InTurn::statuses([503, 200]);
    Mock::given(any()).respond_with(answers).mount(&files).await;
    let timed = timed(&server.uri(), |s| s.allowed_link_hosts = vec![files.uri()]);
    timed.client.get("old").send().await.unwrap();
    assert_eq!((requests(&server).await.len(), requests(&files).await.len()), (2, 2));
    assert_eq!(timed.client.activity().retries, 1);
}
