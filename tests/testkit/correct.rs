//! What is right passes, and passes because it was tried.

use lakeflow_connect::{
    Context, Options,
    testkit::{Check, MemorySource, MemoryTable, Outcome, Suite},
};
use serde_json::json;

use super::{
    fixture::{source, suite},
    mistake::Mistake,
    wrong::Wrong,
};

const PROVED: [Check; 14] = [
    Check::Units,
    Check::OffsetsFollowRows,
    Check::OffsetsAreOpaque,
    Check::BoundedReadsRepeat,
    Check::MemoryIsBounded,
    Check::TiesAreWhole,
    Check::UnknownNamesAreErrors,
    Check::StructureIsKept,
    Check::MetadataIsCoherent,
    Check::DeletionsBeginFirst,
    Check::PlansCover,
    Check::FaultsLoseNothing,
    Check::NoSilentNull,
    Check::SecretsStaySecret,
];

#[tokio::test]
async fn a_correct_source_passes_every_check() {
    let source = source();
    let made = source.clone();
    let report = suite(&source, move || made.connect()).run().await;
    report.assert_proved(&PROVED);
    let planned = |f: &&lakeflow_connect::testkit::Finding| f.check == Check::PlansCover;
    let plan = report.findings().iter().find(planned).map(|f| f.outcome.clone());
    assert_eq!(plan, Some(Outcome::Passed("up to 3 requests, each row in one of them".to_owned())), "{report}");
}

#[tokio::test]
async fn a_correct_source_of_arrow_batches_passes_every_check() {
    let source = source();
    let made = source.clone();
    let report = suite(&source, move || Wrong::connect(&made, Mistake::NoneButArrow)).run().await;
    report.assert_proved(&PROVED);
}

#[tokio::test]
async fn a_source_is_checked_through_its_factory() {
    let report = Suite::of(source(), Options::new(), Context::new()).size([("page_rows", "1")]).run().await;
    report.assert_passed();
    let of_the_source = report.findings().iter().filter(|f| f.table.is_none()).map(|f| f.check);
    assert_eq!(of_the_source.collect::<Vec<_>>(), [Check::UnknownNamesAreErrors, Check::SecretsStaySecret]);
}

#[tokio::test]
async fn what_cannot_be_tried_is_said_and_not_passed() {
    let empty = MemorySource::new().table(MemoryTable::cdc("visits"));
    let report = Suite::new(move || Ok(empty.connect())).table("visits").check(Check::Units).await;
    assert!(!report.passed(Check::Units) && !report.failed(Check::Units), "{report}");

    let untied = MemorySource::new().table(MemoryTable::cdc("visits"));
    untied.commit("visits", [json!({"id": 1})]);
    untied.commit("visits", [json!({"id": 2})]);
    let suite = Suite::new(move || Ok(untied.connect())).table("visits").size([("page_rows", "1")]);
    let report = suite.check(Check::TiesAreWhole).await;
    assert!(report.to_string().contains("no two rows share a cursor value"), "{report}");
}

#[tokio::test]
#[should_panic(expected = "nothing was checked")]
async fn a_source_without_tables_does_not_pass() {
    let source = MemorySource::new();
    Suite::new(move || Ok(source.connect())).check(Check::Units).await.assert_passed();
}

#[tokio::test]
async fn a_row_that_no_read_brings_is_found_by_the_expected_count() {
    let source = source();
    let rows = 26;
    let report = |rows| {
        let made = source.clone();
        let suite = Suite::new(move || Ok(made.connect())).table("visits").expect_rows("visits", move || rows);
        async move { suite.check(Check::Units).await }
    };
    report(rows).await.assert_proved(&[Check::Units]);
    assert!(report(rows + 1).await.failed(Check::Units));
}

#[tokio::test]
async fn the_memory_source_deletes_what_is_not_written_again() {
    let source = source();
    source.commit("people", [json!({"id": 20})]);
    let connector = source.connect();
    assert_eq!(connector.list_tables().await.unwrap(), ["log", "people", "visits", "wards"]);
    let report = Suite::new(move || Ok(source.connect())).table("people").check(Check::MetadataIsCoherent).await;
    assert!(report.to_string().contains("5 deletions"), "{report}");
}
