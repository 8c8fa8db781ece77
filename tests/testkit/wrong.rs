//! The wrong connectors, and the check that catches each.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::stream;
use lakeflow_connect::{
    Activity, DataType, Error, ErrorKind, LakeflowConnect, Offset, Options, ReadRequest, ReadStream, Result,
    StructField, StructType, TableMetadata, TableRef,
    testkit::{Check, MemorySource, Report},
};

use super::{
    fixture::{PATIENT, SECRET, source, suite},
    mistake::Mistake,
    streams,
};

/// A correct connector with one mistake.
pub(crate) struct Wrong {
    inner: Arc<dyn LakeflowConnect>,
    mistake: Mistake,
    schemas: AtomicUsize,
    /// Offsets that only this process knows.
    remembered: Arc<Mutex<BTreeMap<String, Offset>>>,
}

static PROCESS: AtomicUsize = AtomicUsize::new(0);

impl Wrong {
    pub(crate) fn connect(source: &MemorySource, mistake: Mistake) -> Arc<dyn LakeflowConnect> {
        PROCESS.fetch_add(1, Ordering::SeqCst);
        Arc::new(Self { inner: source.connect(), mistake, schemas: AtomicUsize::new(0), remembered: Arc::default() })
    }

    /// The request as this connector understands it.
    fn understood(&self, mut request: ReadRequest) -> Result<ReadRequest> {
        let strange = |offset: &Offset| offset.version() != Some(1) || !offset.to_json().contains("\"commit\":");
        match self.mistake {
            Mistake::IgnoresUntil => request.until = None,
            Mistake::IgnoresMaxRecords => request.max_records = None,
            Mistake::UnknownOptionsAreTaken => request.table = known_options(&request.table),
            Mistake::StartsAnewOnStrangeOffsets if request.start.as_ref().is_some_and(strange) => request.start = None,
            Mistake::WritesNoVersion
            | Mistake::PutsARowIntoAnOffset
            | Mistake::WritesHugeOffsets
            | Mistake::DoesNotEnd => {
                request.start = request.start.map(|offset| streams::mended(&offset));
            }
            Mistake::ForgetsOffsetsWithTheProcess => {
                if let Some(token) = request.start.filter(|o| o.to_json().contains("token")) {
                    let remembered = self.remembered.lock().unwrap().get(&token.to_json()).cloned();
                    request.start =
                        Some(remembered.ok_or_else(|| Error::new(ErrorKind::OffsetExpired, "who are you?"))?);
                } else {
                    request.start = None;
                }
            }
            _ => {}
        }
        Ok(request)
    }
}

fn known_options(table: &TableRef) -> TableRef {
    let known = |(name, _): &(&str, &str)| matches!(*name, "page_rows" | "partitions");
    let options: Options = table.options.iter().filter(known).collect();
    TableRef { name: table.name.clone(), options }
}

#[async_trait]
impl LakeflowConnect for Wrong {
    async fn list_tables(&self) -> Result<Vec<String>> {
        self.inner.list_tables().await
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        let table = self.understood(ReadRequest::new(table.clone()))?.table;
        let mut schema = self.inner.get_table_schema(&table).await?;
        match self.mistake {
            Mistake::ChangesItsSchema => {
                let n = self.schemas.fetch_add(1, Ordering::SeqCst);
                schema.fields.push(StructField::new(format!("extra_{n}"), DataType::String));
            }
            Mistake::FlattensStructs => schema.fields[1] = StructField::new("name.family", DataType::String),
            Mistake::DeclaresSmallIntegers => schema.fields[2].data_type = DataType::Int,
            _ => {}
        }
        Ok(schema)
    }

    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata> {
        let table = self.understood(ReadRequest::new(table.clone()))?.table;
        let read = self.inner.read_table_metadata(&table).await;
        let mut metadata = match (self.mistake, read) {
            (Mistake::UnknownTableHasNoHint, Err(_)) => return Err(Error::new(ErrorKind::NotFound, "not found")),
            (_, read) => read?,
        };
        match self.mistake {
            Mistake::NamesACursorThatIsNoColumn => metadata.cursor_field = Some("updated".to_owned()),
            Mistake::IsCdcWithoutKey => metadata.primary_keys.clear(),
            _ => {}
        }
        Ok(metadata)
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        match self.understood(request) {
            Ok(request) => {
                let stream = self.inner.read_table(request.clone());
                streams::read(self.mistake, &self.inner, &self.remembered, request, stream)
            }
            Err(error) => Box::pin(stream::once(async move { Err(error) })),
        }
    }

