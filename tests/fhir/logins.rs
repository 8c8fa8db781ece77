//! Every way to log in, over the simulator's own token server; tokens that end while a table is read.

use futures::TryStreamExt;
use lakeflow_connect::ErrorKind;
use lakeflow_simulators::{
    fhir::Auth,
    oauth::{Client, ClientCredential, TestKey, TokenServerConfig},
};

use super::*;

const SECRET: &str = "MARKER-s3cret/+ é";

fn guarded(credential: ClientCredential) -> RunningServer {
    let clients = vec![Client { id: "reader".to_owned(), credential }];
    start(Config { auth: Auth::OAuth(TokenServerConfig { clients, ..TokenServerConfig::default() }), ..config() })
}

/// The options of a client; nothing is said of the token endpoint, which the server publishes.
fn client(server: &RunningServer, auth_type: &str) -> Options {
    options(server).with("auth_type", auth_type).with("client_id", "reader").with("scope", "system/*.rs")
}

/// The credential of a key, the options that use it, and another key of the same id.
fn keys() -> [(ClientCredential, TestKey, TestKey); 2] {
    [TestKey::rs384, TestKey::es384].map(|make| {
        let key = make("k1").unwrap();
        (ClientCredential::PrivateKeyJwt { jwks: key.jwks.clone(), jku: None }, key, make("k1").unwrap())
    })
}

fn with_key(server: &RunningServer, key: &TestKey) -> Options {
    client(server, "jwt_assertion").with("private_key_pem", key.private_pem.as_str()).with("kid", "k1")
}

/// Reads all; the requests that brought data bore a credential.
async fn reads_all(server: &RunningServer, options: &Options, told: &str) {
    let mut lake = Lake::default();
    lake.sync(&*connect(options).unwrap(), &small("Patient")).await.unwrap_or_else(|e| panic!("{told}: {e}"));
    lake.assert_holds(server, "Patient", told);
    assert!(lake.repeated.is_empty(), "{told}");
}

