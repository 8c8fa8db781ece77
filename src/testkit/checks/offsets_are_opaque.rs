//! Rule 3: offsets are versioned, bounded JSON; one that cannot be honoured is `OffsetExpired`.

use serde_json::{Value, json};

use crate::{
    error::{ErrorKind, Result},
    read::Offset,
    testkit::{
        probe::{Probe, Until},
        report::{Stop, Verdict, failed, not_applicable},
    },
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let whole = probe.baseline().await?;
    let seen: Vec<&Offset> = whole.units.iter().map(|u| &u.offset).chain(&probe.until).collect();
    for offset in &seen {
        well_formed(offset)?;
    }
    let Some(last) = seen.last() else {
        return not_applicable("the table sends no offsets");
    };
    let broken = broken_forms(last);
    for (what, offset) in &broken {
        refused(probe, what, offset).await?;
    }
    Ok(format!("{} offsets, and {} that the source must refuse", seen.len(), broken.len()))
}

fn well_formed(offset: &Offset) -> Result<(), Stop> {
    let text = offset.to_json();
    if offset.version().is_none() {
        return failed("an offset has no version: write it with Offset::encode");
    }
    if text.len() > Offset::MAX_BYTES {
        return failed(format!("an offset has {} bytes where {} are allowed", text.len(), Offset::MAX_BYTES));
    }
    if Offset::from_json(&text).ok().as_ref() != Some(offset) {
        return failed("an offset is another one after a round trip through JSON text");
    }
    Ok(())
}

/// Offsets that look like `offset` and cannot be its source's.
fn broken_forms(offset: &Offset) -> Vec<(String, Offset)> {
    let Ok(Value::Object(members)) = serde_json::from_str(&offset.to_json()) else { return Vec::new() };
    let with = |name: &str, value: Value| {
        let mut members = members.clone();
        members.insert(name.to_owned(), value);
        Value::Object(members)
    };
    let mut forms = vec![
        ("an offset of a later format version".to_owned(), with("v", json!(4_000_000_000_u64))),
        ("an offset whose version is text".to_owned(), with("v", json!("one"))),
        ("an empty offset".to_owned(), json!({})),
        ("an offset of strangers".to_owned(), json!({"v": members.get("v"), "testkit": [{"page": -1}]})),
    ];
    for name in members.keys().filter(|name| *name != "v") {
        forms.push((format!("an offset whose '{name}' is of another type"), with(name, json!([{"testkit": [true]}]))));
    }
    let parsed = forms.into_iter().filter_map(|(what, v)| Some((what, Offset::from_json(&v.to_string()).ok()?)));
    parsed.collect()
}

async fn refused(probe: &Probe<'_>, what: &str, offset: &Offset) -> Result<(), Stop> {
    let from = probe.request(Some(offset));
    let to = probe.request(None).until(offset.clone());
    for (role, request) in [("start", from), ("until", to)] {
        if role == "until" && probe.until.is_none() {
            continue;
        }
        let reading = probe.read(request, Until::End).await?;
        if reading.rows().next().is_some() || !reading.units.is_empty() {
            return failed(format!("{what}, given as '{role}', is read with instead of refused as OffsetExpired"));
        }
        let kind = reading.error.map(|e| e.kind());
        if kind != Some(ErrorKind::OffsetExpired) {
            let found = kind.map_or("the end without an error", ErrorKind::as_str);
            return failed(format!("{what}, given as '{role}', leads to {found} instead of OffsetExpired"));
        }
    }
    if probe.until.is_some() {
        match probe.open()?.latest_offset(&probe.table, Some(offset)).await {
            Err(error) if error.kind() == ErrorKind::OffsetExpired => probe.witness.error(&error),
            _ => {
                return failed(format!(
                    "latest_offset takes {what} as 'start' instead of refusing it as OffsetExpired"
                ));
            }
        }
    }
    Ok(())
}
