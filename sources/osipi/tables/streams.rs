//! Tables of values: recorded, interpolated, plotted, summed up, at a time.

use super::{
    applies,
    column::{Column, INGESTED, Kind, own, up},
    reader::{Reader, TimeSeries, Windows},
    table::Table,
};
use crate::connector::IngestionType::{Append, CdcWithDeletes};

const TAG: &[Column] = &[up("tag_webid", Kind::Text).never()];
const SUMMARY_TYPE: &[Column] = &[up("summary_type", Kind::Text).never()];
const QUERY_TIME: &[Column] = &[up("query_time", Kind::Timestamp).never_ours()];
const OWN_QUERY_TIME: &[Column] = &[own("query_time", Kind::Timestamp).never()];
const TIME: &[Column] = &[up("timestamp", Kind::Timestamp).never()];
/// Where there may be no event at all.
const MAYBE_TIME: &[Column] = &[up("timestamp", Kind::Timestamp)];
/// Part of a key of ours that the public connector lets be null.
const KEY_TIME: &[Column] = &[up("timestamp", Kind::Timestamp).never_ours()];

const PUBLIC: &[Column] = &[
    up("value", Kind::Double),
    up("good", Kind::Boolean),
    up("questionable", Kind::Boolean),
    up("substituted", Kind::Boolean),
    up("annotated", Kind::Boolean),
    up("units", Kind::Text),
    INGESTED,
];

/// What a value is, in full.
pub(super) const VALUE: &[Column] = &[
    own("value_string", Kind::Text),
    own("value_type", Kind::Text).never(),
    own("value_long", Kind::Long),
    own("digital_code", Kind::Long),
    own("digital_name", Kind::Text),
    own("digital_is_system", Kind::Boolean),
    own("value_timestamp", Kind::Timestamp),
    own("value_json", Kind::Text),
];
const EVENT: &[Column] = &[
    own("timestamp_raw", Kind::Text).never(),
    own("event_seq", Kind::Long).never(),
    own("is_snapshot", Kind::Boolean).never(),
    own("errors", Kind::Text),
    own("event_date", Kind::Date).never(),
];
/// As `EVENT`, where there may be no event at all.
const MAYBE_EVENT: &[Column] = &[
    own("timestamp_raw", Kind::Text),
    own("event_seq", Kind::Long).never(),
    own("is_snapshot", Kind::Boolean).never(),
    own("errors", Kind::Text),
    own("event_date", Kind::Date),
];
const INTERVAL: &[Column] = &[
    own("interval_start", Kind::Timestamp).never(),
    own("interval_end", Kind::Timestamp).never(),
    own("calculation_basis", Kind::Text),
];

const CALCULATED: &[Column] = &[
    up("tag_webid", Kind::Text).never(),
    up("timestamp", Kind::Timestamp).never(),
    up("value", Kind::Double),
    up("units", Kind::Text),
    up("calculation_type", Kind::Text).never_ours(),
    INGESTED,
    own("expression", Kind::Text),
    own("good", Kind::Boolean),
    own("event_date", Kind::Date).never(),
];

/// The columns of recorded events, shared by all tables that hold them.
pub(super) const RECORDED: &[&[Column]] = &[TAG, TIME, PUBLIC, VALUE, EVENT];
const AT_MOST_ONE: &[&[Column]] = &[TAG, MAYBE_TIME, PUBLIC, VALUE, MAYBE_EVENT];

pub(super) const EVENT_KEY: &[&str] = &["tag_webid", "timestamp", "event_seq"];
const TAG_TIME: &[&str] = &["tag_webid", "timestamp"];
/// The event that is the maximum of two intervals may lie on their border, so that its time tells neither.
const TAG_SUMMARY_INTERVAL: &[&str] = &["tag_webid", "summary_type", "interval_start"];
const TAG_SUMMARY_TIME: &[&str] = &["tag_webid", "summary_type", "timestamp"];
const TAG_QUERY: &[&str] = &["tag_webid", "query_time"];
const CALCULATED_KEY: &[&str] = &["tag_webid", "timestamp", "calculation_type"];

