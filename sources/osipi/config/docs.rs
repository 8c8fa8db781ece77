//! The list of all options: names, meaning, bounds.

use crate::{
    http::HTTP_OPTIONS,
    options::{OptionDoc, OptionKind, joined, redefaulted},
};

const fn conn(name: &'static str, kind: OptionKind, about: &'static str) -> OptionDoc {
    OptionDoc::connection(name, kind, about)
}

const fn table(name: &'static str, kind: OptionKind, about: &'static str) -> OptionDoc {
    OptionDoc::table(name, kind, about)
}

const fn count(max: i64) -> OptionKind {
    OptionKind::Integer { min: 1, max }
}

const fn whole(max: i64) -> OptionKind {
    OptionKind::Integer { min: 0, max }
}

/// The largest `maxCount` that a request can carry.
const MAX_COUNT: i64 = 2_147_483_647;

const CONNECTION: &[OptionDoc] = &[
    conn(
        "pi_base_url",
        OptionKind::Text,
        "The PI Web API, for example https://pi.example.org/piwebapi; https:// and /piwebapi are added when missing.",
    )
    .aliases(&["pi_web_api_url"]),
    conn("host", OptionKind::Text, "Host of the PI Web API, in place of pi_base_url."),
    conn("port", count(65_535), "Port, together with host."),
    conn("base_path", OptionKind::Text, "Path of the PI Web API on that host.").default("/piwebapi"),
    conn(
        "auth_type",
        OptionKind::Choice(&["basic", "bearer", "oidc", "kerberos", "ntlm", "anonymous"]),
        "How to log in; found from the credentials given when absent (bearer, then oidc, then basic).",
    ),
    conn("username", OptionKind::Text, "User for auth_type=basic: name, DOMAIN\\name or name@realm."),
    conn("password", OptionKind::Secret, "Password for auth_type=basic."),
    conn("access_token", OptionKind::Secret, "Token for auth_type=bearer; it cannot be refreshed.").aliases(&[
        "bearer_token",
        "bearer_value",
        "oauth_token",
    ]),
    conn("client_id", OptionKind::Text, "Client id for auth_type=oidc."),
    conn("client_secret", OptionKind::Secret, "Client secret for auth_type=oidc."),
    conn(
        "token_url",
        OptionKind::Url,
        "Token endpoint for auth_type=oidc; found through the PI Web API itself when not given.",
    ),
    conn("oidc_issuer", OptionKind::Url, "Identity provider whose OpenID configuration names the token endpoint."),
    conn("workspace_host", OptionKind::Text, "A Databricks workspace that issues the tokens (HOST/oidc/v1/token)."),
    conn("oauth_scope", OptionKind::Text, "Scope to ask for; 'system' when not given, 'all-apis' with workspace_host."),
    conn("oauth_audience", OptionKind::Text, "Audience to ask for, where the identity provider wants one."),
    conn("oauth_resource", OptionKind::Text, "Resource to ask for, where the identity provider wants one."),
    conn(
        "oauth_client_auth",
        OptionKind::Choice(&["basic", "post"]),
        "Whether client id and secret go in a Basic header or in the form.",
    )
    .default("basic"),
    conn("kerberos_spn", OptionKind::Text, "Service principal for auth_type=kerberos; HTTP@host when not given."),
    conn("kerberos_principal", OptionKind::Text, "Client principal; that of the process when not given."),
    conn(
        "kerberos_keytab",
        OptionKind::Text,
        "Path of the keytab of that principal; the program must be started with it in KRB5_CLIENT_KTNAME.",
    ),
    conn(
        "kerberos_ccache",
        OptionKind::Text,
        "Path of the credential cache; the program must be started with it in KRB5CCNAME.",
    ),
    conn(
        "kerberos_delegate",
        OptionKind::Boolean,
        "Delegate the credential, so that the server reaches PI as the caller.",
    )
    .default("false"),
    conn("allow_anonymous", OptionKind::Boolean, "Go without credentials when none are given.").default("false"),
    conn("verify_ssl", OptionKind::Boolean, "Check the server's certificate; false is for tests only.").default("true"),
    conn(
        "webid_type",
        OptionKind::Choice(&["IDOnly", "Full", "PathOnly", "LocalIDOnly", "DefaultIDOnly"]),
        "Spelling of WebIDs. Only IDOnly stays the same when something is renamed, so only IDOnly is accepted.",
    )
    .default("IDOnly"),
    conn("user_agent", OptionKind::Text, "Sent as User-Agent; product and version when not given."),
    conn(
        "debug_http",
        OptionKind::Boolean,
        "Log each request's method, path, status and time; never headers or bodies.",
    )
    .default("false"),
];

