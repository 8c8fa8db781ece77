//! Asset Framework: servers, databases, elements, templates, analyses, tables, units.

use super::{
    applies,
    column::{Column, INGESTED, Kind, OWN_INGESTED, own, up},
    reader::{List, Reader},
    table::Table,
};

const ASSET_SERVERS: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("path", Kind::Text).at("Path"),
    own("id", Kind::Text).at("Id"),
    own("description", Kind::Text).at("Description"),
    own("is_connected", Kind::Boolean).at("IsConnected"),
    own("server_version", Kind::Text).at("ServerVersion"),
    OWN_INGESTED,
];

const ASSET_DATABASES: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("path", Kind::Text).at("Path"),
    up("assetserver_webid", Kind::Text),
    own("id", Kind::Text).at("Id"),
    own("description", Kind::Text).at("Description"),
    own("extended_properties", Kind::TextMap),
    OWN_INGESTED,
];

const HIERARCHY: &[Column] = &[
    up("element_webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("template_name", Kind::Text).at("TemplateName"),
    up("description", Kind::Text).at("Description"),
    up("path", Kind::Text).at("Path"),
    up("parent_webid", Kind::Text),
    up("depth", Kind::Long),
    up("category_names", Kind::Texts).at("CategoryNames"),
    INGESTED,
    own("id", Kind::Text).at("Id"),
    own("assetdatabase_webid", Kind::Text),
    own("has_children", Kind::Boolean).at("HasChildren"),
    own("extended_properties", Kind::TextMap),
    own("paths", Kind::Texts),
];

/// What elements' and event frames' attributes share after their keys.
pub(super) const ATTRIBUTE: &[Column] = &[
    up("name", Kind::Text).at("Name"),
    up("description", Kind::Text).at("Description"),
    up("path", Kind::Text).at("Path"),
    up("type", Kind::Text).at("Type"),
    up("default_units_name", Kind::Text).at("DefaultUnitsName"),
    up("data_reference_plugin", Kind::Text).at("DataReferencePlugIn"),
    up("is_configuration_item", Kind::Boolean).at("IsConfigurationItem"),
    INGESTED,
    own("type_qualifier", Kind::Text).at("TypeQualifier"),
    own("config_string", Kind::Text).at("ConfigString"),
    own("category_names", Kind::Texts).at("CategoryNames"),
    own("step", Kind::Boolean).at("Step"),
    own("has_children", Kind::Boolean).at("HasChildren"),
    own("is_excluded", Kind::Boolean).at("IsExcluded"),
    own("is_hidden", Kind::Boolean).at("IsHidden"),
    own("is_manual_data_entry", Kind::Boolean).at("IsManualDataEntry"),
    own("trait_name", Kind::Text).at("TraitName"),
    own("parent_attribute_webid", Kind::Text),
    own("display_digits", Kind::Long).at("DisplayDigits"),
    own("span", Kind::Double).at("Span"),
    own("zero", Kind::Double).at("Zero"),
    own("default_units_abbreviation", Kind::Text).at("DefaultUnitsNameAbbreviation"),
    own("point_webid", Kind::Text).webid("DataReference.PIPoint.WebId"),
];

const ELEMENT_ATTRIBUTES: &[Column] =
    &[up("element_webid", Kind::Text).never(), up("attribute_webid", Kind::Text).never().webid("WebId")];

const TEMPLATE_HEAD: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("description", Kind::Text).at("Description"),
    up("path", Kind::Text).at("Path"),
];
const DATABASE: &[Column] = &[up("assetdatabase_webid", Kind::Text)];

/// Templates of elements and of event frames.
pub(super) const TEMPLATES: &[&[Column]] = &[
    TEMPLATE_HEAD,
    DATABASE,
    &[
        own("id", Kind::Text).at("Id"),
        own("instance_type", Kind::Text).at("InstanceType"),
        own("base_template", Kind::Text).at("BaseTemplate"),
        own("naming_pattern", Kind::Text).at("NamingPattern"),
        own("severity", Kind::Text).at("Severity"),
        own("can_be_acknowledged", Kind::Boolean).at("CanBeAcknowledged"),
        own("allow_element_to_extend", Kind::Boolean).at("AllowElementToExtend"),
        own("category_names", Kind::Texts).at("CategoryNames"),
        OWN_INGESTED,
    ],
];

