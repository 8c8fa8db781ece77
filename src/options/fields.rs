//! Asks a serde struct for its field names, so that a test can hold it equal to the option list.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};

use super::doc::{Level, OptionDoc};

/// For tests: panics unless the options of `level` are exactly the fields of `T`, group by group.
///
/// # Panics
/// When they differ, naming what is on one side only.
#[allow(clippy::panic)]
pub fn assert_documented<'de, T: Deserialize<'de>>(level: Level, docs: &[OptionDoc]) {
    let docs = docs.iter().filter(|d| d.level == level);
    let documented: BTreeSet<String> = docs.map(|d| path(d.group, d.name)).collect();
    let mut fields = BTreeSet::new();
    for field in field_names::<T>(None) {
        match field_names::<T>(Some(field)) {
            group if group.is_empty() => fields.insert(field.to_owned()),
            group => {
                fields.extend(group.into_iter().map(|inner| path(Some(field), inner)));
                true
            }
        };
    }
    let only: Vec<&String> = documented.symmetric_difference(&fields).collect();
    assert!(only.is_empty(), "option list and struct differ in {only:?}");
}

fn path(group: Option<&str>, name: &str) -> String {
    group.map_or_else(|| name.to_owned(), |group| format!("{group}.{name}"))
}

/// The fields of `T`, or of the struct in one of its fields; none when that is not a struct.
fn field_names<'de, T: Deserialize<'de>>(inside: Option<&'static str>) -> Vec<&'static str> {
    let mut names = Vec::new();
    // The probe always answers with an error: it only listens for the names.
    let _ = T::deserialize(Probe { inside, names: &mut names });
    names
}

struct Probe<'a> {
    inside: Option<&'static str>,
    names: &'a mut Vec<&'static str>,
}

#[derive(Debug, thiserror::Error)]
#[error("field names read")]
struct Done;

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
        visitor: V,
    ) -> Result<V::Value, Done> {
        match self.inside {
            Some(_) => visitor.visit_map(self),
            None => {
                self.names.extend(fields);
                Err(Done)
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A struct with one field, whose value is probed in turn.
impl<'de> MapAccess<'de> for Probe<'_> {
    type Error = Done;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Done> {
        let Some(field) = self.inside.take() else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Done> {
        seed.deserialize(Probe { inside: None, names: self.names })
    }
}
