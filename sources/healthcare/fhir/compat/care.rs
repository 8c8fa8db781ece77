//! Who is cared for, where, how, and who pays.

use super::super::{
    columns::{Column, Kind::*, col},
    datatypes::*,
};

pub(super) const PATIENT: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("active", Boolean),
    col("name", List(&HUMAN_NAME)),
    col("telecom", List(&CONTACT_POINT)),
    col("gender", Text),
    col("birthDate", Text),
    col("deceased_boolean", Boolean),
    col("deceased_datetime", Timestamp),
    col("address", List(&ADDRESS)),
    col("maritalStatus", CODEABLE_CONCEPT),
    col("generalPractitioner", List(&REFERENCE)),
    col("managingOrganization", REFERENCE),
];

pub(super) const ENCOUNTER: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("status", Text),
    col("class_coding", CODING).at("class"),
    col("type", List(&CODEABLE_CONCEPT)),
    col("service_type", CODEABLE_CONCEPT),
    col("priority", CODEABLE_CONCEPT),
    col("subject", REFERENCE),
    col("episode_of_care", List(&REFERENCE)),
    col(
        "participant",
        List(&Struct(&[col("type", List(&CODEABLE_CONCEPT)), col("period", PERIOD), col("individual", REFERENCE)])),
    ),
    col("appointment", List(&REFERENCE)),
    col("period", PERIOD),
    col("reason_code", List(&CODEABLE_CONCEPT)),
    col("reason_reference", List(&REFERENCE)),
    col("diagnosis", List(&Struct(&[col("condition", REFERENCE), col("use", CODEABLE_CONCEPT), col("rank", Long)]))),
    col(
        "hospitalization",
        Struct(&[
            col("admit_source", CODEABLE_CONCEPT),
            col("re_admission", CODEABLE_CONCEPT),
            col("discharge_disposition", CODEABLE_CONCEPT),
            col("origin", REFERENCE),
            col("destination", REFERENCE),
        ]),
    ),
    col(
        "location",
        List(&Struct(&[
            col("location", REFERENCE),
            col("status", Text),
            col("physical_type", CODEABLE_CONCEPT),
            col("period", PERIOD),
        ])),
    ),
    col("service_provider", REFERENCE),
    col("part_of", REFERENCE),
];

pub(super) const MEDICATION_REQUEST: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("status", Text),
    col("status_reason", CODEABLE_CONCEPT),
    col("intent", Text),
    col("category", List(&CODEABLE_CONCEPT)),
    col("priority", Text),
    col("medication_codeable_concept", CODEABLE_CONCEPT),
    col("medication_reference", REFERENCE),
    col("subject", REFERENCE),
    col("encounter", REFERENCE),
    col("authored_on", Text),
    col("requester", REFERENCE),
    col("reason_code", List(&CODEABLE_CONCEPT)),
    col("reason_reference", List(&REFERENCE)),
    col("note", List(&ANNOTATION)),
    col("dosage_instruction", List(&DOSAGE)),
    col(
        "dispense_request",
        Struct(&[
            col("validity_period", PERIOD),
            col("number_of_repeats_allowed", Long),
            col("quantity_value", Double).at("quantity.value"),
            col("quantity_unit", Text).at("quantity.unit"),
            col("expected_supply_duration_value", Double).at("expectedSupplyDuration.value"),
            col("expected_supply_duration_unit", Text).at("expectedSupplyDuration.unit"),
        ]),
    ),
    col("substitution_allowed_boolean", Boolean).at("substitution.allowedBoolean"),
];

pub(super) const COVERAGE: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("status", Text),
    col("type", CODEABLE_CONCEPT),
    col("policy_holder", REFERENCE),
    col("subscriber", REFERENCE),
    col("subscriber_id", Text),
    col("beneficiary", REFERENCE),
    col("dependent", Text),
    col("relationship", CODEABLE_CONCEPT),
    col("period", PERIOD),
    col("payor", List(&REFERENCE)),
    col("class_coverage", List(&Struct(&[col("type", CODEABLE_CONCEPT), col("value", Text), col("name", Text)])))
        .at("class"),
    col("order", Long),
    col("network", Text),
    col("subrogation", Boolean),
];

