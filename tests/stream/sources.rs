//! Streams for sources: order, bounds, cancellation and ends.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use lakeflow_connect::{
    Error, ErrorKind, JsonLines, Offset, QuarantinedRow, ReadEvent, ReadStream, Records, Result,
    stream::{Page, limit_records, pages, prefetch},
};
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::oneshot;

fn rows(first: u64, count: u64) -> ReadEvent {
    let text: String = (first..first + count).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    ReadEvent::Records(Records::Json(JsonLines { bytes: text.into(), rows: count as usize }))
}

fn checkpoint(at: u64) -> ReadEvent {
    ReadEvent::Checkpoint(Offset::encode(1, &json!({ "at": at })).unwrap())
}

fn quarantined(count: usize) -> ReadEvent {
    let row = QuarantinedRow { key: None, column: "a".into(), reason: "not a long".into(), record: "{}".into() };
    ReadEvent::Quarantined(vec![row; count])
}

/// `r3` for three rows, `q1` for a quarantined one, `c7` for a checkpoint at 7.
fn shapes(events: &[ReadEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            ReadEvent::Records(records) => format!("r{}", records.rows()),
            ReadEvent::Quarantined(rows) => format!("q{}", rows.len()),
            ReadEvent::Checkpoint(offset) => format!("c{}", offset.decode::<serde_json::Value>(1).unwrap()["at"]),
            _ => "?".to_owned(),
        })
        .collect()
}

/// Pages of two rows and a checkpoint: 1, 2, ... `last`; counts the fetches begun.
fn counted(last: u64, begun: Arc<AtomicUsize>) -> lakeflow_connect::stream::Pages<u64, impl FnMut(u64) -> PageFuture> {
    pages(1, move |n| {
        begun.fetch_add(1, SeqCst);
        async move { Ok(Page { events: vec![rows(n * 2, 2), checkpoint(n)], next: (n < last).then_some(n + 1) }) }
            .boxed()
    })
}

type PageFuture = futures::future::BoxFuture<'static, Result<Page<u64>>>;

