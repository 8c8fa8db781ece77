//! `{route}/multiple`: many objects by WebID or path, each with its own outcome.

use serde_json::{Value, json};

use super::{
    object::Kind,
    routes::{at_path, by_web_id},
    show::Show,
    store::Store,
};
use crate::osipi::call::{Answer, Call, Refusal};

/// What `includeMode` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Include {
    All,
    Found,
    Failed,
}

pub(super) fn answer(store: &Store, call: &Call<'_>, kind: Kind) -> Answer {
    call.only_get()?;
    call.flag("asParallel", false)?;
    let include = call.word(
        "includeMode",
        &[("All", Include::All), ("ItemsWithoutException", Include::Found), ("ItemsWithException", Include::Failed)],
    )?;
    let show = Show::new(store, call)?;
    let web_ids = call.all("webId").map(|text| ("WebId", text, by_web_id(store, kind, text)));
    let paths = call.all("path").map(|text| ("Path", text, at_path(store, kind, text)));
    let all: Vec<_> = web_ids.chain(paths).collect();
    if all.is_empty() {
        return Err(Refusal::bad("Either 'webId' or 'path' must be specified."));
    }
    call.within_cap("webId", all.len())?;
    let items: Vec<Value> = all
        .iter()
        .filter(|(_, _, found)| match include {
            Include::All => true,
            Include::Found => found.is_ok(),
            Include::Failed => found.is_err(),
        })
        .map(|(identifier_type, identifier, found)| match found {
            Ok(ix) => json!({
                "Identifier": identifier, "IdentifierType": identifier_type,
                "Object": show.object(*ix), "Exception": null,
            }),
            Err(refusal) => json!({
                "Identifier": identifier, "IdentifierType": identifier_type,
                "Object": null, "Exception": refusal.body(),
            }),
        })
        .collect();
    call.reply(207, json!({ "Links": {}, "Items": items }))
}
