//! What the server says about itself: CapabilityStatement and SMART discovery.

use serde_json::json;

use super::{config::Auth, criteria::CRITERIA, outcome::FHIR_JSON, service::Service};
use crate::server::Reply;

/// `GET /metadata`
pub(crate) fn statement(service: &Service) -> Reply {
    Reply::new(200, FHIR_JSON, service.statement(statement_text))
}

fn statement_text(service: &Service) -> String {
    let config = &service.config;
    let supported = |name: &str| !config.search.unsupported.iter().any(|unsupported| unsupported == name);
    let parameters: Vec<_> = [("_id", "token"), ("_lastUpdated", "date")]
        .into_iter()
        .chain(
            CRITERIA
                .iter()
                .map(|(name, _)| (*name, if matches!(*name, "patient" | "subject") { "reference" } else { "token" })),
        )
        .filter(|(name, _)| {
            supported(name)
                && !(*name == "_lastUpdated" && config.search.ignores_filter && !config.search.reflects_ignored)
        })
        .map(|(name, kind)| json!({"name": name, "type": kind}))
        .collect();
    let mut interactions = vec!["read", "vread", "update", "delete", "create", "search-type", "history-instance"];
    if config.history.of_type {
        interactions.push("history-type");
    }
    let interactions: Vec<_> = interactions.into_iter().map(|code| json!({"code": code})).collect();
    let resources: Vec<_> = service
        .store()
        .tables
        .iter()
        .map(|table| {
            json!({
                "type": table.name,
                "interaction": interactions,
                "versioning": "versioned",
                "readHistory": true,
                "updateCreate": true,
                "searchParam": parameters,
            })
        })
        .collect();
    let mut rest = json!({"mode": "server", "resource": resources});
    if config.history.of_system {
        rest["interaction"] = json!([{"code": "history-system"}]);
    }
    if let Some(tokens) = &service.tokens {
        rest["security"] = json!({
            "extension": [{
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": tokens.url()}],
            }],
        });
    }
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": config.stamps.first.format("%Y-%m-%d").to_string(),
        "kind": "instance",
        "software": {"name": "lakeflow simulator"},
        "implementation": {"description": "Simulated FHIR R4 server", "url": service.base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [rest],
    })
    .to_string()
}

/// `GET /.well-known/smart-configuration`; 404 on a server without tokens, or one told to hide it.
pub(crate) fn smart_configuration(service: &Service) -> Reply {
    match (&service.tokens, &service.config.auth) {
        (Some(tokens), Auth::OAuth(config)) if config.discovery => {
            let document = json!({
                "token_endpoint": tokens.url(),
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "client_secret_post"],
                "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
                "scopes_supported": ["system/*.read", "system/*.rs"],
                "capabilities": ["client-confidential-asymmetric", "client-confidential-symmetric", "permission-v1", "permission-v2"],
            });
            Reply::new(200, "application/json", document.to_string())
        }
        _ => super::outcome::error(404, "not-found", "this server has no SMART configuration"),
    }
}
