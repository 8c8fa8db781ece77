//! Credentials in requests, and tokens: fetched once, shared, renewed in time.

use std::time::Duration;

use futures::future::join_all;
use lakeflow_connect::{
    ErrorKind, Retry, Secret,
    http::{Auth, ClientAuth, ClientCredentials, HttpClient, TokenEndpoint},
};
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, path},
};

use super::support::{InTurn, Timed, url};

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text)
}

pub(super) fn token(name: &str, expires_in: serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"access_token": name, "token_type": "Bearer", "expires_in": expires_in}))
}

/// A server whose `/Patient` takes the tokens named, and whose `/token` answers in turn.
async fn server(tokens: InTurn, good: &[&str]) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/token")).respond_with(tokens).mount(&server).await;
    for name in good {
        Mock::given(path("/Patient"))
            .and(header("authorization", format!("Bearer {name}")))
            .respond_with(ResponseTemplate::new(200))
            .with_priority(1)
            .mount(&server)
            .await;
    }
    Mock::given(path("/Patient")).respond_with(ResponseTemplate::new(401)).with_priority(9).mount(&server).await;
    server
}

pub(super) async fn count(server: &MockServer, of: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|r| r.url.path() == of).count()
}

fn by_secret(server: &MockServer, client_auth: ClientAuth) -> ClientCredentials {
    ClientCredentials::new(TokenEndpoint::Url(url(&format!("{}/token", server.uri()))), "id", client_auth)
}

fn client_of(server: &MockServer) -> Timed {
    let credentials = by_secret(server, ClientAuth::SecretBasic(secret("s")));
    Timed::with_auth(&server.uri(), Auth::client_credentials(credentials))
}

pub(super) async fn get(client: &HttpClient) -> lakeflow_connect::Result<u16> {
    client.get("Patient").send().await.map(|r| r.status())
}

#[tokio::test]
async fn fixed_credentials_go_into_their_header_and_none_into_none() {
    for (auth, name, value) in [
        (Auth::basic("Zoë", &secret("pä:ss")).unwrap(), "authorization", Some("Basic Wm/Dqzpww6Q6c3M=")),
        (Auth::bearer(&secret("abc\n")).unwrap(), "authorization", Some("Bearer abc")),
        (Auth::api_key("X-Api-Key", &secret("k")).unwrap(), "x-api-key", Some("k")),
        (Auth::none(), "authorization", None),
    ] {
        let server = MockServer::start().await;
        Mock::given(path("/Patient")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        get(&Timed::with_auth(&server.uri(), auth).client).await.unwrap();
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.headers.get(name).map(|v| v.to_str().unwrap()), value);
    }
    for bad in
        [Auth::basic("a:b", &secret("p")), Auth::bearer(&secret("a\nb")), Auth::api_key("bad name", &secret("k"))]
    {
        assert_eq!(bad.unwrap_err().kind(), ErrorKind::Config);
    }
}

#[tokio::test]
async fn a_refused_fixed_credential_is_final_and_says_what_to_check() {
    for (auth, word) in [
        (Auth::basic("u", &secret("MARKER")).unwrap(), "username and password"),
        (Auth::bearer(&secret("MARKER")).unwrap(), "cannot be renewed"),
        (Auth::api_key("x-key", &secret("MARKER")).unwrap(), "API key"),
        (Auth::none(), "wants credentials"),
    ] {
        let server = server(InTurn::statuses([500]), &[]).await;
        let error = get(&Timed::with_auth(&server.uri(), auth).client).await.unwrap_err();
        assert_eq!((error.kind(), error.retry(), count(&server, "/Patient").await), (ErrorKind::Auth, Retry::Never, 1));
        assert!(error.help_text().unwrap().contains(word) && !format!("{error:?}").contains("MARKER"), "{error}");
    }
}

