//! The tracker against an archive in memory: whatever happens to frames, and wherever runs break off, the lake is right.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SECOND: Ticks = 10_000_000;
const OVERLAP: Ticks = 100 * SECOND;
const LOOKBACK: Ticks = 1_000_000 * SECOND;

#[derive(Clone, Debug, PartialEq)]
struct Frame {
    start: Ticks,
    end: Option<Ticks>,
    text: u32,
    detail: u32,
}

/// The frames of a server; changed while runs are under way.
#[derive(Default)]
struct Archive {
    frames: BTreeMap<usize, Frame>,
    next: usize,
}

fn webid(n: usize) -> String {
    format!("I1Fm1MOyoREAMyJEVWZ3iJmquw{n:022}")
}

fn number(webid: &str) -> usize {
    webid[26..].parse().unwrap()
}

impl Archive {
    fn head(&self, n: usize) -> Head {
        let frame = &self.frames[&n];
        Head { webid: webid(n), start: frame.start, end: frame.end }
    }

    fn search(&self, mode: Mode, ask: Ask) -> Vec<Head> {
        let inside = |t: Ticks| ask.from <= t && t <= ask.to;
        let mut found: Vec<(Ticks, usize)> = self
            .frames
            .iter()
            .filter_map(|(n, frame)| {
                let time = match mode {
                    Mode::StartInclusive => Some(frame.start),
                    Mode::InProgress => frame.end.is_none().then_some(frame.start),
                    Mode::EndInclusive => frame.end,
                }?;
                inside(time).then_some((time, *n))
            })
            .collect();
        found.sort_unstable();
        let page = found.into_iter().skip(ask.start_index as usize).take(ask.max_count as usize);
        page.map(|(_, n)| self.head(n)).collect()
    }
}

#[derive(Clone, Debug)]
enum Change {
    Begin { back: Ticks, length: Option<Ticks> },
    End { which: usize, back: Ticks },
    Edit { which: usize, detail: bool },
    Delete { which: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let back = prop_oneof![Just(0), 0..OVERLAP / 2, (0..5i64).prop_map(|n| n * 10 * SECOND)];
    let length = proptest::option::of(prop_oneof![Just(0), 0..3 * OVERLAP]);
    prop_oneof![
        4 => (back.clone(), length).prop_map(|(back, length)| Change::Begin { back, length }),
        2 => (any::<usize>(), prop_oneof![Just(0), 0..100 * OVERLAP]).prop_map(|(which, back)| Change::End { which, back }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, detail)| Change::Edit { which, detail }),
        1 => any::<usize>().prop_map(|which| Change::Delete { which }),
    ]
}

impl Archive {
    fn apply(&mut self, change: &Change, now: Ticks) {
        let nth = |ids: Vec<usize>, which: usize| (!ids.is_empty()).then(|| ids[which % ids.len()]);
        let open = || self.frames.iter().filter(|(_, f)| f.end.is_none()).map(|(n, _)| *n).collect::<Vec<_>>();
        match change {
            Change::Begin { back, length } => {
                let start = now - back;
                let end = length.map(|length| (start + length).min(now));
                self.frames.insert(self.next, Frame { start, end, text: 0, detail: 0 });
                self.next += 1;
            }
            Change::End { which, back } => {
                if let Some(frame) = nth(open(), *which).and_then(|n| self.frames.get_mut(&n)) {
                    frame.end = Some((now - back).max(frame.start));
                }
            }
            Change::Edit { which, detail } => {
                // Later edits than this are for the sweep.
                let recent = |f: &Frame| f.end.is_none_or(|end| end > now - OVERLAP / 2);
                let ids: Vec<usize> = self.frames.iter().filter(|(_, f)| recent(f)).map(|(n, _)| *n).collect();
                if let Some(frame) = nth(ids, *which).and_then(|n| self.frames.get_mut(&n)) {
                    if *detail { frame.detail += 1 } else { frame.text += 1 }
                }
            }
            Change::Delete { which } => {
                if let Some(n) = nth(open(), *which) {
                    self.frames.remove(&n);
                }
            }
        }
    }
}

/// What the lake holds, and what a checkpoint would restore.
#[derive(Default)]
struct Lake {
    rows: BTreeMap<usize, Frame>,
    sent: usize,
}

struct Run<'a> {
    archive: &'a mut Archive,
    lake: &'a mut Lake,
    changes: &'a mut Vec<Change>,
}

