//! The FHIR data types that the compat tables share, with the members that the public connector keeps.

use super::columns::{Kind, Kind::*, col};

pub(super) const CODING: Kind = Struct(&[col("system", Text), col("code", Text), col("display", Text)]);

pub(super) const CODEABLE_CONCEPT: Kind = Struct(&[col("coding", List(&CODING)), col("text", Text)]);

pub(super) const REFERENCE: Kind = Struct(&[col("reference", Text), col("display", Text)]);

pub(super) const PERIOD: Kind = Struct(&[col("start", Timestamp), col("end", Timestamp)]);

pub(super) const IDENTIFIER: Kind = Struct(&[col("system", Text), col("value", Text), col("use", Text)]);

pub(super) const HUMAN_NAME: Kind =
    Struct(&[col("family", Text), col("given", List(&Text)), col("text", Text), col("use", Text)]);

pub(super) const ADDRESS: Kind = Struct(&[
    col("use", Text),
    col("line", List(&Text)),
    col("city", Text),
    col("district", Text),
    col("postalCode", Text),
    col("country", Text),
]);

pub(super) const CONTACT_POINT: Kind = Struct(&[col("system", Text), col("value", Text), col("use", Text)]);

pub(super) const QUANTITY: Kind =
    Struct(&[col("value", Double), col("unit", Text), col("system", Text), col("code", Text)]);

pub(super) const ANNOTATION: Kind = Struct(&[col("text", Text), col("time", Timestamp)]);

pub(super) const DOSAGE: Kind = Struct(&[
    col("text", Text),
    col("timing_code", Text).at("timing.code.coding[0].code"),
    col("dose_value", Double).at("doseAndRate[0].doseQuantity.value"),
    col("dose_unit", Text).at("doseAndRate[0].doseQuantity.unit"),
    col("route", CODEABLE_CONCEPT),
    col("site", CODEABLE_CONCEPT),
]);
