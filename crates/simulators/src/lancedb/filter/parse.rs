//! Text to syntax.

use sqlparser::{
    ast::{Expr, SelectItem, SetExpr, Statement},
    dialect::{Dialect, GenericDialect},
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

use crate::lancedb::refusal::Refusal;

/// The most operators in one condition: more would need a deeper stack.
const MOST_OPERATORS: usize = 4_000;

/// The generic dialect, but only backticks quote names: what stands in double quotes is a text.
#[derive(Debug, Default)]
struct Backticks(GenericDialect);

impl Dialect for Backticks {
    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }
}

fn refused(what: &str, sql: &str, error: impl std::fmt::Display) -> Refusal {
    Refusal::input(format!("\"Error {what} statement: {sql} ({error})\""))
}

fn statement(sql: &str) -> Result<SetExpr, Refusal> {
    let dialect = Backticks::default();
    let tokens = Tokenizer::new(&dialect, sql).tokenize().map_err(|error| refused("tokenizing", sql, error))?;
    let operators = tokens.iter().filter(|token| matches!(token, Token::Word(word) if is_connective(&word.value)));
    if operators.count() > MOST_OPERATORS {
        return Err(refused("parsing", "", "sql parser error: recursion limit exceeded"));
    }
    // What comes after the first statement is not looked at.
    let parsed = Parser::new(&dialect).with_tokens(tokens).parse_statement();
    match parsed.map_err(|error| refused("parsing", sql, error))? {
        Statement::Query(query) => Ok(*query.body),
        _ => Err(refused("parsing", sql, "no query")),
    }
}

fn is_connective(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|other| word.eq_ignore_ascii_case(other))
}

/// A condition.
pub(super) fn condition(text: &str) -> Result<Expr, Refusal> {
    let sql = format!("SELECT 1 FROM t WHERE {text}");
    match statement(&sql)? {
        SetExpr::Select(select) => select.selection.ok_or_else(|| refused("parsing", &sql, "no condition")),
        _ => Err(refused("parsing", &sql, "no condition")),
    }
}

/// A value.
pub(super) fn value(text: &str) -> Result<Expr, Refusal> {
    let sql = format!("SELECT {text} FROM t");
    let SetExpr::Select(select) = statement(&sql)? else { return Err(refused("parsing", &sql, "no value")) };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(expr)) => Ok(expr),
        _ => Err(refused("parsing", &sql, "no value")),
    }
}
