//! The committed official R4 examples (npm package `hl7.fhir.r4.examples` 4.0.1, CC0-1.0), made by
//! `scripts/make-fhir-examples`.

use super::json::{members, plain_string};

const NDJSON: &str = include_str!("../../data/fhir-r4-examples.ndjson");

/// One official example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The resource type.
    pub resource_type: &'static str,
    /// The id.
    pub id: &'static str,
    /// The resource, without white space between tokens, every token spelled as published.
    pub text: &'static str,
}

/// All committed examples, by type and id.
pub fn examples() -> impl Iterator<Item = Example> {
    NDJSON.lines().filter_map(|text| {
        let all = members(text)?;
        let find = |name: &str| {
            let member = all.iter().find(|member| member.name(text) == name)?;
            plain_string(text.get(member.value.0..member.value.1)?)
        };
        Some(Example { resource_type: find("resourceType")?, id: find("id")?, text })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_line_is_an_example_whose_id_leaves_room_for_copies() {
        assert_eq!(examples().count(), NDJSON.lines().count());
        for example in examples() {
            assert!(example.id.len() <= 54, "{}", example.id);
            let suffix = example.id.rsplit_once("-c").map(|(_, tail)| tail);
            assert!(suffix.is_none_or(|tail| tail.parse::<u32>().is_err()), "{}", example.id);
        }
    }

    #[test]
    fn all_fourteen_default_types_have_examples() {
        for (resource_type, least) in [
            ("Patient", 22),
            ("Observation", 64),
            ("Condition", 12),
            ("Encounter", 10),
            ("Procedure", 16),
            ("MedicationRequest", 40),
            ("DiagnosticReport", 5),
            ("AllergyIntolerance", 6),
            ("Immunization", 5),
            ("Coverage", 4),
            ("CarePlan", 11),
            ("Goal", 2),
            ("Device", 2),
            ("DocumentReference", 1),
        ] {
            assert_eq!(examples().filter(|e| e.resource_type == resource_type).count(), least, "{resource_type}");
        }
    }

    #[test]
    fn decimals_keep_their_spelling() {
        let all = examples().find(|example| example.id == "decimal").map(|example| example.text).unwrap_or_default();
        assert!(all.contains("\"value\":1.00,") && all.contains("1E-22"), "{all}");
    }
}
