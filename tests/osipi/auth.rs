//! Logins of a connection, each against the simulator.

use std::{net::SocketAddr, sync::Arc};

use futures::{TryStreamExt, future::join_all};
use lakeflow_connect::{Context, ErrorKind, Options, ReadEvent, ReadRequest, Records, Registry, Result, TableRef};
use lakeflow_simulators::osipi::{Auth, Config, RunningServer, Server};
use tokio::{io::copy_bidirectional, net::TcpListener, net::TcpStream};
use tokio_rustls::TlsAcceptor;

use super::connect;
use crate::http::{negotiate, tls::Authority};

fn start(auth: &str, change: impl FnOnce(&mut Auth)) -> RunningServer {
    let mut config = Config { points: 6, ..Config::default() };
    config.set("days", "1").unwrap();
    config.set("clock", "2026-03-18T12:00:00Z").unwrap();
    config.set("auth", auth).unwrap();
    change(&mut config.auth);
    Server::start(config).unwrap()
}

fn options(base: &str, of: &[(&str, &str)]) -> Options {
    let all = [("pi_base_url", base), ("max_retries", "0"), ("requests_per_second", "100000")];
    all.iter().chain(of).copied().collect()
}

/// The rows of a table.
async fn rows(options: &Options, table: TableRef) -> Result<usize> {
    let events: Vec<ReadEvent> = connect(options)?.read_table(ReadRequest::new(table)).try_collect().await?;
    let of = |event: &ReadEvent| match event {
        ReadEvent::Records(Records::Arrow(batch)) => batch.num_rows(),
        _ => 0,
    };
    Ok(events.iter().map(of).sum())
}

fn points() -> TableRef {
    TableRef::new("pi_points")
}

