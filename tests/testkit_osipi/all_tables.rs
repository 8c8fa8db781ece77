//! Every rule on every table, with pages, batches and units as small as the table lets them be.

use std::{sync::Arc, time::Duration};

use lakeflow_connect::{
    Context, IngestionType, LakeflowConnect, Options, Registry, TableRef,
    clock::{Clock, ManualClock},
    testkit::{Check, Outcome, Suite},
};
use lakeflow_simulators::{
    faults,
    osipi::{AfChange, AfKind, Change, FrameEdit, PointFault, RunningServer, Sample, Ticks},
};

use super::{
    NOW, PASSWORD, Plant, at_once, faults_of,
    views::{read, since_now},
};

/// Fifteen minutes of what has a beginning: not relative to now, so that nothing leaves it when the clock goes on.
const SINCE: &str = "2026-03-18T11:45:00Z";

/// Makes pages, batches and units small, where a table takes it.
const SMALL: [(&str, &str); 4] =
    [("maxCount", "3"), ("tags_per_request", "1"), ("max_records_per_batch", "5"), ("window_seconds", "300")];

/// What a connection tells of itself: its other reads.
const OF_THE_CONNECTION: [&str; 2] = ["pi_watermarks", "pi_errors"];

/// Why a rule can say nothing of a table, in the words of the suite.
fn untried(check: Check, name: &str, ingestion: IngestionType) -> Option<&'static str> {
    let is_of_the_connection = OF_THE_CONNECTION.contains(&name);
    match check {
        // Nothing is ever deleted from the others.
        Check::DeletionsBeginFirst if ingestion != IngestionType::CdcWithDeletes => Some("does not report deletions"),
        // They ask the server nothing.
        Check::MemoryIsBounded if is_of_the_connection => Some("counts no requests"),
        // Their rows come in batches of thousands: all requests are made before the first one, however small the pages.
        Check::MemoryIsBounded if ingestion == IngestionType::Snapshot => Some("too few to tell"),
        // A request tells the changes of a thousand tags.
        Check::MemoryIsBounded if name == "pi_timeseries_changes" => Some("too few to tell"),
        // It is read up to now, and where that is is only known afterwards.
        Check::BoundedReadsRepeat if name == "pi_timeseries_changes" => Some("names no latest offset"),
        Check::TiesAreWhole => match name {
            // Lists that the server gives whole, at once.
            "pi_dataservers"
            | "pi_assetservers"
            | "pi_assetdatabases"
            | "pi_attribute_traits"
            | "pi_system"
            | "pi_af_table_rows" => Some("one size only"),
            // Of a tag there is one such value an instant.
            "pi_interpolated" | "pi_streamset_interpolated" | "pi_calculated" => Some("no two rows share a cursor"),
            // What was noted comes in one unit.
            _ if is_of_the_connection => Some("no two rows share a cursor"),
            _ => None,
        },
        _ => None,
    }
}

/// Two points with two events every two minutes, and some assets of each kind.
fn small_plant(frames: &str) -> Plant {
    let sizes = [("points", "2"), ("elements", "3"), ("event-frames", frames), ("density", "1m"), ("ties", "2")];
    Plant::open(&[&sizes[..], &[("flag-percent", "100")]].concat())
}

fn options(plant: &Plant) -> Options {
    plant.options().with("max_concurrency", "2").with("max_retries", "1")
}

fn context() -> Context {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW.parse().unwrap()));
    Context::new().clock(clock)
}

fn connect(plant: &Plant) -> Arc<dyn LakeflowConnect> {
    Registry::builtin().connect("osipi", &options(plant), &context()).unwrap()
}

/// A connection of which only names are asked.
fn nowhere() -> Arc<dyn LakeflowConnect> {
    let options = [("pi_base_url", "pi"), ("auth_type", "anonymous"), ("verify_ssl", "false")];
    Registry::builtin().connect("osipi", &options.into_iter().collect(), &Context::new()).unwrap()
}

