//! The few clinical search parameters that the server knows: tokens and references of top-level members.

use super::{
    json::{members, plain_string},
    store::{Store, Version},
};

/// The parameters, with the member each looks at.
pub(crate) const CRITERIA: [(&str, &str); 7] = [
    ("status", "status"),
    ("gender", "gender"),
    ("category", "category"),
    ("code", "code"),
    ("clinical-status", "clinicalStatus"),
    ("patient", "subject"),
    ("subject", "subject"),
];

/// One criterion: a member holds one of these values.
#[derive(Clone, Debug)]
pub(crate) struct Criterion {
    member: &'static str,
    values: Vec<String>,
}

impl Criterion {
    pub(crate) fn parse(name: &str, value: &str) -> Option<Self> {
        let (_, member) = CRITERIA.iter().find(|(parameter, _)| *parameter == name)?;
        let pattern = |value: &str| match name {
            "patient" => format!("\"reference\":\"Patient/{}\"", value.trim_start_matches("Patient/")),
            "subject" => format!("\"reference\":\"{value}\""),
            "status" | "gender" => format!("\"{}\"", code_of(value)),
            _ => format!("\"code\":\"{}\"", code_of(value)),
        };
        Some(Self { member, values: value.split(',').map(pattern).collect() })
    }

    /// Whether a version of a row meets the criterion.
    pub(crate) fn meets(&self, store: &Store, row: u32, version: &Version, scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        store.render(row, "x", version, scratch);
        let Ok(text) = std::str::from_utf8(scratch) else { return false };
        let Some(all) = members(text) else { return false };
        let is_patient_member = |name: &str| self.member == "subject" && name == "patient";
        all.iter().any(|member| {
            let name = member.name(text);
            let value = member.value(text);
            (name == self.member || is_patient_member(name))
                && self.values.iter().any(|pattern| match plain_string(value) {
                    Some(_) => value == pattern,
                    None => value.contains(pattern.as_str()),
                })
        })
    }
}

/// The code of `system|code`.
fn code_of(value: &str) -> &str {
    value.rsplit('|').next().unwrap_or(value)
}
