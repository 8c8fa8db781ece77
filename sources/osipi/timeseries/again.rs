//! When time that was read is read again, for events that came or changed late.

use super::super::time::Micros;

/// The ages at which time is read again, as parts of the late window: an event that comes late is seen when its time is at most
/// eight times as old as when it came, and at the latest when it is as old as the late window.
const PARTS: [Micros; 3] = [1, 8, 64];

/// A step is read again when it is an eighth of its age long, so that many short runs do not ask for slivers.
const STEP: Micros = 8;

/// Up to where time has been read again at each age, after a first run that ended at `now`.
pub(super) fn begin(now: Micros, late_window: Micros) -> Vec<Micros> {
    ages(late_window).map(|age| now - age).collect()
}

/// The windows that a run that ends at `now` reads again; notes them as read.
pub(super) fn due(marks: &mut Vec<Micros>, now: Micros, late_window: Micros) -> Vec<(Micros, Micros)> {
    let ages: Vec<Micros> = ages(late_window).collect();
    if marks.len() != ages.len() {
        // The late window was turned on: what it covers has never been read again.
        *marks = ages.iter().map(|age| now - age - late_window).collect();
    }
    let mut windows: Vec<(Micros, Micros)> = Vec::new();
    for (mark, age) in marks.iter_mut().zip(ages) {
        let to = now - age;
        if to - *mark >= age / STEP {
            windows.push((*mark, to));
            *mark = to;
        }
    }
    windows.sort_unstable();
    let mut merged: Vec<(Micros, Micros)> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if last.1 >= window.0 => last.1 = last.1.max(window.1),
            _ => merged.push(window),
        }
    }
    merged
}

fn ages(late_window: Micros) -> impl Iterator<Item = Micros> {
    PARTS.into_iter().filter(move |_| late_window > 0).map(move |part| late_window / part).filter(|age| *age > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Micros = 60_000_000;
    const DAY: Micros = 1440 * MINUTE;

    /// For each late event (its time, when it came): when a run saw it, runs every `step`.
    fn seen_at(step: Micros, late: Micros, time: Micros, came: Micros) -> Option<Micros> {
        let mut marks = begin(0, late);
        (1..100_000).map(|n| n * step).take_while(|now| *now < time + 3 * late).find(|now| {
            due(&mut marks, *now, late).iter().any(|(from, to)| (*from..*to).contains(&time)) && *now >= came
        })
    }

    #[test]
    fn an_event_that_comes_late_is_seen_soon_after() {
        for step in [MINUTE, 7 * MINUTE, 60 * MINUTE, DAY] {
            for delay in [0, MINUTE, 10 * MINUTE, 100 * MINUTE, DAY - MINUTE] {
                let seen = seen_at(step, DAY, 3 * DAY, 3 * DAY + delay).expect("never seen") - 3 * DAY;
                let oldest = (delay * 8).clamp(DAY / 64, DAY);
                assert!(seen <= oldest + oldest / STEP + 2 * step, "step {step} delay {delay}: {seen}");
            }
        }
    }

    #[test]
    fn frequent_runs_read_each_instant_three_times_again_and_daily_ones_once() {
        for (step, times) in [(MINUTE, 3), (DAY, 2)] {
            let mut marks = begin(0, DAY);
            let runs = 10 * DAY / step;
            let read: Micros = (1..=runs).flat_map(|n| due(&mut marks, n * step, DAY)).map(|(a, b)| b - a).sum();
            assert!(read <= times * 10 * DAY, "{step}: {}", read / DAY);
        }
        assert!(begin(5, 0).is_empty() && due(&mut Vec::new(), 5, 0).is_empty());
    }

    #[test]
    fn a_late_window_that_is_turned_on_covers_itself() {
        assert_eq!(due(&mut Vec::new(), 10 * DAY, DAY).first().map(|w| w.0), Some(8 * DAY));
    }
}
