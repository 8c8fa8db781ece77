//! Which options apply to which tables, by name.

pub(super) type Names = &'static [&'static str];

/// Options of every table.
pub(super) const COMMON: Names = &["compat", "on_tag_error"];
/// Options of every list.
pub(super) const LIST: Names = &["maxCount"];
pub(super) const SERVERS: Names = &["dataserver_webid"];
pub(super) const POINTS: Names = &["dataserver_webid", "nameFilter", "maxTotalCount", "startIndex", "selectedFields"];
pub(super) const POINT_ATTRIBUTES: Names =
    &["dataserver_webid", "nameFilter", "point_webids", "default_points", "name", "attributeNameFilter"];
pub(super) const DATABASES: Names = &["assetdatabase_webid"];
pub(super) const HIERARCHY: Names = &[
    "assetdatabase_webid",
    "root_element_webid",
    "max_depth",
    "templateName",
    "categoryName",
    "elementType",
    "traversal",
    "nameFilter",
];
pub(super) const ELEMENT_ATTRIBUTES: Names = &[
    "assetdatabase_webid",
    "element_webids",
    "default_elements",
    "searchFullHierarchy",
    "showHidden",
    "showExcluded",
    "trait",
    "templateName",
    "attributeNameFilter",
];
pub(super) const ELEMENT_TEMPLATES: Names = &["assetdatabase_webid", "elementtemplate_webid"];
pub(super) const EVENT_FRAME_TEMPLATES: Names = &["assetdatabase_webid", "eventframe_template_webid"];
pub(super) const TABLE_ROWS: Names = &["assetdatabase_webid", "table_webid", "default_tables", "startIndex"];
/// Selection of streams.
pub(super) const SELECTION: Names = &[
    "tag_webids",
    "tag_names",
    "tag_paths",
    "nameFilter",
    "attribute_webids",
    "element_webids",
    "templateName",
    "attributeNameFilter",
    "dataserver_webid",
    "assetdatabase_webid",
    "default_tags",
    "tag_share",
    "tags_per_request",
];
/// How values of streams are asked for.
pub(super) const VALUES: Names = &["selectedFields", "timeZone", "target_response_bytes"];
/// First window and micro-batches.
pub(super) const WINDOW: Names =
    &["startTime", "endTime", "lookback_minutes", "lookback_days", "window_seconds", "max_records_per_batch"];
/// What of recorded values is read.
pub(super) const RECORDED: Names = &[
    "maxCount",
    "late_window",
    "future_horizon",
    "boundaryType",
    "filterExpression",
    "includeFilteredValues",
    "change_capture",
    "snapshot_policy",
];
/// How recorded values are read, and in which units.
pub(super) const RECORDED_VALUES: Names = &["prefer_streamset", "desiredUnits", "reconcile_days", "reconcile_sample"];
/// Of the notes of events neither values nor deletions are read.
pub(super) const ANNOTATIONS: Names = &["timeZone", "target_response_bytes"];
pub(super) const CURRENT: Names = &["time", "desiredUnits"];
pub(super) const INTERPOLATED: Names = &[
    "interval",
    "sampleInterval",
    "syncTime",
    "syncTimeBoundaryType",
    "filterExpression",
    "includeFilteredValues",
    "desiredUnits",
];
pub(super) const PLOT: Names = &["intervals", "desiredUnits"];
pub(super) const SUMMARY: Names = &[
    "summaryType",
    "calculationBasis",
    "summaryDuration",
    "timeType",
    "sampleType",
    "sampleInterval",
    "filterExpression",
];
pub(super) const AT_TIME: Names = CURRENT;
pub(super) const RETRIEVAL: Names = &["retrievalMode"];
pub(super) const CALCULATED: Names = &[
    "calculationType",
    "calculationBasis",
    "interval",
    "expression",
    "expression_webid",
    "sampleType",
    "sampleInterval",
    "timeType",
];
pub(super) const EVENT_FRAMES: Names = &[
    "assetdatabase_webid",
    "startTime",
    "endTime",
    "lookback_days",
    "max_records_per_batch",
    "late_window",
    "maxCount",
    "timeZone",
    "searchMode",
    "include_attribute_values",
    "event_frame_webids",
    "default_event_frames",
    "templateName",
    "categoryName",
    "nameFilter",
    "referencedElementNameFilter",
    "referencedElementTemplateName",
    "severity",
    "searchFullHierarchy",
    "tags_per_request",
];
