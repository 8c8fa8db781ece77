//! Up to where each tag was read, and what comes next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    super::{tags::TagKey, time::Micros},
    tag_set::TagSet,
};

/// Tags that were read up to the same instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Everything before this was sent.
    pub(crate) at: Micros,
    /// Of these tags.
    pub(crate) tags: TagSet,
}

/// Up to where each tag was read. Most share one instant; a tag that failed, is new, or was not asked for lately has its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(BTreeMap<TagKey, Micros>);

impl Marks {
    pub(crate) fn from_groups(groups: Vec<Group>) -> Self {
        let marks = groups.into_iter().flat_map(|Group { at, tags }| tags.into_keys().map(move |tag| (tag, at)));
        Self(marks.collect())
    }

    /// As an offset holds them: few groups, earliest first.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut groups: BTreeMap<Micros, Vec<TagKey>> = BTreeMap::new();
        for (tag, at) in &self.0 {
            groups.entry(*at).or_default().push(tag.clone());
        }
        groups.into_iter().map(|(at, tags)| Group { at, tags: tags.into_iter().collect() }).collect()
    }

    pub(crate) fn get(&self, tag: &TagKey) -> Option<Micros> {
        self.0.get(tag).copied()
    }

    /// Says that a tag was read up to `at`.
    pub(crate) fn set(&mut self, tag: TagKey, at: Micros) {
        self.0.insert(tag, at);
    }

    /// Drops what is known of a tag; whether anything was.
    pub(crate) fn forget(&mut self, tag: &TagKey) -> bool {
        self.0.remove(tag).is_some()
    }

    /// How far the tag is that is furthest behind.
    pub(crate) fn earliest(&self) -> Option<Micros> {
        self.0.values().min().copied()
    }

    /// The tags, with up to where each was read.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TagKey, Micros)> {
        self.0.iter().map(|(tag, at)| (tag, *at))
    }
}

/// A tag that is asked for: where it goes on and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) from: Micros,
    pub(crate) to: Micros,
}

/// The tags that are furthest behind, and up to where they can be read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: Micros,
    pub(crate) to: Micros,
    /// Places in the list of tags.
    pub(crate) tags: Vec<usize>,
}

/// The next stretch; `None` when no tag is behind its end.
pub(crate) fn next_stretch(tags: &[Due]) -> Option<Stretch> {
    let open = || tags.iter().enumerate().filter(|(_, due)| due.from < due.to);
    let from = open().map(|(_, due)| due.from).min()?;
    let members: Vec<usize> = open().filter(|(_, due)| due.from == from).map(|(i, _)| i).collect();
    // Where others wait, all go on together.
    let others = open().map(|(_, due)| due.from).filter(|at| *at > from).min();
    let ends = members.iter().filter_map(|i| tags.get(*i)).map(|due| due.to).min();
    let to = others.into_iter().chain(ends).min()?;
    Some(Stretch { from, to, tags: members })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(n: i32) -> TagKey {
        TagKey::Point { server: "s".into(), number: n }
    }

    #[test]
    fn tags_behind_catch_up_and_go_on_together() {
        let tags =
            [Due { from: 10, to: 50 }, Due { from: 0, to: 50 }, Due { from: 0, to: 50 }, Due { from: 50, to: 50 }];
        assert_eq!(next_stretch(&tags), Some(Stretch { from: 0, to: 10, tags: vec![1, 2] }));
        let tags = tags.map(|due| Due { from: due.from.max(10), ..due });
        assert_eq!(next_stretch(&tags), Some(Stretch { from: 10, to: 50, tags: vec![0, 1, 2] }));
        assert_eq!(next_stretch(&[Due { from: 50, to: 50 }]), None);
        assert_eq!(next_stretch(&[]), None);
    }

    #[test]
    fn marks_come_back_from_their_groups() {
        let mut marks = Marks::default();
        (0..5).for_each(|n| marks.set(key(n), 7));
        marks.set(key(3), 2);
        let groups = marks.groups();
        assert_eq!(groups.iter().map(|g| g.at).collect::<Vec<_>>(), [2, 7]);
        assert_eq!(Marks::from_groups(groups), marks);
        assert_eq!((marks.get(&key(3)), marks.get(&key(9)), marks.earliest()), (Some(2), None, Some(2)));
        assert!(marks.forget(&key(3)) && !marks.forget(&key(3)));
    }

    proptest! {
        #[test]
        fn every_tag_is_read_over_its_range_once(starts in proptest::collection::vec((0i64..100, 0i64..120), 1..20), step in 1i64..40) {
            let mut tags: Vec<Due> = starts.iter().map(|(from, to)| Due { from: *from, to: *to }).collect();
            let mut read: Vec<Vec<(i64, i64)>> = vec![Vec::new(); tags.len()];
            while let Some(stretch) = next_stretch(&tags) {
                let to = stretch.to.min(stretch.from + step);
                for i in stretch.tags {
                    prop_assert_eq!(tags[i].from, stretch.from);
                    read[i].push((stretch.from, to));
                    tags[i].from = to;
                }
            }
            for ((from, to), pieces) in starts.iter().zip(read) {
                let mut at = *from;
                for (a, b) in pieces {
                    prop_assert_eq!(a, at);
                    at = b;
                }
                prop_assert_eq!(at, (*to).max(*from));
            }
        }
    }
}