#[tokio::test]
async fn the_client_secret_goes_into_basic_or_into_the_form() {
    let server = server(InTurn::new([token("t", json!(300))]), &["t"]).await;
    for client_auth in [ClientAuth::SecretBasic(secret("s/+ é")), ClientAuth::SecretPost(secret("s/+ é"))] {
        let credentials = by_secret(&server, client_auth).scope("a b");
        get(&Timed::with_auth(&server.uri(), Auth::client_credentials(credentials)).client).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let tokens: Vec<_> = requests.iter().filter(|r| r.url.path() == "/token").collect();
    assert_eq!(tokens[0].body, b"grant_type=client_credentials&scope=a+b");
    assert_eq!(tokens[0].headers["authorization"], "Basic aWQ6cyUyRiUyQislQzMlQTk=", "id:s%2F%2B+%C3%A9");
    assert_eq!(tokens[1].body, b"grant_type=client_credentials&scope=a+b&client_id=id&client_secret=s%2F%2B+%C3%A9");
    assert!(!tokens[1].headers.contains_key("authorization"));
}

#[tokio::test]
async fn twenty_requests_at_once_fetch_one_token() {
    let server = server(InTurn::new([token("t", json!(300))]), &["t"]).await;
    let client = client_of(&server).client;
    let answers = join_all((0..20).map(|_| get(&client))).await;
    assert!(answers.into_iter().all(|a| a.unwrap() == 200));
    assert_eq!((count(&server, "/token").await, count(&server, "/Patient").await), (1, 20));
}

#[tokio::test]
async fn twenty_refused_requests_fetch_one_new_token_and_each_is_sent_once_more() {
    let server = server(InTurn::new([token("revoked", json!(300)), token("fresh", json!(300))]), &["fresh"]).await;
    let timed = Timed::with(
        &server.uri(),
        |s| s.max_concurrency = 20,
        |b| b.auth(Auth::client_credentials(by_secret(&server, ClientAuth::SecretBasic(secret("s"))))),
    );
    let answers = join_all((0..20).map(|_| get(&timed.client))).await;
    assert!(answers.into_iter().all(|a| a.unwrap() == 200));
    assert_eq!(count(&server, "/token").await, 2);
    assert!(count(&server, "/Patient").await <= 40);
}

#[tokio::test]
async fn a_refused_token_endpoint_is_asked_once_for_all_who_wait() {
    let refused = ResponseTemplate::new(401).set_body_json(json!({"error": "invalid_client"}));
    let server = server(InTurn::new([refused]), &[]).await;
    let client = client_of(&server).client;
    for answer in join_all((0..20).map(|_| get(&client))).await {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.get("error")), (ErrorKind::Auth, Some("invalid_client")));
        assert!(error.help_text().unwrap().contains("client_secret"));
    }
    assert_eq!((count(&server, "/token").await, count(&server, "/Patient").await), (1, 0));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_second_refusal_is_final() {
    let server =
        server(InTurn::new([token("a", json!(300)), token("b", json!(300)), token("c", json!(300))]), &[]).await;
    let timed = client_of(&server);
    let error = get(&timed.client).await.unwrap_err();
    assert_eq!((error.kind(), error.get("tries")), (ErrorKind::Auth, Some("2")));
    assert_eq!((count(&server, "/token").await, count(&server, "/Patient").await), (2, 2));
    assert_eq!(timed.waited(), 0.0);
}

#[tokio::test]
async fn a_post_that_was_refused_for_its_token_is_sent_again() {
    let server = server(InTurn::new([token("old", json!(300)), token("new", json!(300))]), &["new"]).await;
    let answer = client_of(&server).client.post_form("Patient", &[("a", "b")]).send().await.unwrap();
    assert_eq!((answer.status(), count(&server, "/Patient").await), (200, 2));
}

