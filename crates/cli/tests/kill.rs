//! The process is killed at random moments and started again until it gets through: the table must equal the source.
//!
//! `LAKEFLOW_KILLS=N` asks for N kills of a live process (10 when not given), `LAKEFLOW_SEED=N` for another course.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use crate::support::{Source, program, rows};

const TABLES: [&str; 2] = ["Patient", "Observation"];
const SIGKILL: i32 = 9;
/// A process that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a started process ended.
enum End {
    Killed,
    Finished,
    /// A fault of the source was more than a run can mend: the next run goes on.
    GaveUp,
}

#[test]
fn killed_anywhere_and_started_again_nothing_is_lost_and_nothing_is_there_twice() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (wanted, first_seed) = (number("LAKEFLOW_KILLS", 10), number("LAKEFLOW_SEED", 1));
    let (mut kills, mut comparisons) = (0, 0);
    for seed in first_seed.. {
        if kills >= wanted {
            break;
        }
        let (killed, compared) = scenario(seed);
        kills += killed;
        comparisons += compared;
    }
    println!("kill test: {kills} kills of a live process, {comparisons} complete comparisons");
    assert!(kills >= wanted);
}

/// One server and one destination: syncs with kills, faults and writes in between; how many kills hit, how often
/// everything was compared.
fn scenario(seed: u64) -> (u64, u64) {
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let source = Source::configured(&TABLES.map(|table| (table, random.u32(300..900))), |config| {
        config.seed = seed;
        if random.bool() {
            config.add_personality(random.choice(["ties", "tied-pairs", "tied-groups"]).unwrap()).unwrap();
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let (mut kills, mut compared) = (0, 0);
    for round in 0..3 {
        if round > 0 {
            TABLES.iter().for_each(|table| source.write(table, random.usize(3..20)));
        }
        source.server.faults().clear();
        let faulty = random.u8(0..3) == 0;
        if faulty {
            let fault =
                random.choice(["chance:4=cut-off", "chance:4=truncated", "chance:4=no-answer", "nth:3=status:503"]);
            source.server.faults().add(fault.unwrap().parse().unwrap());
        }
        // Now and then it may run through; otherwise it is killed a few times first.
        for attempt in 0.. {
            let spare = attempt > 6 || random.u8(0..8) == 0;
            let moment = (!spare).then(|| (random.usize(0..14), Duration::from_micros(random.u64(0..60_000))));
            match run_until(&source, dir.path(), moment, random.u64(20..200), faulty) {
                End::Killed => {
                    kills += 1;
                    TABLES.iter().for_each(|table| assert_partial(&source, table, dir.path(), seed));
                }
                End::Finished => break,
                End::GaveUp => source.server.faults().clear(),
            }
        }
        for table in TABLES {
            source.assert_copied(table, dir.path());
            compared += 1;
        }
    }
    (kills, compared)
}

/// Starts a sync; kills it after so many lines of output and a further delay, when a moment is given.
fn run_until(source: &Source, to: &Path, moment: Option<(usize, Duration)>, commit_rows: u64, faulty: bool) -> End {
    let mut child = program()
        .arg("sync")
        .args(source.connection())
        .args(TABLES.iter().flat_map(|table| ["--table", table]))
        .args(["--table-option", "page_size=20", "--table-option", "max_records_per_batch=20"])
        .args(["--commit-rows", &commit_rows.to_string(), "--to", to.to_str().unwrap(), "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
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