#[tokio::test]
async fn j07_basic_takes_domain_users_and_other_letters_than_latin() {
    let server = start(r"basic:PLANT\Zoë:pä:ss✓", |_| {});
    let login = |password| options(&server.base_url(), &[("username", r"PLANT\Zoë"), ("password", password)]);
    assert_eq!(rows(&login("pä:ss✓"), points()).await.unwrap(), 6);
    let error = rows(&login("MARKER"), points()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(!format!("{error} {error:?}").contains("MARKER"));
}

#[tokio::test]
async fn j07_a_refused_bearer_token_is_not_sent_again() {
    let server = start("bearer:good", |_| {});
    let login = |token| options(&server.base_url(), &[("access_token", token)]);
    assert_eq!(rows(&login("good"), points()).await.unwrap(), 6);
    let before = server.counters().requests;
    let error = rows(&login("MARKER"), points()).await.unwrap_err();
    assert_eq!((error.kind(), server.counters().requests - before), (ErrorKind::Auth, 1));
    assert!(error.help_text().unwrap().contains("cannot be renewed"), "{error}");
    assert!(!format!("{error} {error:?}").contains("MARKER"));
}

#[tokio::test]
async fn j07_oidc_asks_where_pi_web_api_itself_says_and_once_for_all() {
    let server = start("oidc:reader:secret", |_| {});
    let login = |secret| options(&server.base_url(), &[("client_id", "reader"), ("client_secret", secret)]);
    let source = connect(&login("secret")).unwrap();
    let reads = (0..12).map(|_| source.read_table(ReadRequest::new(points())).try_collect::<Vec<_>>());
    for events in join_all(reads).await {
        assert!(events.unwrap().len() > 1);
    }
    let tokens = server.tokens().unwrap();
    assert_eq!(tokens.issued(), 1);
    tokens.revoke_all();
    source.read_table(ReadRequest::new(points())).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(tokens.issued(), 2, "a refused token is renewed once");
    let error = rows(&login("MARKER"), points()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(!format!("{error} {error:?}").contains("MARKER"));
    let unpublished = start("none", |_| {});
    let of = [("client_id", "reader"), ("client_secret", "secret")];
    let error = rows(&options(&unpublished.base_url(), &of), points()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.help_text().unwrap().contains("token_url"), "{error}");
}

#[tokio::test]
async fn j07_tokens_that_end_in_mid_run_lose_nothing() {
    let server = start("oidc:reader:secret", |auth| {
        if let Auth::OpenId(tokens) = auth {
            tokens.uses = Some(3);
        }
    });
    let table = || TableRef::new("pi_timeseries").option("tags_per_request", "1").option("maxCount", "200");
    // One at a time: among many, a token of three uses may be used up before its turn comes again.
    let of = [("client_id", "reader"), ("client_secret", "secret"), ("max_concurrency", "1")];
    let read = rows(&options(&server.base_url(), &of), table()).await.unwrap();
    let open = start("none", |_| {});
    let all = rows(&options(&open.base_url(), &[("auth_type", "anonymous")]), table()).await.unwrap();
    assert!(all > 1_000);
    assert_eq!(read, all);
    assert!(server.tokens().unwrap().issued() > 3);
}

/// TLS in front of the simulator; the address to ask.
async fn front(authority: &Authority, clients: Option<&Authority>, server: &RunningServer) -> String {
    let acceptor = TlsAcceptor::from(Arc::new(authority.server_config("localhost", clients)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}/piwebapi", listener.local_addr().unwrap().port());
    let behind: SocketAddr = server.host().parse().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                let mut behind = TcpStream::connect(behind).await.unwrap();
                // Either side may just hang up.
                let _ = copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn j07_certificates_of_both_sides_are_checked() {
    let server = start("bearer:good", |_| {});
    let (authority, clients) = (Authority::new(), Authority::new());
    let ca = authority.pem();
    let of = |base: &str, more: &[(&str, &str)]| {
        let login = options(base, &[("access_token", "good")]);
        more.iter().fold(login, |login, (name, value)| login.with(*name, *value))
    };

    let plain = front(&authority, None, &server).await;
    let stranger = rows(&of(&plain, &[]), points()).await.unwrap_err();
    assert_eq!(stranger.message(), "the server's TLS certificate was not accepted");
    let other = Authority::new().pem();
    assert!(rows(&of(&plain, &[("ca_bundle", &other)]), points()).await.is_err(), "another authority");
    for (name, value) in [("ca_bundle", ca.as_str()), ("ca_cert_pem", &ca), ("verify_ssl", "false")] {
        assert_eq!(rows(&of(&plain, &[(name, value)]), points()).await.unwrap(), 6, "{name}");
    }

    let mutual = front(&authority, Some(&clients), &server).await;
    assert!(rows(&of(&mutual, &[("ca_bundle", &ca)]), points()).await.is_err(), "no certificate of ours");
    let (certificate, key) = clients.issue("lakeflow");
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    let both = [("ca_bundle", ca.as_str()), ("client_cert", &certificate), ("client_key", &key)];
    assert_eq!(rows(&of(&mutual, &both), points()).await.unwrap(), 6);
    let (certificate, key) = Authority::new().issue("somebody");
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    let wrong = [("ca_bundle", ca.as_str()), ("client_cert", &certificate), ("client_key", &key)];
    assert!(rows(&of(&mutual, &wrong), points()).await.is_err(), "a certificate of an unknown authority");
}

#[tokio::test]
async fn j07_negotiate_of_two_legs_lets_every_read_in() {
    let legs = [("one", "go on"), ("two", "proof")];
    let server = negotiate::server(&legs);
    let login = options(&server.base_url(), &[("auth_type", "kerberos")]);
    let read = async |legs: &[(&'static str, &'static str)], table: TableRef| {
        let context = Context::new().negotiate(Arc::new(negotiate::Script(legs.to_vec())));
        let source = Registry::builtin().connect("osipi", &login, &context)?;
        source.read_table(ReadRequest::new(table)).try_collect::<Vec<ReadEvent>>().await
    };
    let recorded = TableRef::new("pi_timeseries").option("startTime", "*-1h").option("tags_per_request", "1");
    for table in [points(), recorded] {
        let events = read(&legs, table).await.unwrap();
        assert!(events.iter().any(|event| matches!(event, ReadEvent::Records(records) if records.rows() > 0)));
    }
    let batches = server.exchanges().iter().filter(|exchange| exchange.status == 207).count();
    assert!(batches >= 4, "{batches}");
    let error = read(&[("another", "proof")], points()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
}

#[cfg(not(feature = "kerberos"))]
#[test]
fn without_the_feature_kerberos_is_refused_with_the_name_of_the_feature() {
    let options = [("pi_base_url", "https://pi.example.org"), ("auth_type", "kerberos")];
    let error = connect(&options.into_iter().collect::<Options>()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(format!("{error}").contains("cargo feature 'kerberos'"), "{error}");
}

#[cfg(feature = "kerberos")]
#[test]
fn a_keytab_that_the_process_does_not_use_is_refused_with_the_variable_to_set() {
    let options = [
        ("pi_base_url", "https://pi.example.org"),
        ("auth_type", "kerberos"),
        ("kerberos_keytab", "/nowhere/svc.keytab"),
    ];
    let error = connect(&options.into_iter().collect::<Options>()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.help_text().unwrap().contains("KRB5_CLIENT_KTNAME=/nowhere/svc.keytab"), "{error}");
}
