//! Values as the journal takes and keeps them.

use super::super::{
    json::quoted,
    model::{DIGITAL_SETS, PointSpec, SYSTEM_STATES},
    ticks::Ticks,
};

/// The value of one event, before it is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A real number; what JSON cannot spell becomes the texts `NaN`, `Infinity`, `-Infinity`.
    Number(f64),
    /// An exact integer.
    Integer(i64),
    /// Text.
    Text(String),
    /// A state of the point's digital set, by code.
    State(i32),
    /// A system state, by code, for example 248 (No Data); the event is bad.
    System(i32),
    /// An instant.
    Time(Ticks),
    /// A truth value, as attributes may hold.
    Boolean(bool),
    /// JSON as it is to be sent.
    Json(String),
}

/// A value and its quality.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The value.
    pub value: Value,
    /// Whether it can be used; by default only system states are bad.
    pub good: bool,
    /// Whether somebody doubts it.
    pub questionable: bool,
    /// Whether it was put in place of another.
    pub substituted: bool,
    /// The text of an annotation.
    pub annotation: Option<String>,
    /// The message of a value-level error; the value is then sent as it is, usually `Json("null")`.
    pub error: Option<String>,
}

impl From<Value> for Sample {
    fn from(value: Value) -> Self {
        let good = !matches!(value, Value::System(_));
        Self { value, good, questionable: false, substituted: false, annotation: None, error: None }
    }
}

impl From<f64> for Sample {
    fn from(number: f64) -> Self {
        Value::Number(number).into()
    }
}

impl From<i64> for Sample {
    fn from(number: i64) -> Self {
        Value::Integer(number).into()
    }
}

impl From<&str> for Sample {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned()).into()
    }
}

/// One event as the archive keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    /// The value as JSON.
    pub(crate) json: String,
    /// The value as a number, where it has one.
    pub(crate) number: Option<f64>,
    pub(crate) good: bool,
    pub(crate) questionable: bool,
    pub(crate) substituted: bool,
    pub(crate) annotation: Option<String>,
    /// The `Errors` list as JSON.
    pub(crate) errors: Option<String>,
}

impl Stored {
    /// What the archive keeps of a sample for this point.
    pub(crate) fn of(sample: &Sample, spec: &PointSpec) -> Self {
        let (json, number) = match &sample.value {
            Value::Number(number) => (number_json(*number), Some(*number)),
            Value::Integer(number) => (number.to_string(), Some(*number as f64)),
            Value::Text(text) => (quoted(text), None),
            Value::State(code) => (state_json(spec.digital_set.as_deref(), *code), Some(f64::from(*code))),
            Value::System(code) => (state_json(None, *code), None),
            Value::Time(at) => (format!("\"{at}\""), None),
            Value::Boolean(truth) => (truth.to_string(), None),
            Value::Json(json) => (json.clone(), json.parse().ok()),
        };
        Self {
            json,
            number,
            good: sample.good,
            questionable: sample.questionable,
            substituted: sample.substituted,
            annotation: sample.annotation.clone(),
            errors: sample.error.as_deref().map(errors_json),
        }
    }
}

/// The `Errors` list of one value.
pub(crate) fn errors_json(message: &str) -> String {
    format!("[{{\"FieldName\":\"Value\",\"Message\":[{}]}}]", quoted(message))
}

/// A number as JSON; what JSON has no number for is text.
pub(crate) fn number_json(number: f64) -> String {
    if number.is_nan() {
        "\"NaN\"".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "\"Infinity\"".to_owned() } else { "\"-Infinity\"".to_owned() }
    } else {
        serde_json::Value::from(number).to_string()
    }
}

/// A digital state as JSON, of a named set or of the system.
pub(crate) fn state_json(set: Option<&str>, code: i32) -> String {
    let known = set.and_then(|name| DIGITAL_SETS.iter().find(|set| set.name == name && !set.is_system));
    let (states, is_system) = known.map_or((SYSTEM_STATES, true), |set| (set.states, false));
    let name = states
        .iter()
        .find(|(known, _)| *known == code)
        .map_or_else(|| format!("?{code}"), |(_, name)| (*name).to_owned());
    format!("{{\"Name\":{},\"Value\":{code},\"IsSystem\":{is_system}}}", quoted(&name))
}