impl Run<'_> {
    /// One run; stops after `stop` answers. Returns the last checkpoint.
    fn go(&mut self, plan: Plan, state: State, until: Option<State>, stop: usize) -> State {
        let mut checkpoint = state.clone();
        let mut tracker = Tracker::new(plan, state, until);
        for answer in 0.. {
            assert!(answer < 5000, "it does not end");
            match tracker.want() {
                Want::Nothing => return tracker.state().clone(),
                Want::Search(mode, ask) => {
                    let page = self.archive.search(mode, ask);
                    for i in tracker.take_page(&page).unwrap() {
                        self.meet(&mut tracker, &page[i]);
                    }
                }
                Want::Lookup(webids) => {
                    let there = |w: &&String| self.archive.frames.contains_key(&number(w));
                    let (found, gone): (Vec<_>, Vec<_>) = webids.iter().partition(|w| there(w));
                    for webid in found {
                        let head = self.archive.head(number(webid));
                        self.meet(&mut tracker, &head);
                    }
                    tracker.take_lookup(&gone.into_iter().cloned().collect::<Vec<_>>());
                }
            }
            if tracker.may_stop() {
                checkpoint = serde_json::from_str(&serde_json::to_string(tracker.state()).unwrap()).unwrap();
            }
            if answer >= stop {
                return checkpoint;
            }
            if let Some(change) = self.changes.pop() {
                self.archive.apply(&change, plan.hi);
            }
        }
        checkpoint
    }

    fn meet(&mut self, tracker: &mut Tracker, head: &Head) {
        let n = number(&head.webid);
        let Some(frame) = self.archive.frames.get(&n).cloned() else { return };
        let text = Digest::of(format!("{:?}{}", (frame.start, frame.end), frame.text).as_bytes());
        let detail = tracker.may_have_changed(head, text).then(|| Digest::of(frame.detail.to_string().as_bytes()));
        if tracker.meet(head, text, detail) {
            self.lake.sent += 1;
            self.lake.rows.insert(n, frame);
        }
    }
}

fn plan(hi: Ticks, page: u64) -> Plan {
    Plan { hi, overlap: OVERLAP, lookback: LOOKBACK, sweep_every: Ticks::MAX, page, cap: 16 }
}

/// Edits of details alone show on open frames only: a closed frame's text changes with it.
fn visible(changes: Vec<Change>) -> Vec<Change> {
    changes
        .into_iter()
        .map(|change| match change {
            Change::Edit { which, .. } => Change::Edit { which, detail: false },
            other => other,
        })
        .collect()
}

fn wrong(archive: &Archive, lake: &Lake) -> Vec<String> {
    let differs = archive.frames.iter().filter(|(n, frame)| lake.rows.get(n) != Some(frame));
    differs.map(|(n, frame)| format!("{n}: {frame:?} but {:?}", lake.rows.get(n))).collect()
}

type Scripts = Vec<(Vec<Change>, Vec<Change>, Ticks, usize)>;

