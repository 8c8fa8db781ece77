//! J.12: no credential and no value of the plant in log lines, errors, offsets, notes or what a connection says of itself.

use std::fmt::Write as _;

use futures::StreamExt;
use lakeflow_connect::{Error, ErrorKind, Offset, Options, ReadEvent, ReadRequest, TableRef};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{Change, PointFault, PointType, RunningServer, Sample, Spelling, Ticks},
};
use tracing_subscriber::util::SubscriberInitExt;

use super::{connect, plant_with};
use crate::http::secrecy::{Log, everything_about};

/// In every secret of a login, right or wrong.
const SECRET: &str = "MARKER";
/// In a text, in a state, in an annotation and in an error of a value.
const VALUE: &str = "PLANT-VALUE";
const NUMBER: f64 = 471_108.154_711;

/// A login: what the server wants, what the connection shows, and what a wrong one would show.
type Login = (&'static str, &'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

const LOGINS: [Login; 4] = [
    (
        r"basic:PLANT\reader:MARKER-pa ss✓",
        &[("username", r"PLANT\reader"), ("password", "MARKER-pa ss✓")],
        &[("username", r"PLANT\reader"), ("password", "MARKER-wrong")],
    ),
    ("bearer:MARKER-token", &[("access_token", "MARKER-token")], &[("access_token", "MARKER-wrong")]),
    (
        "oidc:reader:MARKER-secret",
        &[("client_id", "reader"), ("client_secret", "MARKER-secret")],
        &[("client_id", "reader"), ("client_secret", "MARKER-wrong")],
    ),
    (
        "oidc:reader:MARKER-secret",
        &[("client_id", "reader"), ("client_secret", "MARKER-secret"), ("oauth_client_auth", "post")],
        &[("client_id", "reader"), ("client_secret", "MARKER-wrong"), ("oauth_client_auth", "post")],
    ),
];

const FAULTS: [Fault; 10] = [
    Fault::Status { status: 401, retry_after: None },
    Fault::Status { status: 500, retry_after: None },
    Fault::NoAnswer,
    Fault::Status { status: 400, retry_after: None },
    Fault::Status { status: 403, retry_after: None },
    Fault::ErrorAsSuccess,
    Fault::Html,
    Fault::Empty,
    Fault::Truncated,
    Fault::CutOff,
];

const POINT_FAULTS: [PointFault; 5] = [
    PointFault::WebException,
    PointFault::Forbidden,
    PointFault::Absent,
    PointFault::Status(501),
    PointFault::HtmlPage,
];

/// A small plant with marked values, newest first in every point, and kinds of values that are hard to read.
fn plant(auth: &str) -> RunningServer {
    let small = [("points", "5"), ("elements", "6"), ("event-frames", "8")];
    let odd = [("auth", auth), ("personality", "value-errors,odd-numbers")];
    let server = plant_with(&[small.as_slice(), &odd].concat());
    let now = Ticks::from(server.clock().now());
    for point in server.points() {
        let kind = server.point(&point).unwrap().point_type;
        let marked = match kind {
            PointType::String => VALUE.into(),
            PointType::Float64 => NUMBER.into(),
            _ => continue,
        };
        let marked = Sample { annotation: Some(VALUE.to_owned()), ..marked };
        server.change(&point, Change::Add(Ticks(now.0 - 10), marked)).unwrap();
    }
    server
}

fn options(server: &RunningServer, login: &[(&str, &str)]) -> Options {
    let base = server.base_url();
    let more = [("pi_base_url", base.as_str()), ("max_retries", "0"), ("debug_http", "true")];
    more.iter().chain(login).copied().collect()
}

fn fail(out: &mut String, error: &Error) {
    let _ = writeln!(out, "failed: {}", everything_about(error));
}

/// Everything that a connection and its reads put out, but for the rows.
async fn told(options: &Options, tables: &[TableRef]) -> String {
    let mut out = format!("{options:?}\n");
    let source = match connect(options) {
        Ok(source) => source,
        Err(error) => {
            fail(&mut out, &error);
            return out;
        }
    };
    let mut rows = 0;
    for table in tables {
        let _ = writeln!(out, "{table:?}");
        let mut last: Option<Offset> = None;
        for deletes in [false, true] {
            let request = ReadRequest::new(table.clone());
            let _ = writeln!(out, "{request:?}");
            let mut events = if deletes { source.read_table_deletes(request) } else { source.read_table(request) };
            while let Some(event) = events.next().await {
                match event {
                    Ok(ReadEvent::Records(records)) => rows += records.rows(),
                    Ok(ReadEvent::Checkpoint(offset)) => {
                        let _ = writeln!(out, "{} {offset:?}", offset.to_json());
                        last = Some(offset);
                    }
                    Ok(other) => _ = writeln!(out, "{other:?}"),
                    Err(error) => fail(&mut out, &error),
                }
            }
        }
        if let Some(offset) = last {
            let _ = writeln!(out, "{:?} {:?}", source.watermark(table, &offset), source.activity());
            match source.explain_offset(table, &offset).await {
                Ok(parts) => _ = writeln!(out, "{parts:?}"),
                Err(error) => fail(&mut out, &error),
            }
        }
        match source.latest_offset(table, None).await {
            Ok(offset) => _ = writeln!(out, "{offset:?}"),
            Err(error) => fail(&mut out, &error),
        }
    }
    match source.describe().await {
        Ok(facts) => _ = writeln!(out, "{facts:?}"),
        Err(error) => fail(&mut out, &error),
    }
    // What a run notes of tags that failed goes into a table of its own, whose rows anybody may see.
    for table in ["pi_errors", "pi_watermarks"] {
        let mut events = source.read_table(ReadRequest::new(TableRef::new(table)));
        while let Some(event) = events.next().await {
            if let Ok(ReadEvent::Records(records)) = event {
                let _ = writeln!(out, "{:?}", super::rows_of(&records));
            }
        }
    }
    let _ = writeln!(out, "{rows} rows");
    out
}

fn tables() -> Vec<TableRef> {
    let last_hour = |name: &str| TableRef::new(name).option("startTime", "*-1h");
    vec![
        last_hour("pi_timeseries").option("change_capture", "updates"),
        last_hour("pi_stream_annotations"),
        last_hour("pi_interpolated"),
        TableRef::new("pi_current_value"),
        TableRef::new("pi_event_frames"),
        TableRef::new("pi_points"),
    ]
}

/// The texts in which a secret shows: as it is, encoded as Basic logins are, and tokens that the server issued.
fn secrets(server: &RunningServer) -> Vec<String> {
    let shown =
        server.exchanges().into_iter().filter_map(|exchange| exchange.header("authorization").map(str::to_owned));
    let shown = shown.filter_map(|header| header.split_once(' ').map(|(_, credential)| credential.to_owned()));
    let mut secrets: Vec<String> = shown.chain([SECRET.to_owned()]).collect();
    secrets.sort();
    secrets.dedup();
    secrets
}

/// No line shows a secret or a value of the plant.
fn check(what: &str, text: &str, secrets: &[String]) {
    for line in text.lines() {
        let shown = secrets.iter().find(|secret| line.contains(secret.as_str()));
        assert!(shown.is_none() && !line.contains(VALUE) && !line.contains("471108.15"), "{what}: {line}");
    }
}

#[tokio::test]
async fn j12_no_secret_and_no_value_of_the_plant_in_any_output() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    // With a second dispatcher alive, log lines first met by tests on other threads are not switched off for this one.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    let _on = subscriber.set_default();
    tracing::callsite::rebuild_interest_cache();

    for (auth, right, wrong) in LOGINS {
        let server = plant(auth);
        let all = told(&options(&server, right), &tables()).await;
        assert!(!all.contains("\n0 rows"), "the login works: {all}");
        let refused = told(&options(&server, wrong), &tables()).await;
        assert!(refused.contains("\n0 rows"), "the login fails: {refused}");
        let mut out = all + &refused;

        let bad = [
            TableRef::new("pi_timeseries").option("startTime", "whenever"),
            TableRef::new("pi_timeseries").option("no_such_option", "1"),
            TableRef::new("pi_timeseries").option("nameFilter", "NO.SUCH.TAG"),
            TableRef::new("pi_timeseries").option("tag_names", "NO.SUCH.TAG").option("on_tag_error", "quarantine"),
            TableRef::new("pi_nothing"),
        ];
        out += &told(&options(&server, right), &bad).await;

        // Once is enough for what does not depend on the login.
        let (faults, point_faults) = if auth.starts_with("basic") {
            (&FAULTS[..], &POINT_FAULTS[..])
        } else {
            (&FAULTS[..3], &POINT_FAULTS[..1])
        };
        for fault in faults {
            let server = plant(auth);
            // Lists still come, so that values are asked for.
            for path in ["batch", "streamsets", "eventframes"] {
                let rule = FaultRule { when: When::Always, path: Some(path.to_owned()), fault: fault.clone() };
                server.faults().add(rule);
            }
            let failed = told(&options(&server, right), &tables()).await;
            assert!(failed.contains("failed: "), "{fault:?} shows: {failed}");
            check(&format!("{auth} {fault:?}"), &failed, &secrets(&server));
            server.faults().add(FaultRule { when: When::Always, path: None, fault: fault.clone() });
            out += &told(&options(&server, right), &tables()).await;
        }
        for fault in point_faults {
            for point in server.points() {
                server.break_point(&point, Some(*fault)).unwrap();
            }
            let quarantined = tables().into_iter().map(|table| table.option("on_tag_error", "quarantine"));
            out += &told(&options(&server, right), &quarantined.collect::<Vec<_>>()).await;
            out += &told(&options(&server, right), &tables()).await;
        }
        // Another server's offset, and a WebID of it.
        let stranger = plant("none");
        let webid = stranger.web_id(&stranger.points()[0], Spelling::Full).unwrap();
        out += &told(&options(&server, right), &[TableRef::new("pi_timeseries").option("tag_webids", webid)]).await;
        check(auth, &out, &secrets(&server));
        check(auth, &log.text(), &secrets(&server));
    }
    let log = log.text();
    for wanted in ["http response", "http failure", "PI Web API", "status=500"] {
        assert!(log.contains(wanted), "no {wanted:?} in the log");
    }
}

#[tokio::test]
async fn j12_secrets_that_cannot_be_used_are_not_shown_either() {
    let pem = "-----BEGIN PRIVATE KEY-----\nTUFSS0VS\n-----END PRIVATE KEY-----\n";
    for (name, value) in [
        ("client_key", pem),
        ("client_key", "MARKER"),
        ("ca_bundle", "-----BEGIN CERTIFICATE-----\nTUFSS0VS\n-----END CERTIFICATE-----\n"),
        ("access_token", "MARKER\nsecond line"),
        ("proxy_url", "http://user:MARKER@"),
        ("password", "MARKER"),
        ("client_secret", "MARKER"),
    ] {
        let options = Options::new().with("pi_base_url", "https://pi.example.org").with(name, value);
        let options = if name.starts_with("client_k") { options.with("access_token", "MARKER-2") } else { options };
        let text = format!("{options:?}");
        let error = connect(&options).err().map(|error| (error.kind(), everything_about(&error)));
        let (kind, told) = error.unwrap_or((ErrorKind::Config, String::new()));
        assert_eq!(kind, ErrorKind::Config, "{name}");
        assert!(!(text + &told).contains(SECRET) && !told.contains("TUFSS0VS"), "{name}: {told}");
    }
}
