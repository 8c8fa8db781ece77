//! What a host makes of a stream: batches, JSON rows, or rows and the next offset.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use lakeflow_connect::{
    BadRows, DataType, Error, ErrorKind, IngestionType, JsonLines, LakeflowConnect, Offset, ReadEvent, ReadRequest,
    ReadStream, Records, Result, StructField, StructType, TableMetadata, TableRef,
    arrow::array::{ArrayRef, Int64Array, RecordBatch},
    decode::arrow_to_json,
    stream::{ArrowTable, Page, arrow_batches, arrow_events, json_events, pages, read_step},
};
use serde_json::json;

/// A source in somebody else's crate: pages of readings, one of them given as text, some of them broken.
#[derive(Default)]
struct Plant {
    pages: Vec<&'static str>,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl LakeflowConnect for Plant {
    async fn list_tables(&self) -> Result<Vec<String>> {
        Ok(vec!["reading".to_owned()])
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        self.calls.fetch_add(1, SeqCst);
        match table.name.as_str() {
            "reading" => Ok(StructType::new([
                StructField::required("tag", DataType::String),
                StructField::new("value", DataType::Double),
                StructField::new("seq", DataType::Long),
            ])),
            other => Err(Error::unknown("table", other, ["reading"])),
        }
    }

    async fn read_table_metadata(&self, _: &TableRef) -> Result<TableMetadata> {
        let primary_keys = vec!["tag".to_owned()];
        Ok(TableMetadata { primary_keys, cursor_field: Some("seq".to_owned()), ingestion_type: IngestionType::Append })
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        let first = request.start.and_then(|o| o.version()).unwrap_or(0);
        let (pages_of, calls) = (self.pages.clone(), Arc::clone(&self.calls));
        pages(first as usize, move |n| {
            calls.fetch_add(1, SeqCst);
            let text = pages_of.get(n).copied();
            let more = n + 1 < pages_of.len();
            async move {
                let Some(text) = text else { return Ok(Page { events: vec![], next: None }) };
                Ok(Page { events: vec![lines(text), at(n + 1)], next: more.then_some(n + 1) })
            }
        })
        .max_records(request.max_records)
        .into_stream()
    }
}

/// The offset's version is the number of pages read.
fn at(pages: usize) -> ReadEvent {
    ReadEvent::Checkpoint(offset(pages))
}

fn offset(pages: usize) -> Offset {
    Offset::encode(pages as u32, &json!({})).unwrap()
}

fn lines(text: &'static str) -> ReadEvent {
    let rows = text.lines().count();
    ReadEvent::Records(Records::Json(JsonLines { bytes: text.into(), rows }))
}

const PAGES: [&str; 3] = [
    "{\"tag\":\"a\",\"value\":1.5,\"seq\":1}\n{\"seq\":\"2\",\"tag\":\"b\"}\n",
    "{\"tag\":\"c\",\"value\":null,\"seq\":3}\n",
    "{\"tag\":\"d\",\"value\":-4,\"seq\":4}\n",
];

fn plant(pages: impl IntoIterator<Item = &'static str>) -> (Arc<dyn LakeflowConnect>, Arc<AtomicUsize>) {
    let plant = Plant { pages: pages.into_iter().collect(), calls: Arc::default() };
    let calls = Arc::clone(&plant.calls);
    (Arc::new(plant), calls)
}

fn json_of(batch: &RecordBatch) -> String {
    String::from_utf8(arrow_to_json(batch).unwrap().bytes.to_vec()).unwrap()
}

fn show(event: &ReadEvent) -> String {
    match event {
        ReadEvent::Records(Records::Arrow(batch)) => json_of(batch),
        ReadEvent::Records(Records::Json(lines)) => String::from_utf8(lines.bytes.to_vec()).unwrap(),
        ReadEvent::Quarantined(rows) => {
            rows.iter().map(|r| format!("bad {} {}\n", r.column, String::from_utf8_lossy(&r.record))).collect()
        }
        ReadEvent::Checkpoint(offset) => format!("at {}", offset.version().unwrap()),
        _ => "?".to_owned(),
    }
}

