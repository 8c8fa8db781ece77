//! Who reads a table.

/// Who reads a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Reader {
    /// Lists of objects, read in full each time.
    List(List),
    /// Recorded values, read on from per-tag watermarks.
    TimeSeries(TimeSeries),
    /// Functions of a window or an instant.
    Windows(Windows),
    /// Event frames and what hangs on them.
    EventFrames(EventFrames),
    /// What this connection itself has noted.
    Ledger(Ledger),
}

/// The tables that are lists of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum List {
    DataServers,
    Points,
    PointAttributes,
    PointTypeCatalog,
    AssetServers,
    AssetDatabases,
    AfHierarchy,
    ElementAttributes,
    ElementTemplates,
    ElementTemplateAttributes,
    AttributeTemplates,
    Categories,
    Analyses,
    AnalysisTemplates,
    AfTables,
    AfTableRows,
    UnitsOfMeasure,
    EventFrameTemplates,
    EventFrameTemplateAttributes,
    Links,
    EnumerationSets,
    EnumerationValues,
    AttributeTraits,
    System,
}

/// The tables of recorded values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum TimeSeries {
    Recorded,
    StreamsetRecorded,
    AttributeValues,
    Changes,
    Annotations,
}

/// The tables of computed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Windows {
    Interpolated,
    StreamsetInterpolated,
    Plot,
    StreamsetPlot,
    Summary,
    StreamsetSummary,
    CurrentValue,
    ValueAtTime,
    RecordedAtTime,
    End,
    StreamsetEnd,
    Calculated,
}

/// The tables of event frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum EventFrames {
    Frames,
    Attributes,
    ReferencedElements,
    Acknowledgements,
    Annotations,
    Values,
}

/// The tables of what this connection has noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Ledger {
    Watermarks,
    Errors,
}