/// Changes between runs, changes during a run, how long after the last it begins, after how many answers it breaks off.
fn scripts() -> impl Strategy<Value = Scripts> {
    let changes = || proptest::collection::vec(change(), 0..12).prop_map(visible);
    let stop = prop_oneof![Just(usize::MAX), 0usize..8];
    proptest::collection::vec((changes(), changes(), 1..2 * OVERLAP, stop), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_lake_holds_what_the_archive_holds(scripts in scripts(), page in 2u64..12) {
        let (mut archive, mut lake, mut state) = (Archive::default(), Lake::default(), State::default());
        let mut now = 10 * LOOKBACK;
        for (between, during, wait, stop) in scripts {
            now += wait;
            for change in &between {
                archive.apply(change, now - wait / 2);
            }
            let mut during = during;
            let mut run = Run { archive: &mut archive, lake: &mut lake, changes: &mut during };
            state = run.go(plan(now, page), state, None, stop);
        }
        let mut none = Vec::new();
        let mut run = Run { archive: &mut archive, lake: &mut lake, changes: &mut none };
        state = run.go(plan(now + SECOND, page), state, None, usize::MAX);
        prop_assert_eq!(wrong(&archive, &lake), Vec::<String>::new());

        let sent = lake.sent;
        let mut run = Run { archive: &mut archive, lake: &mut lake, changes: &mut none };
        run.go(plan(now + 2 * SECOND, page), state, None, usize::MAX);
        prop_assert_eq!(lake.sent, sent, "a run in which nothing happened sends nothing");
    }

    #[test]
    fn a_run_up_to_an_offset_reads_the_same_again(changes in proptest::collection::vec(change(), 1..60), page in 2u64..12, stop in 0usize..12) {
        let mut archive = Archive::default();
        let now = 10 * LOOKBACK;
        for (i, change) in changes.iter().enumerate() {
            archive.apply(change, now - 3 * OVERLAP + i as i64 * SECOND);
        }
        let (mut first, mut again, mut none) = (Lake::default(), Lake::default(), Vec::new());
        let mut run = Run { archive: &mut archive, lake: &mut first, changes: &mut none };
        let checkpoint = run.go(plan(now, page), State::default(), None, stop);
        // What came after the last checkpoint does not count.
        let mut counted = Lake::default();
        let mut run = Run { archive: &mut archive, lake: &mut counted, changes: &mut none };
        run.go(plan(now, page), State::default(), Some(checkpoint.clone()), usize::MAX);
        let mut run = Run { archive: &mut archive, lake: &mut again, changes: &mut none };
        run.go(plan(now, 16), State::default(), Some(checkpoint.clone()), usize::MAX);
        prop_assert_eq!(&again.rows, &counted.rows);
        prop_assert!(counted.rows.iter().all(|(n, frame)| first.rows.get(n) == Some(frame)));
        // And on from there: all.
        let mut run = Run { archive: &mut archive, lake: &mut counted, changes: &mut none };
        run.go(plan(now, page), checkpoint, None, usize::MAX);
        prop_assert_eq!(wrong(&archive, &counted), Vec::<String>::new());
    }
}

#[test]
fn a_sweep_finds_what_changed_long_after_its_end() {
    let (mut archive, mut lake, mut none) = (Archive::default(), Lake::default(), Vec::new());
    let now = 10 * LOOKBACK;
    archive.apply(&Change::Begin { back: 50 * OVERLAP, length: Some(OVERLAP) }, now);
    let mut run = Run { archive: &mut archive, lake: &mut lake, changes: &mut none };
    let week = |hi| Plan { sweep_every: 7 * OVERLAP, ..plan(hi, 10) };
    let state = run.go(week(now), State::default(), None, usize::MAX);
    run.archive.frames.get_mut(&0).unwrap().text += 1;
    let state = run.go(week(now + OVERLAP), state, None, usize::MAX);
    assert_eq!(run.lake.rows[&0].text, 0, "nothing shows it before the sweep");
    run.go(week(now + 7 * OVERLAP), state, None, usize::MAX);
    assert_eq!(run.lake.rows[&0].text, 1);
}

#[test]
fn hosts_that_store_the_bound_itself_lose_nothing() {
    let (mut archive, mut lake, mut none) = (Archive::default(), Lake::default(), Vec::new());
    let now = 10 * LOOKBACK;
    archive.apply(&Change::Begin { back: 50 * OVERLAP, length: None }, now);
    archive.apply(&Change::Begin { back: 50 * OVERLAP, length: Some(OVERLAP) }, now);
    let mut state = State::default();
    for n in 0..5 {
        let plan = plan(now + n * OVERLAP, 10);
        let end = state.end(&plan);
        let mut run = Run { archive: &mut archive, lake: &mut lake, changes: &mut none };
        run.go(plan, state, Some(end.clone()), usize::MAX);
        state = end;
        assert_eq!(wrong(&archive, &lake), Vec::<String>::new(), "run {n}");
        archive.apply(&Change::Begin { back: SECOND, length: None }, plan.hi + OVERLAP / 2);
        archive.apply(&Change::End { which: n as usize, back: 0 }, plan.hi + OVERLAP / 2);
    }
}

#[test]
fn a_table_that_has_been_read_asks_for_little() {
    let mut archive = Archive::default();
    let now = 10 * LOOKBACK;
    for n in 1..=500 {
        archive.apply(&Change::Begin { back: n * OVERLAP, length: Some(SECOND) }, now);
    }
    let (mut lake, mut none) = (Lake::default(), Vec::new());
    let mut run = Run { archive: &mut archive, lake: &mut lake, changes: &mut none };
    let state = run.go(plan(now, 16), State::default(), None, usize::MAX);
    assert_eq!(lake.sent, 500);
    assert!(state.known.len() <= 2, "only what may be met again is watched");
}