const COMMON: &[OptionDoc] = &[
    table(
        "compat",
        OptionKind::Choice(&["none", "upstream"]),
        "upstream: exactly the public connector's columns, keys and ingestion types. Of the tables that it has.",
    )
    .default("none"),
    table(
        "on_tag_error",
        OptionKind::Choice(&["fail", "quarantine"]),
        "What to do when one tag or object fails: end the read, or go on with the others and record it in pi_errors.",
    )
    .default("fail"),
    table(
        "maxCount",
        count(MAX_COUNT),
        "Items asked for at a time: 10000 of a stream, 1000 of a list; lowered to the server's cap. Of pi_af_table_rows the rows of each table that are read, from startIndex on; all when not given.",
    ),
    table(
        "selectedFields",
        OptionKind::Text,
        "Fields to ask for, separated by ';': of a value, which must include time, value and quality, or of a point, which must include WebId; all when not given.",
    ),
    table("timeZone", OptionKind::Text, "Zone of times that name none (Windows or IANA name).").default("UTC"),
];

const TAGS: &[OptionDoc] = &[
    table("tag_webids", OptionKind::List, "WebIDs of the points or attributes to read.").group("tags"),
    table("tag_names", OptionKind::List, "Names of the points to read; they may be on any of the data servers.")
        .group("tags"),
    table(
        "tag_paths",
        OptionKind::List,
        "Paths of the points (\\\\SERVER\\tag) or attributes (\\\\SERVER\\Database\\Element|Attribute).",
    )
    .group("tags"),
    table(
        "nameFilter",
        OptionKind::Text,
        "Points, elements or event frames whose name fits; * is any text, ? one character.",
    )
    .group("tags"),
    table("attribute_webids", OptionKind::List, "WebIDs of AF attributes to read as streams.").group("tags"),
    table("element_webids", OptionKind::List, "AF elements whose attributes are read.").group("tags"),
    table("templateName", OptionKind::Text, "AF template of the elements or event frames to read.").group("tags"),
    table("dataserver_webid", OptionKind::List, "Data servers to read; all when not given.").group("tags"),
    table("default_tags", count(1_000_000), "Read only this many points when none are named; all when not given.")
        .group("tags"),
    table(
        "tag_share",
        OptionKind::Text,
        "Only this share of the tags, such as 2/8: each tag is in one of the eight. For readers side by side.",
    )
    .group("tags"),
    table("tags_per_request", whole(1000), "Tags in one batch request; 0 is the default.").default("100").group("tags"),
];

const WINDOW: &[OptionDoc] = &[
    table(
        "startTime",
        OptionKind::Text,
        "Start of the first read, as a PI time such as *-30d or 2026-01-31T00:00:00Z; 30 days ago when not given.",
    )
    .group("window"),
    table("endTime", OptionKind::Text, "End of the read, as a PI time; one such as +8h counts from startTime.")
        .default("*")
        .group("window"),
    table(
        "lookback_minutes",
        whole(52_560_000),
        "Start of the first read, in minutes before now; in place of startTime.",
    )
    .group("window"),
    table("lookback_days", whole(36_500), "Start of the first read, in days before now; in place of startTime.")
        .group("window"),
    table("window_seconds", whole(31_536_000), "Longest span of one micro-batch; no bound when 0.")
        .default("0")
        .group("window"),
    table("max_records_per_batch", count(1_000_000_000), "Rows between two checkpoints, about.")
        .default("1000000")
        .group("window"),
    table(
        "late_window",
        OptionKind::Text,
        "How far back to read again for late and edited events, as a time span up to 365d.",
    )
    .default("24h")
    .group("window"),
    table(
        "future_horizon",
        OptionKind::Text,
        "How far beyond now to read points that hold future data, in every run anew, as a time span up to 3650d.",
    )
    .default("0")
    .group("window"),
    table(
        "target_response_bytes",
        OptionKind::Integer { min: 65_536, max: 268_435_456 },
        "Size of an answer to aim for, in bytes; those under way hold three times as much at most.",
    )
    .default("25165824")
    .group("window"),
];

