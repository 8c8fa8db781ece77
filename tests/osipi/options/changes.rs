//! Options that say how a later run finds what changed.

use std::time::Duration;

use lakeflow_connect::TableRef;
use lakeflow_simulators::osipi::{Change, RunningServer, Ticks};

use super::{
    super::{connect_to, lake::Lake, plant_with},
    owned,
};

/// Tried here.
pub(super) const OPTIONS: [&str; 4] = ["late_window", "change_capture", "reconcile_days", "reconcile_sample"];

const LATE: f64 = 4711.25;

/// What a host holds of a tag after two runs, between which an event was entered late and another was deleted: whether
/// it has the one, and still has the other.
async fn after_two_runs(options: &[(&'static str, &str)]) -> (bool, bool) {
    let server = plant_with(&[("points", "1")]);
    let table =
        owned(options).iter().fold(TableRef::new("pi_timeseries").option("startTime", "*-3h"), |table, option| {
            table.option(option.0, &option.1)
        });
    let mut lake = Lake::default();
    lake.run(&connect_to(&server), &table, usize::MAX).await.unwrap();
    let gone = disturb(&server);
    server.clock().advance(Duration::from_secs(60));
    lake.run(&connect_to(&server), &table, usize::MAX).await.unwrap();
    let has = |is: &dyn Fn(&serde_json::Value) -> bool| lake.rows.values().any(is);
    (has(&|row| row["value"] == LATE), has(&|row| row["timestamp_raw"] == gone.as_str()))
}

fn disturb(server: &RunningServer) -> String {
    let point = server.points().remove(0);
    let now = Ticks::from(server.clock().now());
    let events = server.events(&point, Ticks(now.0 - 7_200 * 10_000_000), now).unwrap();
    server.change(&point, Change::Add(Ticks(events[15].time.0 + 70), LATE.into())).unwrap();
    server.change(&point, Change::Delete(events[30].time)).unwrap();
    events[30].time.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_of_changes_does_what_it_says() {
    const RECONCILE: (&str, &str) = ("change_capture", "reconcile");
    // Whether the late event is there; where nothing is known of rows it comes in a later run.
    for (options, late, deleted_stays) in [
        (&[][..], Some(true), true),
        (&[("late_window", "0")], Some(false), true),
        (&[("change_capture", "none")], Some(false), true),
        (&[("change_capture", "updates")], Some(true), false),
        (&[RECONCILE], Some(true), false),
        (&[RECONCILE, ("reconcile_days", "0")], None, true),
        (&[RECONCILE, ("reconcile_sample", "1")], Some(true), false),
    ] {
        let (is_late_there, is_deleted_there) = after_two_runs(options).await;
        assert_eq!((late.unwrap_or(is_late_there), deleted_stays), (is_late_there, is_deleted_there), "{options:?}");
    }
}
