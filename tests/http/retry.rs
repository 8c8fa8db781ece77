//! What is sent again, how often, and after how long.

use std::time::Duration;

use lakeflow_connect::{Activity, ErrorKind, Retry, Secret};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, method},
};

use super::support::{Deed, InTurn, RawServer, Timed};

async fn server(answers: InTurn) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answers).mount(&server).await;
    server
}

async fn count(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn transient_statuses_are_retried_until_the_answer_comes() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let server = server(InTurn::statuses([status, status, 200])).await;
        let timed = Timed::new(&server.uri(), |_| {});
        let response = timed.client.get("Patient").send().await.unwrap();
        assert_eq!((response.status(), count(&server).await), (200, 3), "{status}");
        assert!(timed.waited() > 0.0 && timed.waited() < 3.0, "{status} waited {}", timed.waited());
        assert_eq!(timed.client.activity(), Activity { requests: 3, answers: 3, retries: 2, bytes: 0 });
    }
}

#[tokio::test]
async fn final_statuses_are_asked_for_once_and_mean_what_they_mean() {
    for (status, kind) in [
        (400, ErrorKind::Protocol),
        (401, ErrorKind::Auth),
        (403, ErrorKind::Permission),
        (404, ErrorKind::NotFound),
        (405, ErrorKind::Protocol),
        (409, ErrorKind::Protocol),
        (410, ErrorKind::NotFound),
        (422, ErrorKind::Protocol),
        (501, ErrorKind::Protocol),
    ] {
        let server = server(InTurn::statuses([status])).await;
        let timed = Timed::new(&server.uri(), |_| {});
        let error = timed.client.get("Patient").query("name", "MARKER").send().await.unwrap_err();
        assert_eq!((error.kind(), error.retry(), count(&server).await), (kind, Retry::Never, 1), "{status}");
        assert_eq!(error.get("method"), Some("GET"));
        assert_eq!(error.get("url"), Some(format!("{}/Patient", server.uri()).as_str()));
        assert_eq!(error.get("status"), Some(status.to_string().as_str()));
        assert_eq!(error.get("tries"), Some("1"));
        assert!(error.get("elapsed_ms").is_some());
        assert!(!format!("{error:?}").contains("MARKER"));
    }
}

#[tokio::test]
async fn an_accepted_status_is_an_answer() {
    let server = server(InTurn::statuses([404])).await;
    let timed = Timed::new(&server.uri(), |_| {});
    let response = timed.client.get("Patient/1").accept_status(404).accept_status(410).send().await.unwrap();
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn retries_are_bounded_by_count() {
    for (max, kind, status) in
        [(0, ErrorKind::Unavailable, 503), (2, ErrorKind::Unavailable, 500), (5, ErrorKind::RateLimited, 429)]
    {
        let server = server(InTurn::statuses([status])).await;
        let timed = Timed::new(&server.uri(), |s| s.max_retries = max);
        let error = timed.client.get("Patient").send().await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, Retry::Exhausted));
        assert_eq!(count(&server).await, max as usize + 1);
        assert_eq!(error.get("tries"), Some((max + 1).to_string().as_str()));
    }
}

#[tokio::test]
async fn retries_are_bounded_by_total_time() {
    let server = server(InTurn::statuses([503])).await;
    let timed = Timed::new(&server.uri(), |s| {
        s.max_retries = 100;
        s.retry_total = Duration::from_secs(20);
    });
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!(error.retry(), Retry::Exhausted);
    assert!(timed.waited() <= 20.0, "{}", timed.waited());
    assert!((3..30).contains(&count(&server).await));
}

#[tokio::test]
async fn waits_repeat_with_the_seed() {
    let mut waits = Vec::new();
    for _ in 0..2 {
        let server = server(InTurn::statuses([503])).await;
        let timed = Timed::new(&server.uri(), |_| {});
        timed.client.get("Patient").send().await.unwrap_err();
        waits.push(timed.waited());
    }
    assert!(waits[0] > 0.0 && waits[0] == waits[1], "{waits:?}");
}

