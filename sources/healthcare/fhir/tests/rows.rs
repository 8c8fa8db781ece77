//! Rows of one window: what is wanted, known, noted and put aside.

use super::{
    super::{row_id::Seal, tables, window::Window},
    *,
};
use crate::{decode::DecodeOptions, options::Options};

const SPAN: Span = Span::Between { lo: None, hi: Instant::FAR_FUTURE };

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn day(window: (&str, &str)) -> Scope {
    Scope::Window(Window::new(Some(at(window.0)), at(window.1)))
}

fn monday() -> Scope {
    day(("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"))
}

fn rows(bad_rows: BadRows) -> Rows {
    rows_with(bad_rows, Overlap::none(Seal::new(Hash::NONE)))
}

fn rows_with(bad_rows: BadRows, overlap: Overlap) -> Rows {
    let options = Options::new().with("schema_mode", "raw");
    let options = super::super::config::TableOptions::parse(&options).unwrap();
    let decoder = Decoder::new(tables::shape("Patient", &options, None).unwrap(), DecodeOptions::new("Patient"));
    let mut rows = Rows::new("Patient".to_owned(), decoder, bad_rows, Arc::new(overlap));
    rows.begin_walk();
    rows
}

fn page(resources: &[&str]) -> String {
    let entries: Vec<String> =
        resources.iter().map(|members| format!(r#"{{"resource":{{"resourceType":"Patient",{members}}}}}"#)).collect();
    format!(r#"{{"resourceType":"Bundle","link":[],"entry":[{}]}}"#, entries.join(","))
}

fn sent(rows: &mut Rows) -> usize {
    rows.take().unwrap().0.map_or(0, |batch| batch.num_rows())
}

#[test]
fn a_row_without_a_stamp_belongs_to_every_window() {
    let mut rows = rows(BadRows::Fail);
    let page = page(&[r#""id":"a","meta":{"versionId":"1"}"#]);
    rows.take_page(&page, monday(), SPAN).unwrap();
    assert_eq!(sent(&mut rows), 1);
}

#[test]
fn a_later_stamp_is_a_later_version_whatever_the_version_says() {
    let mut rows = rows(BadRows::Fail);
    for second in 1..=2 {
        let row = format!(r#""id":"a","meta":{{"versionId":"1","lastUpdated":"2024-01-01T00:00:0{second}Z"}}"#);
        rows.take_page(&page(&[&row]), monday(), SPAN).unwrap();
        assert_eq!(sent(&mut rows), 1, "second {second}");
    }
}

#[test]
fn a_misfit_outside_the_window_is_somebody_elses() {
    let tuesday = page(&[r#""meta":{"lastUpdated":"2024-01-02T00:00:00Z"}"#]);
    rows(BadRows::Fail).take_page(&tuesday, monday(), SPAN).unwrap();
    let mut rows = rows(BadRows::Quarantine);
    rows.take_page(&tuesday, monday(), SPAN).unwrap();
    assert_eq!((rows.walk().distinct, rows.take().unwrap().1.len()), (1, 0));
    rows.take_page(&tuesday, day(("2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z")), SPAN).unwrap();
    assert_eq!(rows.take().unwrap().1.len(), 1);
}

#[test]
fn large_quarantined_rows_fill_a_batch() {
    let mut rows = rows(BadRows::Quarantine);
    let large = format!(r#""id":"a","meta":{{"lastUpdated":"{}"}}"#, "x".repeat(17 << 20));
    rows.take_page(&page(&[&large]), monday(), SPAN).unwrap();
    assert!(rows.is_full());
}

#[test]
fn beyond_what_is_known_resources_are_still_counted_once_in_a_walk() {
    let mut rows = rows(BadRows::Fail);
    rows.most_known = 1;
    let stamp = r#""meta":{"lastUpdated":"2024-01-01T00:00:00Z"}"#;
    let three = ["a", "b", "c", "b", "c"].map(|id| format!(r#""id":"{id}",{stamp}"#));
    for _ in 0..2 {
        rows.begin_walk();
        rows.take_page(&page(&three.each_ref().map(String::as_str)), monday(), SPAN).unwrap();
        assert_eq!((rows.walk().distinct, rows.walk().is_overfull), (3, false));
    }
}

#[test]
fn a_table_read_as_a_whole_may_leave_out_what_is_old() {
    let mut rows = rows(BadRows::Fail);
    let old = r#""id":"old","meta":{"lastUpdated":"2023-12-31T23:59:59Z"}"#;
    let new = r#""id":"new","meta":{"lastUpdated":"2024-01-01T00:00:00Z"}"#;
    let scope = Scope::Everything { since: Some(at("2024-01-01T00:00:00Z")) };
    rows.take_page(&page(&[old, new, r#""id":"undated""#]), scope, Span::All).unwrap();
    assert_eq!((sent(&mut rows), rows.walk().distinct), (2, 3));
}

#[test]
fn of_too_many_versions_to_meet_again_the_newest_are_kept() {
    const PAGE: usize = 10_000;
    let first = at("2024-01-01T00:00:00Z");
    let overlap = Overlap { note_from: Some(first), ..Overlap::none(Seal::new(Hash::NONE)) };
    let mut rows = rows_with(BadRows::Fail, overlap);
    let stamp = |n: usize| first.plus_seconds(n as f64 / 1e3);
    for begin in (0..2 * MOST_SENT + 2 * PAGE).step_by(PAGE) {
        let resources: Vec<String> = (begin..begin + PAGE)
            .map(|n| format!(r#""id":"{n}","meta":{{"versionId":"1","lastUpdated":"{}"}}"#, stamp(n)))
            .collect();
        let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
        rows.take_page(&page(&resources), monday(), SPAN).unwrap();
        assert_eq!(sent(&mut rows), PAGE);
        assert!(rows.noted.len() < 2 * MOST_SENT, "{} are noted", rows.noted.len());
    }
    let noted = rows.take_noted();
    assert_eq!(noted.len(), MOST_SENT);
    assert_eq!(noted.iter().map(|(stamp, _)| *stamp).min(), Some(stamp(MOST_SENT + 2 * PAGE)));
    assert!(rows.take_noted().is_empty());
}
