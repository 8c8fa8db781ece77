//! Options of interpolated values, plots, summaries, calculations and values at a time.

use chrono::DateTime;
use lakeflow_simulators::osipi::{RunningServer, Spelling};
use serde_json::Value;

use super::{Case, all_hold, case, plant, webid};

fn seconds(value: &Value) -> i64 {
    value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map_or(0, |time| time.timestamp())
}

fn of_column(column: &'static str, wanted: &'static str) -> impl Fn(&super::Seen) -> bool {
    move |seen| seen.with.each(|row| row[column] == wanted) && !seen.without.each(|row| row[column] == wanted)
}

pub(super) fn cases(server: &RunningServer) -> Vec<Case<'static>> {
    let tag = webid(server, 0);
    let of_tag = [("startTime", "*-2h"), ("tag_webids", tag.as_str())];
    let with = |more: (&'static str, &'static str)| [of_tag[0], of_tag[1], more];
    let second = server.server_web_id("PISRV2", Spelling::IdOnly).unwrap();
    let wanted = second.clone();
    vec![
        case("pi_interpolated", &of_tag, &[("interval", "5m")], |seen| {
            seen.is_part(|row| seconds(&row["timestamp"]) % 300 == 0)
        }),
        case("pi_interpolated", &of_tag, &[("sampleInterval", "5m")], |seen| {
            seen.is_part(|row| seconds(&row["timestamp"]) % 300 == 0)
        }),
        case("pi_interpolated", &with(("interval", "10m")), &[("syncTime", "2026-03-18T00:03:00Z")], |seen| {
            seen.with.each(|row| seconds(&row["timestamp"]) % 600 == 180)
                && seen.without.each(|row| seconds(&row["timestamp"]) % 600 == 0)
        }),
        case("pi_interpolated", &with(("interval", "10m")), &[("syncTimeBoundaryType", "Outside")], |seen| {
            // Windows begin and end on the grid, so that nothing lies outside of them.
            seen.is_same()
        }),
        case("pi_plot", &of_tag, &[("intervals", "3")], |seen| seen.is_part(|row| row["good"].is_boolean())),
        case("pi_summary", &of_tag, &[("summaryType", "Count,Maximum")], |seen| {
            seen.with.all("summary_type").into_iter().eq(["Count", "Maximum"])
                && seen.without.all("summary_type").into_iter().eq(["Total"])
        }),
        case(
            "pi_summary",
            &of_tag,
            &[("calculationBasis", "EventWeighted")],
            of_column("calculation_basis", "EventWeighted"),
        ),
        case("pi_summary", &of_tag, &[("summaryDuration", "30m")], |seen| {
            seen.with.rows.len() == 4 * seen.without.rows.len()
                && seen.with.each(|row| seconds(&row["interval_end"]) - seconds(&row["interval_start"]) == 1_800)
        }),
        case("pi_summary", &with(("summaryType", "Average")), &[("timeType", "MostRecentTime")], |seen| {
            seen.with.each(|row| seconds(&row["timestamp"]) == seconds(&row["interval_end"]))
                && !seen.without.each(|row| seconds(&row["timestamp"]) == seconds(&row["interval_end"]))
        }),
        case(
            "pi_streamset_summary",
            &with(("summaryType", "Average")),
            &[("sampleType", "Interval"), ("sampleInterval", "10m")],
            |seen| {
                seen.with.parameters("sampleType").contains("Interval")
                    && !seen.with.parameters("sampleInterval").is_empty()
            },
        ),
        case("pi_value_at_time", &of_tag[1..], &[("time", "*-1h,*-2h")], |seen| {
            let times = seen.with.all("query_time");
            times.len() == 2 && times.iter().all(|time| time.starts_with("2026-03-18T1"))
        }),
        case("pi_recorded_at_time", &[of_tag[1], ("time", "*-1h")], &[("retrievalMode", "After")], |seen| {
            seen.with.each(|row| seconds(&row["timestamp"]) >= seconds(&row["query_time"]))
                && seen.with.sorted() != seen.without.sorted()
        }),
        case("pi_calculated", &of_tag, &[("calculationType", "Maximum")], of_column("calculation_type", "Maximum")),
        case("pi_calculated", &of_tag[..1], &[("expression", "1 + 1"), ("expression_webid", &second)], move |seen| {
            seen.with.each(|row| row["tag_webid"] == wanted.as_str() && row["value"] == 2.0)
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_of_windows_and_instants_does_what_it_says() {
    let server = plant();
    all_hold(&server, cases(&server)).await;
}
