//! Clients that are wrong on purpose, one for each mistake: what this folder checks is trusted because these fail it.
//!
//! A mistake is played between our client and the server: our client gets what a wrong one would have taken the answer for.
//! Mistakes of paging are in the tests of `pages.rs`.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use lakeflow_connect::{LakeflowConnect, TableRef};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{Change, PointFault, RunningServer, Ticks},
};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::{lake::Lake, small_plant, timeless};

/// What a client does wrong with the answers of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// Nothing.
    None,
    /// A request inside a batch that failed is taken for one without events, and the tag for read.
    StatusIgnored,
    /// An answer that broke off is taken for whole.
    WebExceptionIgnored,
    /// The answers of a batch are taken in the order in which they come.
    JoinedByPlace,
    /// Times are cut to whole seconds.
    WholeSeconds,
    /// Nothing, of a server that does not tell which values are good.
    NoneOfUntoldQuality,
    /// A flag that was not sent is taken for that of a good value.
    FlagsByDefault,
    /// Of events at one instant the last one is kept.
    OneEventPerInstant,
    /// Digital states, texts and whatever else is no number have no value.
    OnlyNumbers,
}

/// The members of an object in the order in which they came.
struct InOrder(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for InOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = InOrder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the answers of a batch")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(InOrder(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Mistake {
    /// What a client that makes the mistake understands of the answer to a batch.
    fn understand(self, answer: &Bytes) -> Bytes {
        let Ok(InOrder(mut members)) = serde_json::from_slice(answer) else { return answer.clone() };
        match self {
            Self::None => {}
            Self::JoinedByPlace => {
                let mut keys: Vec<String> = members.iter().map(|(key, _)| key.clone()).collect();
                keys.sort_by_key(|key| key.parse::<usize>().ok());
                members.iter_mut().zip(keys).for_each(|(member, key)| member.0 = key);
            }
            _ => members.iter_mut().for_each(|(_, one)| self.misread(one)),
        }
        serde_json::to_vec(&members.into_iter().collect::<Map<_, _>>()).unwrap().into()
    }

    fn misread(self, one: &mut Value) {
        match self {
            Self::StatusIgnored if one["Status"] != 200 => {
                *one = json!({ "Status": 200, "Headers": {}, "Content": { "Items": [] } });
            }
            Self::WebExceptionIgnored => {
                if let Some(content) = one["Content"].as_object_mut() {
                    content.remove("WebException");
                }
            }
            _ => {}
        }
        let Some(items) = one["Content"]["Items"].as_array_mut() else { return };
        let time = |item: &Value| item["Timestamp"].as_str().unwrap_or_default().to_owned();
        for item in items.iter_mut() {
            match self {
                Self::WholeSeconds => item["Timestamp"] = format!("{}Z", &time(item)[..19]).into(),
                Self::NoneOfUntoldQuality => drop(item.as_object_mut().unwrap().remove("Good")),
                Self::FlagsByDefault => {
                    item.as_object_mut().unwrap().remove("Good");
                    for (flag, value) in [("Good", true), ("Questionable", false), ("Annotated", false)] {
                        if item.get(flag).is_none() {
                            item[flag] = value.into();
                        }
                    }
                }
                Self::OnlyNumbers if !item["Value"].is_number() => item["Value"] = Value::Null,
                _ => {}
            }
        }
        if self == Self::OneEventPerInstant {
            items.dedup_by(|next, kept| {
                let same = time(next) == time(kept);
                if same {
                    std::mem::swap(next, kept);
                }
                same
            });
        }
    }
}

/// Puts a client that makes a mistake between ours and the server; the address to ask.
async fn between(server: &RunningServer, mistake: Mistake) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/piwebapi", listener.local_addr().unwrap());
    let behind: Arc<str> = format!("http://{}", server.host()).into();
    let client = reqwest::Client::new();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (behind, client) = (Arc::clone(&behind), client.clone());
            let service = service_fn(move |request| forward(request, Arc::clone(&behind), client.clone(), mistake));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

async fn forward(
    request: Request<Incoming>,
    behind: Arc<str>,
    client: reqwest::Client,
    mistake: Mistake,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let is_batch = head.uri.path().ends_with("/batch");
    let mut sent = client.request(head.method, format!("{behind}{}", head.uri)).body(body);
    for (name, value) in &head.headers {
        if ["accept", "content-type", "x-requested-with"].contains(&name.as_str()) {
            sent = sent.header(HeaderName::clone(name), HeaderValue::clone(value));
        }
    }
    let answer = sent.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    let body = if is_batch { mistake.understand(&body) } else { body };
    let answer = Response::builder().status(status).header("content-type", "application/json");
    Ok(answer.body(Full::new(body)).unwrap())
}

const BEGIN: &str = "2026-03-18T09:00:00Z";

/// Three hours of every tag, hour by hour, each run by itself: nothing is looked at twice.
fn table() -> TableRef {
    let once = [("startTime", BEGIN), ("window_seconds", "3600"), ("late_window", "0"), ("on_tag_error", "quarantine")];
    once.into_iter().fold(TableRef::new("pi_timeseries"), |table, (name, value)| table.option(name, value))
}

async fn connect(server: &RunningServer, mistake: Mistake) -> Arc<dyn LakeflowConnect> {
    let address = between(server, mistake).await;
    timeless(server, &[("pi_base_url", &address)])
}

/// How a lake differs from the archive.
fn faults(server: &RunningServer, lake: &Lake) -> usize {
    let now = Ticks::from(server.clock().now());
    let differ = lake.faults(server, Ticks::parse(BEGIN).unwrap(), Ticks(now.0 + 1)).len();
    let text = |row: &Value| row["value_string"].is_string() || row["digital_code"].is_i64();
    let (states, texts) = (lake.rows.values().filter(|row| text(row)).count(), lake.rows.len() / 10);
    differ + usize::from(states < texts)
}

