//! The rows of a table: read in legs from version to version, each at one version that does not change.

use futures::TryStreamExt;

use super::{
    absent::{Absent, By},
    changes::{changed_at, changed_between},
    config::{ScanMode, TableOptions},
    connection::{Flow, LanceDbConnection, Opened, other_way},
    filter::{Literal, Predicate},
    fragments, lineage,
    offset::{Mark, Part, Place, State, expired},
    pages::ROW_ID,
    snapshot::Snapshot,
};
use crate::{
    connector::IngestionType,
    error::Result,
    read::{ReadEvent, ReadRequest, Records},
    stream::Events,
};

/// Ids in one question for rows.
pub(super) const IDS: usize = 10_000;

/// The way to one version, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leg {
    pub(super) to: Mark,
    /// Goes on from here.
    from: Option<Part>,
    /// Ends here; at the last row when absent.
    stop: Option<Part>,
}

/// Sends the rows that a request asks for.
///
/// # Errors
/// [`OffsetExpired`](crate::ErrorKind::OffsetExpired) for an offset that the table does not bear out any more; those of the client.
pub(super) async fn read(connection: &LanceDbConnection, request: &ReadRequest, events: &Events) -> Result<()> {
    let start = connection.state(&request.table, request.start.as_ref())?;
    let until = match connection.state(&request.table, request.until.as_ref())? {
        Some(until) => until,
        None => connection.latest(&request.table, start.as_ref(), Flow::Rows).await?,
    };
    let mut state = match start {
        Some(start) if !is_read_anew(&start, &until) => start,
        _ => State::nothing(&request.table.name, &TableOptions::parse(&request.table.options)?),
    };
    connection.trips.begin(&state);
    while let Some(leg) = Leg::next(&state, &until, &request.table.name)? {
        state = send(connection, request, state, leg, events).await?;
    }
    Ok(())
}

/// Whether nothing can be told from what was read: such a table is read from its beginning each time.
pub(super) fn is_read_anew(start: &State, until: &State) -> bool {
    let is_whole = |mark: Option<&Mark>| mark.is_some_and(|mark| mark.place == Place::Whole);
    start.next.is_none() && is_whole(start.at.as_ref()) && is_whole(until.last())
}

impl Leg {
    /// What is to be read next on the way from one state to another; `None` at its end.
    ///
    /// # Errors
    /// [`OffsetExpired`](crate::ErrorKind::OffsetExpired) when the end lies before the start.
    pub(super) fn next(state: &State, until: &State, table: &str) -> Result<Option<Self>> {
        let backwards = || expired("the read would end before its start", table);
        let same_start = match (&state.at, &until.at) {
            (Some(a), Some(b)) => a.is_same(b),
            (None, None) => true,
            _ => false,
        };
        if let Some(part) = &state.next {
            let stop = until.next.clone().filter(|end| same_start && end.mark.is_same(&part.mark));
            return match &stop {
                Some(stop) if stop.sent == part.sent => Ok(None),
                Some(stop) if stop.sent < part.sent => Err(backwards()),
                None if until.last().is_some_and(|last| last.version < part.mark.version) => Err(backwards()),
                _ => Ok(Some(Self { to: part.mark.clone(), from: Some(part.clone()), stop })),
            };
        }
        if same_start {
            let leg = |end: &Part| Self { to: end.mark.clone(), from: None, stop: Some(end.clone()) };
            return Ok(until.next.as_ref().map(leg));
        }
        match (&state.at, &until.at) {
            (Some(at), Some(end)) if end.version < at.version => Err(backwards()),
            (Some(_), None) => Err(backwards()),
            (_, Some(end)) => Ok(Some(Self { to: end.clone(), from: None, stop: None })),
            (None, None) => Ok(None),
        }
    }
}