    fn read_table_deletes(&self, request: ReadRequest) -> ReadStream {
        match self.mistake {
            Mistake::HasNoDeletes => {
                let error = Error::new(ErrorKind::Unsupported, "no deletions");
                Box::pin(stream::once(async move { Err(error) }))
            }
            Mistake::HasDeletesForAll => Box::pin(stream::empty()),
            Mistake::BeginsDeletionsAnew if request.start.is_none() => Box::pin(stream::empty()),
            _ => match self.understood(request) {
                Ok(request) => self.inner.read_table_deletes(request),
                Err(error) => Box::pin(stream::once(async move { Err(error) })),
            },
        }
    }

    async fn latest_offset(&self, table: &TableRef, start: Option<&Offset>) -> Result<Option<Offset>> {
        let request = self.understood(ReadRequest::new(table.clone()).start(start.cloned()))?;
        self.inner.latest_offset(&request.table, request.start.as_ref()).await
    }

    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        let mut parts = self.inner.plan(self.understood(request)?).await?;
        match self.mistake {
            Mistake::PlansOverlap => {
                if let [first, second, ..] = parts.as_mut_slice() {
                    second.start = first.start.clone();
                }
            }
            Mistake::PlansLeaveAGap => parts.truncate(2),
            _ => {}
        }
        Ok(parts)
    }

    fn activity(&self) -> Activity {
        self.inner.activity()
    }
}

/// What the suite says of this mistake on this table.
async fn report(mistake: Mistake, table: &str, check: Check) -> Report {
    let source = source();
    let made = source.clone();
    suite(&source, move || Wrong::connect(&made, mistake)).table(table).check(check).await
}

macro_rules! caught {
    ($($name:ident: $mistake:ident on $table:literal by $check:ident: $words:literal;)*) => {
        const CAUGHT: &[Check] = &[$(Check::$check),*];
        $(
        #[tokio::test]
        async fn $name() {
            let report = report(Mistake::$mistake, $table, Check::$check).await;
            assert!(report.failed(Check::$check), "not caught:\n{report}");
            assert!(report.to_string().contains($words), "caught for another reason:\n{report}");
            for marker in [SECRET, PATIENT] {
                assert!(!report.to_string().contains(marker), "the report repeats what must not be printed");
            }
        }
        )*
    };
}

