//! The columns of the fourteen tables that have them, as the public connector names and types them.
//!
//! One line a column: its name, its type and, where the name does not say it, the path to its value.

mod care;
mod clinical;

use super::columns::Column;

/// Columns of a table after the five common ones; `None` for a resource type without columns of its own.
pub(super) fn columns(resource_type: &str) -> Option<&'static [Column]> {
    TABLES.iter().find(|(name, _)| *name == resource_type).map(|(_, columns)| *columns)
}

const TABLES: [(&str, &[Column]); 14] = [
    ("Patient", care::PATIENT),
    ("Observation", clinical::OBSERVATION),
    ("Condition", clinical::CONDITION),
    ("Encounter", care::ENCOUNTER),
    ("Procedure", clinical::PROCEDURE),
    ("MedicationRequest", care::MEDICATION_REQUEST),
    ("DiagnosticReport", clinical::DIAGNOSTIC_REPORT),
    ("AllergyIntolerance", clinical::ALLERGY_INTOLERANCE),
    ("Immunization", clinical::IMMUNIZATION),
    ("Coverage", care::COVERAGE),
    ("CarePlan", care::CARE_PLAN),
    ("Goal", care::GOAL),
    ("Device", care::DEVICE),
    ("DocumentReference", care::DOCUMENT_REFERENCE),
];
