//! Logins by HTTP Negotiate, each against the simulated PI Web API, which speaks a script; no key distribution centre.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::join_all;
use lakeflow_connect::{
    Error, ErrorKind, Result,
    http::{Auth, HttpSettings, NegotiateExchange, NegotiateProvider},
};
use lakeflow_simulators::osipi::{Auth as ServerAuth, Config, NegotiateScript, RunningServer, Server};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::support::{Timed, url};

/// The client's side of a script: the tokens to send, each with the one that the server must answer.
#[derive(Clone, Debug)]
pub(crate) struct Script(pub(crate) Vec<(&'static str, &'static str)>);

struct Side {
    script: Script,
    heard: usize,
}

impl NegotiateProvider for Script {
    fn begin(&self) -> Result<Box<dyn NegotiateExchange>> {
        if self.0.is_empty() {
            return Err(Error::new(ErrorKind::Auth, "there is no ticket"));
        }
        Ok(Box::new(Side { script: self.clone(), heard: 0 }))
    }
}

impl NegotiateExchange for Side {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        if let Some(token) = token {
            let expected = self.script.0.get(self.heard).map(|(_, answer)| answer.as_bytes());
            if expected != Some(token) {
                return Err(Error::new(ErrorKind::Auth, "that is not the server"));
            }
            self.heard += 1;
        }
        Ok(self.script.0.get(self.heard).map(|(next, _)| next.as_bytes().to_vec()))
    }

    fn is_done(&self) -> bool {
        self.heard == self.script.0.len()
    }
}

pub(super) fn auth(legs: &[(&'static str, &'static str)]) -> Auth {
    Auth::negotiate(Arc::new(Script(legs.to_vec())))
}

pub(crate) fn server(legs: &[(&str, &str)]) -> RunningServer {
    let legs = legs.iter().map(|(client, server)| (client.as_bytes().to_vec(), server.as_bytes().to_vec())).collect();
    let auth = ServerAuth::Negotiate(NegotiateScript { legs, per_connection: false });
    Server::start(Config { points: 4, auth, ..Config::default() }).unwrap()
}

fn client(server: &RunningServer, legs: &[(&'static str, &'static str)]) -> Timed {
    Timed::with_auth(&server.base_url(), auth(legs))
}

#[tokio::test]
async fn j07_each_request_logs_in_unasked_and_the_server_proves_who_it_is() {
    let legs = [("ticket", "proof")];
    let server = server(&legs);
    let timed = client(&server, &legs);
    for _ in 0..3 {
        let answer = timed.client.get("dataservers").send().await.unwrap();
        assert!(answer.body().starts_with(b"{"));
    }
    let statuses: Vec<u16> = server.exchanges().iter().map(|exchange| exchange.status).collect();
    assert_eq!(statuses, [200; 3]);
}

#[tokio::test]
async fn j07_a_login_of_several_legs_keeps_its_connection_and_its_body_among_many() {
    let legs = [("one", "go on"), ("two", "further"), ("three", "proof")];
    let server = server(&legs);
    let timed = client(&server, &legs);
    let base = server.base_url();
    let batch = format!(r#"{{"a":{{"Method":"GET","Resource":"{base}/dataservers"}}}}"#);
    let all = (0..24).map(|n| {
        let request = if n % 2 == 0 {
            timed.client.get("dataservers")
        } else {
            timed.client.post("batch").header("x-requested-with", "test").body("application/json", batch.clone())
        };
        request.send()
    });
    for answer in join_all(all).await {
        let answer = answer.unwrap();
        assert!([200, 207].contains(&answer.status()));
        assert!(String::from_utf8_lossy(answer.body()).contains("PISRV1"));
    }
    let of = |status| server.exchanges().iter().filter(|exchange| exchange.status == status).count();
    assert_eq!((of(200), of(207)), (12, 12));
    // Two legs before the last, and once the one that tells that there are more.
    let refused = of(401);
    assert!((48..=48 + 24).contains(&refused), "{refused}");
    timed.client.get("dataservers").send().await.unwrap();
    assert_eq!(of(401), refused + 2, "a server that wants more legs is remembered");
}

#[tokio::test]
async fn a_refused_ticket_is_an_error_after_one_more_try() {
    let server = server(&[("another", "proof")]);
    let error = client(&server, &[("ticket", "proof")]).client.get("dataservers").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.help_text().unwrap().contains("kerberos_spn"), "{error}");
    assert_eq!(server.counters().requests, 2);
    let none = client(&server, &[]).client.get("dataservers").send().await.unwrap_err();
    assert_eq!((none.kind(), none.message()), (ErrorKind::Auth, "there is no ticket"));
    assert_eq!(server.counters().requests, 2, "nothing is sent without a ticket");
}

#[tokio::test]
async fn a_server_without_a_proof_is_believed_and_one_with_a_wrong_proof_is_not() {
    let silent = server(&[("ticket", "")]);
    client(&silent, &[("ticket", "proof")]).client.get("dataservers").send().await.unwrap();
    let wrong = server(&[("ticket", "forged")]);
    let error = client(&wrong, &[("ticket", "proof")]).client.get("dataservers").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.message().contains("could not prove"), "{error}");
    assert_eq!(wrong.counters().requests, 1, "what may come from somebody else is not asked again");
    // A proof of half a login is none.
    let early = server(&[("one", "go on")]);
    let error = client(&early, &[("one", "go on"), ("two", "proof")]).client.get("dataservers").send().await;
    assert!(error.unwrap_err().message().contains("could not prove"));
}

#[tokio::test]
async fn a_wrong_token_between_the_legs_ends_the_login() {
    let server = server(&[("one", "forged"), ("two", "proof")]);
    let legs = [("one", "go on"), ("two", "proof")];
    let error = client(&server, &legs).client.get("dataservers").send().await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Auth, "that is not the server"));
}

#[tokio::test]
async fn a_server_that_never_has_enough_is_given_up() {
    let server = MockServer::start().await;
    let more = format!("Negotiate {}", STANDARD.encode("more"));
    let answer = ResponseTemplate::new(401).insert_header("www-authenticate", more.as_str());
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let error = Timed::with_auth(&server.uri(), auth(&[("again", "more"); 100])).client.get("x").send().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Auth);
    assert!(server.received_requests().await.unwrap().len() < 20);
}

#[tokio::test]
async fn no_ticket_goes_to_another_origin() {
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&elsewhere).await;
    let own = MockServer::start().await;
    let away = ResponseTemplate::new(302).insert_header("location", format!("{}/there", elsewhere.uri()).as_str());
    Mock::given(any()).respond_with(away).mount(&own).await;
    let allow = |settings: &mut HttpSettings| settings.allowed_link_hosts = vec![elsewhere.uri()];
    let timed = Timed::with(&own.uri(), allow, |builder| builder.auth(auth(&[("ticket", "proof")])));
    timed.client.get("here").send().await.unwrap();
    timed.client.get(url(&format!("{}/direct", elsewhere.uri()))).send().await.unwrap();
    let shown = |request: &wiremock::Request| request.headers.contains_key("authorization");
    assert!(own.received_requests().await.unwrap().iter().all(shown));
    let there = elsewhere.received_requests().await.unwrap();
    assert_eq!(there.len(), 2);
    assert!(!there.iter().any(shown));
}