const RECORDED: &[OptionDoc] = &[
    table("prefer_streamset", OptionKind::Boolean, "Read many streams by one streamset request in place of a batch.").default("false").group("recorded"),
    table("boundaryType", OptionKind::Choice(&["Inside", "Outside", "Interpolated"]), "Only Inside: the others invent events.").default("Inside").group("recorded"),
    table("filterExpression", OptionKind::Text, "PI performance equation that events must fulfil.").group("recorded"),
    table("includeFilteredValues", OptionKind::Boolean, "Keep events that the filter leaves out, marked by the server.").default("false").group("recorded"),
    table("desiredUnits", OptionKind::Text, "Unit to convert attribute values to, by name or abbreviation.").group("recorded"),
    table(
        "change_capture",
        OptionKind::Choice(&["none", "overlap", "reconcile", "updates"]),
        "Late, edited and deleted events: not followed; late and edited ones of late_window; also deleted ones of reconcile_days; all that the updates feed of the server tells.",
    )
    .default("overlap")
    .group("recorded"),
    table("reconcile_days", whole(3650), "How many days back reconcile and updates know which rows were sent, to find those that were deleted.").default("7").group("recorded"),
    table("reconcile_sample", OptionKind::Number { min: 0.0, max: 1.0 }, "The least share of the known rows that reconcile compares with the archive in each run; up to 200,000 are always compared.").default("0.01").group("recorded"),
    table(
        "snapshot_policy",
        OptionKind::Choice(&["provisional", "exclude", "include"]),
        "The newest event of a tag, which compression may still discard: send it marked, leave it out, or send it as final.",
    )
    .default("provisional")
    .group("recorded"),
];

const WINDOWED: &[OptionDoc] = &[
    table("interval", OptionKind::Text, "Distance of interpolated or calculated values, as a time span such as 1m.").group("windowed"),
    table("syncTime", OptionKind::Text, "Time that interpolated values are aligned to.").group("windowed"),
    table("syncTimeBoundaryType", OptionKind::Choice(&["Inside", "Outside"]), "Whether aligned values may lie outside the window.").default("Inside").group("windowed"),
    table("intervals", count(30_000), "Intervals that the first window, or each of window_seconds, is plotted in.").default("300").group("windowed"),
    table("summaryType", OptionKind::List, "Summaries to compute: Total, Average, Minimum, Maximum, Range, StdDev, PopulationStdDev, Count, PercentGood, TotalWithUOM, All.")
        .default("Total")
        .group("windowed"),
    table(
        "calculationBasis",
        OptionKind::Choice(&[
            "TimeWeighted",
            "EventWeighted",
            "TimeWeightedContinuous",
            "TimeWeightedDiscrete",
            "EventWeightedExcludeMostRecentEvent",
            "EventWeightedExcludeEarliestEvent",
            "EventWeightedIncludeBothEnds",
        ]),
        "How a summary weighs events.",
    )
    .default("TimeWeighted")
    .group("windowed"),
    table("summaryDuration", OptionKind::Text, "Span of one summary; the whole window for pi_summary, 1h for pi_streamset_summary.").group("windowed"),
    table("timeType", OptionKind::Choice(&["Auto", "EarliestTime", "MostRecentTime"]), "Timestamp of a summary.").default("Auto").group("windowed"),
    table("sampleType", OptionKind::Choice(&["ExpressionRecordedValues", "Interval"]), "How a summary samples.")
        .default("ExpressionRecordedValues")
        .group("windowed"),
    table("sampleInterval", OptionKind::Text, "Distance of samples; for interpolated values another name of interval.").group("windowed"),
    table("time", OptionKind::List, "PI times to read values at; of pi_current_value one. Now when not given.").group("windowed"),
    table("retrievalMode", OptionKind::Choice(&["Auto", "AtOrBefore", "Before", "AtOrAfter", "After", "Exact"]), "Which recorded value counts as the one at a time.")
        .default("Auto")
        .group("windowed"),
    table("calculationType", OptionKind::Text, "A summary to compute for each interval.").aliases(&["calculation_type"]).default("Average").group("windowed"),
    table("expression", OptionKind::Text, "PI performance equation to compute in place of a summary.").group("windowed"),
    table("expression_webid", OptionKind::Text, "Data server or element that the expression is computed on.").group("windowed"),
];

