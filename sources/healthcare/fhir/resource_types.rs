//! The resource types of FHIR R4 (4.0.1).

/// The tables that are read when `resource_types` is not given, in the order they are listed.
#[rustfmt::skip]
pub(super) const DEFAULT: [&str; 14] = [
    "Patient", "Observation", "Condition", "Encounter", "Procedure", "MedicationRequest", "DiagnosticReport",
    "AllergyIntolerance", "Immunization", "Coverage", "CarePlan", "Goal", "Device", "DocumentReference",
];

/// Types that are not searched for in practice; `resource_types=*` leaves them out.
pub(super) const NOT_SEARCHABLE: [&str; 4] = ["Binary", "Bundle", "OperationOutcome", "Parameters"];

/// All concrete resource types, in alphabetical order.
#[rustfmt::skip]
pub(super) const ALL: [&str; 146] = [
    "Account", "ActivityDefinition", "AdverseEvent", "AllergyIntolerance", "Appointment", "AppointmentResponse",
    "AuditEvent", "Basic", "Binary", "BiologicallyDerivedProduct", "BodyStructure", "Bundle", "CapabilityStatement",
    "CarePlan", "CareTeam", "CatalogEntry", "ChargeItem", "ChargeItemDefinition", "Claim", "ClaimResponse",
    "ClinicalImpression", "CodeSystem", "Communication", "CommunicationRequest", "CompartmentDefinition",
    "Composition", "ConceptMap", "Condition", "Consent", "Contract", "Coverage", "CoverageEligibilityRequest",
    "CoverageEligibilityResponse", "DetectedIssue", "Device", "DeviceDefinition", "DeviceMetric", "DeviceRequest",
    "DeviceUseStatement", "DiagnosticReport", "DocumentManifest", "DocumentReference", "EffectEvidenceSynthesis",
    "Encounter", "Endpoint", "EnrollmentRequest", "EnrollmentResponse", "EpisodeOfCare", "EventDefinition",
    "Evidence", "EvidenceVariable", "ExampleScenario", "ExplanationOfBenefit", "FamilyMemberHistory", "Flag", "Goal",
    "GraphDefinition", "Group", "GuidanceResponse", "HealthcareService", "ImagingStudy", "Immunization",
    "ImmunizationEvaluation", "ImmunizationRecommendation", "ImplementationGuide", "InsurancePlan", "Invoice",
    "Library", "Linkage", "List", "Location", "Measure", "MeasureReport", "Media", "Medication",
    "MedicationAdministration", "MedicationDispense", "MedicationKnowledge", "MedicationRequest",
    "MedicationStatement", "MedicinalProduct", "MedicinalProductAuthorization", "MedicinalProductContraindication",
    "MedicinalProductIndication", "MedicinalProductIngredient", "MedicinalProductInteraction",
    "MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect", "MessageDefinition", "MessageHeader", "MolecularSequence", "NamingSystem",
    "NutritionOrder", "Observation", "ObservationDefinition", "OperationDefinition", "OperationOutcome",
    "Organization", "OrganizationAffiliation", "Parameters", "Patient", "PaymentNotice", "PaymentReconciliation",
    "Person", "PlanDefinition", "Practitioner", "PractitionerRole", "Procedure", "Provenance", "Questionnaire",
    "QuestionnaireResponse", "RelatedPerson", "RequestGroup", "ResearchDefinition", "ResearchElementDefinition",
    "ResearchStudy", "ResearchSubject", "RiskAssessment", "RiskEvidenceSynthesis", "Schedule", "SearchParameter",
    "ServiceRequest", "Slot", "Specimen", "SpecimenDefinition", "StructureDefinition", "StructureMap", "Subscription",
    "Substance", "SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein", "SubstanceReferenceInformation",
    "SubstanceSourceMaterial", "SubstanceSpecification", "SupplyDelivery", "SupplyRequest", "Task",
    "TerminologyCapabilities", "TestReport", "TestScript", "ValueSet", "VerificationResult", "VisionPrescription",
];

/// A list with the default types first, in their order, and the others alphabetically.
pub(super) fn in_order(mut types: Vec<String>) -> Vec<String> {
    let place = |name: &str| DEFAULT.iter().position(|t| *t == name).unwrap_or(DEFAULT.len());
    types.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    types.dedup();
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_types_come_first_in_their_own_order() {
        let given = ["Account", "Observation", "Patient", "Observation"].map(str::to_owned).to_vec();
        assert_eq!(in_order(given), ["Patient", "Observation", "Account"]);
    }

    #[test]
    fn all_types_are_listed_once_in_order() {
        assert!(ALL.is_sorted());
        assert!(DEFAULT.iter().chain(&NOT_SEARCHABLE).all(|t| ALL.contains(t)));
    }
}
