//! Event frames and what hangs on them.

use super::{
    af::{ATTRIBUTE, EVENT_FRAME_TEMPLATE_ATTRIBUTES, TEMPLATES},
    applies,
    column::{CURSOR, Column, INGESTED, Kind, own, up},
    reader::{EventFrames, List, Reader},
    table::Table,
};
use crate::connector::IngestionType::{Cdc, CdcWithDeletes};

const FRAMES: &[Column] = &[
    up("event_frame_webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("template_name", Kind::Text).at("TemplateName"),
    up("start_time", Kind::Timestamp).never_ours().at("StartTime"),
    up("end_time", Kind::Timestamp),
    up("primary_referenced_element_webid", Kind::Text),
    up("description", Kind::Text).at("Description"),
    up("category_names", Kind::Texts).at("CategoryNames"),
    up("attributes", Kind::TextMap),
    INGESTED,
    own("id", Kind::Text).at("Id"),
    own("path", Kind::Text).at("Path"),
    own("is_open", Kind::Boolean).never(),
    own("duration_seconds", Kind::Double),
    own("severity", Kind::Text).at("Severity"),
    own("can_be_acknowledged", Kind::Boolean).at("CanBeAcknowledged"),
    own("is_acknowledged", Kind::Boolean).at("IsAcknowledged"),
    own("acknowledged_by", Kind::Text).at("AcknowledgedBy"),
    own("acknowledged_date", Kind::Timestamp).at("AcknowledgedDate"),
    own("is_annotated", Kind::Boolean).at("IsAnnotated"),
    own("is_locked", Kind::Boolean).at("IsLocked"),
    own("are_values_captured", Kind::Boolean).at("AreValuesCaptured"),
    own("has_children", Kind::Boolean).at("HasChildren"),
    own("parent_webid", Kind::Text),
    own("ref_element_webids", Kind::Texts).at("RefElementWebIds"),
    own("extended_properties", Kind::TextMap),
    own("assetdatabase_webid", Kind::Text),
    CURSOR,
    own("event_date", Kind::Date).never(),
];

const ATTRIBUTES: &[Column] =
    &[up("event_frame_webid", Kind::Text).never(), up("attribute_webid", Kind::Text).never().webid("WebId")];

const REFERENCED_ELEMENTS: &[Column] = &[
    up("event_frame_webid", Kind::Text).never(),
    up("element_webid", Kind::Text).never(),
    up("relationship_type", Kind::Text),
    up("start_time", Kind::Timestamp),
    up("end_time", Kind::Timestamp),
    INGESTED,
    own("element_name", Kind::Text).at("Name"),
    own("element_path", Kind::Text).at("Path"),
];

const ACKNOWLEDGEMENTS: &[Column] = &[
    up("event_frame_webid", Kind::Text).never(),
    up("ack_id", Kind::Text).never(),
    up("ack_timestamp", Kind::Timestamp),
    up("ack_user", Kind::Text),
    up("comment", Kind::Text),
    INGESTED,
];

const ANNOTATIONS: &[Column] = &[
    up("event_frame_webid", Kind::Text).never(),
    up("annotation_id", Kind::Text).never().at("Id"),
    up("annotation_timestamp", Kind::Timestamp).at("CreationDate"),
    up("annotation_user", Kind::Text).at("Creator"),
    up("text", Kind::Text),
    INGESTED,
    own("name", Kind::Text).at("Name"),
    own("description", Kind::Text).at("Description"),
    own("modifier", Kind::Text).at("Modifier"),
    own("modify_date", Kind::Timestamp).at("ModifyDate"),
    own("value_json", Kind::Text).json("Value"),
];

/// When a row was read: orders the versions of a row.
const READ_AT: &[Column] = &[CURSOR];
const OPTIONS: &[applies::Names] = &[applies::COMMON, applies::EVENT_FRAMES];
const TEMPLATE_OPTIONS: &[applies::Names] = &[applies::COMMON, applies::LIST, applies::EVENT_FRAME_TEMPLATES];

pub(super) const EVENT_FRAMES: &[Table] = &[
    frames("pi_event_frames", &["event_frame_webid"], &[FRAMES], EventFrames::Frames)
        .taken(CdcWithDeletes, "cursor_ts")
        .upstream(&["event_frame_webid", "start_time"], Some("start_time")),
    frames(
        "pi_eventframe_attributes",
        &["event_frame_webid", "attribute_webid"],
        &[ATTRIBUTES, ATTRIBUTE, READ_AT],
        EventFrames::Attributes,
    ),
    Table::snapshot(
        "pi_eventframe_templates",
        &["webid"],
        TEMPLATES,
        TEMPLATE_OPTIONS,
        Reader::List(List::EventFrameTemplates),
    ),
    Table::snapshot(
        "pi_eventframe_template_attributes",
        &["webid"],
        EVENT_FRAME_TEMPLATE_ATTRIBUTES,
        TEMPLATE_OPTIONS,
        Reader::List(List::EventFrameTemplateAttributes),
    ),
    frames(
        "pi_eventframe_referenced_elements",
        &["event_frame_webid", "element_webid"],
        &[REFERENCED_ELEMENTS, READ_AT],
        EventFrames::ReferencedElements,
    )
    .upstream(&["event_frame_webid", "element_webid"], Some("start_time")),
    frames(
        "pi_eventframe_acknowledgements",
        &["event_frame_webid", "ack_id"],
        &[ACKNOWLEDGEMENTS, READ_AT],
        EventFrames::Acknowledgements,
    ),
    frames(
        "pi_eventframe_annotations",
        &["event_frame_webid", "annotation_id"],
        &[ANNOTATIONS, READ_AT],
        EventFrames::Annotations,
    ),
];

/// A table of changes to event frames.
pub(super) const fn frames(
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static [Column]],
    reader: EventFrames,
) -> Table {
    Table::snapshot(name, key, columns, OPTIONS, Reader::EventFrames(reader)).taken(Cdc, "cursor_ts")
}