#[tokio::test]
async fn tokens_are_renewed_half_a_minute_before_the_end_or_half_way() {
    for (expires_in, lasts) in [
        (json!(300), 270),
        (json!(60), 30),
        (json!(20), 10),
        (json!("20"), 10),
        (json!(null), 270),
        (json!("soon"), 270),
    ] {
        let server = server(InTurn::new([token("t", expires_in.clone())]), &["t"]).await;
        let timed = client_of(&server);
        get(&timed.client).await.unwrap();
        timed.clock.advance(Duration::from_secs(lasts - 1));
        get(&timed.client).await.unwrap();
        assert_eq!(count(&server, "/token").await, 1, "{expires_in}");
        timed.clock.advance(Duration::from_secs(1));
        get(&timed.client).await.unwrap();
        assert_eq!(count(&server, "/token").await, 2, "{expires_in}");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_while_it_lasts() {
    let refused = ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_request"}));
    let server = server(InTurn::new([token("t", json!(300)), refused]), &["t"]).await;
    let timed = client_of(&server);
    get(&timed.client).await.unwrap();
    timed.clock.advance(Duration::from_secs(280));
    assert_eq!(get(&timed.client).await.unwrap(), 200);
    timed.clock.advance(Duration::from_secs(20));
    assert_eq!(get(&timed.client).await.unwrap_err().get("error"), Some("invalid_request"));
    assert_eq!((count(&server, "/token").await, count(&server, "/Patient").await), (3, 2));
}

#[tokio::test]
async fn a_busy_token_endpoint_is_retried() {
    let server =
        server(InTurn::new([ResponseTemplate::new(503), ResponseTemplate::new(429), token("t", json!(300))]), &["t"])
            .await;
    let timed = client_of(&server);
    assert_eq!(get(&timed.client).await.unwrap(), 200);
    assert!(count(&server, "/token").await == 3 && timed.waited() > 0.0);
}

#[tokio::test]
async fn what_the_token_endpoint_says_is_reported_and_nothing_else_of_its_body() {
    for (answer, kind, part) in [
        (
            ResponseTemplate::new(400).set_body_json(
                json!({"error": "invalid_scope", "error_description": "not for\nyou", "echo": "MARKER"}),
            ),
            ErrorKind::Auth,
            "error=invalid_scope, error_description=not for you",
        ),
        (ResponseTemplate::new(400).set_body_string("<html>MARKER"), ErrorKind::Auth, "status=400"),
        (ResponseTemplate::new(200).set_body_string("<html>MARKER"), ErrorKind::Protocol, "not a token"),
        (
            ResponseTemplate::new(200).set_body_json(json!({"id_token": "MARKER"})),
            ErrorKind::Protocol,
            "no access_token",
        ),
        (
            ResponseTemplate::new(200).set_body_json(json!({"access_token": "MARKER", "token_type": "mac"})),
            ErrorKind::Protocol,
            "not a bearer token",
        ),
        (
            ResponseTemplate::new(200).set_body_json(json!({"access_token": "MAR\nKER"})),
            ErrorKind::Protocol,
            "no header can carry",
        ),
        (
            ResponseTemplate::new(302).insert_header("location", "http://localhost:1/MARKER"),
            ErrorKind::Protocol,
            "redirects",
        ),
    ] {
        let server = server(InTurn::new([answer]), &[]).await;
        let error = get(&client_of(&server).client).await.unwrap_err();
        let text = format!("{error:?}");
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(part) && !text.contains("MARKER") && !text.contains("KER"), "{text}");
        assert_eq!(count(&server, "/Patient").await, 0);
    }
}

#[tokio::test]
async fn secrets_only_go_to_https_or_this_machine() {
    for (base, token_url) in [
        ("https://server.example/", "http://token.example/token"),
        ("https://server.example/", "https://169.254.169.254/token"),
        ("https://server.example/", "https://localhost/token"),
        ("https://server.example/", "https://u:MARKER@token.example/token"),
        ("https://server.example/", "ftp://token.example/token"),
    ] {
        let endpoint = TokenEndpoint::Url(url(token_url));
        let credentials = ClientCredentials::new(endpoint, "id", ClientAuth::SecretPost(secret("MARKER")));
        let auth = Auth::client_credentials(credentials);
        let timed = Timed::with(base, |s| s.allow_insecure = true, |b| b.auth(auth));
        let error = get(&timed.client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(!format!("{error:?}").contains("MARKER"));
        assert_eq!(timed.client.activity().requests, 0);
    }
}