const TYPE: &[Column] = &[up("type", Kind::Text).at("Type")];
const REFERENCE: &[Column] = &[
    up("default_units_name", Kind::Text).at("DefaultUnitsName"),
    up("data_reference_plugin", Kind::Text).at("DataReferencePlugIn"),
    up("is_configuration_item", Kind::Boolean).at("IsConfigurationItem"),
];
const OWN_REFERENCE: &[Column] = &[
    own("default_units_name", Kind::Text).at("DefaultUnitsName"),
    own("data_reference_plugin", Kind::Text).at("DataReferencePlugIn"),
    own("is_configuration_item", Kind::Boolean).at("IsConfigurationItem"),
];
const OF_ELEMENT_TEMPLATE: &[Column] =
    &[up("elementtemplate_webid", Kind::Text), up("assetdatabase_webid", Kind::Text)];
const OF_EVENT_FRAME_TEMPLATE: &[Column] =
    &[up("eventframe_template_webid", Kind::Text), up("assetdatabase_webid", Kind::Text)];
const TEMPLATE_ATTRIBUTE: &[Column] = &[
    own("type_qualifier", Kind::Text).at("TypeQualifier"),
    own("config_string", Kind::Text).at("ConfigString"),
    own("default_value", Kind::Text).json("DefaultValue"),
    own("trait_name", Kind::Text).at("TraitName"),
    own("is_hidden", Kind::Boolean).at("IsHidden"),
    own("is_excluded", Kind::Boolean).at("IsExcluded"),
    own("has_children", Kind::Boolean).at("HasChildren"),
    own("category_names", Kind::Texts).at("CategoryNames"),
    OWN_INGESTED,
];

/// Attributes of event frame templates.
pub(super) const EVENT_FRAME_TEMPLATE_ATTRIBUTES: &[&[Column]] =
    &[TEMPLATE_HEAD, TYPE, OF_EVENT_FRAME_TEMPLATE, OWN_REFERENCE, TEMPLATE_ATTRIBUTE];

const CATEGORIES: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("description", Kind::Text).at("Description"),
    up("category_type", Kind::Text),
    up("assetdatabase_webid", Kind::Text),
    own("id", Kind::Text).at("Id"),
    own("path", Kind::Text).at("Path"),
    OWN_INGESTED,
];

const ANALYSES: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("description", Kind::Text).at("Description"),
    up("path", Kind::Text).at("Path"),
    up("analysis_template_name", Kind::Text).at("TemplateName"),
    up("target_element_webid", Kind::Text).webid("TargetWebId"),
    up("assetdatabase_webid", Kind::Text),
    own("id", Kind::Text).at("Id"),
    own("analysis_rule_plugin", Kind::Text).at("AnalysisRulePlugInName"),
    own("time_rule_plugin", Kind::Text).at("TimeRulePlugInName"),
    own("status", Kind::Text).at("Status"),
    own("priority", Kind::Text).at("Priority"),
    own("is_configured", Kind::Boolean).at("IsConfigured"),
    own("group_id", Kind::Long).at("GroupId"),
    own("category_names", Kind::Texts).at("CategoryNames"),
    own("output_time", Kind::Text).at("OutputTime"),
    own("publish_results", Kind::Boolean).at("PublishResults"),
    own("maximum_queue_size", Kind::Long).at("MaximumQueueSize"),
    OWN_INGESTED,
];

const ANALYSIS_TEMPLATES: &[Column] = &[
    own("id", Kind::Text).at("Id"),
    own("analysis_rule_plugin", Kind::Text).at("AnalysisRulePlugInName"),
    own("time_rule_plugin", Kind::Text).at("TimeRulePlugInName"),
    own("target_name", Kind::Text).at("TargetName"),
    own("group_id", Kind::Long).at("GroupId"),
    own("create_enabled", Kind::Boolean).at("CreateEnabled"),
    own("category_names", Kind::Texts).at("CategoryNames"),
    OWN_INGESTED,
];

const AF_TABLES: &[Column] = &[
    own("id", Kind::Text).at("Id"),
    own("category_names", Kind::Texts).at("CategoryNames"),
    own("time_zone", Kind::Text).at("TimeZone"),
    own("convert_to_local_time", Kind::Boolean).at("ConvertToLocalTime"),
    OWN_INGESTED,
];