pub(super) const STREAMS: &[Table] = &[
    recorded("pi_timeseries", TimeSeries::Recorded),
    recorded("pi_streamset_recorded", TimeSeries::StreamsetRecorded),
    window(
        "pi_interpolated",
        TAG_TIME,
        RECORDED,
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::WINDOW, applies::INTERPOLATED],
        Windows::Interpolated,
    ),
    window(
        "pi_streamset_interpolated",
        TAG_TIME,
        RECORDED,
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::WINDOW, applies::INTERPOLATED],
        Windows::StreamsetInterpolated,
    ),
    window(
        "pi_plot",
        EVENT_KEY,
        RECORDED,
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::WINDOW, applies::PLOT],
        Windows::Plot,
    ),
    window(
        "pi_streamset_plot",
        EVENT_KEY,
        RECORDED,
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::WINDOW, applies::PLOT],
        Windows::StreamsetPlot,
    ),
    Table::snapshot(
        "pi_summary",
        TAG_SUMMARY_INTERVAL,
        &[TAG, SUMMARY_TYPE, KEY_TIME, PUBLIC, VALUE, EVENT, INTERVAL],
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::WINDOW, applies::SUMMARY],
        Reader::Windows(Windows::Summary),
    )
    .upstream(&["tag_webid", "summary_type"], None),
    Table::snapshot(
        "pi_streamset_summary",
        TAG_SUMMARY_INTERVAL,
        &[TAG, SUMMARY_TYPE, TIME, PUBLIC, VALUE, EVENT, INTERVAL],
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::WINDOW, applies::SUMMARY],
        Reader::Windows(Windows::StreamsetSummary),
    )
    .taken(Append, "timestamp")
    .upstream(TAG_SUMMARY_TIME, Some("timestamp")),
    instant(
        "pi_current_value",
        &["tag_webid"],
        AT_MOST_ONE,
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::CURRENT],
        Windows::CurrentValue,
    ),
    Table::snapshot(
        "pi_value_at_time",
        TAG_QUERY,
        &[TAG, MAYBE_TIME, PUBLIC, VALUE, MAYBE_EVENT, OWN_QUERY_TIME],
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::AT_TIME],
        Reader::Windows(Windows::ValueAtTime),
    )
    .upstream(TAG_TIME, None),
    instant(
        "pi_recorded_at_time",
        TAG_QUERY,
        &[TAG, QUERY_TIME, MAYBE_TIME, PUBLIC, VALUE, MAYBE_EVENT],
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::AT_TIME, applies::RETRIEVAL],
        Windows::RecordedAtTime,
    ),
    instant(
        "pi_end",
        &["tag_webid"],
        AT_MOST_ONE,
        &[applies::COMMON, applies::SELECTION, applies::VALUES],
        Windows::End,
    ),
    instant(
        "pi_streamset_end",
        &["tag_webid"],
        AT_MOST_ONE,
        &[applies::COMMON, applies::SELECTION, applies::VALUES],
        Windows::StreamsetEnd,
    ),
    window(
        "pi_calculated",
        CALCULATED_KEY,
        &[CALCULATED],
        &[applies::COMMON, applies::SELECTION, applies::VALUES, applies::WINDOW, applies::CALCULATED],
        Windows::Calculated,
    )
    .upstream(CALCULATED_KEY, Some("timestamp")),
];

const fn recorded(name: &'static str, reader: TimeSeries) -> Table {
    let options = &[
        applies::COMMON,
        applies::SELECTION,
        applies::VALUES,
        applies::WINDOW,
        applies::RECORDED,
        applies::RECORDED_VALUES,
    ];
    Table::snapshot(name, EVENT_KEY, RECORDED, options, Reader::TimeSeries(reader))
        .taken(CdcWithDeletes, "timestamp")
        .upstream(TAG_TIME, Some("timestamp"))
}

const fn window(
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static [Column]],
    options: &'static [applies::Names],
    reader: Windows,
) -> Table {
    Table::snapshot(name, key, columns, options, Reader::Windows(reader))
        .taken(Append, "timestamp")
        .upstream(TAG_TIME, Some("timestamp"))
}

const fn instant(
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static [Column]],
    options: &'static [applies::Names],
    reader: Windows,
) -> Table {
    Table::snapshot(name, key, columns, options, Reader::Windows(reader))
}
