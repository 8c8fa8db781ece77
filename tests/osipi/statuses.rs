//! J.8: each HTTP status, as the answer to a whole request and to one inside a batch: how often the request is sent, what the
//! user is told, that no tag moves on without its events, and that nothing is lost when the server answers again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lakeflow_connect::{ErrorKind, LakeflowConnect, Offset, TableRef};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{RunningServer, Spelling, Ticks},
};
use serde_json::Value;

use super::{
    lake::Lake,
    plant_with,
    proxy::{Way, in_front},
    table_rows, timeless,
};

const BEGIN: &str = "2026-03-18T11:00:00Z";
/// Retries of each connection, so that what may be repeated is sent three times.
const RETRIES: &str = "2";
const ALL: usize = 3;

/// A status with what comes of it: how often a request that gets it is sent, and the kind of the error.
type Cell = (u16, usize, ErrorKind);

/// Two points of a plant, and a proxy that writes down what is asked.
struct Observed {
    server: RunningServer,
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Observed {
    async fn new() -> Self {
        let server = plant_with(&[("points", "2")]);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (host, notes) = (server.host(), Arc::clone(&asked));
        let address = in_front(move |head, body| {
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} {body}", head.uri));
            Way::To(host.clone(), None)
        })
        .await;
        Self { server, address, asked }
    }

    fn source(&self) -> Arc<dyn LakeflowConnect> {
        timeless(&self.server, &[("pi_base_url", &self.address), ("max_retries", RETRIES)])
    }

    fn webids(&self) -> [String; 2] {
        let points = self.server.points();
        [0, 1].map(|at: usize| self.server.web_id(&points[at], Spelling::IdOnly).unwrap())
    }

    /// Recorded values, of which a later run reads only what is new.
    fn table(&self, policy: &str) -> TableRef {
        let table =
            TableRef::new("pi_timeseries").option("startTime", BEGIN).option("tag_webids", self.webids().join(","));
        table.option("late_window", "0").option("on_tag_error", policy)
    }

    /// How often this was asked for since the last time, alone or in a batch.
    fn asked(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().map(|request| request.matches(what).count()).sum()
    }

    fn forget(&self) {
        self.asked.lock().unwrap().clear();
        self.server.faults().clear();
        self.server.item_faults().clear();
    }

    /// Where each tag stands.
    async fn marks(&self, offset: Option<&Offset>) -> BTreeMap<String, Option<String>> {
        let parts = self.source().explain_offset(&self.table("fail"), offset.unwrap()).await.unwrap();
        parts.into_iter().map(|part| (part.name, part.watermark)).collect()
    }

    /// Fails the test unless the lake holds what the archive holds, once all faults are over.
    async fn assert_heals(&self, lake: &mut Lake, cell: &str) {
        self.forget();
        lake.run(&self.source(), &self.table("fail"), usize::MAX).await.unwrap();
        let end = Ticks(Ticks::from(self.server.clock().now()).0 + 1);
        assert_eq!(lake.faults(&self.server, Ticks::parse(BEGIN).unwrap(), end), [""; 0], "{cell}");
    }
}

fn always(path: &str, status: u16) -> FaultRule {
    let fault = Fault::Status { status, retry_after: None };
    FaultRule { when: When::Always, path: Some(path.to_owned()), fault }
}

