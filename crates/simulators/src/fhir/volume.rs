//! Initial resources: which examples they are copies of, and their stamps.

use std::sync::Arc;

use super::{
    config::{Stamps, Ties},
    instant::{MISSING, Nanos},
    template::Template,
};

/// The templates whose average size is near `bytes`: the largest or smallest are left out until it is.
pub(crate) fn mix_for(mut all: Vec<Arc<Template>>, bytes: usize) -> Vec<Arc<Template>> {
    let average = |all: &[Arc<Template>]| all.iter().map(|template| template.size()).sum::<usize>() / all.len().max(1);
    let too_large = average(&all) > bytes;
    while all.len() > 1 && (average(&all) > bytes) == too_large {
        let by_size = |at: &usize| all[*at].size();
        let out = if too_large { (0..all.len()).max_by_key(by_size) } else { (0..all.len()).min_by_key(by_size) };
        let Some(out) = out else { break };
        let rest = all.remove(out);
        if (average(&all) > bytes) != too_large && average(&all).abs_diff(bytes) > bytes / 4 {
            all.insert(out, rest);
            break;
        }
    }
    all
}

/// Gives each initial row its stamp; neighbouring rows get stamps far apart, so that only sorting sorts.
pub(crate) struct Spread {
    first: Nanos,
    step: Nanos,
    count: u64,
    stride: u64,
    stamps: Stamps,
}

impl Spread {
    pub(crate) fn new(stamps: &Stamps, count: u32) -> Self {
        let count = u64::from(count.max(1));
        let near_golden = (count * 618 / 1000).max(1);
        let stride = (near_golden..near_golden + count).find(|stride| gcd(*stride, count) == 1).unwrap_or(1);
        Self {
            first: stamps.first.timestamp_nanos_opt().unwrap_or(0),
            step: i64::try_from(stamps.step.as_nanos()).unwrap_or(i64::MAX),
            count,
            stride,
            stamps: stamps.clone(),
        }
    }

    pub(crate) fn stamp(&self, row: u32) -> Nanos {
        if is_missing(self.stamps.missing_every, row) {
            return MISSING;
        }
        let place = u64::from(row) * self.stride % self.count;
        let place = match self.stamps.ties {
            Ties::None => place,
            Ties::Pairs => place.div_ceil(2),
            Ties::Groups(size) => place / u64::from(size.max(1)),
            Ties::All => 0,
        };
        let place = i64::try_from(place).unwrap_or(0);
        self.stamps.style.of_row(row).cut(self.first.saturating_add(self.step.saturating_mul(place)))
    }
}

/// Whether a row has no stamp.
pub(crate) fn is_missing(every: Option<u32>, row: u32) -> bool {
    every.is_some_and(|every| (row + 1).is_multiple_of(every.max(1)))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn groups(ties: Ties, count: u32) -> Vec<usize> {
        let spread = Spread::new(&Stamps { ties, ..Stamps::default() }, count);
        let mut by_stamp: BTreeMap<Nanos, usize> = BTreeMap::new();
        for row in 0..count {
            *by_stamp.entry(spread.stamp(row)).or_default() += 1;
        }
        by_stamp.into_values().collect()
    }

    #[test]
    fn rows_share_stamps_as_told() {
        assert_eq!(groups(Ties::None, 100), vec![1; 100]);
        assert_eq!(groups(Ties::All, 100), [100]);
        assert_eq!(groups(Ties::Groups(40), 100), [40, 40, 20]);
        assert_eq!(groups(Ties::Pairs, 6), [1, 2, 2, 1], "an even page ends inside a pair");
    }

    #[test]
    fn rows_are_not_in_the_order_of_their_stamps() {
        for count in [10u32, 64, 1000, 4096] {
            let spread = Spread::new(&Stamps::default(), count);
            let falls = (1..count).filter(|row| spread.stamp(*row) < spread.stamp(row - 1)).count();
            assert!(falls > count as usize / 4, "{falls} of {count}");
        }
    }
}