async fn is_refused(options: &Options, marks: &[&str], told: &str) {
    let error = Lake::default().sync(&*connect(options).unwrap(), &small("Patient")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{told}: {error}");
    assert!(error.help_text().is_some(), "{told}: {error}");
    let shown = format!("{error} {error:?}");
    assert!(marks.iter().all(|mark| !shown.contains(mark)), "{told}: {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_secret_reads_in_the_header_and_in_the_form() {
    for (style, credential) in [
        ("basic", ClientCredential::SecretBasic(SECRET.to_owned())),
        ("post", ClientCredential::SecretPost(SECRET.to_owned())),
    ] {
        let server = guarded(credential);
        let login = client(&server, "client_secret").with("client_auth_style", style);
        reads_all(&server, &login.clone().with("client_secret", SECRET), style).await;
        assert_eq!(server.tokens().unwrap().issued(), 1, "{style}");
        let told = login.clone().with("token_url", server.tokens().unwrap().url()).with("client_secret", SECRET);
        reads_all(&server, &told, "with the endpoint given").await;
        is_refused(&login.with("client_secret", "MARKER-wrong"), &["MARKER"], style).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_assertion_reads_with_both_kinds_of_key() {
    for (credential, key, other) in keys() {
        let server = guarded(credential);
        let told = key.algorithm;
        reads_all(&server, &with_key(&server, &key), told).await;
        let named = with_key(&server, &key).with("private_key_algorithm", told);
        reads_all(&server, &named, told).await;
        assert_eq!(server.tokens().unwrap().issued(), 2, "{told}: one token for each connection");
        let body = other.private_pem.lines().nth(1).unwrap();
        is_refused(&with_key(&server, &other), &[body, "PRIVATE KEY"], told).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_in_mid_run_is_fetched_anew_once() {
    let secret = |style: &'static str| {
        vec![("auth_type", "client_secret"), ("client_auth_style", style), ("client_secret", SECRET)]
    };
    let keys = keys();
    let signed = keys.iter().map(|(credential, key, _)| {
        let pem = key.private_pem.as_str();
        (credential.clone(), vec![("auth_type", "jwt_assertion"), ("private_key_pem", pem), ("kid", "k1")])
    });
    let secrets = [
        (ClientCredential::SecretBasic(SECRET.to_owned()), secret("basic")),
        (ClientCredential::SecretPost(SECRET.to_owned()), secret("post")),
    ];
    for (credential, login) in secrets.into_iter().chain(signed) {
        let told = format!("{credential:.20?}");
        let server = guarded(credential);
        let login = login.iter().fold(client(&server, "none"), |options, (name, value)| options.with(*name, *value));
        let source = connect(&login).unwrap();
        let mut events = source.read_table(ReadRequest::new(small("Patient").option("page_size", "5")));
        let mut lake = Lake::default();
        while let Some(event) = events.try_next().await.unwrap_or_else(|e| panic!("{told}: {e}")) {
            match event {
                ReadEvent::Records(Records::Arrow(batch)) => lake.take(&batch),
                ReadEvent::Checkpoint(_) if lake.checkpoints == 0 => {
                    server.tokens().unwrap().revoke_all();
                    lake.checkpoints = 1;
                }
                _ => {}
            }
        }
        lake.assert_holds(&server, "Patient", &told);
        assert!(lake.repeated.is_empty(), "{told}");
        let refused = server.exchanges().iter().filter(|exchange| exchange.status == 401).count();
        assert!(refused >= 1, "{told}: nothing was left to ask");
        assert_eq!(server.tokens().unwrap().issued(), 2, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_login_or_with_a_fixed_one_nothing_is_renewed() {
    let basic = || Auth::Basic { user: "reader".to_owned(), password: SECRET.to_owned() };
    let bearer = || Auth::Bearer { token: "MARKER-token".to_owned() };
    for (auth, right, wrong) in [
        (Auth::None, vec![("auth_type", "none")], None),
        (
            basic(),
            vec![("auth_type", "basic"), ("username", "reader"), ("password", SECRET)],
            Some(("password", "MARKER-wrong")),
        ),
        (
            bearer(),
            vec![("auth_type", "bearer"), ("bearer_token", "MARKER-token")],
            Some(("bearer_token", "MARKER-wrong")),
        ),
    ] {
        let server = start(Config { auth, ..config() });
        let login = right.iter().fold(options(&server), |options, (name, value)| options.with(*name, *value));
        reads_all(&server, &login, right[0].1).await;
        assert!(server.exchanges().iter().all(|exchange| exchange.status != 401), "{right:?}");
        if let Some((name, value)) = wrong {
            is_refused(&login.with(name, value), &["MARKER"], right[0].1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_says_the_key_set_and_the_audience_that_are_given() {
    let (key, registered) = (TestKey::es384("k1").unwrap(), "https://client.example/jwks.json");
    let credential = ClientCredential::PrivateKeyJwt { jwks: key.jwks.clone(), jku: Some(registered.to_owned()) };
    let server = guarded(credential);
    let login = with_key(&server, &key);
    let right = login.clone().with("jku", registered).with("audience", server.tokens().unwrap().url());
    reads_all(&server, &right, "as registered").await;
    is_refused(&login.clone().with("jku", "https://client.example/other.json"), &["PRIVATE KEY"], "jku").await;
    is_refused(&login.with("audience", "https://elsewhere.example/token"), &["PRIVATE KEY"], "audience").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_the_scope_does_not_cover_is_a_permission_error_and_the_others_arrive() {
    let credential = ClientCredential::SecretBasic(SECRET.to_owned());
    let clients = vec![Client { id: "reader".to_owned(), credential }];
    let granted_scope = Some("system/Patient.rs".to_owned());
    let tokens = TokenServerConfig { clients, granted_scope, ..TokenServerConfig::default() };
    let server = start(Config { auth: Auth::OAuth(tokens), ..config() });
    let login = client(&server, "client_secret").with("client_secret", SECRET);
    let error = Lake::default().sync(&*connect(&login).unwrap(), &small("Observation")).await.unwrap_err();
    assert_eq!((error.kind(), error.get("table")), (ErrorKind::Permission, Some("Observation")), "{error}");
    reads_all(&server, &login, "patients only").await;
}
