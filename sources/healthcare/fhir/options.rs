//! The options, as users read of them.

use super::profiles;
use crate::{
    http::HTTP_OPTIONS,
    options::{OptionDoc, OptionKind, joined},
};

const fn count(max: i64) -> OptionKind {
    OptionKind::Integer { min: 1, max }
}

const fn seconds(max: f64) -> OptionKind {
    OptionKind::Seconds { min: 0.0, max }
}

const OWN: &[OptionDoc] = &[
    OptionDoc::connection("base_url", OptionKind::Url, "The root of the FHIR R4 server, for example https://fhir.example.org/r4.")
        .required(),
    OptionDoc::connection(
        "auth_type",
        OptionKind::Choice(&["none", "basic", "bearer", "client_secret", "jwt_assertion"]),
        "How to log in: not at all, user and password, a fixed token, OAuth2 client credentials, or SMART Backend Services.",
    )
    .default("none"),
    OptionDoc::connection("username", OptionKind::Text, "User for auth_type=basic."),
    OptionDoc::connection("password", OptionKind::Secret, "Password for auth_type=basic."),
    OptionDoc::connection("bearer_token", OptionKind::Secret, "Token for auth_type=bearer; it cannot be refreshed."),
    OptionDoc::connection(
        "token_url",
        OptionKind::Url,
        "Token endpoint for client_secret and jwt_assertion; found through the server's SMART configuration when not given.",
    ),
    OptionDoc::connection("client_id", OptionKind::Text, "Client id for client_secret and jwt_assertion."),
    OptionDoc::connection("client_secret", OptionKind::Secret, "Client secret for auth_type=client_secret."),
    OptionDoc::connection(
        "client_auth_style",
        OptionKind::Choice(&["basic", "post"]),
        "Whether client_secret sends its credentials as a Basic header or in the form.",
    )
    .default("basic"),
    OptionDoc::connection(
        "private_key_pem",
        OptionKind::Secret,
        "Private key for jwt_assertion: PEM (PKCS#8, PKCS#1, SEC1; line breaks may be written \\n) or a JWK.",
    ),
    OptionDoc::connection("kid", OptionKind::Text, "Id of that key in the key set registered with the server."),
    OptionDoc::connection(
        "private_key_algorithm",
        OptionKind::Choice(&["RS384", "ES384"]),
        "Signature algorithm for jwt_assertion; taken from the key when not given.",
    ),
    OptionDoc::connection("scope", OptionKind::Text, "Scopes to ask for, for example system/*.rs."),
    OptionDoc::connection("jku", OptionKind::Url, "Address of the registered key set, where the server wants it in the assertion."),
    OptionDoc::connection(
        "audience",
        OptionKind::Text,
        "Audience of the assertion, for servers that want another one than the token endpoint.",
    ),
    OptionDoc::connection(
        "resource_types",
        OptionKind::List,
        "Resource types to offer as tables, or * for all that the server says it searches. Fourteen clinical types by default.",
    ),
    OptionDoc::connection(
        "strict_mode",
        OptionKind::Boolean,
        "Fail when the server ignores _lastUpdated. When false such a table is read in full each time and filtered here.",
    )
    .default("true"),
    OptionDoc::table(
        "schema_mode",
        OptionKind::Choice(&["compat", "raw"]),
        "compat: the public connector's columns; raw: id, resourceType, lastUpdated, raw_json and extension only.",
    )
    .default("compat"),
    OptionDoc::table("profile", OptionKind::Choice(profiles::NAMES), "National profile whose columns are added in compat mode.")
        .default("uk_core"),
    OptionDoc::table("read_mode", OptionKind::Choice(&["search"]), "How resources are read.")
        .default("search"),
    OptionDoc::table(
        "deletes",
        OptionKind::Choice(&["auto", "none"]),
        "How deletions are found: they are not; auto means none.",
    )
    .default("auto"),
    OptionDoc::table(
        "page_size",
        count(50_000),
        "Resources to ask for in one page; the server may send fewer. Larger pages are faster.",
    )
    .default("100"),
    OptionDoc::table(
        "max_records_per_batch",
        count(10_000_000),
        "Resources between two checkpoints, about; resources of one instant are never parted.",
    )
    .default("1000"),
    OptionDoc::table("page_delay", seconds(3600.0), "Seconds to wait before each further page.").default("0"),
    OptionDoc::table(
        "safety_lag_seconds",
        seconds(86_400.0),
        "Read up to this long before the server's now: resources become visible later than they are stamped.",
    )
    .default("60"),
    OptionDoc::table(
        "lookback_seconds",
        seconds(604_800.0),
        "Ask again for this much before the last mark, for resources that became visible late; known ones are not sent twice.",
    )
    .default("120"),
    OptionDoc::table("start_timestamp", OptionKind::Instant, "Leave out what last changed before this; everything when not given."),
    OptionDoc::table(
        "search_filter",
        OptionKind::Text,
        "Further search criteria, for example category=laboratory&status=final.",
    ),
];

/// All options of this source, connection and table.
pub(super) const OPTIONS: &[OptionDoc] = &joined::<{ OWN.len() + HTTP_OPTIONS.len() }>(&[OWN, HTTP_OPTIONS]);
