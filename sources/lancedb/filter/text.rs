//! A filter that a user wrote, checked and written anew.

use super::{
    lexer::{Token, tokens, wrong},
    names::Names,
};
use crate::error::{Error, Result};

/// Deepest nesting of parentheses and brackets.
const DEEPEST: usize = 50;

/// Words of conditions.
const KEYWORDS: &[&str] = &[
    "AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "BETWEEN", "ESCAPE", "TRUE", "FALSE", "CAST", "AS",
    "DISTINCT",
];

/// Words of statements: conditions do not have them, and a subquery would read other rows.
const FORBIDDEN: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "WITH",
    "INTO",
    "EXEC",
    "EXECUTE",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "GRANT",
    "REVOKE",
    "CALL",
    "COPY",
    "SET",
    "HAVING",
    "GROUP",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "EXISTS",
    "OVER",
    "RETURNING",
];

/// Names of types, which stand before a text, in parentheses after it, or behind AS.
const TYPES: &[&str] = &[
    "DATE",
    "TIMESTAMP",
    "DECIMAL",
    "BOOLEAN",
    "INT",
    "BIGINT",
    "SMALLINT",
    "TINYINT",
    "FLOAT",
    "DOUBLE",
    "STRING",
    "VARCHAR",
    "TEXT",
    "BINARY",
    "X",
];

/// Functions that look at one row and tell the same each time, of those that servers know.
pub(super) const FUNCTIONS: &[&str] = &[
    "abs",
    "array_contains",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_length",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "contains",
    "date_part",
    "date_trunc",
    "ends_with",
    "get_field",
    "json_exists",
    "json_get",
    "json_get_bool",
    "json_get_float",
    "json_get_int",
    "json_get_string",
    "length",
    "lower",
    "ltrim",
    "nullif",
    "octet_length",
    "regexp_like",
    "regexp_match",
    "round",
    "rtrim",
    "starts_with",
    "strpos",
    "upper",
];

/// The filter in the server's words, in parentheses, so that nothing in it reaches beyond it.
///
/// # Errors
/// [`Config`](crate::ErrorKind::Config) with the position of what a filter may not have;
/// [`NotFound`](crate::ErrorKind::NotFound) for a column or function that there is not.
pub(in super::super) fn checked(text: &str, names: Names<'_>) -> Result<String> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(wrong("is blank", 0).help("leave the option out to read every row"));
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut open: Vec<&str> = Vec::new();
    let mut i = 0;
    // A text of hexadecimal digits is one word with the X before it.
    let mut glued = false;
    out.push('(');
    while let Some((at, token)) = tokens.get(i) {
        if i > 0 && !glued {
            out.push(' ');
        }
        glued = false;
        let next = tokens.get(i + 1).map(|(_, token)| token);
        let mut taken = 1;
        match token {
            Token::Text(text) => write_text(&mut out, text),
            Token::Number(number) => out.push_str(number),
            Token::Mark(mark) => {
                nest(&mut open, mark, *at)?;
                out.push_str(mark);
            }
            Token::Word(word) if is_syntax(word, next) => {
                out.push_str(&word.to_ascii_uppercase());
                glued = word.eq_ignore_ascii_case("X");
            }
            Token::Word(word) if next == Some(&Token::Mark("(")) => {
                let name = word.to_ascii_lowercase();
                if !FUNCTIONS.contains(&name.as_str()) {
                    return Err(Error::unknown("function", word, FUNCTIONS.iter().copied()).with("position", at + 1));
                }
                out.push_str(&name);
            }
            Token::Word(word) if FORBIDDEN.iter().any(|other| other.eq_ignore_ascii_case(word)) => {
                return Err(wrong(format!("has the word {}, which conditions do not have", word.to_uppercase()), *at)
                    .help("a column of this name is written in backticks"));
            }
            Token::Word(first) | Token::Name(first) => {
                let mut path = vec![first.as_str()];
                while let (Some((_, Token::Mark("."))), Some((_, Token::Word(part) | Token::Name(part)))) =
                    (tokens.get(i + taken), tokens.get(i + taken + 1))
                {
                    path.push(part);
                    taken += 2;
                }
                out.push_str(&names.write(&path, *at)?);
            }
        }
        i += taken;
    }
    if !open.is_empty() {
        return Err(wrong("has a parenthesis that is never closed", text.len()));
    }
    out.push(')');
    Ok(out)
}

