//! Answers in Arrow IPC, as a file or as a stream, told apart by their content.
//!
//! Batches are slices of the answer's own bytes: nothing is copied unless the server compressed it.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow::{buffer::Buffer, datatypes::SchemaRef, error::ArrowError, record_batch::RecordBatch};
use arrow_ipc::reader::StreamDecoder;
use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};

/// Begins and ends a file.
const MAGIC: &[u8] = b"ARROW1";
/// Footer length and magic at the end of a file.
const TRAILER: usize = 4 + MAGIC.len();
/// Begins every message since format version 0.15.
const CONTINUATION: &[u8] = &[0xff; 4];

/// A decoded answer. Servers send one batch, or one of no rows; the format allows any number.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
}

impl Answer {
    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Bytes of the rows. The columns are slices of one body, so that each column's own count of its memory is that of all.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.batches.iter().flat_map(RecordBatch::columns);
        columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
    }

    /// Decodes an answer, whatever media type it was sent with.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for bytes that are neither file nor stream, that are cut off, or that the format
    /// does not allow. Never with the content.
    pub(super) fn of(body: Bytes) -> Result<Self> {
        if let Some(why) = cut_off(&body) {
            return Err(Error::new(ErrorKind::Protocol, why).with("bytes", body.len()));
        }
        let messages = match form(&body) {
            Form::File => file_messages(&body)?,
            Form::Stream => body.clone(),
            Form::Json => return Err(not_arrow(&body, "the server answered with JSON, not with Arrow")),
            Form::Other => return Err(not_arrow(&body, "the server's answer is not Arrow IPC")),
        };
        // The library asserts some of what the format says; what asserts wrongly is the server's fault, not the end of a run.
        catch_unwind(AssertUnwindSafe(|| decode(messages)))
            .unwrap_or_else(|_| Err(ArrowError::IpcError("the library gave up on it".to_owned())))
            .map_err(|error| broken(&error).with("bytes", body.len()))
    }
}

/// What an answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    File,
    Stream,
    Json,
    Other,
}

fn form(body: &[u8]) -> Form {
    if body.starts_with(MAGIC) {
        return Form::File;
    }
    if body.starts_with(CONTINUATION) || is_old_stream(body) {
        return Form::Stream;
    }
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => Form::Json,
        _ => Form::Other,
    }
}

/// Before 0.15 a stream began with the length of its first message; messages are a few hundred bytes, never printable text.
fn is_old_stream(body: &[u8]) -> bool {
    let Some(length) = body.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize) else { return false };
    length > 0 && (length + 4) % 8 == 0 && length < body.len() && length < 1 << 24
}

/// Why an answer cannot be whole, when it begins as Arrow does.
pub(super) fn cut_off(body: &[u8]) -> Option<&'static str> {
    match form(body) {
        Form::File if body.len() < 8 + TRAILER || !body.ends_with(MAGIC) => Some("the server's Arrow file is cut off"),
        Form::Stream if !body.ends_with(&[0; 4]) => Some("the server's Arrow stream is cut off"),
        _ => None,
    }
}

/// The messages of a file: what lies between its first magic and its footer is a stream.
fn file_messages(body: &Bytes) -> Result<Bytes> {
    let end = body.len().saturating_sub(TRAILER);
    let footer =
        body.get(end..).and_then(|trailer| trailer.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes) as usize);
    // The magic is padded with zeros to the alignment of the writer.
    let start = body.iter().skip(MAGIC.len()).position(|byte| *byte != 0).map(|zeros| MAGIC.len() + zeros);
    match (start, footer.and_then(|footer| end.checked_sub(footer))) {
        (Some(start), Some(end)) if start < end => Ok(body.slice(start..end)),
        _ => Err(Error::new(ErrorKind::Protocol, "the server's Arrow file has no messages before its footer")
            .with("bytes", body.len())),
    }
}

fn decode(messages: Bytes) -> Result<Answer, ArrowError> {
    let mut buffer = Buffer::from(messages);
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while let Some(batch) = decoder.decode(&mut buffer)? {
        batches.push(batch);
    }
    decoder.finish()?;
    let schema = decoder.schema().ok_or_else(|| ArrowError::IpcError("it has no schema".to_owned()))?;
    Ok(Answer { schema, batches })
}

