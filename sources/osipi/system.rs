//! What a PI Web API server says of itself and of who is asking.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{client::PiClient, objects::parse_item};
use crate::error::{ErrorKind, Result};

/// What a PI Web API server says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct System {
    pub(super) title: Option<String>,
    pub(super) version: Option<String>,
    pub(super) state: Option<String>,
    pub(super) up_time_minutes: Option<f64>,
    /// Versions of its parts, by name.
    pub(super) versions: BTreeMap<String, String>,
    pub(super) user: Option<String>,
    pub(super) identity_type: Option<String>,
    pub(super) is_authenticated: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Landing {
    #[serde(default)]
    product_title: Option<String>,
    #[serde(default)]
    product_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    up_time_in_minutes: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserInfo {
    #[serde(default)]
    identity_type: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    is_authenticated: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    #[serde(default)]
    full_version: Option<String>,
}

impl System {
    /// Asks the server. Parts that this login may not see, or that the release does not have, stay empty.
    ///
    /// # Errors
    /// Those of the client for the first request: address, credentials, no answer.
    pub(super) async fn ask(client: &PiClient) -> Result<Self> {
        let mut system = Self::default();
        let query = Vec::new();
        let landing: Landing = parse_item(&client.get("system", &query).await?)?;
        (system.title, system.version) = (landing.product_title, landing.product_version);
        if let Some(body) = seen(client.get("system/status", &query).await)? {
            let status: Status = parse_item(&body)?;
            (system.state, system.up_time_minutes) = (status.state, status.up_time_in_minutes);
        }
        if let Some(body) = seen(client.get("system/versions", &query).await)? {
            let versions: BTreeMap<String, Box<RawValue>> = parse_item(&body)?;
            for (name, version) in versions {
                // Links and the like are no versions.
                let version = parse_item::<Version>(version.get().as_bytes()).ok().and_then(|v| v.full_version);
                system.versions.extend(version.map(|version| (name, version)));
            }
        }
        if let Some(body) = seen(client.get("system/userinfo", &query).await)? {
            let user: UserInfo = parse_item(&body)?;
            system.user = user.name;
            system.identity_type = user.identity_type;
            system.is_authenticated = user.is_authenticated;
        }
        Ok(system)
    }
}

/// An answer, or nothing where the login or the release does not allow it.
pub(super) fn seen<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Permission) => Ok(None),
        Err(error) => Err(error),
    }
}
