//! A share of a table's tags: what one of several readers side by side reads.

use std::fmt;

use super::{super::reading::Reading, key::hash64, tag::Tag};
use crate::{
    connector::TableRef,
    error::Result,
    read::{Offset, ReadRequest},
};

/// The option that names a share.
pub(in super::super) const OPTION: &str = "tag_share";
/// Batches of one share.
const BATCHES: usize = 10;
/// The most shares.
const MOST: u32 = 1_000;

/// One of some shares that the tags are dealt out to: each tag is in one, whatever other tags there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Share {
    number: u32,
    of: u32,
}

impl Share {
    /// Reads `2/8`, the second of eight shares.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        let (number, of) = text.split_once('/')?;
        let share = Self { number: number.trim().parse().ok()?, of: of.trim().parse().ok()? };
        ((1..=share.of).contains(&share.number) && share.of <= MOST).then_some(share)
    }

    /// Whether a tag is in it.
    pub(super) fn has(self, tag: &Tag) -> bool {
        hash64(&tag.webid) % u64::from(self.of) == u64::from(self.number - 1)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// A request as several up to `until`, each for a share of the tags; as one where there are few, or where it cannot be known
/// afterwards that all were read.
///
/// # Errors
/// Those of selecting the tags.
pub(in super::super) async fn split(
    reading: &Reading,
    request: ReadRequest,
    until: Option<Offset>,
    attributes: bool,
) -> Result<Vec<ReadRequest>> {
    let options = &reading.options;
    let whole = request.max_records.is_some() || options.tags.tag_share.is_some() || options.skips_failures();
    if whole || until.is_none() || until == request.start {
        return Ok(vec![request]);
    }
    let tags = Tag::select(reading, attributes).await?.len();
    let of = tags.div_ceil(options.tags.tags_per_request() * BATCHES);
    let of = u32::try_from(of).unwrap_or(MOST).clamp(1, MOST);
    let part = |number| {
        let share = Share { number, of };
        let options = request.table.options.clone().with(OPTION, share.to_string());
        let table = TableRef { options, ..request.table.clone() };
        ReadRequest { table, until: until.clone(), ..request.clone() }
    };
    Ok(if of == 1 { vec![ReadRequest { until, ..request }] } else { (1..=of).map(part).collect() })
}

#[cfg(test)]
mod tests {
    use super::{super::super::webid::WebId, *};

    #[test]
    fn each_tag_is_in_one_share() {
        let webid = WebId::parse("I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA").unwrap();
        let tags: Vec<Tag> = (0..500).map(|n| Tag { webid: format!("I1DP{n}").into(), ..Tag::bare(&webid) }).collect();
        for of in [1, 2, 7] {
            let shares: Vec<Share> = (1..=of).map(|n| Share::parse(&format!("{n}/{of}")).unwrap()).collect();
            assert!(tags.iter().all(|tag| shares.iter().filter(|share| share.has(tag)).count() == 1));
            assert!(shares.iter().all(|share| tags.iter().any(|tag| share.has(tag))));
        }
        for wrong in ["", "1", "0/2", "3/2", "a/b", "1/2/3", "1/1001", "-1/2"] {
            assert_eq!(Share::parse(wrong), None, "{wrong}");
        }
    }
}
