//! What a connector can do wrong.

/// One mistake, made on top of a correct source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// None: the same rows as Arrow batches.
    NoneButArrow,

    // Units and offsets
    SendsTheCheckpointFirst,
    SendsACheckpointAfterAnError,
    CutsTies,
    RepeatsPartOfATie,
    LosesARowAtThePageBorder,
    ForgetsOffsetsWithTheProcess,
    NeverSendsTheLastCheckpoint,
    EndsAfterOneUnit,
    StartsAnewOnStrangeOffsets,
    EndsOnStrangeOffsets,
    WritesNoVersion,
    WritesHugeOffsets,
    IgnoresUntil,
    IgnoresMaxRecords,
    DoesNotEnd,

    // Requests
    ReadsBeforeThePoll,
    ReadsAllFirst,
    GoesOnAfterTheDrop,

    // Names
    UnknownTableIsEmpty,
    UnknownTableHasNoHint,
    UnknownOptionsAreTaken,

    // Structure and metadata
    SendsEmptyStructs,
    FlattensStructs,
    SendsUndeclaredColumns,
    DeclaresSmallIntegers,
    SendsAnotherArrowType,
    SendsNullKeys,
    NamesACursorThatIsNoColumn,
    IsCdcWithoutKey,
    ChangesItsSchema,
    HasNoDeletes,
    HasDeletesForAll,

    // Deletions
    BeginsDeletionsAnew,

    // Plans
    PlansOverlap,
    PlansLeaveAGap,

    // Faults
    TakesAnErrorForTheEnd,
    CoversAnErrorWithACheckpoint,

    // Values that do not fit
    TurnsBadValuesIntoNull,
    DropsBadRows,
    PrintsBadValues,
    QuarantinesWithTheValue,

    // Secrecy
    LogsASecret,
    PutsARowIntoAnError,
    PutsARowIntoAnOffset,
    HidesASecretInACause,
}
