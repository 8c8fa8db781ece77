//! Packs windows of many tags into few requests: by how many events each is expected to hold, a batch is about as large as
//! asked for, and no tag waits for another.

use std::collections::VecDeque;

use super::{pages::Pager, time::Micros};

/// Bytes of JSON that an event takes, about, as long as none was seen.
const EVENT_BYTES: f64 = 150.0;
/// Answers with fewer events say little about the size of others.
const TELLING: usize = 1_000;
/// How much of a page a window is meant to fill.
const FILL: f64 = 0.8;
/// The first window of a tag of which nothing is known.
const FIRST_WINDOW: Micros = 86_400_000_000;
/// The weight of what was seen last.
const NEWEST_WEIGHT: f64 = 0.5;
/// From so many tags it is told what a tag is like of which nothing is known.
const SAMPLE: usize = 1_000;

/// What the controller is asked to keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Requests in a batch.
    pub(super) requests: usize,
    /// Events of one stream in an answer.
    pub(super) max_count: u32,
    /// Size of an answer to aim for.
    pub(super) bytes: f64,
    /// What answers that were asked for and not yet taken may hold together.
    pub(super) under_way: f64,
    /// The longest window.
    pub(super) window: Option<Micros>,
}

/// Which part of a tag's history a job reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// What is new.
    Tail,
    /// What lies beyond now.
    Ahead,
    /// A window before that.
    Gap,
}

/// A window of a tag that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// The tag's place in the plan.
    pub(super) tag: usize,
    pub(super) lane: Lane,
    pub(super) pager: Pager,
    /// Whether the newest event of the window may be the newest of the tag.
    pub(super) open: bool,
}

/// Jobs for one request.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Job>,
    /// How large the answer may become, about.
    pub(super) bytes: f64,
}

/// How many events per second each tag has, and how large events are, as far as is known.
#[derive(Clone, Debug)]
pub(super) struct Densities {
    tags: Vec<Option<f64>>,
    /// What the first tags had, in order of size.
    sample: Vec<f64>,
    event_bytes: f64,
}

impl Densities {
    pub(super) fn unknown(tags: usize) -> Self {
        Self { tags: vec![None; tags], sample: Vec::new(), event_bytes: EVENT_BYTES }
    }

    pub(super) fn of(&self, tag: usize) -> Option<f64> {
        self.tags.get(tag).copied().flatten()
    }

    /// Learns from a window: how many events it held.
    pub(super) fn learn(&mut self, tag: usize, events: usize, span: Micros) {
        if span <= 0 {
            return;
        }
        let seen = events as f64 / (span as f64 / 1e6);
        if let Some(known) = self.tags.get_mut(tag) {
            if known.is_none() && self.sample.len() < SAMPLE {
                self.sample.insert(self.sample.partition_point(|other| *other < seen), seen);
            }
            *known = Some(known.map_or(seen, |known| known * (1.0 - NEWEST_WEIGHT) + seen * NEWEST_WEIGHT));
        }
    }

    /// Learns from an answer: how large its events were.
    pub(super) fn learn_size(&mut self, events: usize, bytes: usize) {
        if events >= TELLING {
            let seen = bytes as f64 / events as f64;
            self.event_bytes = self.event_bytes * (1.0 - NEWEST_WEIGHT) + seen * NEWEST_WEIGHT;
        }
    }

    /// How many events a window is expected to hold; of a tag of which nothing is known as many as of half of the others.
    /// Nobody can tell how many lie beyond now.
    fn expected(&self, job: &Job) -> Option<f64> {
        let span = job.pager.end() - job.pager.floor();
        let density = self.of(job.tag).or_else(|| self.sample.get(self.sample.len() / 2).copied());
        density.filter(|_| job.lane != Lane::Ahead).map(|density| density * span as f64 / 1e6)
    }

    /// How long a window may be to fill a page.
    pub(super) fn window(&self, tag: usize, limits: &Limits) -> Micros {
        let longest = limits.window.unwrap_or(Micros::MAX);
        let by_density = match self.of(tag) {
            None => FIRST_WINDOW,
            Some(density) if density <= 0.0 => Micros::MAX,
            // A float that is too large becomes the largest number.
            Some(density) => (f64::from(limits.max_count) * FILL / density * 1e6) as Micros,
        };
        by_density.clamp(1_000_000, longest.max(1_000_000))
    }
}

/// Jobs that wait, and the batches made of them.
#[derive(Debug)]
pub(super) struct Controller {
    limits: Limits,
    waiting: VecDeque<Job>,
}

