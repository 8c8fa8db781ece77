//! Offsets come back as they were, whatever a source writes into them, and nothing else is taken for one.

use std::collections::BTreeMap;

use lakeflow_connect::{ErrorKind, Offset};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// A state with everything that JSON can spoil: large integers, odd texts, absent values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    watermark: String,
    done: BTreeMap<String, i64>,
    low: i64,
    high: u64,
    link: Option<String>,
    nested: Vec<Option<bool>>,
}

prop_compose! {
    fn state()(
        watermark in any::<String>(),
        done in proptest::collection::btree_map(any::<String>(), any::<i64>(), 0..8),
        low in any::<i64>(),
        high in any::<u64>(),
        link in any::<Option<String>>(),
        nested in proptest::collection::vec(any::<Option<bool>>(), 0..4),
    ) -> State {
        State { watermark, done, low, high, link, nested }
    }
}

proptest! {
    #[test]
    fn a_stored_offset_is_the_one_that_was_sent(state in state(), version in any::<u32>()) {
        let sent = Offset::encode(version, &state).unwrap();
        let stored = Offset::from_json(&sent.to_json()).unwrap();
        prop_assert_eq!(&stored, &sent);
        prop_assert_eq!(stored.version(), Some(u64::from(version)));
        prop_assert_eq!(stored.to_json(), sent.to_json());
        prop_assert_eq!(stored.decode::<State>(version).unwrap(), state);
    }

    #[test]
    fn an_offset_is_itself_a_json_value(state in state()) {
        let sent = Offset::encode(1, &state).unwrap();
        let document = serde_json::to_string(&sent).unwrap();
        prop_assert_eq!(document, sent.to_json());
        prop_assert_eq!(serde_json::from_str::<Offset>(&sent.to_json()).unwrap(), sent);
    }

    #[test]
    fn another_version_is_expired(state in state(), version in any::<u32>(), other in any::<u32>()) {
        prop_assume!(version != other);
        let error = Offset::encode(version, &state).unwrap().decode::<State>(other).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::OffsetExpired);
    }

    #[test]
    fn a_fraction_is_refused_at_any_depth(fraction in any::<f64>().prop_filter("a number", |f| f.is_finite())) {
        for state in [serde_json::json!({"at": fraction}), serde_json::json!({"at": {"tags": [fraction]}})] {
            prop_assert_eq!(Offset::encode(1, &state).unwrap_err().kind(), ErrorKind::Internal);
        }
    }

    #[test]
    fn any_text_is_an_offset_or_expired(text in any::<String>()) {
        if let Err(error) = Offset::from_json(&text) {
            prop_assert_eq!(error.kind(), ErrorKind::OffsetExpired);
            prop_assert!(text.len() < 8 || !error.to_string().contains(&text));
        }
    }

    #[test]
    fn a_missing_or_strange_member_is_expired(state in state(), which in 0..5_usize) {
        let text = Offset::encode(1, &state).unwrap().to_json();
        let serde_json::Value::Object(mut members) = serde_json::from_str(&text).unwrap() else { unreachable!() };
        let name = members.keys().filter(|k| !["v", "link"].contains(&k.as_str())).nth(which).cloned().unwrap();
        let taken = members.remove(&name);
        let offset = Offset::from_json(&serde_json::to_string(&members).unwrap()).unwrap();
        prop_assert_eq!(offset.decode::<State>(1).unwrap_err().kind(), ErrorKind::OffsetExpired);
        members.insert(format!("{name}_"), taken.unwrap());
        let offset = Offset::from_json(&serde_json::to_string(&members).unwrap()).unwrap();
        prop_assert_eq!(offset.decode::<State>(1).unwrap_err().kind(), ErrorKind::OffsetExpired);
    }
}

#[test]
fn an_offset_too_large_to_store_is_refused() {
    let just = "x".repeat(Offset::MAX_BYTES - r#"{"v":1,"s":""}"#.len());
    assert!(Offset::encode(1, &serde_json::json!({"s": just})).is_ok());
    let error = Offset::encode(1, &serde_json::json!({"s": format!("{just}x")})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn only_an_object_is_an_offset() {
    for state in [serde_json::json!([1]), serde_json::json!("x"), serde_json::json!(null)] {
        assert_eq!(Offset::encode(1, &state).unwrap_err().kind(), ErrorKind::Internal);
    }
    for text in ["", "[]", "null", "1", "\"x\"", "{", "{\"v\":1}x"] {
        assert_eq!(Offset::from_json(text).unwrap_err().kind(), ErrorKind::OffsetExpired, "{text}");
    }
}
