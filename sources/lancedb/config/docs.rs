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

const fn query(name: &'static str, kind: OptionKind, about: &'static str) -> OptionDoc {
    OptionDoc::table(name, kind, about).group("query")
}

const fn count(max: i64) -> OptionKind {
    OptionKind::Integer { min: 1, max }
}

const CONNECTION: &[OptionDoc] = &[
    conn("uri", OptionKind::Text, "db://DATABASE for LanceDB Cloud, or the address of a server.").aliases(&["db_uri"]),
    conn("database", OptionKind::Text, "Database of LanceDB Cloud or Enterprise, in place of uri.").aliases(&["db"]),
    conn("region", OptionKind::Text, "Region of LanceDB Cloud.").default("us-east-1"),
    conn(
        "host_override",
        OptionKind::Url,
        "Address of an Enterprise deployment or of a Lance REST server; a base path is kept.",
    )
    .aliases(&["base_url", "endpoint"]),
    conn("api_key", OptionKind::Secret, "API key, sent as x-api-key; LANCEDB_API_KEY of the environment when absent."),
    conn("auth_token", OptionKind::Secret, "Bearer token, for servers that take one in place of a key.")
        .aliases(&["bearer_token"]),
    conn(
        "dialect",
        OptionKind::Choice(&["auto", "cloud", "namespace"]),
        "Which form of requests the server reads: LanceDB Cloud's, or the Lance REST Namespace's; auto asks it.",
    )
    .default("auto"),
    conn("namespace", OptionKind::List, "Namespace whose tables are read, level by level; the root when absent."),
    conn("user_id", OptionKind::Text, "Sent as x-lancedb-user-id."),
    conn("parallelism", count(16), "Pages asked for at a time.").default("4"),
    conn(
        "max_tables",
        OptionKind::Integer { min: 1, max: 10_000_000 },
        "Fail when there are more tables than this; a guard against listings without end.",
    )
    .default("100000"),
];

const SCAN: &[OptionDoc] = &[
    table("version", OptionKind::Integer { min: 1, max: i64::MAX }, "Read this version; the latest when absent."),
    table("tag", OptionKind::Text, "Read the version of this tag."),
    table("branch", OptionKind::Text, "Read this branch, as a snapshot; the main one when absent."),
    table("columns", OptionKind::List, "Columns to read, in this order; all when absent."),
    table("filter", OptionKind::Text, "Rows to read, as a condition in SQL: names in backticks, texts in single quotes."),
    table(
        "scan_mode",
        OptionKind::Choice(&["auto", "offset", "row_range", "dummy_vector"]),
        "How a table is read as a whole. dummy_vector asks for neighbours of a made-up vector: it is slow, and rows without \
         a vector are asked for apart.",
    )
    .default("auto"),
    table("batch_size", count(10_000), "Rows of a page; by target_page_bytes when absent."),
    table("target_page_bytes", OptionKind::Integer { min: 262_144, max: 67_108_864 }, "Size of a page, about.")
        .default("2621440"),
    table(
        "verify",
        OptionKind::Choice(&["count", "strict"]),
        "What proves that a scan is complete: the number of rows, or that and that no row came twice.",
    )
    .default("count"),
    table("primary_keys", OptionKind::List, "Key columns, none of them null and no two rows alike; those that the schema marks when absent."),
    table("cursor_field", OptionKind::Text, "Column that grows with every change, for tables without row versions."),
    table(
        "ingestion_type",
        OptionKind::Choice(&["auto", "snapshot", "append", "cdc", "cdc_with_deletes"]),
        "How the table is followed; the best that it allows when auto.",
    )
    .default("auto"),
    table(
        "delete_detection",
        OptionKind::Choice(&["auto", "rowid_diff", "off"]),
        "How deletions are found: by counts and then row ids, by row ids always, or not.",
    )
    .default("auto"),
    table("with_row_id", OptionKind::Boolean, "Read the column _rowid too.").default("false"),
    table("int_mode", OptionKind::Choice(&["long", "exact"]), "Small integers as long, or in their own width.")
        .default("long"),
    table("timestamp_ntz", OptionKind::Choice(&["utc", "ntz"]), "Timestamps without zone: taken for UTC, or kept so.")
        .default("utc"),
    table(
        "keep_nanos",
        OptionKind::Boolean,
        "Beside timestamps of nanoseconds, which Spark has in microseconds, a column NAME_ns of the whole number since 1970.",
    )
    .default("true"),
    table("uuid_format", OptionKind::Choice(&["string", "binary"]), "UUIDs as text or as bytes.").default("string"),
    table("json_as", OptionKind::Choice(&["string", "variant"]), "Columns of JSON as text, or as Spark's variant.")
        .default("string"),
    table(
        "vector_format",
        OptionKind::Choice(&["array", "binary"]),
        "Vectors of floats as arrays, or as the bytes of their elements, little-endian and of their own width.",
    )
    .default("array"),
    table(
        "blob_mode",
        OptionKind::Choice(&["descriptor", "skip"]),
        "Columns whose bytes lie apart from the table: where they lie, or left out; servers do not send the bytes.",
    )
    .default("descriptor"),
];