/// Sends the rows of a leg, and says where it ended.
async fn send(
    connection: &LanceDbConnection,
    request: &ReadRequest,
    state: State,
    leg: Leg,
    events: &Events,
) -> Result<State> {
    let opened = connection.open(&request.table, Some(leg.to.version)).await?;
    opened.is_at(&leg.to)?;
    if let Some(searched) = opened.searched()? {
        searched.read(connection.parallelism, events).await?;
        let reached = state.reached(leg.to);
        events.send(ReadEvent::Checkpoint(reached.encode()?)).await?;
        return Ok(reached);
    }
    let way = since(connection, &opened, state.at.as_ref(), &leg.to).await?;
    let mut opened = opened.narrowed(request.columns.as_deref())?;
    let total = match &way.condition {
        Some(condition) => opened.snapshot.count(Some(condition.clone())).await?,
        None => leg.to.rows,
    };
    opened.snapshot.scan = opened.snapshot.scan_of(total).await?;
    let by_address = opened.snapshot.scan == ScanMode::RowRange;
    if leg.from.iter().chain(&leg.stop).any(|part| part.by_address != by_address) {
        return Err(expired("scan_mode was changed while the table was read", &opened.snapshot.table));
    }
    let end = leg.stop.as_ref().map_or(total, |stop| stop.sent.min(total));
    let mut part = Part { mark: leg.to, sent: leg.from.map_or(0, |part| part.sent), by_address };
    let mut pages = opened.snapshot.pages(way.condition, part.sent, end);
    while let Some(page) = pages.try_next().await? {
        part.sent += page.rows();
        for batch in page.batches {
            events.send(ReadEvent::Records(Records::Arrow(batch))).await?;
        }
        if part.sent < end && part.mark.place != Place::Whole {
            let so_far = state.on_the_way(part.clone());
            events.send(ReadEvent::Checkpoint(so_far.encode()?)).await?;
        }
    }
    if part.sent < end || leg.stop.as_ref().is_some_and(|stop| stop.sent != part.sent) {
        return Err(expired("the version has fewer rows than were read of it", &opened.snapshot.table));
    }
    let reached = match leg.stop {
        Some(_) => state.on_the_way(part),
        None => {
            if let Some(older) = way.compare_with {
                send_returned(older, &opened, part.mark.version, events).await?;
            }
            connection.trips.reach(&state, part.mark.version);
            state.reached(part.mark)
        }
    };
    events.send(ReadEvent::Checkpoint(reached.encode()?)).await?;
    Ok(reached)
}

/// What a leg has to read.
#[derive(Default)]
pub(super) struct Since {
    pub(super) condition: Option<Predicate>,
    /// An older version, when rows of it may have come back.
    compare_with: Option<Snapshot>,
}

/// What selects the rows that came or changed after a mark.
///
/// # Errors
/// [`OffsetExpired`](crate::ErrorKind::OffsetExpired) when the table does not bear the mark out any more.
pub(super) async fn since(
    connection: &LanceDbConnection,
    opened: &Opened,
    base: Option<&Mark>,
    to: &Mark,
) -> Result<Since> {
    let Some(base) = base.filter(|_| to.place != Place::Whole) else { return Ok(Since::default()) };
    let snapshot = &opened.snapshot;
    connection.check(&snapshot.table, base).await?;
    let same_columns = base.schema == to.schema;
    let condition = match (&base.place, &to.place) {
        (Place::Versions(before), Place::Versions(_)) => {
            let compare_with = match before.goes_on(base.version, snapshot).await? {
                true => None,
                false => Some(connection.older(opened, base, Vec::new()).await?),
            };
            // With other columns, rows that did not change are other rows, too.
            let condition = same_columns.then(|| changed_between(base.version, to.version));
            return Ok(Since { condition, compare_with });
        }
        (Place::Whole, Place::Versions(_)) if opened.followed.keys == [ROW_ID] && !opened.options.with_row_id => {
            return Err(expired(
                "rows were read without the ids by which they are followed from now on",
                &snapshot.table,
            )
            .help("reset the table's state and remove its rows to read it in full again, or set primary_keys"));
        }
        (Place::Whole, Place::Versions(_)) => {
            let older = connection.older(opened, base, Vec::new()).await?;
            if Absent::of(older, None, snapshot.clone(), By::Id).await?.next().await?.is_some() {
                return Err(expired(
                    "rows were deleted before the table could be followed by versions",
                    &snapshot.table,
                ));
            }
            return Ok(Since::default());
        }
        (Place::Column(reached), Place::Column(_)) if opened.followed.ingestion == IngestionType::Cdc => {
            let condition = reached.since(base, snapshot, true).await?;
            same_columns.then_some(condition)
        }
        (Place::Fragments { .. } | Place::Column(_), Place::Fragments { .. } | Place::Column(_)) if !same_columns => {
            return Err(expired("the columns changed, and rows that were read cannot be sent again", &snapshot.table));
        }
        (Place::Fragments { highest }, Place::Fragments { .. }) => {
            Some(fragments::since(base, *highest, snapshot).await?)
        }
        (Place::Column(reached), Place::Column(_)) => Some(reached.since(base, snapshot, false).await?),
        _ => return Err(other_way(&snapshot.table)),
    };
    Ok(Since { condition, compare_with: None })
}

