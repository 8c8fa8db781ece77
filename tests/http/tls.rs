//! TLS: certificates made anew in each test, by an authority that nobody knows.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lakeflow_connect::{
    ErrorKind, Retry, Secret,
    http::{HttpClient, HttpSettings},
};
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

use super::{
    secrecy::Log,
    support::{Timed, url},
};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        Self::of(KeyPair::generate().unwrap())
    }

    /// The authority of a key that was written down.
    fn again(pem: &str) -> Self {
        Self::of(KeyPair::from_pem(pem).unwrap())
    }

    fn of(key: KeyPair) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn issue(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate, key)
    }

    /// Of a server of this name, which may demand client certificates.
    pub(crate) fn server_config(&self, name: &str, clients: Option<&Authority>) -> ServerConfig {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let config = match clients {
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
                config.with_client_cert_verifier(verifier)
            }
            None => config.with_no_client_auth(),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        config.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}

/// An https server on this machine; the name of its certificate is given, client certificates may be demanded.
pub(super) struct TlsServer {
    pub(super) address: String,
    connections: Arc<AtomicUsize>,
}

impl TlsServer {
    pub(super) async fn start(authority: &Authority, name: &str, clients: Option<&Authority>) -> Self {
        let config = authority.server_config(name, clients);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = connections.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = match acceptor.accept(socket).into_fallible().await {
                        Ok(stream) => stream,
                        Err((_, mut socket)) => {
                            // Closing with unread bytes would take the alert back.
                            let _ = socket.shutdown().await;
                            while socket.read_buf(&mut Vec::new()).await.is_ok_and(|n| n > 0) {}
                            return;
                        }
                    };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|n| n > 0) {}
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret";
                    let _ = stream.write_all(answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, connections }
    }

    async fn get(&self, change: impl FnOnce(&mut HttpSettings)) -> lakeflow_connect::Result<bytes::Bytes> {
        Timed::new(&self.address, change).client.get("").send().await.map(lakeflow_connect::http::Response::into_body)
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_at_once_and_trusted_when_given() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, "localhost", None).await;
    let error = server.get(|_| {}).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never));
    assert_eq!(error.message(), "the server's TLS certificate was not accepted");
    assert!(error.help_text().unwrap().contains("ca_certificate"), "{error}");
    assert!(error.get("reason").unwrap().contains("UnknownIssuer"), "{error}");
    assert_eq!((error.get("tries"), server.connections.load(Ordering::SeqCst)), (Some("1"), 1));

    let pem = authority.pem();
    assert_eq!(server.get(|s| s.ca_certificate = Some(pem.clone())).await.unwrap(), "secret");
    assert_eq!(server.get(|s| s.ca_certificate = Some(pem.replace('\n', "\\n"))).await.unwrap(), "secret");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &pem).unwrap();
    assert_eq!(server.get(|s| s.ca_certificate = Some(file.to_str().unwrap().to_owned())).await.unwrap(), "secret");
}

/// Which servers are trusted by a process for which the authorities of this machine are those of a file.
#[tokio::test]
async fn the_authorities_of_this_machine_are_trusted_unless_only_the_given_one_is_to_be() {
    const INNER: &str = "LAKEFLOW_TEST_MACHINES_AUTHORITY";
    if std::env::var_os(INNER).is_none() {
        let key_of_machine = KeyPair::generate().unwrap();
        let text = key_of_machine.serialize_pem();
        let folder = tempfile::tempdir().unwrap();
        let (pem, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        std::fs::write(&pem, Authority::of(key_of_machine).pem()).unwrap();
        std::fs::write(&key, text).unwrap();
        let this = "http::tls::the_authorities_of_this_machine_are_trusted_unless_only_the_given_one_is_to_be";
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let ran = again.args(["--exact", this]).env("SSL_CERT_FILE", &pem).env(INNER, folder.path()).output().unwrap();
        let out = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && out.contains("1 passed"), "{out}");
        return;
    }
    let folder = std::path::PathBuf::from(std::env::var_os(INNER).unwrap());
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (of_machine, given) = (Authority::again(&read("key.pem")), Authority::new());
    let known = TlsServer::start(&of_machine, "localhost", None).await;
    let own = TlsServer::start(&given, "localhost", None).await;
    assert_eq!(known.get(|_| {}).await.unwrap(), "secret", "the machine's authority");
    assert!(own.get(|_| {}).await.is_err());
    let trust = |s: &mut HttpSettings| s.ca_certificate = Some(given.pem());
    assert_eq!(own.get(trust).await.unwrap(), "secret");
    assert_eq!(known.get(trust).await.unwrap(), "secret", "the given one is added");
    let only = |s: &mut HttpSettings| (s.ca_certificate, s.ca_certificate_only) = (Some(given.pem()), true);
    assert_eq!(own.get(only).await.unwrap(), "secret");
    assert!(known.get(only).await.is_err(), "the machine's authority is not trusted any more");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_also_from_a_trusted_authority() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, "other.example", None).await;
    let error = server.get(|s| s.ca_certificate = Some(authority.pem())).await.unwrap_err();
    assert_eq!((error.message(), error.retry()), ("the server's TLS certificate was not accepted", Retry::Never));
}

