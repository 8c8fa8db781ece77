//! Values in other units than an attribute's own.

use serde_json::{Value, json};

use super::{
    super::{
        af::Af,
        call::{Call, Refusal, read_web_id},
        webid::Kind,
        world::World,
    },
    ask::Ask,
};

/// The body of a stream in the units that `desiredUnits` names, by name or abbreviation. Summaries do not know it.
///
/// # Errors
/// 400 for a point, which has no unit of AF, and for a unit that is not of the class of the attribute's own.
pub(super) fn converted(
    call: &Call<'_>,
    world: &World,
    id: &str,
    ask: &Ask,
    body: Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    let Some(wanted) = call.filled("desiredUnits").filter(|_| !matches!(ask, Ask::Summary(_))) else {
        return Ok(body);
    };
    let id = read_web_id(id)?;
    if id.kind == Kind::Point {
        return Err(Refusal::bad("The parameter 'desiredUnits' may not be specified for a PI Point."));
    }
    let unit = Af::conversion(world, &id, wanted);
    let unit = unit.ok_or_else(|| Refusal::bad(format!("The value cannot be converted to the unit '{wanted}'.")))?;
    let mut body: Value = serde_json::from_slice(&body).map_err(|error| Refusal::new(500, error.to_string()))?;
    unit.convert(&mut body);
    Ok(body.to_string().into_bytes())
}

/// From an attribute's unit to another one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conversion {
    /// The abbreviation of the other unit.
    pub(crate) to: String,
    /// `other = own * factor + offset`.
    pub(crate) factor: f64,
    pub(crate) offset: f64,
}

impl Conversion {
    /// Converts the timed values of a body: numbers that are good; states and texts have no unit.
    fn convert(&self, body: &mut Value) {
        match body {
            Value::Array(items) => items.iter_mut().for_each(|item| self.convert(item)),
            Value::Object(members) => {
                let is_timed = members.contains_key("Timestamp") || members.contains_key("Good");
                for (name, value) in members {
                    match (name.as_str(), value.as_f64()) {
                        ("UnitsAbbreviation", _) => *value = json!(self.to),
                        ("Value", Some(number)) if is_timed => *value = json!(number * self.factor + self.offset),
                        _ => self.convert(value),
                    }
                }
            }
            _ => {}
        }
    }
}