#[tokio::test]
async fn retry_after_is_honoured_as_seconds_and_as_a_date_of_the_servers_clock() {
    for (head, wanted) in [
        ("429 Too Many\r\nretry-after: 7", 7.0),
        ("503 Busy\r\nretry-after: 42", 42.0),
        ("503 Busy\r\nretry-after: Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        // The server's clock is a day ahead of ours.
        ("503 Busy\r\ndate: Mon, 02 Mar 2026 12:00:00 GMT\r\nretry-after: Mon, 02 Mar 2026 12:00:09 GMT", 9.0),
    ] {
        let busy = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let server = RawServer::start([Deed::Send(busy.into()), Deed::ok("")]).await;
        let timed = Timed::new(&server.address, |_| {});
        timed.client.get("Patient").send().await.unwrap();
        assert_eq!(timed.waited(), wanted, "{head}");
    }
}

#[tokio::test]
async fn a_wish_above_the_ceiling_ends_the_run_and_says_when_to_come_back() {
    for (status, kind) in [(429, ErrorKind::RateLimited), (503, ErrorKind::Unavailable)] {
        let server = server(InTurn::new([ResponseTemplate::new(status).insert_header("retry-after", "3600")])).await;
        let timed = Timed::new(&server.uri(), |_| {});
        let error = timed.client.get("Patient").send().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.retry(), Retry::Later(Some(Duration::from_secs(3600))));
        assert_eq!((timed.waited(), count(&server).await), (0.0, 1));
    }
}

#[tokio::test]
async fn a_wish_that_does_not_fit_into_the_total_time_ends_the_run_too() {
    let server = server(InTurn::new([ResponseTemplate::new(503).insert_header("retry-after", "60")])).await;
    let timed = Timed::new(&server.uri(), |s| s.retry_total = Duration::from_secs(100));
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!(error.retry(), Retry::Later(Some(Duration::from_secs(60))));
    assert_eq!((timed.waited(), count(&server).await), (60.0, 2));
}

#[tokio::test]
async fn a_post_is_sent_once_unless_marked_idempotent() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(InTurn::statuses([503, 503, 200])).mount(&server).await;
    let timed = Timed::new(&server.uri(), |_| {});
    let error = timed.client.post_form("Patient/_search", &[("a", "b c")]).send().await.unwrap_err();
    assert_eq!((error.retry(), count(&server).await), (Retry::Later(None), 1));
    let response = timed.client.post_form("Patient/_search", &[("a", "b c")]).idempotent(true).send().await.unwrap();
    assert_eq!((response.status(), count(&server).await), (200, 3));
    for request in server.received_requests().await.unwrap() {
        assert_eq!(request.body, b"a=b+c");
        assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_retried_and_named() {
    // Port 1 of this machine has no listener: refused at once.
    let timed = Timed::new("http://127.0.0.1:1", |s| s.max_retries = 2);
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted));
    assert_eq!(error.get("tries"), Some("3"));
    assert_eq!(error.get("reason"), Some("connection refused"));
    assert!(error.help_text().unwrap().contains("base_url"));
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_looked_for_once_and_named_as_such() {
    // No resolver takes a name that begins with a hyphen, so that none has to be reached.
    let timed = Timed::new("http://-mistyped.invalid/fhir", |s| {
        s.allow_insecure = true;
        s.proxy = Some(Secret::new("none"));
    });
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never), "{error:?}");
    assert_eq!((error.message(), error.get("tries")), ("there is no host of this name", Some("1")), "{error:?}");
    assert!(error.get("url").unwrap().contains("-mistyped.invalid"), "{error:?}");
    assert!(error.help_text().unwrap().contains("is base_url right? check its spelling"), "{error:?}");
    assert_eq!(timed.waited(), 0.0);
}

#[tokio::test]
async fn the_body_of_an_error_is_only_shown_as_the_source_sums_it_up() {
    let refused = ResponseTemplate::new(422).set_body_string("MARKER patient").insert_header("x-request-id", "r-17");
    let server = server(InTurn::new([refused])).await;
    let silent = Timed::new(&server.uri(), |_| {});
    let error = silent.client.get("Patient").send().await.unwrap_err();
    assert_eq!((error.get("detail"), error.get("request_id")), (None, Some("r-17")));
    assert!(!format!("{error:?}").contains("MARKER"));
    let telling =
        Timed::with(&server.uri(), |_| {}, |b| b.error_detail(|_, body| Some(format!("{} bytes", body.len()))));
    let error = telling.client.get("Patient").send().await.unwrap_err();
    assert_eq!(error.get("detail"), Some("14 bytes"));
}