/// Lets every other task run until it waits.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn pages_come_in_order_and_end_after_the_last() {
    for ahead in [0, 1, 2, 7] {
        let events: Vec<_> = counted(4, Arc::default()).ahead(ahead).into_stream().try_collect().await.unwrap();
        assert_eq!(shapes(&events), ["r2", "c1", "r2", "c2", "r2", "c3", "r2", "c4"], "ahead {ahead}");
        let text: Vec<_> = events
            .iter()
            .filter_map(|e| match e {
                ReadEvent::Records(Records::Json(lines)) => Some(lines.bytes.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(text[3], "{\"id\":8}\n{\"id\":9}\n", "ahead {ahead}");
    }
}

#[tokio::test]
async fn nothing_is_fetched_before_the_first_poll() {
    for ahead in [0, 1, 3] {
        let begun = Arc::new(AtomicUsize::new(0));
        let mut stream = counted(9, begun.clone()).ahead(ahead).into_stream();
        settle().await;
        assert_eq!(begun.load(SeqCst), 0);
        stream.next().await.unwrap().unwrap();
        assert!(begun.load(SeqCst) >= 1);
    }
}

#[tokio::test]
async fn the_next_page_is_fetched_while_the_consumer_works_and_never_more_than_asked() {
    for ahead in [0, 1, 2, 5] {
        let begun = Arc::new(AtomicUsize::new(0));
        let mut stream = counted(20, begun.clone()).ahead(ahead).into_stream();
        for page in 1..=20 {
            assert_eq!(shapes(&[stream.next().await.unwrap().unwrap()]), ["r2"]);
            settle().await;
            assert_eq!(begun.load(SeqCst), (page + ahead).min(20), "page {page}, ahead {ahead}");
            // The rest of a page asks for nothing.
            stream.next().await.unwrap().unwrap();
            settle().await;
            assert_eq!(begun.load(SeqCst), (page + ahead).min(20), "page {page}, ahead {ahead}");
        }
        assert!(stream.next().await.is_none());
        assert!(stream.next().now_or_never().is_some_and(|end| end.is_none()), "the end is not the end");
    }
}

#[tokio::test]
async fn on_one_thread_the_next_page_is_fetched_before_the_consumer_has_this_one() {
    for ahead in [1, 2] {
        let begun = Arc::new(AtomicUsize::new(0));
        let mut stream = counted(20, begun.clone()).ahead(ahead).into_stream();
        for page in 1..20 {
            assert_eq!(shapes(&[stream.next().await.unwrap().unwrap()]), ["r2"]);
            // The consumer decodes or writes here: nothing else runs meanwhile.
            assert!(begun.load(SeqCst) > page, "page {page}, ahead {ahead}");
            stream.next().await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn dropping_the_stream_drops_the_fetch_under_way() {
    struct SaysDropped(Option<oneshot::Sender<()>>);
    impl Drop for SaysDropped {
        fn drop(&mut self) {
            let _ = self.0.take().map(|said| said.send(()));
        }
    }
    for ahead in [0, 1, 4] {
        let (said, dropped) = oneshot::channel();
        let mut guard = Some(SaysDropped(Some(said)));
        let mut stream = pages(1, move |n| {
            let guard = (n == 2).then(|| guard.take()).flatten();
            async move {
                if n == 2 {
                    let _hangs = guard;
                    futures::future::pending::<()>().await;
                }
                Ok(Page { events: vec![checkpoint(n)], next: Some(n + 1) })
            }
        })
        .ahead(ahead)
        .into_stream();
        stream.next().await.unwrap().unwrap();
        assert!(stream.next().now_or_never().is_none(), "the second page hangs");
        settle().await;
        drop(stream);
        dropped.await.unwrap();
    }
}

#[tokio::test]
async fn an_error_ends_the_stream_and_no_checkpoint_follows() {
    for ahead in [0, 1, 3] {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = begun.clone();
        let stream = pages(1, move |n: u64| {
            count.fetch_add(1, SeqCst);
            async move {
                if n == 3 {
                    return Err(Error::new(ErrorKind::Unavailable, "page 3 is gone"));
                }
                Ok(Page { events: vec![rows(n, 1), checkpoint(n)], next: Some(n + 1) })
            }
        });
        let events: Vec<_> = stream.ahead(ahead).into_stream().collect().await;
        let (last, before) = events.split_last().unwrap();
        assert_eq!(last.as_ref().unwrap_err().message(), "page 3 is gone");
        let before: Vec<_> = before.iter().map(|e| e.as_ref().unwrap().clone()).collect();
        assert_eq!(shapes(&before), ["r1", "c1", "r1", "c2"], "ahead {ahead}");
        assert_eq!(begun.load(SeqCst), 3, "a page was fetched after the error, ahead {ahead}");
    }
}

#[tokio::test]
async fn a_panic_in_a_page_is_an_error_not_the_end_of_the_data() {
    let mut stream = pages(1, |n: u64| async move {
        assert!(n < 2, "patient Muster");
        Ok(Page { events: vec![checkpoint(n)], next: Some(n + 1) })
    })
    .into_stream();
    stream.next().await.unwrap().unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Internal, "the source panicked"));
    assert!(stream.next().await.is_none());
}

#[test]
fn polling_outside_a_runtime_is_an_error_not_a_panic() {
    let mut stream = counted(2, Arc::default()).into_stream();
    let error = futures::executor::block_on(stream.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(futures::executor::block_on(stream.next()).is_none());
}

#[tokio::test]
async fn max_records_ends_at_the_first_checkpoint_after_the_limit_and_fetches_nothing_beyond() {
    for (max, fetched) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (100, 6)] {
        for ahead in [0, 1, 4] {
            let begun = Arc::new(AtomicUsize::new(0));
            let stream = counted(6, begun.clone()).ahead(ahead).max_records(max).into_stream();
            let events: Vec<_> = stream.try_collect().await.unwrap();
            settle().await;
            assert_eq!(events.len(), fetched * 2, "max {max}");
            assert!(matches!(events.last(), Some(ReadEvent::Checkpoint(_))));
            assert_eq!(begun.load(SeqCst), fetched, "max {max}, ahead {ahead}");
        }
    }
}

#[tokio::test]
async fn a_unit_is_never_cut_by_the_limit() {
    let events =
        [rows(0, 3), rows(3, 3), quarantined(1), checkpoint(1), rows(6, 1), checkpoint(2), rows(7, 1), checkpoint(3)];
    for (max, expected) in [
        (Some(1), &["r3", "r3", "q1", "c1"][..]),
        (Some(7), &["r3", "r3", "q1", "c1"]),
        (Some(8), &["r3", "r3", "q1", "c1", "r1", "c2"]),
        (Some(99), &["r3", "r3", "q1", "c1", "r1", "c2", "r1", "c3"]),
        (None, &["r3", "r3", "q1", "c1", "r1", "c2", "r1", "c3"]),
    ] {
        let source: ReadStream = stream::iter(events.clone().map(Ok)).boxed();
        let got: Vec<_> = limit_records(source, max).try_collect().await.unwrap();
        assert_eq!(shapes(&got), expected, "{max:?}");
    }
}

#[tokio::test]
async fn prefetch_passes_items_and_the_first_error_on() {
    let items = stream::iter([Ok(1), Ok(2), Err(Error::new(ErrorKind::Data, "third")), Ok(4)]);
    let got: Vec<_> = prefetch(items, 2).map_err(|e| e.message().to_owned()).collect().await;
    assert_eq!(got, [Ok(1), Ok(2), Err("third".to_owned())]);
}

proptest! {
    #[test]
    fn any_pages_any_window_the_same_events(pages_of in prop::collection::vec(prop::collection::vec(0u64..4, 0..4), 1..12), ahead in 0usize..6) {
        let expected: Vec<ReadEvent> = pages_of.iter().flatten().map(|n| if *n == 0 { checkpoint(9) } else { rows(0, *n) }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(async {
            let stream = pages(0usize, move |i| {
                let events = pages_of[i].iter().map(|n| if *n == 0 { checkpoint(9) } else { rows(0, *n) }).collect();
                let next = (i + 1 < pages_of.len()).then_some(i + 1);
                async move { Ok(Page { events, next }) }
            });
            stream.ahead(ahead).into_stream().try_collect::<Vec<_>>().await
        }).unwrap();
        prop_assert_eq!(shapes(&got), shapes(&expected));
    }
}