caught! {
    a_checkpoint_before_its_rows: SendsTheCheckpointFirst on "visits" by Units: "rows are missing";
    a_checkpoint_before_its_rows_leaves_rows_uncovered:
        SendsTheCheckpointFirst on "log" by OffsetsFollowRows: "no offset covers them";
    a_checkpoint_after_an_error: SendsACheckpointAfterAnError on "visits" by FaultsLoseNothing: "sent a checkpoint";
    a_tie_cut_in_two_loses_rows: CutsTies on "log" by Units: "rows are missing";
    a_unit_that_ends_inside_a_tie: CutsTies on "log" by TiesAreWhole: "ended inside a tie";
    a_part_of_a_tie_sent_twice: RepeatsPartOfATie on "log" by TiesAreWhole: "too many times there";
    a_row_lost_at_the_page_border: LosesARowAtThePageBorder on "visits" by TiesAreWhole: "rows are missing";
    an_offset_that_only_one_process_understands: ForgetsOffsetsWithTheProcess on "visits" by Units: "who are you?";
    no_last_checkpoint: NeverSendsTheLastCheckpoint on "visits" by OffsetsFollowRows: "no offset covers them";
    an_end_that_is_not_caught_up: EndsAfterOneUnit on "visits" by OffsetsFollowRows: "should not be";
    a_strange_offset_starts_anew: StartsAnewOnStrangeOffsets on "visits" by OffsetsAreOpaque: "is read with";
    a_strange_offset_is_the_end: EndsOnStrangeOffsets on "visits" by OffsetsAreOpaque: "the end without an error";
    an_offset_without_version: WritesNoVersion on "visits" by OffsetsAreOpaque: "has no version";
    an_offset_that_is_too_large: WritesHugeOffsets on "visits" by OffsetsAreOpaque: "bytes where";
    until_is_ignored: IgnoresUntil on "log" by BoundedReadsRepeat: "gives other rows";
    until_is_ignored_for_changed_rows: IgnoresUntil on "visits" by BoundedReadsRepeat: "gives other rows";
    max_records_is_ignored: IgnoresMaxRecords on "log" by TiesAreWhole: "goes on after a checkpoint";
    a_walk_without_end: DoesNotEnd on "visits" by OffsetsFollowRows: "does not end";
    a_request_before_the_poll: ReadsBeforeThePoll on "visits" by MemoryIsBounded: "before the stream is polled";
    the_whole_table_in_memory: ReadsAllFirst on "visits" by MemoryIsBounded: "for the first event";
    requests_after_the_drop: GoesOnAfterTheDrop on "visits" by MemoryIsBounded: "go on after the stream was dropped";
    an_unknown_table_is_empty: UnknownTableIsEmpty on "visits" by UnknownNamesAreErrors: "read_table works with";
    an_unknown_table_without_a_hint: UnknownTableHasNoHint on "visits" by UnknownNamesAreErrors: "without naming";
    unknown_options_are_taken: UnknownOptionsAreTaken on "visits" by UnknownNamesAreErrors: "works with";
    empty_structs: SendsEmptyStructs on "visits" by StructureIsKept: "absent is null";
    flattened_structs: FlattensStructs on "visits" by StructureIsKept: "keep the struct";
    undeclared_columns: SendsUndeclaredColumns on "visits" by StructureIsKept: "the schema does not have";
    small_integers: DeclaresSmallIntegers on "visits" by StructureIsKept: "is not a long";
    another_arrow_type: SendsAnotherArrowType on "visits" by StructureIsKept: "where the schema says";
    null_keys: SendsNullKeys on "visits" by StructureIsKept: "primary key";
    a_cursor_that_is_no_column: NamesACursorThatIsNoColumn on "visits" by MetadataIsCoherent: "is not a column";
    cdc_without_a_key: IsCdcWithoutKey on "visits" by MetadataIsCoherent: "without a primary key";
    a_schema_that_changes: ChangesItsSchema on "visits" by MetadataIsCoherent: "the schema is another";
    deletes_that_are_promised_and_unsupported: HasNoDeletes on "people" by MetadataIsCoherent: "is Unsupported";
    deletes_where_none_are_promised: HasDeletesForAll on "visits" by MetadataIsCoherent: "does not answer Unsupported";
    deletions_that_begin_with_each_read: BeginsDeletionsAnew on "people" by DeletionsBeginFirst: "are still there";
    planned_requests_that_overlap: PlansOverlap on "visits" by PlansCover: "a row is in the planned requests";
    planned_requests_that_overlap_in_an_append_table: PlansOverlap on "log" by PlansCover: "planned requests";
    planned_requests_with_a_gap: PlansLeaveAGap on "visits" by PlansCover: "rows are missing";
    an_error_taken_for_the_end: TakesAnErrorForTheEnd on "visits" by FaultsLoseNothing: "silently";
    an_error_covered_with_a_checkpoint: CoversAnErrorWithACheckpoint on "log" by FaultsLoseNothing: "silently";
    a_bad_value_turned_into_null: TurnsBadValuesIntoNull on "visits" by NoSilentNull: "is read without an error";
    a_bad_row_left_out: DropsBadRows on "visits" by NoSilentNull: "is read without an error";
    a_bad_value_in_an_error: PrintsBadValues on "visits" by NoSilentNull: "private value 1 is in the Display";
    a_bad_value_in_a_quarantine_reason: QuarantinesWithTheValue on "visits" by NoSilentNull: "is printed";
    a_secret_in_the_log: LogsASecret on "visits" by SecretsStaySecret: "secret 1 is in a log line";
    a_row_in_an_error: PutsARowIntoAnError on "visits" by SecretsStaySecret: "private value 1 is in the Display";
    a_row_in_an_offset: PutsARowIntoAnOffset on "visits" by SecretsStaySecret: "private value 1 is in an offset";
    a_secret_in_a_cause: HidesASecretInACause on "visits" by SecretsStaySecret: "secret 1 is in a cause";
}

#[test]
fn every_check_catches_a_wrong_connector() {
    Check::ALL.iter().for_each(|check| assert!(CAUGHT.contains(check), "'{check}' catches nothing that is wrong"));
}