/// A table of a short time, and of few attributes.
fn table(name: &str, server: &RunningServer) -> TableRef {
    let table = TableRef::new(name);
    let recent = || table.clone().option("startTime", SINCE);
    match name {
        // The first window, which is not always the same, would say how long an interval is.
        "pi_plot" | "pi_streamset_plot" => recent().option("intervals", "5").option("window_seconds", "300"),
        "pi_streamset_summary" => recent().option("summaryDuration", "1m").option("summaryType", "Total,Average"),
        "pi_calculated" | "pi_interpolated" | "pi_streamset_interpolated" => recent().option("interval", "1m"),
        "pi_timeseries" | "pi_streamset_recorded" | "pi_stream_annotations" | "pi_summary" => recent(),
        "pi_attribute_values" => {
            let points = server.points();
            let attributes = server.assets().expected(AfKind::Attribute).into_iter();
            let of_points = attributes.filter(|attribute| {
                let path = attribute.fields["ConfigString"].as_str().unwrap_or_default();
                points.iter().any(|point| point.eq_ignore_ascii_case(path))
            });
            let webids: Vec<String> = of_points.map(|attribute| attribute.web_id).take(2).collect();
            assert_eq!(webids.len(), 2);
            recent().option("attribute_webids", webids.join(","))
        }
        _ => table,
    }
}

/// What a host has read of one point that may not be read and one that may: notes of both kinds.
async fn take_notes(source: &Arc<dyn LakeflowConnect>, server: &RunningServer) {
    let point = &server.points()[0];
    server.break_point(point, Some(PointFault::Forbidden)).unwrap();
    for name in ["pi_timeseries", "pi_interpolated"] {
        let (_, rows) = read(source, &table(name, server).option("on_tag_error", "quarantine")).await;
        assert!(rows > 0);
    }
    server.break_point(point, None).unwrap();
}

/// The suite on one table.
async fn suite(plant: &Plant, table: &TableRef, small: &[(&'static str, &'static str)]) -> Suite {
    let suite = match table.name.as_str() {
        name if OF_THE_CONNECTION.contains(&name) => {
            let source = connect(plant);
            take_notes(&source, &plant.server).await;
            let (of, noting) = (plant.clone(), Arc::clone(&source));
            let more = move || {
                let (of, noting) = (of.clone(), Arc::clone(&noting));
                async move { take_notes(&noting, &of.server).await }
            };
            Suite::new(move || Ok(Arc::clone(&source))).change(more)
        }
        // A plot begins each window with a value at its start, and where windows begin depends on when runs are.
        "pi_plot" | "pi_streamset_plot" => {
            Suite::registered(&Registry::builtin(), "osipi", options(plant), context()).unwrap()
        }
        "pi_timeseries_changes" => {
            // Where it stood is part of the key of its rows, so that one read before and after a change has others.
            let of = plant.clone();
            let suite = Suite::new(since_now(move || connect(&of), table).await);
            go_on(&plant.server);
            suite
        }
        _ => {
            let server = Arc::clone(&plant.server);
            let suite = Suite::registered(&Registry::builtin(), "osipi", options(plant), context()).unwrap();
            suite.change(at_once(move || go_on(&server)))
        }
    };
    // Of the rows of AF tables it is how many are wanted.
    let takes = |option: &str| table.name != "pi_af_table_rows" || option != "maxCount";
    let mut size = Vec::new();
    for (option, value) in small.iter().copied().filter(|(option, _)| takes(option)) {
        if nowhere().get_table_schema(&table.clone().option(option, value)).await.is_ok() {
            size.push((option, value));
        }
    }
    let suite = if size.is_empty() { suite } else { suite.size(size) };
    suite.table(table.clone()).secrets([PASSWORD]).ties_within(["tag_webid"]).max_stops(3)
}