#[tokio::test]
async fn verification_is_skipped_only_when_asked() {
    let server = TlsServer::start(&Authority::new(), "other.example", None).await;
    let (log, _listening) = Log::listen(tracing::Level::WARN);
    assert!(server.get(|_| {}).await.is_err());
    assert!(!log.text().contains("insecure_skip_verify"), "{}", log.text());
    assert_eq!(server.get(|s| s.insecure_skip_verify = true).await.unwrap(), "secret");
    let log = log.text();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("insecure_skip_verify is set")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("WARN") && told[0].contains("host=\"localhost\""), "{log}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = TlsServer::start(&authority, "localhost", Some(&clients)).await;
    let without = server.get(|s| {
        s.ca_certificate = Some(authority.pem());
        s.max_retries = 0;
    });
    let error = without.await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never));
    assert!(error.help_text().unwrap().contains("client_certificate"), "{error}");
    let (certificate, key) = clients.issue("client");
    let with = server.get(|s| {
        s.ca_certificate = Some(authority.pem());
        s.client_certificate = Some(certificate.pem());
        s.client_key = Some(Secret::new(key.serialize_pem()));
    });
    assert_eq!(with.await.unwrap(), "secret");
    let together = server.get(|s| {
        s.ca_certificate = Some(authority.pem());
        s.client_certificate = Some(format!("{}{}", certificate.pem(), key.serialize_pem()));
    });
    assert_eq!(together.await.unwrap(), "secret");
}

#[test]
fn certificates_and_proxies_that_cannot_be_used_are_named() {
    type Change = fn(&mut HttpSettings);
    let cases: [(&str, Change); 9] = [
        ("'ca_certificate_only'", |s| s.ca_certificate_only = true),
        ("'ca_certificate'", |s| s.ca_certificate = Some("/no/such/file.pem".to_owned())),
        ("'ca_certificate'", |s| s.ca_certificate = Some("-----BEGIN CERTIFICATE-----\n!MARKER".to_owned())),
        ("'client_key'", |s| s.client_certificate = Some("-----BEGIN CERTIFICATE-----".to_owned())),
        ("'client_certificate'", |s| s.client_key = Some(Secret::new("MARKER"))),
        ("'client_certificate' and 'client_key'", |s| {
            s.client_certificate = Some("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----".to_owned());
            s.client_key = Some(Secret::new("-----BEGIN PRIVATE KEY-----MARKER"));
        }),
        ("'proxy'", |s| s.proxy = Some(Secret::new("MARKER"))),
        ("'proxy'", |s| s.proxy = Some(Secret::new("socks9://u:MARKER@h:1"))),
        ("'extra_headers'", |s| {
            s.extra_headers.insert("x-key".to_owned(), Secret::new("MARKER\n"));
        }),
    ];
    for (wanted, change) in cases {
        let mut settings = HttpSettings::default();
        change(&mut settings);
        let error = HttpClient::builder(url("https://h.example")).settings(settings).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(wanted), "{wanted}: {error}");
        assert!(!format!("{error:?} {:?}", std::error::Error::source(&error)).contains("MARKER"), "{error:?}");
    }
}
