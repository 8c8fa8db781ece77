//! Streams with a mistake.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt, channel::mpsc, stream};
use lakeflow_connect::{
    BadRows, Error, ErrorKind, JsonLines, LakeflowConnect, Offset, QuarantinedRow, ReadEvent, ReadRequest, ReadStream,
    Records, Result,
    arrow::{
        array::{Array, ArrayRef, RecordBatch},
        compute::cast,
        datatypes::{DataType as ArrowType, Field, Schema},
    },
    stream::arrow_events,
};
use serde_json::{Value, json};

use super::{
    fixture::{PATIENT, SECRET},
    mistake::Mistake,
};

type Remembered = Arc<Mutex<BTreeMap<String, Offset>>>;

/// The stream of `inner` with the mistake in it.
pub(crate) fn read(
    mistake: Mistake,
    inner: &Arc<dyn LakeflowConnect>,
    remembered: &Remembered,
    request: ReadRequest,
    stream: ReadStream,
) -> ReadStream {
    match mistake {
        Mistake::ReadsBeforeThePoll => before_the_poll(stream),
        Mistake::ReadsAllFirst => Box::pin(stream.collect::<Vec<_>>().map(stream::iter).flatten_stream()),
        Mistake::GoesOnAfterTheDrop => in_a_task(stream),
        Mistake::UnknownTableIsEmpty => without_errors_of(ErrorKind::NotFound, stream),
        Mistake::EndsOnStrangeOffsets => without_errors_of(ErrorKind::OffsetExpired, stream),
        Mistake::NoneButArrow => arrow_events(inner, request),
        Mistake::SendsAnotherArrowType => Box::pin(arrow_events(inner, request).map_ok(|event| match event {
            ReadEvent::Records(Records::Arrow(batch)) => ReadEvent::Records(Records::Arrow(with_text_keys(&batch))),
            other => other,
        })),
        _ => by_event(mistake, Arc::clone(remembered), request.bad_rows == BadRows::Quarantine, stream),
    }
}

fn before_the_poll(mut stream: ReadStream) -> ReadStream {
    let first = stream.next().now_or_never().flatten();
    Box::pin(stream::iter(first).chain(stream))
}

/// A task that is told of the drop by a failing send, and does not listen.
fn in_a_task(stream: ReadStream) -> ReadStream {
    let (mut sender, receiver) = mpsc::channel(0);
    let start = async move {
        tokio::spawn(async move {
            let mut stream = stream;
            while let Some(event) = stream.next().await {
                let _ = sender.send(event).await;
            }
        });
        receiver
    };
    Box::pin(start.flatten_stream())
}

fn without_errors_of(kind: ErrorKind, stream: ReadStream) -> ReadStream {
    Box::pin(stream.take_while(move |event| {
        let silenced = event.as_ref().is_err_and(|e| e.kind() == kind);
        async move { !silenced }
    }))
}