/// Whether a word belongs to the language where it stands. Names of types may be names of columns, too.
fn is_syntax(word: &str, next: Option<&Token>) -> bool {
    let is_in = |words: &[&str]| words.iter().any(|other| other.eq_ignore_ascii_case(word));
    let before_value = matches!(next, Some(Token::Text(_) | Token::Mark("(" | ")")));
    is_in(KEYWORDS) || (is_in(TYPES) && before_value)
}

fn nest(open: &mut Vec<&'static str>, mark: &'static str, at: usize) -> Result<()> {
    match mark {
        "(" | "[" if open.len() >= DEEPEST => return Err(wrong("is nested deeper than 50 levels", at)),
        "(" => open.push(")"),
        "[" => open.push("]"),
        ")" | "]" if open.pop() != Some(mark) => {
            return Err(wrong("closes a parenthesis that is not open", at));
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('\'');
    out.push_str(&text.replace('\'', "''"));
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;

    fn schema() -> Schema {
        let field = |name: &str| Field::new(name, DataType::Utf8, true);
        let inner = DataType::Struct([field("x"), field("y z")].into_iter().collect());
        let names = ["id", "date", "has space", "end", "x"];
        Schema::new(names.map(field).into_iter().chain([Field::new("s", inner, true)]).collect::<Vec<_>>())
    }

    fn check(text: &str) -> Result<String> {
        checked(text, Names(&schema()))
    }

    #[test]
    fn conditions_are_written_anew_in_parentheses() {
        for (given, wanted) in [
            ("id = 1", "(`id` = 1)"),
            ("id=-1.5 or not(id in('a','b''c'))", "(`id` = - 1.5 OR NOT ( `id` IN ( 'a' , 'b''c' ) ))"),
            ("date > date '2024-01-31'", "(`date` > DATE '2024-01-31')"),
            ("`has space` is not null", "(`has space` IS NOT NULL)"),
            ("s.x = 'a' and s.`y z` like 'b%'", "(`s`.`x` = 'a' AND `s`.`y z` LIKE 'b%')"),
            ("`end` = decimal(5,2) '1.20'", "(`end` = DECIMAL ( 5 , 2 ) '1.20')"),
            ("Lower(id) = 'a'", "(lower ( `id` ) = 'a')"),
            ("x = X'0AFF' and cast(id as BIGINT) > 4", "(`x` = X'0AFF' AND CAST ( `id` AS BIGINT ) > 4)"),
            ("_rowid < 10", "(`_rowid` < 10)"),
        ] {
            assert_eq!(check(given).unwrap(), wanted, "{given}");
        }
    }

    #[test]
    fn what_a_filter_may_not_have_is_refused() {
        for (given, part) in [
            ("", "blank"),
            ("   ", "blank"),
            ("id = 1) OR (1 = 1", "not open"),
            ("(id = 1", "never closed"),
            ("[id)", "not open"),
            ("id in (select id from t)", "SELECT"),
            ("id = 1 union all", "UNION"),
            ("limit = 1", "LIMIT"),
            ("pg_sleep(10) = 1", "no function named"),
            ("ID = 1", "no column named"),
            ("s.q = 1", "no column named"),
        ] {
            let error = check(given).unwrap_err();
            assert!(error.to_string().contains(part), "{given}: {error}");
        }
        let deep = "(".repeat(51) + "id" + &")".repeat(51);
        assert!(check(&deep).unwrap_err().message().contains("50 levels"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_stays_inside_its_parentheses(text in r#"[a-z'`"()\[\];/*\- 0-9=.,\n]{0,40}"#) {
            if let Ok(out) = check(&text) {
                let outside = outside_texts(&out);
                prop_assert!(!outside.contains("--") && !outside.contains("/*") && !outside.contains(';'));
                let mut depth = 0;
                for (at, c) in outside.char_indices() {
                    match c {
                        '(' => depth += 1,
                        ')' => depth -= 1,
                        _ => {}
                    }
                    prop_assert!(depth > 0 || at + 1 == outside.len(), "{out}");
                }
                prop_assert_eq!(depth, 0);
            }
        }

        #[test]
        fn any_text_comes_out_as_it_went_in(text in "\\PC{0,30}") {
            let mut literal = String::new();
            write_text(&mut literal, &text);
            let out = check(&format!("id = {literal}")).unwrap();
            let wanted = format!("(`id` = {literal})");
            prop_assert_eq!(out, wanted);
        }
    }

    /// The text without what stands in quotes, as the server's own parser would leave it.
    fn outside_texts(text: &str) -> String {
        let mut outside = String::new();
        let mut quote = None;
        for c in text.chars() {
            match quote {
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if matches!(c, '\'' | '`') => quote = Some(c),
                None => outside.push(c),
            }
        }
        outside
    }
}