pub(super) const CARE_PLAN: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("status", Text),
    col("intent", Text),
    col("category", List(&CODEABLE_CONCEPT)),
    col("title", Text),
    col("description", Text),
    col("subject", REFERENCE),
    col("encounter", REFERENCE),
    col("period", PERIOD),
    col("created", Text),
    col("author", REFERENCE),
    col("care_team", List(&REFERENCE)),
    col("addresses", List(&REFERENCE)),
    col("goal", List(&REFERENCE)),
    col(
        "activity",
        List(&Struct(&[
            col("reference", REFERENCE),
            col("detail_status", Text).at("detail.status"),
            col("detail_code", CODEABLE_CONCEPT).at("detail.code"),
            col("detail_description", Text).at("detail.description"),
        ])),
    ),
    col("note", List(&ANNOTATION)),
];

pub(super) const GOAL: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("lifecycle_status", Text),
    col("achievement_status", CODEABLE_CONCEPT),
    col("category", List(&CODEABLE_CONCEPT)),
    col("priority", CODEABLE_CONCEPT),
    col("description", CODEABLE_CONCEPT),
    col("subject", REFERENCE),
    col("start_date", Text),
    col("start_codeable_concept", CODEABLE_CONCEPT),
    col(
        "target",
        List(&Struct(&[
            col("measure", CODEABLE_CONCEPT),
            col("detail_quantity", QUANTITY),
            col("detail_string", Text),
            col("detail_boolean", Boolean),
            col("due_date", Text),
        ])),
    ),
    col("status_date", Text),
    col("status_reason", Text),
    col("expressed_by", REFERENCE),
    col("addresses", List(&REFERENCE)),
    col("note", List(&ANNOTATION)),
];

pub(super) const DEVICE: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("status", Text),
    col("status_reason", List(&CODEABLE_CONCEPT)),
    col("manufacturer", Text),
    col("manufacture_date", Text),
    col("expiration_date", Text),
    col("lot_number", Text),
    col("serial_number", Text),
    col("device_name", List(&Struct(&[col("name", Text), col("type", Text)]))),
    col("model_number", Text),
    col("type", CODEABLE_CONCEPT),
    col("patient", REFERENCE),
    col("owner", REFERENCE),
    col("contact", List(&CONTACT_POINT)),
    col("note", List(&ANNOTATION)),
    col("safety", List(&CODEABLE_CONCEPT)),
];

pub(super) const DOCUMENT_REFERENCE: &[Column] = &[
    col("identifier", List(&IDENTIFIER)),
    col("status", Text),
    col("doc_status", Text),
    col("type", CODEABLE_CONCEPT),
    col("category", List(&CODEABLE_CONCEPT)),
    col("subject", REFERENCE),
    col("date", Timestamp),
    col("author", List(&REFERENCE)),
    col("authenticator", REFERENCE),
    col("custodian", REFERENCE),
    col("relates_to", List(&Struct(&[col("code", Text), col("target", REFERENCE)]))),
    col("description", Text),
    col("security_label", List(&CODEABLE_CONCEPT)),
    col(
        "content",
        List(&Struct(&[
            col("attachment_url", Text).at("attachment.url"),
            col("attachment_title", Text).at("attachment.title"),
            col("attachment_content_type", Text).at("attachment.contentType"),
            col("format_code", Text).at("format.code"),
            col("format_system", Text).at("format.system"),
        ])),
    ),
    col(
        "context",
        Struct(&[
            col("encounter", List(&REFERENCE)),
            col("event", List(&CODEABLE_CONCEPT)),
            col("period", PERIOD),
            col("facility_type", CODEABLE_CONCEPT),
            col("practice_setting", CODEABLE_CONCEPT),
        ]),
    ),
];
