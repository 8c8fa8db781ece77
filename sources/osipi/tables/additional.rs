//! The tables that the public connector does not have.

use super::{
    applies,
    column::{CURSOR, Column, Kind, OWN_INGESTED, own},
    event_frames::frames,
    reader::{EventFrames, Ledger, List, Reader, TimeSeries},
    streams::{EVENT_KEY, RECORDED, VALUE},
    table::Table,
};
use crate::connector::IngestionType::{Append, Cdc, CdcWithDeletes};

const ENUMERATION_SETS: &[Column] = &[
    own("webid", Kind::Text).never().webid("WebId"),
    own("name", Kind::Text).at("Name"),
    own("description", Kind::Text).at("Description"),
    own("path", Kind::Text).at("Path"),
    own("id", Kind::Text).at("Id"),
    own("owner_type", Kind::Text),
    own("owner_webid", Kind::Text),
    OWN_INGESTED,
];

const ENUMERATION_VALUES: &[Column] = &[
    own("enumeration_set_webid", Kind::Text).never(),
    own("webid", Kind::Text).never().webid("WebId"),
    own("name", Kind::Text).at("Name"),
    own("value", Kind::Long).at("Value"),
    own("description", Kind::Text).at("Description"),
    own("path", Kind::Text).at("Path"),
    own("parent", Kind::Text).at("Parent"),
    own("id", Kind::Text).at("Id"),
    OWN_INGESTED,
];

const CHANGES: &[Column] = &[
    own("action", Kind::Text).never(),
    own("previous_event_action", Kind::Text),
    own("marker", Kind::Text).never(),
    own("change_seq", Kind::Long).never(),
    own("received_at", Kind::Timestamp).never().read_time(),
];

const STREAM_ANNOTATIONS: &[Column] = &[
    own("tag_webid", Kind::Text).never(),
    own("timestamp", Kind::Timestamp).never(),
    own("event_seq", Kind::Long).never(),
    own("annotation_id", Kind::Text).never(),
    own("name", Kind::Text),
    own("description", Kind::Text),
    own("value_json", Kind::Text),
    own("creator", Kind::Text),
    own("creation_date", Kind::Timestamp),
    own("modifier", Kind::Text),
    own("modify_date", Kind::Timestamp),
    own("errors", Kind::Text),
    own("timestamp_raw", Kind::Text).never(),
    own("event_date", Kind::Date).never(),
    OWN_INGESTED,
];

const FRAME_VALUES: &[Column] = &[
    own("event_frame_webid", Kind::Text).never(),
    own("attribute_webid", Kind::Text).never(),
    own("name", Kind::Text),
    own("path", Kind::Text),
    own("timestamp", Kind::Timestamp),
    own("value", Kind::Double),
    own("good", Kind::Boolean),
    own("questionable", Kind::Boolean),
    own("substituted", Kind::Boolean),
    own("annotated", Kind::Boolean),
    own("units", Kind::Text),
    OWN_INGESTED,
];
const FRAME_VALUES_END: &[Column] = &[own("timestamp_raw", Kind::Text), own("errors", Kind::Text), CURSOR];

const ATTRIBUTE_TRAITS: &[Column] = &[
    own("name", Kind::Text).never().at("Name"),
    own("abbreviation", Kind::Text).at("Abbreviation"),
    own("allow_child_attributes", Kind::Boolean).at("AllowChildAttributes"),
    own("allow_duplicates", Kind::Boolean).at("AllowDuplicates"),
    own("is_allowed_on_root_attribute", Kind::Boolean).at("IsAllowedOnRootAttribute"),
    own("is_type_inherited", Kind::Boolean).at("IsTypeInherited"),
    own("is_uom_inherited", Kind::Boolean).at("IsUOMInherited"),
    own("require_numeric", Kind::Boolean).at("RequireNumeric"),
    own("require_string", Kind::Boolean).at("RequireString"),
    OWN_INGESTED,
];

const SYSTEM: &[Column] = &[
    own("product_title", Kind::Text).never(),
    own("product_version", Kind::Text),
    own("state", Kind::Text),
    own("up_time_minutes", Kind::Double),
    own("versions", Kind::TextMap),
    own("user_name", Kind::Text),
    own("user_identity_type", Kind::Text),
    own("user_is_authenticated", Kind::Boolean),
    OWN_INGESTED,
];