const TABLE_ROWS: &[Column] = &[
    up("table_webid", Kind::Text).never(),
    up("row_index", Kind::Long).never_ours(),
    up("columns", Kind::TextMap),
    INGESTED,
    own("column_types", Kind::TextMap),
    own("row_json", Kind::Text),
];

const UNITS: &[Column] = &[
    up("webid", Kind::Text).never().webid("WebId"),
    up("name", Kind::Text).at("Name"),
    up("abbreviation", Kind::Text).at("Abbreviation"),
    up("quantity_type", Kind::Text),
    own("id", Kind::Text).at("Id"),
    own("description", Kind::Text).at("Description"),
    own("path", Kind::Text).at("Path"),
    own("canonical_unit", Kind::Text),
    own("factor", Kind::Double).at("Factor"),
    own("offset", Kind::Double).at("Offset"),
    own("reference_factor", Kind::Double).at("ReferenceFactor"),
    own("reference_offset", Kind::Double).at("ReferenceOffset"),
    own("reference_unit", Kind::Text).at("ReferenceUnitAbbreviation"),
    own("unitclass_webid", Kind::Text),
    own("assetserver_webid", Kind::Text),
    OWN_INGESTED,
];

const OF_DATABASE: &[applies::Names] = &[applies::COMMON, applies::LIST, applies::DATABASES];
const OF_ELEMENT_TEMPLATES: &[applies::Names] = &[applies::COMMON, applies::LIST, applies::ELEMENT_TEMPLATES];

pub(super) const AF: &[Table] = &[
    list("pi_assetservers", &[ASSET_SERVERS], &[applies::COMMON], List::AssetServers),
    list("pi_assetdatabases", &[ASSET_DATABASES], &[applies::COMMON, applies::DATABASES], List::AssetDatabases),
    Table::snapshot(
        "pi_af_hierarchy",
        &["element_webid"],
        &[HIERARCHY],
        &[applies::COMMON, applies::LIST, applies::HIERARCHY],
        Reader::List(List::AfHierarchy),
    ),
    Table::snapshot(
        "pi_element_attributes",
        &["element_webid", "attribute_webid"],
        &[ELEMENT_ATTRIBUTES, ATTRIBUTE],
        &[applies::COMMON, applies::LIST, applies::ELEMENT_ATTRIBUTES],
        Reader::List(List::ElementAttributes),
    ),
    list("pi_element_templates", TEMPLATES, OF_ELEMENT_TEMPLATES, List::ElementTemplates),
    list(
        "pi_element_template_attributes",
        &[TEMPLATE_HEAD, TYPE, REFERENCE, OF_ELEMENT_TEMPLATE, TEMPLATE_ATTRIBUTE],
        OF_ELEMENT_TEMPLATES,
        List::ElementTemplateAttributes,
    ),
    list(
        "pi_attribute_templates",
        &[TEMPLATE_HEAD, TYPE, OF_ELEMENT_TEMPLATE, OWN_REFERENCE, TEMPLATE_ATTRIBUTE],
        OF_ELEMENT_TEMPLATES,
        List::AttributeTemplates,
    ),
    list("pi_categories", &[CATEGORIES], OF_DATABASE, List::Categories),
    list("pi_analyses", &[ANALYSES], OF_DATABASE, List::Analyses),
    list("pi_analysis_templates", &[TEMPLATE_HEAD, DATABASE, ANALYSIS_TEMPLATES], OF_DATABASE, List::AnalysisTemplates),
    list("pi_af_tables", &[TEMPLATE_HEAD, DATABASE, AF_TABLES], OF_DATABASE, List::AfTables),
    Table::snapshot(
        "pi_af_table_rows",
        &["table_webid", "row_index"],
        &[TABLE_ROWS],
        &[applies::COMMON, applies::LIST, applies::TABLE_ROWS],
        Reader::List(List::AfTableRows),
    ),
    list("pi_units_of_measure", &[UNITS], &[applies::COMMON, applies::LIST], List::UnitsOfMeasure),
];

/// A snapshot of objects that have a WebID each.
const fn list(
    name: &'static str,
    columns: &'static [&'static [Column]],
    options: &'static [applies::Names],
    reader: List,
) -> Table {
    Table::snapshot(name, &["webid"], columns, options, Reader::List(reader))
}