#[tokio::test]
async fn json_rows_come_out_as_batches_in_the_tables_schema() {
    let (connector, _) = plant(PAGES);
    let batches: Vec<_> = arrow_batches(&connector, ReadRequest::new("reading".into())).try_collect().await.unwrap();
    let schema = connector.get_table_schema(&"reading".into()).await.unwrap().to_arrow();
    assert!(batches.iter().all(|b| b.schema().as_ref() == &schema));
    let rows: String = batches.iter().map(json_of).collect();
    let expected = "{\"tag\":\"a\",\"value\":1.5,\"seq\":1}\n{\"tag\":\"b\",\"seq\":2}\n{\"tag\":\"c\",\"seq\":3}\n{\"tag\":\"d\",\"value\":-4.0,\"seq\":4}\n";
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn nothing_is_asked_before_the_first_poll() {
    let (connector, calls) = plant(PAGES);
    let batches = arrow_batches(&connector, ReadRequest::new("reading".into()));
    let events = arrow_events(&connector, ReadRequest::new("reading".into()));
    assert_eq!(calls.load(SeqCst), 0);
    drop((batches, events));
}

#[tokio::test]
async fn columns_come_alone_and_in_the_order_asked_for() {
    let (connector, _) = plant(PAGES);
    let request = ReadRequest::new("reading".into()).columns(vec!["seq".to_owned(), "tag".to_owned()]);
    let events: Vec<_> = arrow_events(&connector, request).try_collect().await.unwrap();
    let shown: Vec<_> = events.iter().map(show).collect();
    let first = "{\"seq\":1,\"tag\":\"a\"}\n{\"seq\":2,\"tag\":\"b\"}\n";
    assert_eq!(shown[..3], [first, "at 1", "{\"seq\":3,\"tag\":\"c\"}\n"]);
}

#[tokio::test]
async fn batches_lose_the_columns_nobody_asked_for_but_not_unknown_ones() {
    let (connector, _) = plant(PAGES);
    let request = ReadRequest::new("reading".into()).columns(vec!["seq".to_owned()]);
    let table = ArrowTable::describe(connector.as_ref(), &request).await.unwrap();
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let sent = RecordBatch::try_from_iter([("value", one()), ("seq", one())]).unwrap();
    let got = read_step(table.events(stream::iter([Ok(ReadEvent::Records(Records::Arrow(sent)))]).boxed()), None).await;
    assert_eq!(show(&ReadEvent::Records(got.unwrap().records.remove(0))), "{\"seq\":1}\n");
    let sent = RecordBatch::try_from_iter([("seq", one()), ("site", one())]).unwrap();
    let got = read_step(table.events(stream::iter([Ok(ReadEvent::Records(Records::Arrow(sent)))]).boxed()), None).await;
    assert_eq!(got.unwrap_err().get("column"), Some("site"));
}

#[tokio::test]
async fn columns_that_do_not_exist_or_come_twice_are_refused() {
    let (connector, _) = plant(PAGES);
    let ask = |columns: &[&str]| {
        let columns: Vec<_> = columns.iter().map(|c| (*c).to_owned()).collect();
        arrow_batches(&connector, ReadRequest::new("reading".into()).columns(columns)).try_collect::<Vec<_>>()
    };
    let error = ask(&["Value"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("'value'"), "{error}");
    assert_eq!(ask(&["tag", "tag"]).await.unwrap_err().kind(), ErrorKind::Config);
    let request = ReadRequest::new("raeding".into());
    assert_eq!(arrow_batches(&connector, request).try_next().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_row_that_does_not_fit_ends_the_read_before_its_checkpoint() {
    let (connector, _) = plant([PAGES[0], "{\"tag\":\"x\",\"seq\":\"many\"}\n", PAGES[2]]);
    let events: Vec<_> = arrow_events(&connector, ReadRequest::new("reading".into())).collect().await;
    assert_eq!(events.len(), 3);
    assert_eq!(show(events[1].as_ref().unwrap()), "at 1");
    let error = events[2].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("seq")));
    assert!(!format!("{error} {error:?}").contains("many"), "{error}");
}

#[tokio::test]
async fn rows_that_do_not_fit_go_to_quarantine_and_the_read_goes_on() {
    let page = "{\"tag\":\"x\",\"seq\":\"many\"}\n{\"tag\":\"y\",\"seq\":9}\n";
    let (connector, _) = plant([page, "{\"seq\":1}\n"]);
    let request = ReadRequest::new("reading".into()).bad_rows(BadRows::Quarantine);
    let events: Vec<_> = arrow_events(&connector, request.clone()).try_collect().await.unwrap();
    let shown: Vec<_> = events.iter().map(show).collect();
    let expected = [
        "{\"tag\":\"y\",\"seq\":9}\n",
        "bad seq {\"tag\":\"x\",\"seq\":\"many\"}\n",
        "at 1",
        "bad tag {\"seq\":1}\n",
        "at 2",
    ];
    assert_eq!(shown, expected);

    // A stream of batches has no place for them, so it must not go on as if they were there.
    let got: Vec<_> = arrow_batches(&connector, request).collect().await;
    assert_eq!(got.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn json_stays_as_sent_and_batches_are_written_out() {
    let batch =
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef)]).unwrap();
    let sent = [lines(PAGES[0]), ReadEvent::Records(Records::Arrow(batch)), at(1)];
    let got: Vec<_> = json_events(stream::iter(sent.map(Ok)).boxed()).try_collect().await.unwrap();
    let shown: Vec<_> = got.iter().map(show).collect();
    assert_eq!(shown, [PAGES[0], "{\"n\":1}\n{}\n", "at 1"]);
    let ReadEvent::Records(Records::Json(kept)) = &got[0] else { panic!("not JSON") };
    assert_eq!(kept.bytes.as_ptr(), PAGES[0].as_ptr(), "JSON was copied");
    let failing =
        stream::iter([Ok(lines(PAGES[1])), Err(Error::new(ErrorKind::Unavailable, "gone")), Ok(at(1))]).boxed();
    let got: Vec<_> = json_events(failing).collect().await;
    assert!(got.len() == 2 && got[1].is_err(), "{got:?}");
}

#[tokio::test]
async fn steps_read_each_row_once_until_the_offset_stays() {
    let (connector, _) = plant(PAGES);
    let (mut offset, mut rows, mut steps) = (None, String::new(), 0);
    loop {
        let request = ReadRequest::new("reading".into()).start(offset.clone());
        let step = read_step(connector.read_table(request), offset.as_ref()).await.unwrap();
        rows.extend(step.records.into_iter().map(|r| show(&ReadEvent::Records(r))));
        steps += 1;
        if step.next_offset == offset {
            break;
        }
        offset = step.next_offset;
    }
    assert_eq!((rows.as_str(), steps), (PAGES.concat().as_str(), 4));
}

#[tokio::test]
async fn a_step_ends_at_the_first_checkpoint_past_its_start() {
    let step = |events: Vec<Result<ReadEvent>>, start: Option<usize>| async move {
        let start = start.map(offset);
        let step = read_step(stream::iter(events).boxed(), start.as_ref()).await?;
        Ok::<_, Error>((step.rows(), step.quarantined.len(), step.next_offset.and_then(|o| o.version())))
    };
    // The start sent again is no progress: the rows behind it still belong to this step.
    let repeated = vec![Ok(at(1)), Ok(lines(PAGES[0])), Ok(at(2)), Ok(lines(PAGES[1])), Ok(at(3))];
    assert_eq!(step(repeated, Some(1)).await.unwrap(), (2, 0, Some(2)));
    // Nothing changed.
    assert_eq!(step(vec![], Some(1)).await.unwrap(), (0, 0, Some(1)));
    assert_eq!(step(vec![], None).await.unwrap(), (0, 0, None));
    // A snapshot without checkpoints.
    assert_eq!(step(vec![Ok(lines(PAGES[0])), Ok(lines(PAGES[1]))], None).await.unwrap(), (3, 0, None));
    // An error takes the rows with it.
    let failing = vec![Ok(lines(PAGES[0])), Err(Error::new(ErrorKind::Unavailable, "gone")), Ok(at(2))];
    assert_eq!(step(failing, None).await.unwrap_err().message(), "gone");
}
