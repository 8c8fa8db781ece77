//! Random conditions in SQL, and what they mean.

use std::fmt::Write;

use fastrand::Rng;

/// A row of the table `filtered`.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) a: Option<i64>,
    pub(super) select: Option<i64>,
    pub(super) f: Option<f64>,
    pub(super) t: Option<String>,
    pub(super) has_space: Option<String>,
    pub(super) flag: Option<bool>,
}

/// A value of a condition.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Value {
    Long(i64),
    Double(f64),
    Text(String),
}

/// A column of the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Id,
    A,
    Select,
    F,
    T,
    HasSpace,
}

const COLUMNS: [Column; 6] = [Column::Id, Column::A, Column::Select, Column::F, Column::T, Column::HasSpace];
const COMPARISONS: [&str; 7] = ["=", "<>", "!=", "<", "<=", ">", ">="];
const TEXTS: [&str; 10] = ["", "a", "A", "b", "it's", "x; --", "`", "é", "' OR 1=1", "*/ \" )"];
const PATTERNS: [&str; 6] = ["a%", "%'%", "_", "%", "x; --", "é%"];

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Compare(Column, &'static str, Value),
    IsNull(Column, bool),
    In(Column, Vec<Value>, bool),
    Between(Column, Value, Value, bool),
    Like(Column, &'static str, bool),
    Flag,
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

impl Expression {
    pub(super) fn random(rng: &mut Rng, depth: u32) -> Self {
        if depth > 0 && rng.u8(..10) < 7 {
            let inner = |rng: &mut Rng| Box::new(Self::random(rng, depth - 1));
            return match rng.u8(..3) {
                0 => Self::Not(inner(rng)),
                1 => Self::And(inner(rng), inner(rng)),
                _ => Self::Or(inner(rng), inner(rng)),
            };
        }
        let column = COLUMNS[rng.usize(..COLUMNS.len())];
        let negated = rng.bool();
        match rng.u8(..6) {
            0 => Self::IsNull(column, negated),
            1 => Self::In(column, (0..rng.usize(1..4)).map(|_| Value::random(rng, column)).collect(), negated),
            2 => Self::Between(column, Value::random(rng, column), Value::random(rng, column), negated),
            3 => {
                let column = if rng.bool() { Column::T } else { Column::HasSpace };
                Self::Like(column, PATTERNS[rng.usize(..PATTERNS.len())], negated)
            }
            4 => Self::Flag,
            _ => Self::Compare(column, COMPARISONS[rng.usize(..COMPARISONS.len())], Value::random(rng, column)),
        }
    }

    /// What the condition says of a row; `None` is unknown, which selects nothing.
    pub(super) fn holds(&self, row: &Row) -> Option<bool> {
        let not = |held: Option<bool>, negated: bool| held.map(|held| held != negated);
        match self {
            Self::Compare(column, comparison, value) => column.of(row).map(|found| compare(&found, comparison, value)),
            Self::IsNull(column, negated) => Some(column.of(row).is_none() != *negated),
            Self::In(column, values, negated) => not(column.of(row).map(|found| values.contains(&found)), *negated),
            Self::Between(column, low, high, negated) => {
                not(column.of(row).map(|found| found >= *low && found <= *high), *negated)
            }
            Self::Like(column, pattern, negated) => not(column.of(row).map(|found| found.is_like(pattern)), *negated),
            Self::Flag => row.flag,
            Self::Not(inner) => inner.holds(row).map(|held| !held),
            Self::And(a, b) => match (a.holds(row), b.holds(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (a, b) => a.and(b),
            },
            Self::Or(a, b) => match (a.holds(row), b.holds(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (a, b) => a.and(b),
            },
        }
    }

    /// The condition as a user may write it.
    pub(super) fn write(&self, rng: &mut Rng) -> String {
        let mut out = String::new();
        self.write_to(&mut out, rng, 0);
        out
    }

    fn write_to(&self, out: &mut String, rng: &mut Rng, binding: u8) {
        let own = match self {
            Self::Or(..) => 1,
            Self::And(..) => 2,
            Self::Not(_) => 3,
            _ => 4,
        };
        let parentheses = own < binding || rng.u8(..8) == 0;
        if parentheses {
            out.push('(');
        }
        match self {
            Self::Compare(column, comparison, value) => {
                column.write(out, rng);
                let space = if rng.bool() { " " } else { "" };
                let _ = write!(out, "{space}{comparison}{space}");
                value.write(out);
            }
            Self::IsNull(column, negated) => {
                column.write(out, rng);
                word(out, rng, if *negated { "is not null" } else { "is null" });
            }
            Self::In(column, values, negated) => {
                column.write(out, rng);
                word(out, rng, if *negated { "not in" } else { "in" });
                out.push('(');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(')');
            }
            Self::Between(column, low, high, negated) => {
                column.write(out, rng);
                word(out, rng, if *negated { "not between" } else { "between" });
                low.write(out);
                word(out, rng, "and");
                high.write(out);
            }
            Self::Like(column, pattern, negated) => {
                column.write(out, rng);
                word(out, rng, if *negated { "not like" } else { "like" });
                Value::Text((*pattern).to_owned()).write(out);
            }
            Self::Flag => out.push_str(if rng.bool() { "flag" } else { "`flag`" }),
            Self::Not(inner) => {
                word(out, rng, "not");
                inner.write_to(out, rng, 4);
            }
            Self::And(a, b) | Self::Or(a, b) => {
                a.write_to(out, rng, own);
                word(out, rng, if own == 2 { "and" } else { "or" });
                b.write_to(out, rng, own + 1);
            }
        }
        if parentheses {
            out.push(')');
        }
    }
}

impl Column {
    fn of(self, row: &Row) -> Option<Value> {
        match self {
            Self::Id => Some(Value::Long(row.id)),
            Self::A => row.a.map(Value::Long),
            Self::Select => row.select.map(Value::Long),
            Self::F => row.f.map(Value::Double),
            Self::T => row.t.clone().map(Value::Text),
            Self::HasSpace => row.has_space.clone().map(Value::Text),
        }
    }

    fn write(self, out: &mut String, rng: &mut Rng) {
        let (name, needs_quotes) = match self {
            Self::Id => ("id", false),
            Self::A => ("a", false),
            Self::Select => ("select", true),
            Self::F => ("f", false),
            Self::T => ("t", false),
            Self::HasSpace => ("has space", true),
        };
        let _ = if needs_quotes || rng.bool() { write!(out, "`{name}`") } else { write!(out, "{name}") };
    }
}

impl Value {
    fn random(rng: &mut Rng, column: Column) -> Self {
        match column {
            Column::Id => Self::Long(rng.i64(0..132)),
            Column::A | Column::Select => Self::Long(rng.i64(-4..5)),
            Column::F => Self::Double(rng.i32(-4..5) as f64 / 4.0),
            Column::T | Column::HasSpace => Self::Text(TEXTS[rng.usize(..TEXTS.len())].to_owned()),
        }
    }

    fn write(&self, out: &mut String) {
        let _ = match self {
            Self::Long(value) => write!(out, "{value}"),
            Self::Double(value) => write!(out, "{value:.2}"),
            Self::Text(value) => write!(out, "'{}'", value.replace('\'', "''")),
        };
    }

    fn is_like(&self, pattern: &str) -> bool {
        let Self::Text(text) = self else { return false };
        let (text, pattern): (Vec<_>, Vec<_>) = (text.chars().collect(), pattern.chars().collect());
        like(&text, &pattern)
    }
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skipped| like(&text[skipped..], rest)),
        Some(('_', rest)) => !text.is_empty() && like(&text[1..], rest),
        Some((first, rest)) => text.first() == Some(first) && like(&text[1..], rest),
    }
}

fn compare(found: &Value, comparison: &str, value: &Value) -> bool {
    match comparison {
        "=" => found == value,
        "<>" | "!=" => found != value,
        "<" => found < value,
        "<=" => found <= value,
        ">" => found > value,
        _ => found >= value,
    }
}

/// Words of any case, with some blank space around.
fn word(out: &mut String, rng: &mut Rng, words: &str) {
    let blank = [" ", "  ", "\n", "\t "];
    out.push_str(blank[rng.usize(..blank.len())]);
    for c in words.chars() {
        out.push(if rng.bool() { c.to_ascii_uppercase() } else { c });
    }
    out.push_str(blank[rng.usize(..blank.len())]);
}

const PARTS: [&str; 44] = [
    "id",
    "a",
    "t",
    "`has space`",
    "f",
    "flag",
    "=",
    "<",
    ">=",
    "<>",
    "1",
    "-1",
    "0.5",
    "'a'",
    "'it''s'",
    "'",
    "\"a\"",
    "(",
    ")",
    ")",
    "(",
    "OR",
    "AND",
    "NOT",
    "IN",
    "IS NULL",
    "IS NOT NULL",
    "LIKE",
    "BETWEEN",
    "--",
    "/*",
    "*/",
    ";",
    "1=1",
    "true",
    "_rowaddr",
    "_rowid",
    "SELECT",
    "UNION",
    ",",
    "`",
    "`a` OR `id`",
    "id >= 0) OR (id >= 0",
    "\u{0}",
];

/// Text that is made to break out of a condition: a condition with something in it that may not belong there, or parts in
/// any order.
pub(super) fn hostile(rng: &mut Rng) -> String {
    let part = |rng: &mut Rng| PARTS[rng.usize(..PARTS.len())];
    if rng.u8(..4) == 0 {
        return (0..rng.usize(1..9)).map(|_| part(rng)).collect::<Vec<_>>().join(" ");
    }
    let text = Expression::random(rng, 2).write(rng);
    let mut words: Vec<&str> = text.split_inclusive([' ', '(']).collect();
    let at = rng.usize(..words.len());
    let joined = [" ", part(rng), " "].concat();
    match rng.u8(..3) {
        0 => words.insert(at, &joined),
        1 => words[at] = &joined,
        _ => _ = words.remove(at),
    }
    words.concat()
}