/// One run, in which every third question about a tag fails once.
async fn of_failing_questions(mistake: Mistake) -> usize {
    let server = small_plant();
    let fault = Fault::Status { status: 500, retry_after: None };
    server.item_faults().add(FaultRule { when: When::Every(3), path: Some("/recorded".to_owned()), fault });
    let mut lake = Lake::default();
    lake.run(&connect(&server, mistake).await, &table(), usize::MAX).await.unwrap();
    faults(&server, &lake)
}

/// Two runs, of which a tag cannot be read by the first.
async fn after_a_failure(fault: PointFault, mistake: Mistake) -> usize {
    let server = small_plant();
    let source = connect(&server, mistake).await;
    let mut lake = Lake::default();
    let point = server.points().remove(0);
    server.break_point(&point, Some(fault)).unwrap();
    lake.run(&source, &table(), usize::MAX).await.unwrap();
    server.break_point(&point, None).unwrap();
    server.clock().advance(Duration::from_secs(60));
    lake.run(&source, &table(), usize::MAX).await.unwrap();
    faults(&server, &lake)
}

/// One run over events in ties.
async fn of_everything(mistake: Mistake) -> usize {
    let server = super::plant_with(&[("ties", "3")]);
    let mut lake = Lake::default();
    lake.run(&connect(&server, mistake).await, &table(), usize::MAX).await.unwrap();
    faults(&server, &lake)
}

/// Flags of rows that a server did not tell, which knows neither annotations nor, in between, the quality of values.
async fn of_an_old_server(mistake: Mistake) -> usize {
    let server = super::plant_with(&[("personality", "old")]);
    let mut lake = Lake::default();
    lake.run(&connect(&server, mistake).await, &table(), usize::MAX).await.unwrap();
    assert!(lake.rows.len() > 100 && lake.rows.values().all(|row| row["questionable"].is_boolean()));
    let invented = |row: &&Value| !row["annotated"].is_null() || !row["good"].is_null();
    lake.rows.values().filter(invented).count()
}

/// Two runs, of which a tag cannot be read by the first; whether its mark goes on with those of the others.
async fn after_a_failed_tag(moved: bool) -> usize {
    let server = small_plant();
    let source = connect(&server, Mistake::None).await;
    let (mut whole, mut lake) = (Lake::default(), Lake::default());
    whole.run(&source, &table(), usize::MAX).await.unwrap();
    let point = server.points().remove(0);
    server.break_point(&point, Some(PointFault::Forbidden)).unwrap();
    lake.run(&source, &table(), usize::MAX).await.unwrap();
    if moved {
        // What a client stores that takes no notice of failures is what it stores when there was none.
        lake.offset = whole.offset;
    }
    server.break_point(&point, None).unwrap();
    server.clock().advance(Duration::from_secs(60));
    lake.run(&source, &table(), usize::MAX).await.unwrap();
    faults(&server, &lake)
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_a_mark_that_goes_on_over_a_failure_is_caught() {
    assert_eq!(after_a_failed_tag(false).await, 0);
    assert!(after_a_failed_tag(true).await > 0, "the events of the tag that failed are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_every_wrong_way_to_take_an_answer_is_caught() {
    let right = Mistake::None;
    assert_eq!(of_failing_questions(right).await, 0);
    assert!(of_failing_questions(Mistake::StatusIgnored).await > 0, "StatusIgnored was not caught");
    for fault in [PointFault::Status(501), PointFault::Forbidden, PointFault::WebException] {
        assert_eq!(after_a_failure(fault, right).await, 0, "{fault:?}");
    }
    let ignored = after_a_failure(PointFault::WebException, Mistake::WebExceptionIgnored).await;
    assert!(ignored > 0, "WebExceptionIgnored was not caught");
    assert_eq!(of_everything(right).await, 0);
    for mistake in [Mistake::JoinedByPlace, Mistake::WholeSeconds, Mistake::OneEventPerInstant, Mistake::OnlyNumbers] {
        assert!(of_everything(mistake).await > 0, "{mistake:?} was not caught");
    }
    assert_eq!(of_an_old_server(Mistake::NoneOfUntoldQuality).await, 0);
    assert!(of_an_old_server(Mistake::FlagsByDefault).await > 0, "FlagsByDefault was not caught");
}

/// Two runs, between which compression throws the newest event away.
async fn after_a_discard(policy: &str) -> usize {
    let server = small_plant();
    let source = connect(&server, Mistake::None).await;
    let table = table().option("snapshot_policy", policy);
    let mut lake = Lake::default();
    lake.run(&source, &table, usize::MAX).await.unwrap();
    for point in server.points() {
        let now = Ticks::from(server.clock().now());
        server.change(&point, Change::Add(Ticks(now.0 - 50), 1.0.into())).unwrap();
    }
    lake.run(&source, &table, usize::MAX).await.unwrap();
    server.clock().advance(Duration::from_secs(60));
    lake.run(&source, &table, usize::MAX).await.unwrap();
    for point in server.points() {
        let now = Ticks::from(server.clock().now());
        server.change(&point, Change::Supersede(Ticks(now.0 - 50), 2.0.into())).unwrap();
    }
    server.clock().advance(Duration::from_secs(60));
    lake.run(&source, &table, usize::MAX).await.unwrap();
    faults(&server, &lake)
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_the_newest_event_appended_as_final_is_caught() {
    assert_eq!(after_a_discard("provisional").await, 0);
    assert!(after_a_discard("include").await > 0, "a discarded event stayed");
}
