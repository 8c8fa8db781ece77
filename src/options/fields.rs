//! Asks a serde struct for its field names, so that a test can hold it equal to the option list.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{self, Deserializer, Visitor},
    forward_to_deserialize_any,
};

use super::doc::{Level, OptionDoc};

/// For tests: panics unless the options of `level` are exactly the fields of `T`.
///
/// # Panics
/// When they differ, naming what is on one side only.
#[allow(clippy::panic)]
pub fn assert_documented<'de, T: Deserialize<'de>>(level: Level, docs: &[OptionDoc]) {
    let documented: BTreeSet<&str> = docs.iter().filter(|d| d.level == level).map(|d| d.name).collect();
    let mut fields = BTreeSet::new();
    // The probe always answers with an error: it only listens for the names.
    let _ = T::deserialize(Probe(&mut fields));
    let only: Vec<&str> = documented.symmetric_difference(&fields).copied().collect();
    assert!(only.is_empty(), "option list and struct differ in {only:?}");
}

struct Probe<'a>(&'a mut BTreeSet<&'static str>);

#[derive(Debug)]
struct Done;

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field names read")
    }
}

impl std::error::Error for Done {}

impl de::Error for Done {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Done;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Done> {
        Err(Done)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Done> {
        self.0.extend(fields);
        Err(Done)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
