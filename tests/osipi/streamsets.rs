//! Many streams by one address: what the set leaves out or breaks off is asked for alone, and the others are whole.

use std::sync::Arc;

use lakeflow_connect::{ErrorKind, LakeflowConnect, TableRef};
use lakeflow_simulators::osipi::{PointFault, RunningServer, Spelling, Ticks};

use super::{lake::Lake, plant_with, timeless};

fn tables() -> [TableRef; 2] {
    let table = |name: &str| TableRef::new(name).option("startTime", "2026-03-18T09:00:00Z");
    [table("pi_streamset_recorded"), table("pi_timeseries").option("prefer_streamset", "true")]
}

/// How a lake differs from the archive, beside the tag of `broken`.
fn faults(server: &RunningServer, lake: &Lake, broken: Option<&str>) -> Vec<String> {
    let end = Ticks(Ticks::from(server.clock().now()).0 + 1);
    let mut faults = lake.faults(server, Ticks::parse("2026-03-18T09:00:00Z").unwrap(), end);
    faults.retain(|fault| broken.is_none_or(|webid| !fault.contains(webid)));
    faults
}

fn asked(server: &RunningServer, path: &str) -> usize {
    server.exchanges().iter().filter(|exchange| exchange.path.ends_with(path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_set_leaves_out_is_asked_for_alone() {
    for table in tables() {
        // Pages and ties, so that it goes on being left out.
        let server = plant_with(&[("ties", "3")]);
        server.break_point(&server.points()[0], Some(PointFault::MissingFromSets)).unwrap();
        let mut lake = Lake::default();
        lake.run(&timeless(&server, &[]), &table.option("maxCount", "70"), usize::MAX).await.unwrap();
        assert_eq!(faults(&server, &lake, None), [""; 0]);
        assert!(asked(&server, "/streamsets/recorded") > 0 && asked(&server, "/batch") > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_is_told_and_the_others_are_whole() {
    for table in tables() {
        for (fault, kind) in [
            (PointFault::Forbidden, ErrorKind::Permission),
            (PointFault::Absent, ErrorKind::NotFound),
            (PointFault::Status(501), ErrorKind::Unsupported),
            (PointFault::WebException, ErrorKind::Unavailable),
            (PointFault::Unreachable, ErrorKind::Unavailable),
        ] {
            let server = plant_with(&[]);
            let point = server.points().remove(0);
            let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
            server.break_point(&point, Some(fault)).unwrap();
            let error = Lake::default().run(&timeless(&server, &[]), &table, usize::MAX).await.unwrap_err();
            assert_eq!((error.kind(), error.get("webid")), (kind, Some(webid.as_str())), "{fault:?}: {error}");
            let table = table.clone().option("on_tag_error", "quarantine");
            let source: Arc<dyn LakeflowConnect> = timeless(&server, &[]);
            let mut lake = Lake::default();
            lake.run(&source, &table, usize::MAX).await.unwrap();
            assert_eq!(faults(&server, &lake, Some(&webid)), [""; 0], "{fault:?}");
            // What it could not read is read as soon as it can be.
            server.break_point(&point, None).unwrap();
            lake.run(&source, &table, usize::MAX).await.unwrap();
            assert_eq!(faults(&server, &lake, None), [""; 0], "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_breaks_off_is_asked_for_again_alone() {
    for table in tables() {
        let server = plant_with(&[]);
        let point = server.points().remove(0);
        server.break_point(&point, Some(PointFault::WebException)).unwrap();
        let before = asked(&server, "/batch");
        let failed = Lake::default().run(&timeless(&server, &[("max_retries", "2")]), &table, usize::MAX).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(asked(&server, "/batch") - before, 3, "once and two retries");
    }
}