fn with_text_keys(batch: &RecordBatch) -> RecordBatch {
    let text = cast(batch.column(0), &ArrowType::Utf8).unwrap();
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields[0] = Arc::new(Field::new("id", text.data_type().clone(), false));
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[0] = text;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// What is done to one event, with what came before it.
struct Meddler {
    mistake: Mistake,
    remembered: Remembered,
    stream: ReadStream,
    ready: VecDeque<Result<ReadEvent>>,
    held: Vec<Value>,
    last: Option<Offset>,
    pages: usize,
    over: bool,
    quarantines: bool,
}

fn by_event(mistake: Mistake, remembered: Remembered, quarantines: bool, stream: ReadStream) -> ReadStream {
    let meddler = Meddler {
        mistake,
        remembered,
        stream,
        ready: VecDeque::new(),
        held: Vec::new(),
        last: None,
        pages: 0,
        over: false,
        quarantines,
    };
    Box::pin(stream::unfold(meddler, |mut meddler| async move {
        while meddler.ready.is_empty() && !meddler.over {
            match meddler.stream.next().await {
                Some(event) => meddler.meddle(event),
                None => meddler.finish(),
            }
        }
        meddler.ready.pop_front().map(|event| (event, meddler))
    }))
}

impl Meddler {
    fn send(&mut self, event: ReadEvent) {
        self.ready.push_back(Ok(event));
    }

    fn send_rows(&mut self, rows: &[Value]) {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        self.send(ReadEvent::Records(Records::Json(JsonLines { bytes: Bytes::from(text), rows: rows.len() })));
    }

    fn finish(&mut self) {
        self.over = true;
        if self.mistake == Mistake::DoesNotEnd {
            let end = self.last.clone().unwrap_or_else(|| Offset::from_json(r#"{"v":1,"commit":1000}"#).unwrap());
            self.send(ReadEvent::Checkpoint(with(&end, &fastrand::u64(..).to_string())));
        }
    }

    fn meddle(&mut self, event: Result<ReadEvent>) {
        match event {
            Ok(ReadEvent::Records(Records::Json(lines))) => {
                let rows = lines.bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
                self.rows(rows.map(|line| serde_json::from_slice(line).unwrap()).collect());
            }
            Ok(ReadEvent::Checkpoint(offset)) => self.checkpoint(offset),
            Ok(other) => self.send(other),
            Err(error) => self.error(error),
        }
    }

    fn rows(&mut self, mut rows: Vec<Value>) {
        self.pages += 1;
        match self.mistake {
            Mistake::SendsTheCheckpointFirst | Mistake::CutsTies | Mistake::RepeatsPartOfATie => {
                self.held = rows;
                return;
            }
            Mistake::LosesARowAtThePageBorder if self.pages > 1 && !rows.is_empty() => {
                rows.remove(0);
            }
            Mistake::TurnsBadValuesIntoNull => {
                rows.iter_mut().filter(|r| is_bad(r)).for_each(|r| r["beats"] = Value::Null)
            }
            Mistake::DropsBadRows => rows.retain(|r| !is_bad(r)),
            Mistake::PrintsBadValues | Mistake::QuarantinesWithTheValue => {
                let bad: Vec<Value> = rows.extract_if(.., |r| is_bad(r)).collect();
                bad.into_iter().for_each(|row| self.bad(&row));
            }
            Mistake::LogsASecret => tracing::debug!(authorization = %format!("Bearer {SECRET}"), "sending"),
            Mistake::SendsEmptyStructs => {
                rows.iter_mut().filter(|r| r["name"].is_null()).for_each(|r| r["name"] = json!({}))
            }
            Mistake::SendsUndeclaredColumns => rows.iter_mut().for_each(|r| r["colour"] = json!("red")),
            Mistake::SendsNullKeys => rows.iter_mut().take(1).for_each(|r| r["id"] = Value::Null),
            _ => {}
        }
        self.send_rows(&rows);
    }

    /// A connector that casts by itself.
    fn bad(&mut self, row: &Value) {
        let with_value = format!("column 'beats' of table 'visits' cannot hold {}", row["beats"]);
        let without = "column 'beats' of table 'visits' cannot hold text".to_owned();
        if self.quarantines {
            let reason = if self.mistake == Mistake::QuarantinesWithTheValue { with_value } else { without };
            let record = Bytes::from(row.to_string());
            let row = QuarantinedRow { key: None, column: "beats".to_owned(), reason, record };
            return self.send(ReadEvent::Quarantined(vec![row]));
        }
        let reason = if self.mistake == Mistake::PrintsBadValues { with_value } else { without };
        self.ready.push_back(Err(Error::new(ErrorKind::Data, reason)));
        self.over = true;
    }

    fn checkpoint(&mut self, offset: Offset) {
        let rows = std::mem::take(&mut self.held);
        let before = self.last.replace(offset.clone());
        match self.mistake {
            Mistake::SendsTheCheckpointFirst => {
                self.send(ReadEvent::Checkpoint(offset));
                self.send_rows(&rows);
            }
            Mistake::CutsTies => {
                let (first, second) = rows.split_at(rows.len() / 2);
                self.send_rows(first);
                self.send(ReadEvent::Checkpoint(offset.clone()));
                self.send_rows(second);
                self.send(ReadEvent::Checkpoint(offset));
            }
            Mistake::RepeatsPartOfATie => {
                self.send_rows(&rows[..rows.len() / 2]);
                before.into_iter().for_each(|offset| self.send(ReadEvent::Checkpoint(offset)));
                self.send_rows(&rows);
                self.send(ReadEvent::Checkpoint(offset));
            }
            Mistake::NeverSendsTheLastCheckpoint => {
                before.into_iter().for_each(|offset| self.ready.push_front(Ok(ReadEvent::Checkpoint(offset))));
            }
            Mistake::EndsAfterOneUnit => {
                self.over = true;
                self.send(ReadEvent::Checkpoint(offset));
            }
            Mistake::ForgetsOffsetsWithTheProcess => {
                let token = counted();
                self.remembered.lock().unwrap().insert(token.to_json(), offset);
                self.send(ReadEvent::Checkpoint(token));
            }
            Mistake::WritesNoVersion => {
                self.send(ReadEvent::Checkpoint(changed(&offset, |o| o.retain(|k, _| k != "v"))))
            }
            Mistake::WritesHugeOffsets if before.is_none() => {
                let padding = "x".repeat(Offset::MAX_BYTES);
                self.send(ReadEvent::Checkpoint(with(&offset, &padding)));
            }
            Mistake::PutsARowIntoAnOffset => self.send(ReadEvent::Checkpoint(with(&offset, PATIENT))),
            _ => self.send(ReadEvent::Checkpoint(offset)),
        }
    }

    fn error(&mut self, error: Error) {
        let kind = error.kind();
        let broken = kind == ErrorKind::Unavailable;
        match self.mistake {
            Mistake::TakesAnErrorForTheEnd if broken => self.over = true,
            Mistake::CoversAnErrorWithACheckpoint if broken => {
                self.over = true;
                let end = json!({"v": 1, "commit": 1000}).to_string();
                self.send(ReadEvent::Checkpoint(Offset::from_json(&end).unwrap()));
            }
            Mistake::SendsACheckpointAfterAnError => {
                self.ready.push_back(Err(error));
                self.last.clone().into_iter().for_each(|offset| self.send(ReadEvent::Checkpoint(offset)));
            }
            Mistake::PutsARowIntoAnError => {
                self.ready.push_back(Err(Error::new(kind, format!("cannot read on after {PATIENT}"))));
            }
            Mistake::HidesASecretInACause => {
                let cause = Error::new(kind, format!("GET /?key={SECRET}"));
                self.ready.push_back(Err(Error::new(kind, "no answer").caused_by(cause)));
            }
            _ => self.ready.push_back(Err(error)),
        }
    }
}

/// Whether the row has text where a number belongs.
fn is_bad(row: &Value) -> bool {
    row["beats"].is_string()
}

/// An offset that means nothing to anybody else.
fn counted() -> Offset {
    Offset::encode(1, &json!({"token": fastrand::u64(..)})).unwrap()
}

fn changed(offset: &Offset, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Offset {
    let mut members = serde_json::from_str(&offset.to_json()).unwrap();
    change(&mut members);
    Offset::from_json(&Value::Object(members).to_string()).unwrap()
}

fn with(offset: &Offset, text: &str) -> Offset {
    changed(offset, |members| {
        members.insert("note".to_owned(), json!(text));
    })
}

/// The offset as the correct source wrote it.
pub(crate) fn mended(offset: &Offset) -> Offset {
    changed(offset, |members| {
        members.remove("note");
        members.insert("v".to_owned(), json!(1));
    })
}
