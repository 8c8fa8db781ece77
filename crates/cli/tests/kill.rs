//! The process is killed at random moments and started again until it gets through: the table must equal the source.
//!
//! Of the ignored test, `LAKEFLOW_KILLS=N` asks for N kills of a live process, `LAKEFLOW_SEED=N` for another course.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use crate::support::{Source, program, rows};

const TABLES: [&str; 2] = ["Patient", "Observation"];
const SIGKILL: i32 = 9;
/// A process that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a started process ended.
pub(crate) enum End {
    Killed,
    Finished,
    /// A fault of the source was more than a run can mend: the next run goes on.
    GaveUp,
}

#[test]
fn killed_and_started_again_nothing_is_lost_and_nothing_is_there_twice() {
    kill_until(10, 1);
}

#[test]
#[ignore = "takes minutes; CI runs it with LAKEFLOW_KILLS"]
fn killed_many_times_nothing_is_lost_and_nothing_is_there_twice() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    kill_until(number("LAKEFLOW_KILLS", 200), number("LAKEFLOW_SEED", 1_000));
}

fn kill_until(wanted: u64, first_seed: u64) {
    let mut sum = Tally::default();
    for seed in first_seed.. {
        if sum.kills >= wanted {
            break;
        }
        scenario(seed, &mut sum);
    }
    println!(
        "kills: {} of a live process, {} of them while the source had faults, {} runs given up for faults, {} complete comparisons",
        sum.kills, sum.kills_under_faults, sum.gave_up, sum.compared
    );
    assert!(sum.kills_under_faults * 4 >= sum.kills, "{} of {}", sum.kills_under_faults, sum.kills);
}

/// What happened so far.
#[derive(Default)]
struct Tally {
    kills: u64,
    kills_under_faults: u64,
    gave_up: u64,
    compared: u64,
}

/// One server and one destination: syncs with kills, faults and writes in between.
fn scenario(seed: u64, sum: &mut Tally) {
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let source = Source::configured(&TABLES.map(|table| (table, random.u32(300..900))), |config| {
        config.seed = seed;
        if random.bool() {
            config.add_personality(random.choice(["ties", "tied-pairs", "tied-groups"]).unwrap()).unwrap();
        }
    });
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        if round > 0 {
            TABLES.iter().for_each(|table| source.write(table, random.usize(3..20)));
        }
        source.server.faults().clear();
        // A third of the kills come while the source is broken, too.
        let faulty = random.u8(0..3) == 0 || sum.kills_under_faults * 3 < sum.kills;
        if faulty {
            let fault =
                random.choice(["chance:4=cut-off", "chance:4=truncated", "chance:4=no-answer", "nth:3=status:503"]);
            source.server.faults().add(fault.unwrap().parse().unwrap());
        }
        // Now and then it may run through; otherwise it is killed a few times first.
        for attempt in 0.. {
            let spare = attempt > 6 || random.u8(0..8) == 0;
            let lines = if round == 0 { 14 } else { 7 };
            let moment = (!spare).then(|| (random.usize(0..lines), Duration::from_micros(random.u64(0..60_000))));
            let sync = Sync { tables: &TABLES, options: &[], commit_rows: random.u64(20..200), faulty };
            match sync.run_until(&source, dir.path(), moment) {
                End::Killed => {
                    sum.kills += 1;
                    sum.kills_under_faults += u64::from(faulty);
                    TABLES.iter().for_each(|table| assert_partial(&source, table, dir.path(), seed));
                }
                End::Finished => break,
                End::GaveUp => {
                    sum.gave_up += 1;
                    source.server.faults().clear();
                }
            }
        }
        for table in TABLES {
            source.assert_copied(table, dir.path());
            sum.compared += 1;
        }
    }
}

/// A sync that can be killed.
pub(crate) struct Sync<'a> {
    pub(crate) tables: &'a [&'a str],
    /// Further table options.
    pub(crate) options: &'a [&'a str],
    pub(crate) commit_rows: u64,
    /// Whether the source may be more broken than a run can mend.
    pub(crate) faulty: bool,
}

impl Sync<'_> {
    /// Starts it; kills it after so many lines of output and a further delay, when a moment is given.
    pub(crate) fn run_until(&self, source: &Source, to: &Path, moment: Option<(usize, Duration)>) -> End {
        let mut command = program();
        command
            .arg("sync")
            .args(source.connection())
            .args(self.tables.iter().flat_map(|table| ["--table", table]))
            .args(["--table-option", "page_size=20", "--table-option", "max_records_per_batch=20"])
            .args(self.options.iter().flat_map(|option| ["--table-option", option]))
            .args(["--commit-rows", &self.commit_rows.to_string(), "--to", to.to_str().unwrap(), "--format", "json"]);
        run_until(command, moment, self.faulty)
    }
}

/// Starts a sync that prints JSON; kills it after so many lines of output and a further delay, when a moment is given.
/// `faulty` says whether the source may be more broken than a run can mend.
pub(crate) fn run_until(mut command: Command, moment: Option<(usize, Duration)>, faulty: bool) -> End {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = listen(&mut child);
    let mut said = String::new();
    if let Some((events, delay)) = moment {
        let mut heard = 0;
        while let Some(line) = (heard < events).then(|| lines.recv_timeout(PATIENCE).ok()).flatten() {
            heard += 1;
            said.push_str(&line);
        }
        std::thread::sleep(delay);
        child.kill().unwrap();
    }
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        said.push_str(&line);
    }
    let output = child.wait_with_output().unwrap();
    match (output.status.signal(), output.status.code()) {
        (Some(SIGKILL), _) => End::Killed,
        (_, Some(0)) => End::Finished,
        (_, Some(1 | 4 | 5)) if faulty => End::GaveUp,
        other => panic!("the sync ended with {other:?}: {}{said}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn listen(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

/// After a kill the table may lack rows or hold older ones, but never one twice, and never one that never was.
fn assert_partial(source: &Source, table: &str, to: &Path, seed: u64) {
    let expected = source.expected(table);
    for id in rows(&to.join(table)).keys() {
        assert!(expected.contains_key(id), "seed {seed}: {table} holds {id}, which the source does not have");
    }
}