const QUERY: &[OptionDoc] = &[
    query(
        "query_vector",
        OptionKind::Text,
        "Vector whose neighbours are read: a JSON array of numbers, an array of such arrays for several, or the path of a \
         file with either. With full_text_query, both rankings are made one.",
    ),
    query("vector_column", OptionKind::Text, "Column of vectors; the only one when absent."),
    query("k", count(10_000), "Neighbours of each vector.").default("10"),
    query("offset", OptionKind::Integer { min: 0, max: 1_000_000 }, "Best rows to leave out.").default("0"),
    query("distance_type", OptionKind::Choice(&["l2", "cosine", "dot", "hamming"]), "Measure of distance."),
    query("prefilter", OptionKind::Boolean, "Filter before neighbours are looked for, so that k of them are found.")
        .default("true"),
    query("nprobes", count(10_000), "Partitions of the index that are searched."),
    query("minimum_nprobes", count(10_000), "Fewest partitions that are searched."),
    query(
        "maximum_nprobes",
        OptionKind::Integer { min: 0, max: 10_000 },
        "Most partitions that are searched; 0 is all.",
    ),
    query("ef", count(100_000), "Candidates that a graph index keeps."),
    query("refine_factor", count(1_000), "How many times k candidates are measured exactly."),
    query("bypass_vector_index", OptionKind::Boolean, "Measure every vector.").default("false"),
    query("fast_search", OptionKind::Boolean, "Leave out rows that are not indexed yet: incomplete by design.")
        .default("false"),
    query("lower_bound", OptionKind::Number { min: f64::MIN, max: f64::MAX }, "Smallest distance, included."),
    query("upper_bound", OptionKind::Number { min: f64::MIN, max: f64::MAX }, "Largest distance, not included."),
    query("full_text_query", OptionKind::Text, "Words that rows must have; needs a full-text index."),
    query("full_text_columns", OptionKind::List, "Columns searched for these words; all indexed ones when absent."),
];

const HTTP: [OptionDoc; HTTP_OPTIONS.len()] = redefaulted(
    HTTP_OPTIONS,
    &[
        ("connect_timeout_seconds", "15"),
        ("read_timeout_seconds", "300"),
        ("request_timeout_seconds", "300"),
        ("max_retries", "4"),
        ("max_concurrency", "16"),
        ("max_body_bytes", "1073741824"),
    ],
);

/// All options of the source.
pub(in super::super) const OPTIONS: &[OptionDoc] =
    &joined::<{ CONNECTION.len() + SCAN.len() + QUERY.len() + HTTP.len() }>(&[CONNECTION, SCAN, QUERY, &HTTP]);