impl Controller {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new() }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// What goes on with a window that was read in part comes first.
    pub(super) fn push_first(&mut self, job: Job) {
        self.waiting.push_front(job);
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Drops what waits for a tag.
    pub(super) fn drop_tag(&mut self, tag: usize) {
        self.waiting.retain(|job| job.tag != tag);
    }

    /// The most events to ask for: twice what is expected, so that an answer stays bounded when a tag bursts.
    fn max_count(&self, densities: &Densities, job: &Job) -> u32 {
        let wanted = match densities.expected(job) {
            Some(events) => events * 2.0 + 200.0,
            None => self.share(densities),
        };
        let wanted = if densities.of(job.tag).is_none() { wanted.max(self.share(densities)) } else { wanted };
        // Cut to what fits.
        self.limits.max_count.min(wanted as u32).max(1)
    }

    /// Events of each stream when all of a batch have the same.
    fn share(&self, densities: &Densities) -> f64 {
        (self.limits.bytes / densities.event_bytes / self.limits.requests as f64).max(1000.0)
    }

    fn bytes(&self, densities: &Densities, job: &Job) -> f64 {
        let full = f64::from(job.pager.max_count());
        match densities.expected(job) {
            Some(events) => events.min(full) * densities.event_bytes + 100.0,
            // It fits however much there is: no more is asked for.
            None => self.limits.bytes / self.limits.requests as f64,
        }
    }

    /// The next batch, of up to `room` bytes or a single job; `None` when too little waits to fill one and `only_full` is
    /// asked for, or nothing at all, or there is no room for it.
    pub(super) fn batch(&mut self, densities: &Densities, only_full: bool, room: f64) -> Option<Batch> {
        let mut bytes = 0.0;
        let mut take = 0;
        let mut full = false;
        for job in &self.waiting {
            let more = self.bytes(densities, job);
            if take == self.limits.requests || (take > 0 && bytes + more > self.limits.bytes) {
                full = true;
                break;
            }
            bytes += more;
            take += 1;
        }
        full |= take == self.limits.requests;
        if take == 0 || (only_full && !full) || bytes > room {
            return None;
        }
        let mut jobs: Vec<Job> = self.waiting.drain(..take).collect();
        for job in jobs.iter_mut().filter(|job| job.pager.is_fresh()) {
            let count = self.max_count(densities, job);
            job.pager.set_max_count(count);
        }
        Some(Batch { jobs, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::pages::Verdict, *};

    const HOUR: Micros = 3_600_000_000;
    const ROOM: f64 = f64::INFINITY;

    fn limits() -> Limits {
        Limits { requests: 100, max_count: 10_000, bytes: 16e6, under_way: 48e6, window: None }
    }

    fn job(tag: usize, hours: i64) -> Job {
        Job { tag, lane: Lane::Tail, pager: Pager::new(0, hours * HOUR, 10_000), open: true }
    }

    fn packed(density: Option<f64>, tags: usize, hours: i64) -> Vec<usize> {
        let mut densities = Densities::unknown(tags);
        if let Some(density) = density {
            (0..tags).for_each(|tag| densities.learn(tag, (density * 3600.0) as usize, HOUR));
        }
        let mut controller = Controller::new(limits());
        (0..tags).for_each(|tag| controller.push(job(tag, hours)));
        std::iter::from_fn(|| controller.batch(&densities, false, ROOM)).map(|batch| batch.jobs.len()).collect()
    }

    #[test]
    fn slow_tags_fill_batches_by_count_and_fast_ones_by_size() {
        assert_eq!(packed(Some(1.0 / 60.0), 250, 1), [100, 100, 50]);
        // 1,440 events of 150 bytes: 216 kB each.
        assert_eq!(packed(Some(1.0 / 60.0), 200, 24), [74, 74, 52]);
        assert_eq!(packed(None, 200, 24), [100, 100]);
    }

    #[test]
    fn windows_follow_the_density() {
        let mut densities = Densities::unknown(3);
        densities.learn(0, 3600, HOUR);
        densities.learn(1, 0, HOUR);
        assert_eq!(densities.window(0, &limits()), 8_000_000_000);
        assert_eq!(densities.window(1, &limits()), Micros::MAX);
        assert_eq!(densities.window(2, &limits()), FIRST_WINDOW);
        densities.learn(0, 0, HOUR);
        assert_eq!(densities.of(0), Some(0.5));
        let bounded = Limits { window: Some(HOUR), ..limits() };
        assert_eq!(densities.window(1, &bounded), HOUR);
    }

    #[test]
    fn only_full_batches_go_out_while_others_are_under_way() {
        let densities = Densities::unknown(150);
        let mut controller = Controller::new(limits());
        (0..150).for_each(|tag| controller.push(job(tag, 1)));
        assert_eq!(controller.batch(&densities, true, ROOM).map(|batch| batch.jobs.len()), Some(100));
        assert!(controller.batch(&densities, true, ROOM).is_none());
        controller.drop_tag(149);
        controller.push_first(job(7, 1));
        let rest = controller.batch(&densities, false, ROOM).unwrap().jobs;
        assert_eq!((rest.len(), rest[0].tag), (50, 7));
        assert!(controller.len() == 0 && controller.batch(&densities, false, ROOM).is_none());
    }

    #[test]
    fn an_answer_stays_bounded_when_a_tag_bursts() {
        let mut densities = Densities::unknown(1);
        densities.learn(0, 60, HOUR);
        let mut controller = Controller::new(limits());
        controller.push(job(0, 1));
        let batch = controller.batch(&densities, false, ROOM).unwrap();
        assert_eq!(batch.jobs[0].pager.question().max_count, 320);
    }

    #[test]
    fn what_finds_no_room_waits() {
        let densities = Densities::unknown(200);
        let mut controller = Controller::new(limits());
        (0..200).for_each(|tag| controller.push(job(tag, 1)));
        let first = controller.batch(&densities, false, 48e6).unwrap();
        // Of tags of which nothing is known an answer may become as large as allowed.
        assert!((first.bytes - 16e6).abs() < 1.0, "{}", first.bytes);
        assert!(controller.batch(&densities, false, 15e6).is_none());
        assert_eq!(controller.len(), 100);
    }

    /// Reads a day of tags that bring an event every so many seconds each, four batches at a time; how many requests that
    /// takes, and the largest answer.
    fn read_a_day(every: f64, event_bytes: f64, tags: usize, limits: Limits) -> (usize, f64) {
        let total = (86_400.0 / every) as usize;
        let mut densities = Densities::unknown(tags);
        let mut controller = Controller::new(limits);
        let day = |tag| Job { tag, lane: Lane::Gap, pager: Pager::new(0, 24 * HOUR, 10_000), open: true };
        (0..tags).for_each(|tag| controller.push(day(tag)));
        let (mut requests, mut largest, mut read) = (0, 0f64, 0);
        let mut under_way: VecDeque<Batch> = VecDeque::new();
        loop {
            while under_way.len() < 4 {
                let room = limits.under_way - under_way.iter().map(|batch| batch.bytes).sum::<f64>();
                let room = if under_way.is_empty() { ROOM } else { room };
                let Some(batch) = controller.batch(&densities, under_way.len() >= 2, room) else { break };
                under_way.push_back(batch);
                requests += 1;
            }
            let Some(batch) = under_way.pop_front() else { break };
            let mut events = 0;
            for mut job in batch.jobs {
                let left = total - (job.pager.floor() as f64 / 86_400e6 * total as f64).round() as usize;
                let got = left.min(job.pager.max_count() as usize);
                let from = job.pager.floor();
                let last = from + (got as f64 * every * 1e6) as Micros;
                let verdict = job.pager.answer(got, Some(last), 150_000).unwrap();
                densities.learn(job.tag, got, job.pager.floor() - from);
                events += got;
                if matches!(verdict, Verdict::TakeBefore(_)) {
                    job.pager.set_max_count(10_000);
                    controller.push_first(job);
                }
            }
            densities.learn_size(events, (events as f64 * event_bytes) as usize);
            largest = largest.max(events as f64 * event_bytes);
            read += events;
        }
        assert_eq!(read, total * tags);
        (requests, largest)
    }

    #[test]
    fn a_day_takes_hardly_more_requests_than_the_limits_demand() {
        let limits = Limits { bytes: 32e6, under_way: 96e6, ..limits() };
        for (every, event_bytes) in [(3600.0, 150.0), (60.0, 165.0), (60.0, 300.0), (30.0, 165.0), (15.0, 110.0)] {
            let (requests, largest) = read_a_day(every, event_bytes, 30_000, limits);
            let bytes = 86_400.0 / every * event_bytes;
            let fewest = (30_000.0 / (limits.bytes / bytes).floor().min(100.0)).ceil();
            assert!(requests as f64 <= fewest * 1.1, "every {every} s: {requests} requests where {fewest} would do");
            // Until the size of events is known their number is all there is to go by.
            assert!(largest <= limits.bytes * (event_bytes / EVENT_BYTES).max(1.0) * 1.05, "{every}: {largest}");
        }
    }
}