const LISTS: &[OptionDoc] = &[
    table("assetdatabase_webid", OptionKind::List, "AF databases to read; all when not given.")
        .aliases(&["database_webids"])
        .group("lists"),
    table("maxTotalCount", count(MAX_COUNT), "Fail when there are more points than this; no bound when not given.")
        .group("lists"),
    table(
        "startIndex",
        whole(MAX_COUNT),
        "Leave out this many at the start: of the points of each data server, or of the rows of each table.",
    )
    .default("0")
    .group("lists"),
    table("point_webids", OptionKind::List, "Points to read; all when not given.").group("lists"),
    table("default_points", count(MAX_COUNT), "Read only this many points when none are named; all when not given.")
        .group("lists"),
    table("name", OptionKind::List, "Names of point attributes to read; all when not given.").group("lists"),
    table("attributeNameFilter", OptionKind::Text, "Attributes whose name fits; * is any text, ? one character.")
        .group("lists"),
    table("root_element_webid", OptionKind::Text, "Read only what is below this element.").group("lists"),
    table(
        "max_depth",
        count(1000),
        "Read only this many levels below the database or root_element_webid; all when not given.",
    )
    .group("lists"),
    table("categoryName", OptionKind::Text, "Category that elements or event frames must have.").group("lists"),
    table(
        "elementType",
        OptionKind::Choice(&["Any", "None", "Other", "Node", "Measurement", "Flow", "Transfer", "Boundary", "PIPoint"]),
        "Type that elements must have.",
    )
    .default("Any")
    .group("lists"),
    table(
        "traversal",
        OptionKind::Choice(&["full", "levels"]),
        "Read the hierarchy as one paged list, or level by level.",
    )
    .default("full")
    .group("lists"),
    table("default_elements", count(MAX_COUNT), "Read the attributes of only this many elements; all when not given.")
        .group("lists"),
    table("searchFullHierarchy", OptionKind::Boolean, "Follow nested attributes, or child event frames, to the end.")
        .default("true")
        .group("lists"),
    table("showHidden", OptionKind::Boolean, "Read hidden attributes too.").default("true").group("lists"),
    table("showExcluded", OptionKind::Boolean, "Read excluded attributes too.").default("true").group("lists"),
    table("trait", OptionKind::List, "Attribute traits that attributes must have, for example LimitHiHi.")
        .group("lists"),
    table("elementtemplate_webid", OptionKind::List, "Element templates to read; all when not given.").group("lists"),
    table("eventframe_template_webid", OptionKind::List, "Event frame templates to read; all when not given.")
        .group("lists"),
    table("table_webid", OptionKind::List, "AF tables to read; all when not given.")
        .aliases(&["table_webids"])
        .group("lists"),
    table("default_tables", count(MAX_COUNT), "Read the rows of only this many AF tables; all when not given.")
        .group("lists"),
];

const EVENT_FRAMES: &[OptionDoc] = &[
    table(
        "searchMode",
        OptionKind::Choice(&[
            "None",
            "StartInclusive",
            "EndInclusive",
            "Inclusive",
            "Overlapped",
            "InProgress",
            "BackwardFromStartTime",
            "ForwardFromStartTime",
            "BackwardFromEndTime",
            "ForwardFromEndTime",
            "BackwardInProgress",
            "ForwardInProgress",
        ]),
        "How the server searches event frames; by the connector's own incremental method when not given.",
    )
    .group("event_frames"),
    table("include_attribute_values", OptionKind::Boolean, "Read the values of an event frame's attributes with it.")
        .default("true")
        .group("event_frames"),
    table("event_frame_webids", OptionKind::List, "Event frames to read; all of the window when not given.")
        .group("event_frames"),
    table("default_event_frames", count(MAX_COUNT), "Read only this many event frames; all when not given.")
        .group("event_frames"),
    table("referencedElementNameFilter", OptionKind::Text, "Event frames that reference an element whose name fits.")
        .group("event_frames"),
    table(
        "referencedElementTemplateName",
        OptionKind::Text,
        "Event frames that reference an element of this template.",
    )
    .group("event_frames"),
    table(
        "severity",
        OptionKind::List,
        "Severities that event frames must have: None, Information, Warning, Minor, Major, Critical.",
    )
    .group("event_frames"),
];

/// The shared client's options, with the defaults that PI servers want.
const HTTP: &[OptionDoc] = &redefaulted::<{ HTTP_OPTIONS.len() }>(
    HTTP_OPTIONS,
    &[("max_retries", "3"), ("requests_per_second", "100"), ("request_timeout_seconds", "120")],
);

const LEN: usize = CONNECTION.len()
    + COMMON.len()
    + TAGS.len()
    + WINDOW.len()
    + RECORDED.len()
    + WINDOWED.len()
    + LISTS.len()
    + EVENT_FRAMES.len()
    + HTTP.len();

/// All options of this source, connection and table.
pub(in super::super) const OPTIONS: &[OptionDoc] =
    &joined::<LEN>(&[CONNECTION, HTTP, COMMON, TAGS, WINDOW, RECORDED, WINDOWED, LISTS, EVENT_FRAMES]);