/// Sends the rows that a restore brought back, as changed by the newest version: that is when they became what they are.
async fn send_returned(older: Snapshot, newer: &Opened, version: u64, events: &Events) -> Result<()> {
    let mut returned = lineage::returned(older, newer.snapshot.clone()).await?;
    while let Some(ids) = returned.next().await? {
        tracing::info!(table = %newer.snapshot.table, rows = ids.len(), "rows are as they were before: the table was restored");
        for part in ids.chunks(IDS) {
            let mut pages = newer.snapshot.pages(Some(with_ids(part)), 0, part.len() as u64);
            while let Some(page) = pages.try_next().await? {
                for batch in page.batches {
                    events.send(ReadEvent::Records(Records::Arrow(changed_at(&batch, version)?))).await?;
                }
            }
        }
    }
    Ok(())
}

/// The rows with these ids.
pub(super) fn with_ids(ids: &[u64]) -> Predicate {
    Predicate::In(format!("`{ROW_ID}`"), ids.iter().map(|id| Literal::UnsignedLong(*id)).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::offset::Lineage, *};
    use crate::{error::ErrorKind, options::Options};

    fn mark(version: u64) -> Mark {
        let place = Place::Versions(Lineage { peak: Some(version), settled: true });
        Mark { version, fingerprint: version.to_string(), rows: 10, schema: String::new(), place }
    }

    fn part(version: u64, sent: u64) -> Part {
        Part { mark: mark(version), sent, by_address: false }
    }

    fn state(at: Option<u64>, next: Option<(u64, u64)>) -> State {
        let nothing = State::nothing("t", &TableOptions::parse(&Options::new()).unwrap());
        let state = at.map(mark).map_or(nothing.clone(), |at| nothing.reached(at));
        next.map_or(state.clone(), |(version, sent)| state.on_the_way(part(version, sent)))
    }

    #[test]
    fn a_read_is_made_of_legs() {
        let leg = |to, from, stop: Option<u64>| {
            let from = (from > 0).then(|| part(to, from));
            Some(Leg { to: mark(to), from, stop: stop.map(|stop| part(to, stop)) })
        };
        for (from, until, wanted) in [
            (state(None, None), state(Some(5), None), leg(5, 0, None)),
            (state(None, None), state(None, Some((5, 3))), leg(5, 0, Some(3))),
            (state(None, Some((5, 3))), state(None, Some((5, 7))), leg(5, 3, Some(7))),
            (state(None, Some((5, 3))), state(Some(5), None), leg(5, 3, None)),
            (state(None, Some((5, 3))), state(Some(8), None), leg(5, 3, None)),
            (state(Some(5), None), state(Some(8), None), leg(8, 0, None)),
            (state(Some(5), None), state(Some(5), Some((8, 2))), leg(8, 0, Some(2))),
            (state(Some(4), None), state(Some(5), Some((8, 2))), leg(5, 0, None)),
            (state(Some(5), None), state(Some(5), None), None),
            (state(Some(5), Some((8, 2))), state(Some(5), Some((8, 2))), None),
        ] {
            assert_eq!(Leg::next(&from, &until, "t").unwrap(), wanted, "{from:?} {until:?}");
        }
    }

    #[test]
    fn a_read_does_not_go_backwards() {
        for (from, until) in [
            (state(Some(8), None), state(Some(5), None)),
            (state(Some(5), None), state(None, Some((5, 3)))),
            (state(Some(5), Some((8, 4))), state(Some(5), Some((8, 2)))),
            (state(Some(5), Some((8, 4))), state(Some(5), None)),
        ] {
            assert_eq!(
                Leg::next(&from, &until, "t").unwrap_err().kind(),
                ErrorKind::OffsetExpired,
                "{from:?} {until:?}"
            );
        }
    }
}