/// The library's messages tell lengths and types; only those of validated text tell content, and are left out.
fn broken(error: &ArrowError) -> Error {
    let error_text = match error {
        ArrowError::IpcError(text) => text.as_str(),
        ArrowError::ParseError(_) => "a message cannot be parsed",
        ArrowError::InvalidArgumentError(_) => "a column does not fit its schema",
        _ => "a message is not valid",
    };
    Error::new(ErrorKind::Protocol, "the server's Arrow answer cannot be read").with("reason", error_text)
}

fn not_arrow(body: &[u8], message: &'static str) -> Error {
    let mut start = String::new();
    for byte in body.iter().take(16) {
        // Writing to a string does not fail.
        _ = write!(start, "{byte:02x}");
    }
    Error::new(ErrorKind::Protocol, message)
        .with("begins_with", start)
        .with("bytes", body.len())
        .help("is the address that of a LanceDB server? a proxy or login page may have answered")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Array, AsArray, DictionaryArray, FixedSizeListArray, Int64Array, StringArray},
        compute::cast,
        datatypes::{DataType, Float32Type, Int8Type, Int32Type, Int64Type},
    };
    use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
    use proptest::prelude::*;

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let vectors = (0..rows).map(|row| (row % 3 != 0).then(|| vec![Some(row as f32), None]));
        let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(vectors, 2);
        let words: DictionaryArray<Int8Type> = (0..rows).map(|row| ["a", "b"][row as usize % 2]).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(Int64Array::from_iter_values(0..rows)) as Arc<dyn Array>, false),
            (
                "text",
                Arc::new(StringArray::from_iter((0..rows).map(|row| (row % 5 != 0).then(|| row.to_string())))),
                true,
            ),
            ("vector", Arc::new(vectors), true),
            ("word", Arc::new(words), true),
        ])
        .unwrap()
    }

    fn file(batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<u8> {
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch(0).schema(), options).unwrap();
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn stream(batches: &[RecordBatch]) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.into_inner().unwrap()
    }

    #[test]
    fn files_and_streams_of_any_number_of_batches_are_read_by_content() {
        for batches in [vec![], vec![batch(0)], vec![batch(7)], vec![batch(3), batch(2), batch(3)]] {
            for alignment in [8, 16, 32, 64] {
                let options = IpcWriteOptions::try_new(alignment, false, arrow_ipc::MetadataVersion::V5).unwrap();
                let answer = Answer::of(file(&batches, options).into()).unwrap();
                assert_eq!((&answer.schema, &answer.batches), (&batch(0).schema(), &batches), "{alignment}");
            }
            let answer = Answer::of(stream(&batches).into()).unwrap();
            assert_eq!((answer.rows(), answer.batches), (batches.iter().map(RecordBatch::num_rows).sum(), batches));
        }
        // A stream may begin a new dictionary at any batch.
        let batches = [batch(3), batch(0), batch(1)];
        assert_eq!(Answer::of(stream(&batches).into()).unwrap().batches, batches);
    }

    #[test]
    fn dictionaries_that_grow_or_begin_anew_are_whole_at_every_batch() {
        let words = |words: &[&str]| words.iter().copied().collect::<DictionaryArray<Int32Type>>();
        // Each begins with the words of the one before, but for the last.
        let batches =
            [words(&["a", "b"]), words(&["a", "b", "c", "a"]), words(&["a", "b", "c", "d"]), words(&["x", "a"])]
                .map(|words| RecordBatch::try_from_iter([("word", Arc::new(words) as Arc<dyn Array>)]).unwrap());
        for handling in [DictionaryHandling::Delta, DictionaryHandling::Resend] {
            let options = IpcWriteOptions::default().with_dictionary_handling(handling);
            let mut writer =
                StreamWriter::try_new_with_options(Vec::new(), batches[0].schema_ref(), options.clone()).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            let stream = writer.into_inner().unwrap();
            // A file may let them grow, not begin anew.
            let mut writer = FileWriter::try_new_with_options(Vec::new(), batches[0].schema_ref(), options).unwrap();
            let grown = if handling == DictionaryHandling::Delta { 3 } else { 1 };
            batches[..grown].iter().for_each(|batch| writer.write(batch).unwrap());
            for (body, wanted) in [(stream, &batches[..]), (writer.into_inner().unwrap(), &batches[..grown])] {
                let found = Answer::of(body.into()).unwrap().batches;
                assert_eq!(found.len(), wanted.len());
                for (found, wanted) in found.iter().zip(wanted) {
                    let texts = |batch: &RecordBatch| cast(batch.column(0), &DataType::Utf8).unwrap();
                    assert_eq!(&texts(found), &texts(wanted), "{handling:?}");
                }
            }
        }
    }

    #[test]
    fn columns_are_slices_of_the_answer() {
        let body = Bytes::from(file(&[batch(1000)], IpcWriteOptions::default()));
        let answer = Answer::of(body.clone()).unwrap();
        let ids = answer.batches[0].column(0).as_primitive::<Int64Type>().values().as_ptr() as usize;
        let start = body.as_ptr() as usize;
        assert!((start..start + body.len()).contains(&ids), "the column was copied");
        let bytes = answer.bytes();
        assert!((body.len() / 2..=body.len()).contains(&bytes), "{bytes} of a body of {}", body.len());
    }

    #[test]
    fn the_old_form_of_a_stream_is_known() {
        let options = IpcWriteOptions::try_new(8, true, arrow_ipc::MetadataVersion::V4).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch(0).schema(), options).unwrap();
        writer.write(&batch(4)).unwrap();
        assert_eq!(Answer::of(writer.into_inner().unwrap().into()).unwrap().batches, [batch(4)]);
    }

    #[test]
    fn an_answer_that_is_cut_off_anywhere_is_an_error() {
        for whole in [file(&[batch(40)], IpcWriteOptions::default()), stream(&[batch(40)])] {
            for length in (0..whole.len()).step_by(7) {
                let error = Answer::of(whole[..length].to_vec().into()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Protocol, "{length}");
            }
        }
    }

    #[test]
    fn what_is_not_arrow_is_told_without_its_content() {
        for (body, part) in [
            (&br#"{"results":["MARKER"]}"#[..], "JSON"),
            (b"<html>MARKER</html>", "not Arrow IPC"),
            (b"", "not Arrow IPC"),
            (b"ARROW1", "cut off"),
        ] {
            let error = Answer::of(Bytes::from_static(body)).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("MARKER"), "{error}");
        }
    }

    #[test]
    fn another_schema_in_the_middle_is_an_error() {
        let other = RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["MARKER"])) as Arc<dyn Array>)]);
        let other = other.unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), other.schema_ref()).unwrap();
        writer.write(&other).unwrap();
        let other = writer.into_inner().unwrap();
        let first = stream(&[batch(3)]);
        // Once as part of one stream, once behind its end.
        for end in [first.len() - 8, first.len()] {
            let body = [&first[..end], &other].concat();
            let error = Answer::of(body.into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{end}: {error}");
            assert!(!format!("{error} {error:?}").contains("MARKER"), "{error:?}");
        }
    }

    #[test]
    fn lists_keep_their_nulls() {
        let answer = Answer::of(file(&[batch(4)], IpcWriteOptions::default()).into()).unwrap();
        let vectors = answer.batches[0].column(2).as_fixed_size_list();
        assert!(vectors.is_null(0) && vectors.is_valid(1));
        assert_eq!(vectors.value(1).as_primitive::<Float32Type>().null_count(), 1);
        assert_eq!(answer.batches[0].column(3).as_dictionary::<Int8Type>().len(), 4);
        assert!(answer.batches[0].column(0).as_primitive_opt::<Int32Type>().is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn damaged_answers_never_end_the_program(at in any::<prop::sample::Index>(), byte in any::<u8>(), is_file in any::<bool>()) {
            let mut body = if is_file { file(&[batch(20)], IpcWriteOptions::default()) } else { stream(&[batch(20)]) };
            let at = at.index(body.len());
            body[at] = byte;
            if let Ok(answer) = Answer::of(body.into()) {
                prop_assert!(answer.rows() <= 1 << 20);
            }
        }
    }
}
