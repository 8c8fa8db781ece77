//! Typed conditions against Lance's own REST server; `scripts/real-servers start lance` starts it.

use std::env;

use arrow::{
    array::{Array, ArrayRef, AsArray, Scalar},
    compute::kernels::cmp,
    datatypes::{
        DataType, Date32Type, Float64Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType, UInt64Type,
    },
};

use super::{Comparison, Literal, Names, Predicate, checked, text::FUNCTIONS};
use crate::{
    error::ErrorKind,
    options::Options,
    registry::Context,
    sources::lancedb::{
        client::{Asked, LanceClient},
        config::Connection,
        dialect::Query,
    },
};

fn literal(column: &ArrayRef, row: usize) -> Option<Literal> {
    Some(match column.data_type() {
        _ if column.is_null(row) => return None,
        DataType::Int64 => Literal::Long(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => Literal::UnsignedLong(column.as_primitive::<UInt64Type>().value(row)),
        DataType::Float64 => Literal::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Literal::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Boolean => Literal::Boolean(column.as_boolean().value(row)),
        DataType::Date32 => Literal::Date(column.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Literal::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Binary => Literal::Binary(column.as_binary::<i32>().value(row).to_vec()),
        other => panic!("no literal of {other}"),
    })
}

fn matching(column: &ArrayRef, comparison: Comparison, row: usize) -> u64 {
    let value = Scalar::new(column.slice(row, 1));
    let compare = match comparison {
        Comparison::Equal => cmp::eq,
        Comparison::Less => cmp::lt,
        Comparison::AtMost => cmp::lt_eq,
        Comparison::More => cmp::gt,
        Comparison::AtLeast => cmp::gt_eq,
    };
    compare(column, &value).unwrap().true_count() as u64
}

async fn literals() -> (LanceClient, SchemaRef, Vec<ArrayRef>) {
    let url = env::var("LAKEFLOW_TEST_LANCE_URL").expect("run scripts/real-servers start lance");
    let connection = Connection::parse(&Options::new().with("uri", url)).unwrap();
    let client = LanceClient::new(&connection, &Context::new()).unwrap();
    let query = Query { version: Some(1), limit: 100, ..Query::default() };
    let Asked::Answer(answer) = client.query("literals", &query).await.unwrap() else { panic!("too large") };
    (client, answer.schema, answer.batches[0].columns().to_vec())
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_typed_conditions_select_what_arrow_selects() {
    let (client, schema, columns) = literals().await;
    let mut compared = 0;
    for (field, column) in schema.fields().iter().zip(&columns) {
        let name = Names(&schema).write(&[field.name()], 0).unwrap();
        for row in 0..column.len() {
            let Some(literal) = literal(column, row) else { continue };
            let one_of = Predicate::In(name.clone(), vec![literal.clone()]).to_text().unwrap();
            let found = client.count("literals", 1, Some(&one_of)).await.unwrap_or_else(|e| panic!("{one_of}: {e}"));
            assert_eq!(found, matching(column, Comparison::Equal, row), "{one_of}");
            for comparison in
                [Comparison::Equal, Comparison::Less, Comparison::AtMost, Comparison::More, Comparison::AtLeast]
            {
                let text = Predicate::Compare(name.clone(), comparison, literal.clone()).to_text().unwrap();
                let found = client.count("literals", 1, Some(&text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
                assert_eq!(found, matching(column, comparison, row), "{text}");
                compared += 1;
            }
        }
        let missing = Predicate::IsNull(name).to_text().unwrap();
        assert_eq!(client.count("literals", 1, Some(&missing)).await.unwrap(), column.null_count() as u64, "{missing}");
    }
    assert!(compared > 300, "{compared}");
}

/// Conditions, by the table that they are of. Each function stands in one.
const CONDITIONS: &[(&str, &[&str])] = &[
    (
        "filtered",
        &[
            "abs(a) = 1",
            "char_length(t) = 1 AND character_length(t) = 1 AND length(t) = 1 AND octet_length(t) = 1",
            "coalesce(a, 0) = 0 OR nullif(a, 1) IS NULL",
            "concat(t, 'x') = 'ax' OR t || 'x' = 'bx'",
            "contains(t, 'a') OR starts_with(t, 'b') OR ends_with(t, '%')",
            "lower(t) = 'a' AND upper(t) = 'A' AND ltrim(t) = rtrim(t)",
            "regexp_like(t, '^a') OR regexp_match(t, '^b') IS NOT NULL",
            "round(f) = 1 AND strpos(t, 'a') < 2",
            "cast(a as bigint) = 1 OR cast(a as string) = '2' OR CAST(`select` AS INT) = 3",
            "flag IS TRUE OR flag IS NOT TRUE",
            "t ILIKE 'A%' OR t NOT LIKE '_'",
            "a % 2 = 1 AND a * 2 = 2 AND a + 1 > -1 AND a - 1 < 2 AND -a = -1 AND a / 1 = 1",
            "`has space` IN ('a', 'it''s') AND `select` BETWEEN 0 AND 3",
        ],
    ),
    (
        "scalars",
        &[
            "date_part('year', ts_us) = 2024 OR date_trunc('day', ts_us) = timestamp '2024-01-31 00:00:00'",
            "json_exists(json, '$.a') OR json_get(json, 'a') IS NOT NULL",
            "json_get_string(json, 'b') = 'x' OR json_get_int(json, 'b') = 1 OR json_get_float(json, 'b') = 1.5",
            "json_get_bool(json, 'b')",
            "date32 = date '2024-01-31' AND ts_us > timestamp '2024-01-31 10:00:00.123456'",
            "decimal128 = decimal(5,2) '0.01' AND binary = X'00FF' AND u64 > 18446744073709551614",
        ],
    ),
    (
        "nested",
        &[
            "array_contains(texts, 'a') OR array_has(texts, 'a')",
            "array_has_all(texts, ['a']) OR array_has_any(texts, ['a', 'b'])",
            "array_length(texts) = 2 AND i8s[1] = 1",
            "get_field(point, 'x') = 1 AND `point`.x = 1 AND point IS NOT NULL",
        ],
    ),
];

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_all_that_a_filter_may_have_is_known_to_the_server() {
    let (client, ..) = literals().await;
    for (table, conditions) in CONDITIONS {
        let Asked::Answer(answer) =
            client.query(table, &Query { version: Some(1), limit: 1, ..Query::default() }).await.unwrap()
        else {
            panic!("too large")
        };
        for condition in *conditions {
            let text = checked(condition, Names(&answer.schema)).unwrap_or_else(|e| panic!("{condition}: {e}"));
            client.count(table, 1, Some(&text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        }
    }
    let all = CONDITIONS.iter().flat_map(|(_, conditions)| conditions.iter().copied()).collect::<String>();
    for function in FUNCTIONS {
        assert!(all.contains(&format!("{function}(")), "no condition has {function}");
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_values_of_another_type_are_refused_once() {
    let (client, ..) = literals().await;
    let before = client.http.activity().requests;
    let wrong = Predicate::Compare("`i64`".to_owned(), Comparison::Equal, Literal::Text("MARKER".to_owned()));
    let error = client.count("literals", 1, Some(&wrong.to_text().unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert_eq!(client.http.activity().requests, before + 1, "a refusal was asked for again");
}

/// Values as users write them, and the columns whose type they are of.
const VALUES: &[(&str, &[&str])] = &[
    ("5", &["i64", "u64", "f64"]),
    ("-1", &["i64", "f64"]),
    ("1.5", &["f64"]),
    ("18446744073709551615", &["u64", "f64"]),
    ("99999999999999999999", &["f64"]),
    ("'5'", &["text"]),
    ("'2024-01-31'", &["text"]),
    ("true", &["flag"]),
    // Days since 1970, where the column has numbers.
    ("date '2024-01-31'", &["day", "at", "at_utc", "i64"]),
    ("timestamp '2024-01-31 10:00:00'", &["at", "at_utc"]),
    ("X'00'", &["data"]),
    ("NULL", &["i64", "u64", "f64", "text", "flag", "day", "at", "at_utc", "data"]),
];

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_values_that_users_write_fit_their_column_or_are_refused_once() {
    let (client, schema, _) = literals().await;
    let mut refused = 0;
    for (value, fitting) in VALUES {
        for column in schema.fields().iter().map(|field| field.name()).filter(|name| *name != "id") {
            let filter = checked(&format!("{column} = {value}"), Names(&schema)).unwrap();
            let before = client.http.activity().requests;
            let counted = client.count("literals", 1, Some(&filter)).await;
            assert_eq!(client.http.activity().requests, before + 1, "{filter}");
            assert_eq!(counted.is_ok(), fitting.contains(&column.as_str()), "{filter}: {counted:?}");
            if let Err(error) = counted {
                assert_eq!(error.kind(), ErrorKind::Config, "{filter}: {error}");
                // A text may be compared with a date, as long as every text is one.
                let told = ["does not fit the type", "cannot be applied to the rows"];
                assert!(told.iter().any(|part| error.to_string().contains(part)), "{filter}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 70, "{refused}");
}
