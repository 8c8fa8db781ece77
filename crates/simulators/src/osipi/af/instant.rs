//! Times in parameters.

use crate::osipi::{
    call::{Call, Refusal},
    ticks::{SECOND, Ticks, parse_iso},
};

/// The time of a parameter: ISO 8601, `*`, or `*` and an offset.
pub(super) fn instant(call: &Call<'_>, name: &str, default: &str) -> Result<Ticks, Refusal> {
    let text = call.filled(name).unwrap_or(default);
    let wrong = || Refusal::bad(format!("The value '{text}' is not valid for '{name}'."));
    if let Some(at) = parse_iso(text, Some(call.config.zone_minutes)) {
        return Ok(at);
    }
    let rest = text.strip_prefix('*').ok_or_else(wrong)?;
    if rest.is_empty() {
        return Ok(call.now);
    }
    let sign = if rest.starts_with('-') { -1 } else { 1 };
    let rest = rest.strip_prefix(['-', '+']).ok_or_else(wrong)?;
    let split = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = rest.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    Ok(Ticks(call.now.0 + sign * number.parse::<i64>().map_err(|_| wrong())? * seconds * SECOND))
}
