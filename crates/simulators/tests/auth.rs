//! Who may read, and the token endpoint.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lakeflow_simulators::{
    fhir::{Auth, RunningServer},
    oauth::{Client, ClientCredential, TestKey, TokenServerConfig},
};
use serde_json::{Value, json};

use crate::support::{client, get, json, start};

fn with_auth(auth: Auth) -> RunningServer {
    start(30, |config| config.auth = auth)
}

fn tokens(credential: ClientCredential, change: impl FnOnce(&mut TokenServerConfig)) -> RunningServer {
    let clients = vec![Client { id: "app".to_owned(), credential }];
    let mut config = TokenServerConfig { clients, ..TokenServerConfig::default() };
    change(&mut config);
    with_auth(Auth::OAuth(config))
}

async fn ask(server: &RunningServer, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> (u16, Value) {
    let mut request = client().post(server.tokens().unwrap().url()).form(form);
    if let Some((user, password)) = basic {
        request = request.basic_auth(user, Some(password));
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn read(server: &RunningServer, path: &str, token: &str) -> u16 {
    client().get(format!("{}/{path}", server.base_url())).bearer_auth(token).send().await.unwrap().status().as_u16()
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const SCOPE: (&str, &str) = ("scope", "system/*.rs");

#[tokio::test]
async fn fixed_credentials_open_the_data_and_nothing_else_does() {
    let server = with_auth(Auth::Basic { user: "me".into(), password: "pä:ss".into() });
    let url = format!("{}/Patient", server.base_url());
    let status = async |user: &str, password: &str| {
        client().get(&url).basic_auth(user, Some(password)).send().await.unwrap().status().as_u16()
    };
    assert_eq!((status("me", "pä:ss").await, status("me", "other").await), (200, 401));
    assert_eq!(get(&url).await.status(), 401);
    assert!(get(&url).await.headers().contains_key("www-authenticate"));
    assert_eq!(get(&format!("{}/metadata", server.base_url())).await.status(), 200, "open to all");
    let server = with_auth(Auth::Bearer { token: "t0ken".into() });
    assert_eq!((read(&server, "Patient", "t0ken").await, read(&server, "Patient", "other").await), (200, 401));
}

#[tokio::test]
async fn a_secret_works_only_where_the_client_registered_it() {
    let in_body = [GRANT, SCOPE, ("client_id", "app"), ("client_secret", "s3cret")];
    let wrong = [GRANT, SCOPE, ("client_id", "app"), ("client_secret", "wrong")];
    for (credential, header_works, body_works) in [
        (ClientCredential::SecretBasic("s3cret".into()), true, false),
        (ClientCredential::SecretPost("s3cret".into()), false, true),
        (ClientCredential::Secret("s3cret".into()), true, true),
    ] {
        let server = tokens(credential, |_| {});
        let (status, body) = ask(&server, &[GRANT, SCOPE], Some(("app", "s3cret"))).await;
        assert_eq!(status == 200, header_works, "{body}");
        let (status, body) = ask(&server, &in_body, None).await;
        assert_eq!(status == 200, body_works, "{body}");
        let (status, body) = ask(&server, &wrong, None).await;
        assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
        assert_eq!(ask(&server, &[GRANT, SCOPE], Some(("other", "s3cret"))).await.1["error"], "invalid_client");
        assert_eq!(ask(&server, &[GRANT, SCOPE], None).await.0, 401);
    }
}

#[tokio::test]
async fn a_token_reads_until_it_ends_by_the_servers_clock() {
    let server = tokens(ClientCredential::Secret("s".into()), |config| config.lifetime = Duration::from_secs(5));
    let (_, body) = ask(&server, &[GRANT, SCOPE], Some(("app", "s"))).await;
    let token = body["access_token"].as_str().unwrap();
    assert_eq!((&body["expires_in"], &body["token_type"]), (&json!(5), &json!("bearer")));
    assert_eq!(read(&server, "Patient", token).await, 200);
    server.clock().advance(Duration::from_secs(5));
    assert_eq!(read(&server, "Patient", token).await, 401);
    let (_, body) = ask(&server, &[GRANT, SCOPE], Some(("app", "s"))).await;
    let token = body["access_token"].as_str().unwrap();
    server.tokens().unwrap().revoke_all();
    assert_eq!(read(&server, "Patient", token).await, 401);
    assert_eq!(server.tokens().unwrap().issued(), 2);
}

#[tokio::test]
async fn a_token_may_end_in_the_middle_of_the_pages() {
    let server = tokens(ClientCredential::Secret("s".into()), |config| config.uses = Some(2));
    let (_, body) = ask(&server, &[GRANT, SCOPE], Some(("app", "s"))).await;
    let token = body["access_token"].as_str().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(read(&server, "Patient", token).await);
    }
    assert_eq!(statuses, [200, 200, 401]);
}

#[tokio::test]
async fn the_scope_decides_which_types_can_be_read() {
    let server = tokens(ClientCredential::Secret("s".into()), |_| {});
    for (scope, patient, observation) in [
        ("system/*.read", 200, 200),
        ("system/*.rs", 200, 200),
        ("system/Patient.rs", 200, 403),
        ("system/Observation.read", 403, 200),
        ("system/Patient.write", 403, 403),
    ] {
        let (_, body) = ask(&server, &[GRANT, ("scope", scope)], Some(("app", "s"))).await;
        let token = body["access_token"].as_str().unwrap();
        let found = (read(&server, "Patient", token).await, read(&server, "Observation", token).await);
        assert_eq!(found, (patient, observation), "{scope}");
    }
    assert_eq!(ask(&server, &[GRANT], Some(("app", "s"))).await.1["error"], "invalid_scope");
    let narrow = tokens(ClientCredential::Secret("s".into()), |config| {
        config.granted_scope = Some("system/Patient.rs".into());
    });
    assert_eq!(ask(&narrow, &[GRANT, SCOPE], Some(("app", "s"))).await.1["scope"], "system/Patient.rs");
}

#[tokio::test]
async fn discovery_names_the_token_endpoint_in_both_places() {
    let server = tokens(ClientCredential::Secret("s".into()), |_| {});
    let smart = json(&format!("{}/.well-known/smart-configuration", server.base_url())).await;
    assert_eq!(smart["token_endpoint"], server.tokens().unwrap().url());
    let hidden = tokens(ClientCredential::Secret("s".into()), |config| config.discovery = false);
    assert_eq!(get(&format!("{}/.well-known/smart-configuration", hidden.base_url())).await.status(), 404);
    let statement = json(&format!("{}/metadata", hidden.base_url())).await;
    let extension = &statement["rest"][0]["security"]["extension"][0]["extension"][0];
    assert_eq!((&extension["url"], &extension["valueUri"]), (&json!("token"), &json!(hidden.tokens().unwrap().url())));
}

fn assertion(key: &TestKey, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
    let (algorithm, private) = match key.algorithm {
        "RS384" => (Algorithm::RS384, EncodingKey::from_rsa_pem(key.private_pem.as_bytes()).unwrap()),
        _ => (Algorithm::ES384, EncodingKey::from_ec_pem(key.private_pem.as_bytes()).unwrap()),
    };
    let mut header = Header { kid: Some(key.kid.clone()), ..Header::new(algorithm) };
    change(&mut header);
    jsonwebtoken::encode(&header, claims, &private).unwrap()
}

async fn present(server: &RunningServer, assertion: &str) -> (u16, Value) {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    ask(server, &[GRANT, SCOPE, ("client_assertion_type", kind), ("client_assertion", assertion)], None).await
}

#[tokio::test]
async fn a_signed_assertion_gets_a_token_and_every_flaw_is_refused() {
    for key in [TestKey::rs384("key-1").unwrap(), TestKey::es384("key-1").unwrap()] {
        let jwks = key.jwks.clone();
        let server = tokens(ClientCredential::PrivateKeyJwt { jwks, jku: None }, |_| {});
        let url = server.tokens().unwrap().url().to_owned();
        let now = server.clock().now().timestamp();
        let claims = |change: Value| {
            let mut claims = json!({"iss": "app", "sub": "app", "aud": url, "exp": now + 300, "jti": "1"});
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            claims
        };
        for flaw in [
            json!({"iss": "other"}),
            json!({"sub": "other"}),
            json!({"aud": format!("{url}/")}),
            json!({"exp": now + 301}),
            json!({"exp": now}),
            json!({"exp": null}),
            json!({"jti": null}),
            json!({"nbf": now + 60}),
        ] {
            let (status, body) = present(&server, &assertion(&key, &claims(flaw.clone()), |_| {})).await;
            assert_eq!((status, &body["error"]), (400, &json!("invalid_client")), "{flaw}");
        }
        let stranger =
            if key.algorithm == "RS384" { TestKey::rs384("key-1") } else { TestKey::es384("key-1") }.unwrap();
        assert_eq!(present(&server, &assertion(&stranger, &claims(json!({})), |_| {})).await.0, 400);
        let unknown = assertion(&key, &claims(json!({})), |header| header.kid = Some("key-2".into()));
        assert_eq!(present(&server, &unknown).await.0, 400);
        let elsewhere = assertion(&key, &claims(json!({})), |header| header.jku = Some("https://evil.invalid".into()));
        assert_eq!(present(&server, &elsewhere).await.0, 400);

        let good = assertion(&key, &claims(json!({})), |_| {});
        let (status, body) = present(&server, &good).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(read(&server, "Patient", body["access_token"].as_str().unwrap()).await, 200);
        let (status, body) = present(&server, &good).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_client")), "a jti works once");
    }
}

#[test]
fn test_keys_come_in_the_shapes_that_users_paste() {
    let key = TestKey::rs384("a").unwrap();
    assert!(EncodingKey::from_rsa_pem(key.legacy_private_pem.as_bytes()).is_ok());
    assert!(key.legacy_private_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let key = TestKey::es384("b").unwrap();
    assert!(key.legacy_private_pem.starts_with("-----BEGIN EC PRIVATE KEY-----"));
    let jwks: Value = serde_json::from_str(&key.jwks).unwrap();
    let public = &jwks["keys"][0];
    assert_eq!((&public["kid"], &public["crv"], &public["d"]), (&json!("b"), &json!("P-384"), &Value::Null));
}
