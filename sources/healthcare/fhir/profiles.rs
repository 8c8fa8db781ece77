//! Profiles: columns that a national profile adds, as data.

use super::{
    columns::{Column, Kind::*, col},
    datatypes::CODEABLE_CONCEPT,
};

/// A profile's name and the columns it adds, by resource type.
struct Profile {
    name: &'static str,
    additions: &'static [(&'static str, &'static [Column])],
}

/// The names that the option `profile` takes.
pub(super) const NAMES: &[&str] = &["uk_core", "base_r4"];

const PROFILES: &[Profile] = &[
    Profile { name: "uk_core", additions: &[("Patient", UK_CORE_PATIENT)] },
    Profile { name: "base_r4", additions: &[] },
];

const UK_CORE_PATIENT: &[Column] = &[
    col("nhs_number", Text).at("identifier[system=https://fhir.nhs.uk/Id/nhs-number].value"),
    col("ethnic_category", CODEABLE_CONCEPT).at(concat!(
        "extension[url=https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory]",
        ".valueCodeableConcept",
    )),
    col("birth_sex", CODEABLE_CONCEPT).at(concat!(
        "extension[url=https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex]",
        ".valueCodeableConcept",
    )),
    col("death_notification_status", CODEABLE_CONCEPT).at(concat!(
        "extension[url=https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-DeathNotificationStatus]",
        ".extension[url=deathNotificationStatus].valueCodeableConcept",
    )),
    col("interpreter_required", Boolean)
        .at("extension[url=http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired].valueBoolean"),
    col("residential_status", CODEABLE_CONCEPT).at(concat!(
        "extension[url=https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ResidentialStatus]",
        ".valueCodeableConcept",
    )),
];

/// The columns that a profile adds to a table, after its own.
pub(super) fn additions(profile: &str, resource_type: &str) -> &'static [Column] {
    PROFILES
        .iter()
        .find(|p| p.name == profile)
        .and_then(|p| p.additions.iter().find(|(table, _)| *table == resource_type))
        .map_or(&[], |(_, columns)| *columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_and_the_profiles_name_the_same() {
        assert!(PROFILES.iter().map(|p| p.name).eq(NAMES.iter().copied()));
    }
}