const WATERMARKS: &[Column] = &[
    own("table_name", Kind::Text).never(),
    own("tag_webid", Kind::Text).never(),
    own("tag_name", Kind::Text),
    own("last_timestamp", Kind::Timestamp),
    own("last_timestamp_raw", Kind::Text),
    own("last_event_seq", Kind::Long),
    own("last_ingestion_run", Kind::Timestamp),
    own("record_count", Kind::Long),
    own("total_records", Kind::Long),
    own("last_error", Kind::Text),
    own("marker", Kind::Text),
    own("state", Kind::Text),
    own("updated_at", Kind::Timestamp).never(),
    OWN_INGESTED,
];

const ERRORS: &[Column] = &[
    own("error_id", Kind::Text).never(),
    own("occurred_at", Kind::Timestamp).never(),
    own("table_name", Kind::Text).never(),
    own("object_webid", Kind::Text),
    own("object_name", Kind::Text),
    own("kind", Kind::Text).never(),
    own("message", Kind::Text).never(),
    own("help", Kind::Text),
    own("status", Kind::Long),
    own("window_start", Kind::Timestamp),
    own("window_end", Kind::Timestamp),
    OWN_INGESTED,
];

const VALUE_OPTIONS: &[applies::Names] = &[
    applies::COMMON,
    applies::SELECTION,
    applies::VALUES,
    applies::WINDOW,
    applies::RECORDED,
    applies::RECORDED_VALUES,
];
const ANNOTATION_OPTIONS: &[applies::Names] =
    &[applies::COMMON, applies::SELECTION, applies::ANNOTATIONS, applies::WINDOW, applies::RECORDED];
/// The feed goes on where it was, whatever the time.
const CHANGE_OPTIONS: &[applies::Names] = &[applies::COMMON, applies::SELECTION, applies::LIST];
const ENUMERATION_OPTIONS: &[applies::Names] = &[applies::COMMON, applies::LIST, applies::SERVERS, applies::DATABASES];

pub(super) const ADDITIONAL: &[Table] = &[
    list("pi_enumeration_sets", &["webid"], &[ENUMERATION_SETS], ENUMERATION_OPTIONS, List::EnumerationSets),
    list(
        "pi_enumeration_values",
        &["enumeration_set_webid", "webid"],
        &[ENUMERATION_VALUES],
        ENUMERATION_OPTIONS,
        List::EnumerationValues,
    ),
    stream("pi_attribute_values", EVENT_KEY, RECORDED, VALUE_OPTIONS, TimeSeries::AttributeValues)
        .taken(CdcWithDeletes, "timestamp"),
    stream(
        "pi_timeseries_changes",
        &["tag_webid", "marker", "change_seq"],
        CHANGE_COLUMNS,
        CHANGE_OPTIONS,
        TimeSeries::Changes,
    )
    .taken(Append, "received_at"),
    frames(
        "pi_eventframe_values",
        &["event_frame_webid", "attribute_webid"],
        &[FRAME_VALUES, VALUE, FRAME_VALUES_END],
        EventFrames::Values,
    )
    .ours(),
    stream(
        "pi_stream_annotations",
        &["tag_webid", "timestamp", "event_seq", "annotation_id"],
        &[STREAM_ANNOTATIONS],
        ANNOTATION_OPTIONS,
        TimeSeries::Annotations,
    )
    .taken(Cdc, "timestamp"),
    list("pi_attribute_traits", &["name"], &[ATTRIBUTE_TRAITS], &[applies::COMMON], List::AttributeTraits),
    Table::snapshot(
        "pi_watermarks",
        &["table_name", "tag_webid"],
        &[WATERMARKS],
        &[applies::COMMON],
        Reader::Ledger(Ledger::Watermarks),
    )
    .taken(Cdc, "updated_at")
    .ours(),
    Table::snapshot("pi_errors", &["error_id"], &[ERRORS], &[applies::COMMON], Reader::Ledger(Ledger::Errors))
        .taken(Append, "occurred_at")
        .ours(),
    list("pi_system", &["product_title"], &[SYSTEM], &[applies::COMMON], List::System),
];

/// Recorded events, then what was done to them.
const CHANGE_COLUMNS: &[&[Column]] = &[RECORDED[0], RECORDED[1], RECORDED[2], RECORDED[3], RECORDED[4], CHANGES];

const fn list(
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static [Column]],
    options: &'static [applies::Names],
    reader: List,
) -> Table {
    Table::snapshot(name, key, columns, options, Reader::List(reader)).ours()
}

const fn stream(
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static [Column]],
    options: &'static [applies::Names],
    reader: TimeSeries,
) -> Table {
    Table::snapshot(name, key, columns, options, Reader::TimeSeries(reader)).ours()
}
