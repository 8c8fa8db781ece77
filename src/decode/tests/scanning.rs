use super::broken;
use crate::decode::{Kind, Scanner};

#[test]
fn text_that_is_not_json_names_the_byte_and_not_the_text() {
    for (text, byte) in [
        ("", 0),
        ("   ", 3),
        (r#"{"v":"#, 5),
        (r#"{"v":1"#, 6),
        (r#"{"v":1,}"#, 7),
        (r#"{"v":[1,]}"#, 8),
        (r#"{"v":[,1]}"#, 6),
        (r#"{,"v":1}"#, 1),
        (r#"{"v" 1}"#, 5),
        (r#"{"v":NaN}"#, 5),
        (r#"{"v":01}"#, 6),
        (r#"{"v":1]"#, 6),
        (r#"{"v":[1}"#, 7),
        (r#"{"v":'a'}"#, 5),
        (r#"{v:1}"#, 1),
        (r#"{"v":tru}"#, 5),
        (r#"{"v":"abc"#, 9),
        (r#"{"v":"a\x"}"#, 8),
        (r#"{"v":"\u12g4"}"#, 10),
        ("{\"v\":\"a\nb\"}", 7),
        (r#"{"v":-}"#, 6),
        (r#"{"v":1.}"#, 7),
        (r#"{"v":.5}"#, 5),
        (r#"{"v":{"a":{"b":}}}"#, 15),
        (r#"{"v":+1}"#, 5),
        ("{\"v\":\u{a0}1}", 5),
        ("{\"v\":\0}", 5),
    ] {
        let error = broken(text);
        assert_eq!(error.get("byte"), Some(byte.to_string().as_str()), "{text}: {error}");
    }
}

#[test]
fn nesting_ends_at_the_limit_without_recursion() {
    let nest = |depth: usize| format!(r#"{{"v":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let limit = Scanner::MAX_DEPTH as usize;
    assert!(Scanner::new(&nest(limit - 1)).skip().is_ok());
    for depth in [limit, 1_000, 1_000_000] {
        assert_eq!(broken(&nest(depth)).get("limit"), Some("128"));
    }
    let alternating = r#"[{"a":"#.repeat(500_000);
    assert_eq!(broken(&alternating).get("limit"), Some("128"));
}

#[test]
fn a_value_is_passed_over_byte_for_byte() {
    for value in [r#"{ "a" : [1 , {"b":"\"]"}] }"#, r#""x\\""#, "-1.5e+3", "true", "null", "[]", "{}", "[[],[{}]]"] {
        let text = format!(" [{value} ,1]");
        let mut scanner = Scanner::new(&text);
        scanner.enter_array().unwrap();
        assert!(scanner.next_element().unwrap());
        assert_eq!(scanner.skip().unwrap(), value);
        assert!(scanner.next_element().unwrap());
        assert_eq!(scanner.number().unwrap(), "1");
        assert!(!scanner.next_element().unwrap());
        scanner.end().unwrap();
    }
}

#[test]
fn keys_and_strings_are_unescaped_and_borrowed_when_they_can_be() {
    let mut scanner = Scanner::new("\u{feff}{\"\\u0061\": \"b\\n\", \"c\":null}");
    assert_eq!(scanner.peek().unwrap(), Kind::Object);
    scanner.enter_object().unwrap();
    assert_eq!(scanner.next_key().unwrap().unwrap(), "a");
    assert_eq!(scanner.string().unwrap(), "b\n");
    assert!(matches!(scanner.next_key().unwrap().unwrap(), std::borrow::Cow::Borrowed("c")));
    assert_eq!(scanner.optional_string().unwrap(), None);
    assert_eq!(scanner.next_key().unwrap(), None);
    scanner.end().unwrap();
}

#[test]
fn half_a_surrogate_pair_is_no_text_but_can_be_passed_over() {
    assert!(Scanner::new(r#""\ud83d""#).string().is_err());
    assert_eq!(Scanner::new(r#""\ud83d""#).skip().unwrap(), r#""\ud83d""#);
}

#[test]
fn trailing_text_is_seen() {
    let mut scanner = Scanner::new("{} x");
    scanner.skip().unwrap();
    assert_eq!(scanner.end().unwrap_err().get("byte"), Some("3"));
}
