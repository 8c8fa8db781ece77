//! Data servers, points, and the links of everything.

use super::{
    applies,
    column::{Column, INGESTED, Kind, OWN_INGESTED, own, up},
    reader::{List, Reader},
    table::Table,
};

const DATA_SERVERS: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    own("id", Kind::Text).at("Id"),
    own("path", Kind::Text).at("Path"),
    own("is_connected", Kind::Boolean).at("IsConnected"),
    own("server_version", Kind::Text).at("ServerVersion"),
    own("server_time", Kind::Timestamp).at("ServerTime"),
    OWN_INGESTED,
];

const POINTS: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("descriptor", Kind::Text).at("Descriptor"),
    up("engineering_units", Kind::Text).at("EngineeringUnits"),
    up("path", Kind::Text).at("Path"),
    up("dataserver_webid", Kind::Text),
    own("point_id", Kind::Long).at("Id"),
    own("point_class", Kind::Text).at("PointClass"),
    own("point_type", Kind::Text).at("PointType"),
    own("digital_set_name", Kind::Text).at("DigitalSetName"),
    own("span", Kind::Double).at("Span"),
    own("zero", Kind::Double).at("Zero"),
    own("step", Kind::Boolean).at("Step"),
    own("future", Kind::Boolean).at("Future"),
    own("display_digits", Kind::Long).at("DisplayDigits"),
    OWN_INGESTED,
];

const POINT_ATTRIBUTES: &[Column] = &[
    up("point_webid", Kind::Text).never(),
    up("name", Kind::Text).never_ours().at("Name"),
    up("value", Kind::Text),
    up("type", Kind::Text),
    INGESTED,
];

const POINT_TYPE_CATALOG: &[Column] = &[
    up("point_type", Kind::Text).never(),
    up("engineering_units", Kind::Text).never_ours(),
    up("count_points", Kind::Long),
    OWN_INGESTED,
];

const LINKS: &[Column] = &[
    up("entity_type", Kind::Text).never(),
    up("webid", Kind::Text).never(),
    up("rel", Kind::Text).never(),
    up("href", Kind::Text),
    OWN_INGESTED,
];

pub(super) const DISCOVERY: &[Table] = &[
    Table::snapshot(
        "pi_dataservers",
        &["webid"],
        &[DATA_SERVERS],
        &[applies::COMMON, applies::SERVERS],
        Reader::List(List::DataServers),
    ),
    Table::snapshot(
        "pi_points",
        &["webid"],
        &[POINTS],
        &[applies::COMMON, applies::LIST, applies::POINTS],
        Reader::List(List::Points),
    ),
    Table::snapshot(
        "pi_point_attributes",
        &["point_webid", "name"],
        &[POINT_ATTRIBUTES],
        &[applies::COMMON, applies::LIST, applies::POINT_ATTRIBUTES],
        Reader::List(List::PointAttributes),
    ),
    Table::snapshot(
        "pi_point_type_catalog",
        &["point_type", "engineering_units"],
        &[POINT_TYPE_CATALOG],
        &[applies::COMMON, applies::LIST, applies::SERVERS],
        Reader::List(List::PointTypeCatalog),
    ),
    Table::snapshot(
        "pi_links",
        &["entity_type", "webid", "rel"],
        &[LINKS],
        &[applies::COMMON, applies::LIST, applies::SERVERS, applies::DATABASES],
        Reader::List(List::Links),
    ),
];
