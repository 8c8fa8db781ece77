//! Attribute traits: what an attribute means to its parent.

use serde_json::{Value, json};

use crate::osipi::{
    call::{Answer, Call, Refusal},
    lists::whole,
};

/// Category, name, abbreviation, whether numbers are required, whether the unit is that of the parent.
const TRAITS: [(&str, &str, &str, bool, bool); 19] = [
    ("Analysis", "AnalysisStartTriggerExpression", "StartTriggerExpr", false, false),
    ("Analysis", "AnalysisStartTriggerName", "StartTriggerName", false, false),
    ("Forecast", "Forecast", "Forecast", false, true),
    ("Health", "HealthScore", "Score", true, false),
    ("Health", "HealthStatus", "Status", false, false),
    ("Limit", "LimitHi", "Hi", true, true),
    ("Limit", "LimitHiHi", "HiHi", true, true),
    ("Limit", "LimitLo", "Lo", true, true),
    ("Limit", "LimitLoLo", "LoLo", true, true),
    ("Limit", "LimitMaximum", "Maximum", true, true),
    ("Limit", "LimitMinimum", "Minimum", true, true),
    ("Limit", "LimitTarget", "Target", true, true),
    ("Location", "Altitude", "Altitude", true, false),
    ("Location", "Latitude", "Latitude", true, false),
    ("Location", "Longitude", "Longitude", true, false),
    ("Other", "ActiveStatus", "Active", false, false),
    ("Other", "DefaultAttribute", "Default", false, false),
    ("Other", "Reason", "Reason", false, false),
    ("Other", "Uncertainty", "Uncertainty", true, true),
];

/// `attributetraits?category=` and `attributetraits/{name}`.
pub(super) fn answer(call: &Call<'_>, name: Option<&str>) -> Answer {
    if let Some(name) = name {
        let found = TRAITS.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(name));
        let found = found.ok_or_else(|| Refusal::absent(format!("The attribute trait '{name}' does not exist.")))?;
        return call.ok(show(call, found));
    }
    call.required("category")?;
    let wanted: Vec<&str> = call.all("category").collect();
    let known = |text: &str| text.eq_ignore_ascii_case("All") || TRAITS.iter().any(|t| t.0.eq_ignore_ascii_case(text));
    if let Some(unknown) = wanted.iter().find(|text| !known(text)) {
        return Err(Refusal::bad(format!("The value '{unknown}' is not valid for 'category'.")));
    }
    let fits =
        |category: &str| wanted.iter().any(|w| w.eq_ignore_ascii_case("All") || w.eq_ignore_ascii_case(category));
    whole(call, TRAITS.iter().filter(|found| fits(found.0)).map(|found| show(call, found)).collect())
}

/// The names of all traits.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TRAITS.iter().map(|(_, name, ..)| *name)
}

fn show(call: &Call<'_>, (category, name, abbreviation, numeric, inherits): &(&str, &str, &str, bool, bool)) -> Value {
    let limit = *category == "Limit";
    let mut out = json!({
        "Name": name,
        "Abbreviation": abbreviation,
        "AllowChildAttributes": !limit,
        "AllowDuplicates": *category == "Forecast",
        "IsAllowedOnRootAttribute": !limit,
        "IsTypeInherited": inherits,
        "IsUOMInherited": inherits,
        "RequireNumeric": numeric,
        "RequireString": *category == "Analysis",
    });
    if call.config.wire.object_links {
        out["Links"] = json!({ "Self": call.link(&format!("attributetraits/{name}")) });
    }
    out
}