/// One check on every table: it passes, or there is a known reason why it can say nothing.
async fn keep(
    check: Check,
    small: &[(&'static str, &'static str)],
    more: impl Fn(&Plant, IngestionType, Suite) -> Suite,
) {
    let (mut wrong, names) = (Vec::new(), nowhere().list_tables().await.unwrap());
    assert_eq!(names.len(), 49);
    for name in names {
        // A look ahead is only seen where there is more to look at.
        let plant = small_plant(if check == Check::MemoryIsBounded { "6" } else { "4" });
        let table = table(&name, &plant.server);
        let ingestion = nowhere().read_table_metadata(&table).await.unwrap().ingestion_type;
        let report = more(&plant, ingestion, suite(&plant, &table, small).await).check(check).await;
        wrong.extend(report.failures().map(ToString::to_string));
        let of_rows = report.findings().iter().find(|finding| finding.table.as_deref() == Some(&name)).unwrap();
        match (&of_rows.outcome, untried(check, &name, ingestion)) {
            (Outcome::Passed(_), None) | (Outcome::Failed(_), _) => {}
            (Outcome::NotApplicable(told), Some(reason)) if told.contains(reason) => {}
            (_, known) => wrong.push(format!("{of_rows} (known: {known:?})")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_its_declared_structure() {
    keep(Check::StructureIsKept, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_refuses_names_that_it_does_not_have() {
    keep(Check::UnknownNamesAreErrors, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_says_the_same_of_itself_each_time() {
    keep(Check::MetadataIsCoherent, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_keeps_secrets() {
    keep(Check::SecretsStaySecret, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_read_on_by_a_host_that_was_killed() {
    keep(Check::Units, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_covered_by_the_reads_that_are_planned() {
    keep(Check::PlansCover, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_the_same_with_pages_and_units_of_any_size() {
    keep(Check::TiesAreWhole, &SMALL, |_, _, suite| suite.max_records(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_refuses_offsets_that_are_not_its_own() {
    keep(Check::OffsetsAreOpaque, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_asks_for_little_ahead_of_its_reader() {
    let small =
        [("maxCount", "3"), ("tags_per_request", "1"), ("max_records_per_batch", "5"), ("window_seconds", "60")];
    let ahead = |ingestion| if ingestion == IngestionType::Snapshot { 200 } else { 16 };
    keep(Check::MemoryIsBounded, &small, |_, ingestion, suite| suite.requests_ahead(ahead(ingestion))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_every_table_loses_nothing_to_a_server_that_breaks() {
    keep(Check::FaultsLoseNothing, &SMALL, |plant, _, suite| {
        let [cut_off, _] = faults_of(&plant.server, "a body cut off", faults::Fault::CutOff);
        let [_, truncated] = faults_of(&plant.server, "half of the JSON", faults::Fault::Truncated);
        let unavailable = faults::Fault::Status { status: 503, retry_after: None };
        let [_, unavailable] = faults_of(&plant.server, "503", unavailable);
        suite.fault(cut_off).fault(truncated).fault(unavailable)
    })
    .await;
}

/// Ten minutes pass. An event comes late, and one of the last five minutes is edited, with notes; a frame begins, and one
/// that was open ends, is acknowledged, and gets a note.
fn go_on(server: &RunningServer) {
    server.clock().advance(Duration::from_secs(600));
    let now = Ticks::from(server.clock().now());
    let minutes_ago = |minutes: i64| Ticks(now.0 - minutes * 600_000_000);
    let noted = |value: f64, note: &str| Sample { annotation: Some(note.into()), ..value.into() };
    let point = server.points().swap_remove(0);
    server.change(&point, Change::Add(Ticks(minutes_ago(1).0 - 7), noted(4711.25, "late"))).unwrap();
    let last = server.events(&point, minutes_ago(5), now).unwrap().swap_remove(0);
    server.change(&point, Change::Edit(last.time, 0, noted(4712.5, "by hand"))).unwrap();
    let assets = server.assets();
    let frames = assets.expected_frames();
    let open = frames.iter().find(|frame| frame.end.is_none() && frame.parent.is_none());
    // What has no template has no attributes.
    let of = frames.iter().find(|frame| !frame.template.is_empty()).unwrap_or(&frames[0]);
    let begun = AfChange::AddFrame {
        parent: of.database.clone(),
        name: format!("begun at {}", minutes_ago(8)),
        template: Some(of.template.clone()).filter(|name| !name.is_empty()),
        start: minutes_ago(8),
        end: None,
        elements: of.readable_elements.clone(),
    };
    assets.change(begun).unwrap();
    if let Some(open) = open {
        for edit in [
            FrameEdit::Close(minutes_ago(4)),
            FrameEdit::Acknowledge("operator".to_owned()),
            FrameEdit::Annotate("operator".to_owned(), "seen".to_owned()),
        ] {
            assets.change(AfChange::EditFrame { frame: open.web_id.clone(), edit }).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_read_on_after_a_change_as_in_full() {
    keep(Check::OffsetsFollowRows, &SMALL, |_, _, suite| suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_the_same_up_to_the_same_offset() {
    keep(Check::BoundedReadsRepeat, &SMALL, |_, _, suite| suite).await;
}