/// The rows of `pi_errors`: tag, kind and status.
async fn noted(source: &Arc<dyn LakeflowConnect>) -> Vec<(String, String, u64)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = table_rows(source, TableRef::new("pi_errors")).await.unwrap();
    let row = |row: &Value| (text(row, "object_webid"), text(row, "kind"), row["status"].as_u64().unwrap_or_default());
    let mut noted: Vec<_> = rows.iter().map(row).collect();
    noted.sort();
    noted
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_each_status_of_a_request_inside_a_batch_is_asked_again_or_told_and_only_its_tag_stays() {
    use ErrorKind::{Auth, NotFound, Permission, Protocol, RateLimited, Unavailable, Unsupported};
    let cells: [Cell; 13] = [
        (400, 1, Protocol),
        (401, 1, Auth),
        (403, 1, Permission),
        (404, 1, NotFound),
        (405, 1, Protocol),
        (409, 1, Unsupported),
        (413, 1, Protocol),
        (429, ALL, RateLimited),
        (500, ALL, Unavailable),
        (501, 1, Unsupported),
        (502, ALL, Unavailable),
        (503, ALL, Unavailable),
        (504, ALL, Unavailable),
    ];
    let observed = Observed::new().await;
    let [bad, good] = observed.webids();
    let of = |tag: &str| format!("streams/{tag}/recorded");
    let mut lake = Lake::default();
    observed.assert_heals(&mut lake, "at first").await;
    for (status, tries, kind) in cells {
        let cell = format!("{status} of a request inside a batch");
        let before = observed.marks(lake.offset.as_ref()).await;
        observed.server.clock().advance(Duration::from_secs(600));

        observed.forget();
        observed.server.item_faults().add(always(&of(&bad), status));
        let mut broken = lake.clone();
        let error = broken.run(&observed.source(), &observed.table("fail"), usize::MAX).await.unwrap_err();
        assert_eq!((error.kind(), error.get("webid")), (kind, Some(&*bad)), "{cell}: {error}");
        assert_eq!(error.get("status"), Some(&*status.to_string()), "{cell}: {error}");
        assert_eq!((observed.asked(&of(&bad)), observed.asked(&of(&good))), (tries, 1), "{cell}");
        assert_eq!(broken.offset, lake.offset, "{cell}");

        observed.forget();
        observed.server.item_faults().add(always(&of(&bad), status));
        let source = observed.source();
        lake.run(&source, &observed.table("quarantine"), usize::MAX).await.unwrap();
        assert_eq!(noted(&source).await, [(bad.clone(), kind.as_str().to_owned(), status.into())], "{cell}");
        assert_eq!((observed.asked(&of(&bad)), observed.asked(&of(&good))), (tries, 1), "{cell}");
        let after = observed.marks(lake.offset.as_ref()).await;
        assert_eq!(after[&bad], before[&bad], "{cell}: the tag that failed stays");
        assert!(after[&good] > before[&good], "{cell}: the other goes on");
        observed.assert_heals(&mut lake, &cell).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_each_status_of_a_whole_batch_is_asked_again_halved_or_told_and_no_tag_moves_on() {
    use ErrorKind::{Auth, NotFound, Permission, Protocol, RateLimited, Unavailable};
    /// One of two, and two of one.
    const HALVED: usize = 3;
    let cells: [Cell; 13] = [
        (400, HALVED, Protocol),
        (401, 1, Auth),
        (403, 1, Permission),
        (404, 1, NotFound),
        (405, 1, Protocol),
        (409, 1, Protocol),
        (413, HALVED, Protocol),
        (429, ALL, RateLimited),
        (500, ALL, Unavailable),
        (501, 1, Protocol),
        (502, ALL, Unavailable),
        (503, ALL, Unavailable),
        (504, ALL, Unavailable),
    ];
    let observed = Observed::new().await;
    let mut lake = Lake::default();
    observed.assert_heals(&mut lake, "at first").await;
    for (status, tries, kind) in cells {
        let cell = format!("{status} of a batch");
        let before = observed.marks(lake.offset.as_ref()).await;
        observed.server.clock().advance(Duration::from_secs(600));
        for policy in ["fail", "quarantine"] {
            observed.forget();
            observed.server.faults().add(always("/batch", status));
            let (source, mut broken) = (observed.source(), lake.clone());
            let ended = broken.run(&source, &observed.table(policy), usize::MAX).await;
            assert_eq!(observed.asked("/piwebapi/batch"), tries, "{cell}, {policy}");
            // A part of one that is refused as too large or malformed is about its one tag; all else is about the server.
            if policy == "quarantine" && matches!(status, 400 | 413) {
                ended.unwrap();
                let kind = kind.as_str().to_owned();
                let mut wanted = observed.webids().map(|tag| (tag, kind.clone(), u64::from(status)));
                wanted.sort();
                assert_eq!(noted(&source).await, wanted, "{cell}");
                assert_eq!(observed.marks(broken.offset.as_ref()).await, before, "{cell}: no tag moves on");
                observed.assert_heals(&mut broken, &cell).await;
            } else {
                let error = ended.unwrap_err();
                assert_eq!(error.kind(), kind, "{cell}, {policy}: {error}");
                assert_eq!(error.get("status"), Some(&*status.to_string()), "{cell}, {policy}: {error}");
                assert!(error.help_text().is_some(), "{cell}, {policy}: {error}");
                assert_eq!(
                    (broken.offset, noted(&source).await),
                    (lake.offset.clone(), Vec::new()),
                    "{cell}, {policy}"
                );
            }
        }
        observed.assert_heals(&mut lake, &cell).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_each_status_of_a_list_or_a_set_of_streams_is_asked_again_or_told() {
    use ErrorKind::{Auth, NotFound, Permission, Protocol, RateLimited, Unavailable};
    let cells: [Cell; 13] = [
        (400, 1, Protocol),
        (401, 1, Auth),
        (403, 1, Permission),
        (404, 1, NotFound),
        (405, 1, Protocol),
        (409, 1, Protocol),
        (413, 1, Protocol),
        (429, ALL, RateLimited),
        (500, ALL, Unavailable),
        (501, 1, Protocol),
        (502, ALL, Unavailable),
        (503, ALL, Unavailable),
        (504, ALL, Unavailable),
    ];
    let observed = Observed::new().await;
    let [tag, _] = observed.webids();
    for (table, path) in [
        (TableRef::new("pi_assetservers"), "/assetservers"),
        (TableRef::new("pi_streamset_end").option("tag_webids", tag), "/streamsets/end"),
    ] {
        for (status, tries, kind) in cells {
            // A set that is refused is asked for stream by stream: that is told in streamsets.rs.
            if status == 400 && path == "/streamsets/end" {
                continue;
            }
            let cell = format!("{status} of {path}");
            observed.forget();
            observed.server.faults().add(always(path, status));
            let error = table_rows(&observed.source(), table.clone()).await.unwrap_err();
            assert_eq!((error.kind(), observed.asked(path)), (kind, tries), "{cell}: {error}");
            assert_eq!(error.get("status"), Some(&*status.to_string()), "{cell}: {error}");
            // What passes after two answers was no failure, and what lasts was one at the first.
            observed.forget();
            (0..2).for_each(|_| observed.server.faults().push_for(path, Fault::Status { status, retry_after: None }));
            let healed = table_rows(&observed.source(), table.clone()).await;
            assert_eq!(healed.is_ok_and(|rows| !rows.is_empty()), tries == ALL, "{cell}");
        }
    }
}
