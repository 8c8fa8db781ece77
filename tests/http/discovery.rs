//! Token endpoints that servers publish, and what else they say of logins.

use std::time::Duration;

use lakeflow_connect::{
    ErrorKind, Secret,
    http::{Auth, ClientAuth, ClientCredentials, PrivateKeyJwt, SigningKey, TokenEndpoint},
};
use lakeflow_simulators::oauth::TestKey;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use super::{
    auth::{count, get, secret, token},
    secrecy::Log,
    support::{Timed, url},
};

#[tokio::test]
async fn the_token_endpoint_is_found_once_where_servers_publish_it() {
    let capability = |uri: &str| {
        json!({"resourceType": "CapabilityStatement", "rest": [{"security": {"extension": [
            {"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": [
                {"url": "authorize", "valueUri": "https://wrong.example"},
                {"url": "token", "valueUri": uri}
            ]}
        ]}}]})
    };
    for place in ["/fhir/.well-known/smart-configuration", "/fhir/metadata", "/fhir/.well-known/openid-configuration"] {
        let server = MockServer::start().await;
        let uri = format!("{}/token", server.uri());
        let document = if place.ends_with("metadata") { capability(&uri) } else { json!({"token_endpoint": uri}) };
        Mock::given(path(place)).respond_with(ResponseTemplate::new(200).set_body_json(document)).mount(&server).await;
        // A front end that answers unknown paths with its page.
        let page = ResponseTemplate::new(200).set_body_string("<html>");
        Mock::given(path("/fhir/.well-known/smart-configuration"))
            .respond_with(page)
            .with_priority(9)
            .mount(&server)
            .await;
        Mock::given(path("/token")).respond_with(token("t", json!(20))).mount(&server).await;
        Mock::given(path("/fhir/Patient")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let base = format!("{}/fhir", server.uri());
        let endpoint = TokenEndpoint::Discover(url(&base));
        let credentials = ClientCredentials::new(endpoint, "id", ClientAuth::SecretPost(secret("s")));
        let timed = Timed::with_auth(&base, Auth::client_credentials(credentials));
        for _ in 0..2 {
            get(&timed.client).await.unwrap();
            timed.clock.advance(Duration::from_secs(60));
        }
        assert_eq!((count(&server, place).await, count(&server, "/token").await), (1, 2), "{place}");
        for request in server.received_requests().await.unwrap() {
            assert_eq!(request.headers.contains_key("authorization"), request.url.path() == "/fhir/Patient");
        }
    }
}

#[tokio::test]
async fn a_login_that_a_server_does_not_list_is_warned_of_and_tried() {
    let key = SigningKey::parse(&Secret::new(TestKey::es384("k").unwrap().private_pem), None).unwrap();
    let signed = || ClientAuth::PrivateKeyJwt(PrivateKeyJwt::new(key.clone()));
    let by_secret = || ClientAuth::SecretBasic(secret("s"));
    let all = json!({
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "capabilities": ["client-confidential-asymmetric", "client-confidential-symmetric", "permission-v2"],
    });
    let without = |member: &str, listed: Value| {
        let mut document = all.clone();
        document[member] = listed;
        document
    };
    let v2 = "system/Patient.rs system/*.rs?status=final openid";
    for (document, client_auth, scope, missing) in [
        (all.clone(), signed(), v2, None),
        (all.clone(), by_secret(), v2, None),
        (json!({}), signed(), v2, None),
        (
            json!({"grant_types_supported": "client_credentials", "capabilities": [1]}),
            by_secret(),
            "x",
            Some("capabilities: client-confidential-symmetric"),
        ),
        (
            without("grant_types_supported", json!(["authorization_code"])),
            by_secret(),
            v2,
            Some("grant_types_supported: client_credentials"),
        ),
        (
            without("token_endpoint_auth_methods_supported", json!(["client_secret_post"])),
            by_secret(),
            v2,
            Some("token_endpoint_auth_methods_supported: client_secret_basic"),
        ),
        (
            without("token_endpoint_auth_signing_alg_values_supported", json!(["RS384"])),
            signed(),
            v2,
            Some("token_endpoint_auth_signing_alg_values_supported: ES384"),
        ),
        (without("token_endpoint_auth_signing_alg_values_supported", json!(["RS384"])), by_secret(), v2, None),
        (without("capabilities", json!(["client-confidential-symmetric"])), by_secret(), "system/*.read", None),
        (all.clone(), signed(), "system/Patient.read system/*.read", Some("capabilities: permission-v1")),
        (
            without("capabilities", json!(["permission-v1"])),
            signed(),
            "system/*.rs",
            Some("capabilities: client-confidential-asymmetric, capabilities: permission-v2"),
        ),
    ] {
        let server = MockServer::start().await;
        let mut document = document;
        document["token_endpoint"] = json!(format!("{}/token", server.uri()));
        let told = document.to_string();
        let configuration = path("/fhir/.well-known/smart-configuration");
        Mock::given(configuration)
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&server)
            .await;
        Mock::given(path("/token")).respond_with(token("t", json!(20))).mount(&server).await;
        Mock::given(path("/fhir/Patient")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let base = format!("{}/fhir", server.uri());
        let credentials = ClientCredentials::new(TokenEndpoint::Discover(url(&base)), "id", client_auth).scope(scope);
        let (log, _listening) = Log::listen(tracing::Level::WARN);
        get(&Timed::with_auth(&base, Auth::client_credentials(credentials)).client).await.unwrap();
        let log = log.text();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("does not list")).collect();
        match missing {
            Some(missing) => {
                assert!(lines.len() == 1 && lines[0].contains(&format!("missing=\"{missing}\"")), "{told}: {log}")
            }
            None => assert!(lines.is_empty(), "{told}: {log}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_publishes_no_token_endpoint_asks_for_token_url() {
    let server = MockServer::start().await;
    let endpoint = TokenEndpoint::Discover(url(&server.uri()));
    let credentials = ClientCredentials::new(endpoint, "id", ClientAuth::SecretPost(secret("s")));
    let error = get(&Timed::with_auth(&server.uri(), Auth::client_credentials(credentials)).client).await.unwrap_err();
    assert_eq!((error.kind(), error.help_text()), (ErrorKind::Config, Some("give token_url")));
}
