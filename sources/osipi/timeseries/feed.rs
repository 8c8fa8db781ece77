//! What the feed of updates says is to be read again.

use std::collections::HashSet;

use super::{
    super::{tags::TagKey, time::Micros},
    fetch::Stream,
    follow::Follow,
    mark::Mark,
    state::State,
    updates::{Change, Feed, Told, changes},
};
use crate::error::Result;

/// How many rows an instant may have lost that the feed names, where it is not known how many it had.
const ROWS: u32 = 8;
/// Changes closer to each other are read again as one window.
const NEAR: Micros = 60_000_000;
/// The most windows of a tag that are read again apart from each other.
const WINDOWS: usize = 50;

/// Asks the feed what changed since the markers of the tags, and has it read again. Tags without a marker are registered
/// before anything is read of them, so that nothing happens unseen in between; so are those whose marker the server has lost,
/// of which everything that is known is compared with the archive.
///
/// What is to be read again stands in the state, together with the markers behind it. Gives what is looked for by this run
/// alone, and the markers that hold once that has been read.
///
/// # Errors
/// Those of the server.
pub(super) async fn follow_feed(
    feed: &Feed,
    state: &mut State,
    keys: &[TagKey],
    streams: &[Stream],
    new: &HashSet<usize>,
) -> Result<(Follow, Vec<(usize, Box<str>)>)> {
    let (mut follow, mut markers) = (Follow::default(), Vec::new());
    let marker_of = |key: &TagKey| state.tags.get(key).and_then(|mark| mark.marker.clone());
    let known: Vec<(usize, Box<str>)> =
        keys.iter().enumerate().filter_map(|(tag, key)| Some((tag, marker_of(key)?))).collect();
    let asked: Vec<Box<str>> = known.iter().map(|(_, marker)| marker.clone()).collect();
    let mut unregistered: Vec<usize> = (0..keys.len()).collect();
    let (since, known_from) = (state.since, state.known_from.unwrap_or(Micros::MAX));
    let (mut lost, mut followed) = (0, HashSet::new());
    for ((tag, _), told) in known.into_iter().zip(feed.since(&asked).await?) {
        let Some(mark) = keys.get(tag).and_then(|key| state.tags.get_mut(key)) else { continue };
        match told {
            Told::Lost => {
                lost += 1;
                mark.marker = None;
            }
            Told::Events { events, marker } => {
                let mut looked_for = false;
                take(mark, since, &changes(&events)?, |at| {
                    looked_for = true;
                    follow.tell(tag, at, ROWS);
                });
                match looked_for {
                    true => markers.push((tag, marker)),
                    false => mark.marker = Some(marker),
                }
                followed.insert(tag);
            }
        }
    }
    unregistered.retain(|tag| !followed.contains(tag));
    if lost > 0 {
        tracing::warn!(
            lost,
            "the server has lost markers of the updates feed; those tags are compared with the archive"
        );
    }
    let webids: Vec<_> = unregistered.iter().filter_map(|tag| streams.get(*tag)).map(|s| s.webid.clone()).collect();
    for (tag, registered) in unregistered.into_iter().zip(feed.register(&webids).await?) {
        match registered {
            Ok(marker) => {
                let Some(mark) = keys.get(tag).and_then(|key| state.tags.get_mut(key)) else { continue };
                if !new.contains(&tag) {
                    mark.add_gap(known_from.max(since), mark.next);
                }
                // It holds at once, so that a run that is cut need not begin this anew.
                mark.marker = Some(marker);
            }
            // Followed as with reconcile.
            Err(error) => tracing::debug!(%error, "no updates of a stream"),
        }
    }
    Ok((follow, markers))
}

/// Has read again where something changed before the end of what was read.
fn take(mark: &mut Mark, since: Micros, changes: &[Change], mut may_be_gone: impl FnMut(Micros)) {
    let mut windows: Vec<(Micros, Micros)> = Vec::new();
    for change in changes {
        let (from, to) = match *change {
            Change::Refreshed(at) => (at, mark.next),
            Change::Added(at) => (at, at + 1),
            Change::Updated(at) | Change::Deleted(at) => {
                if at >= since && at < mark.next {
                    may_be_gone(at);
                }
                (at, at + 1)
            }
        };
        let (from, to) = (from.max(since), to.min(mark.next));
        if from < to {
            windows.push((from, to));
        }
    }
    windows.sort_unstable();
    let mut merged: Vec<(Micros, Micros)> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.0 - last.1 <= NEAR => last.1 = last.1.max(window.1),
            _ => merged.push(window),
        }
    }
    if merged.len() > WINDOWS
        && let (Some(first), Some(last)) = (merged.first(), merged.last())
    {
        merged = vec![(first.0, last.1)];
    }
    merged.into_iter().for_each(|(from, to)| mark.add_gap(from, to));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_what_was_read_are_read_again_and_neighbours_together() {
        let mut mark = Mark { next: 1_000_000_000, held: Some(1), ..Mark::default() };
        let mut gone = Vec::new();
        let changes = [
            Change::Added(2_000_000_000),
            Change::Deleted(500_000_000),
            Change::Updated(510_000_000),
            Change::Added(5),
            Change::Deleted(50),
            Change::Added(200_000_000),
            Change::Refreshed(990_000_000),
        ];
        take(&mut mark, 100, &changes, |at| gone.push(at));
        assert_eq!(mark.gaps, [(200_000_000, 200_000_001), (500_000_000, 510_000_001), (990_000_000, 1_000_000_000)]);
        assert_eq!(gone, [500_000_000, 510_000_000]);
    }

    #[test]
    fn a_tag_with_changes_everywhere_is_read_again_as_one() {
        let mut mark = Mark { next: Micros::MAX, held: Some(1), ..Mark::default() };
        let changes: Vec<_> = (0..60).map(|n| Change::Added(n * 100_000_000)).collect();
        take(&mut mark, 0, &changes, |_| ());
        assert_eq!(mark.gaps, [(0, 5_900_000_001)]);
    }
}
