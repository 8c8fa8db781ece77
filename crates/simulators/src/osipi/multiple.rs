//! `{route}/multiple`: many objects by WebID or path, each with its own outcome.

use serde_json::{Value, json};

use super::call::{Answer, Call, Refusal};

/// What `includeMode` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Include {
    All,
    Found,
    Failed,
}

/// Answers with an item for each `webId` and `path` of the call, found by `by_web_id` and `by_path`, as `show` makes it.
pub(crate) fn multiple<T>(
    call: &Call<'_>,
    by_web_id: impl Fn(&str) -> Result<T, Refusal>,
    by_path: impl Fn(&str) -> Result<T, Refusal>,
    show: impl Fn(T) -> Value,
) -> Answer {
    call.only_get()?;
    call.flag("asParallel", false)?;
    let include = call.word(
        "includeMode",
        &[("All", Include::All), ("ItemsWithoutException", Include::Found), ("ItemsWithException", Include::Failed)],
    )?;
    let web_ids = call.all("webId").map(|text| ("WebId", text, by_web_id(text)));
    let paths = call.all("path").map(|text| ("Path", text, by_path(text)));
    let all: Vec<_> = web_ids.chain(paths).collect();
    if all.is_empty() {
        return Err(Refusal::bad("Either 'webId' or 'path' must be specified."));
    }
    call.within_cap("webId", all.len())?;
    let items: Vec<Value> = all
        .into_iter()
        .filter(|(_, _, found)| match include {
            Include::All => true,
            Include::Found => found.is_ok(),
            Include::Failed => found.is_err(),
        })
        .map(|(kind, identifier, found)| {
            let (object, exception) = match found {
                Ok(found) => (show(found), Value::Null),
                Err(refusal) => (Value::Null, refusal.body()),
            };
            json!({ "Identifier": identifier, "IdentifierType": kind, "Object": object, "Exception": exception })
        })
        .collect();
    call.reply(207, json!({ "Links": {}, "Items": items }))
}
