//! Exit codes that mean things; `docs/cli.md` lists them.

use lakeflow_connect::{Error, ErrorKind};

/// Everything asked for was done.
pub(crate) const OK: u8 = 0;
/// Some tables failed, the others are done.
pub(crate) const SOME_FAILED: u8 = 1;
/// Wrong usage or configuration; also what the argument parser exits with.
pub(crate) const USAGE: u8 = 2;
/// The credentials were refused or do not allow this.
pub(crate) const ACCESS: u8 = 3;
/// The source cannot be reached or asks for fewer requests: try again later.
pub(crate) const UNAVAILABLE: u8 = 4;
/// The data or the source's answers are not as they must be.
pub(crate) const DATA: u8 = 5;
/// The destination refused: another writer, another schema, no space, no permission.
pub(crate) const SINK: u8 = 6;
/// A bug in this program.
pub(crate) const BUG: u8 = 70;
/// Stopped by a signal; what was committed stays.
pub(crate) const INTERRUPTED: u8 = 130;

/// All codes and what they mean, as `--help` and `docs/cli.md` tell them.
pub(crate) const ALL: [(u8, &str); 9] = [
    (OK, "done"),
    (SOME_FAILED, "some tables failed, the others are done"),
    (USAGE, "wrong usage or configuration"),
    (ACCESS, "the credentials were refused or do not allow this"),
    (UNAVAILABLE, "the source is unavailable or asks for fewer requests: try again later"),
    (DATA, "the data or the source's answers are not as they must be"),
    (SINK, "the destination refused: another writer, another schema, no space, no permission"),
    (BUG, "a bug in this program"),
    (INTERRUPTED, "interrupted; what was committed stays"),
];

/// The exit code of one failure.
pub(crate) fn of(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Config | ErrorKind::NotFound | ErrorKind::Unsupported => USAGE,
        ErrorKind::Auth | ErrorKind::Permission => ACCESS,
        ErrorKind::RateLimited | ErrorKind::Unavailable => UNAVAILABLE,
        ErrorKind::Protocol | ErrorKind::Data | ErrorKind::OffsetExpired => DATA,
        ErrorKind::Sink => SINK,
        _ => BUG,
    }
}

/// The exit code of a run over several tables: [`OK`], the code that all failures share when no table succeeded, else
/// [`SOME_FAILED`].
pub(crate) fn of_tables(succeeded: usize, failures: &[u8]) -> u8 {
    match failures {
        [] => OK,
        [first, rest @ ..] if succeeded == 0 && rest.iter().all(|code| code == first) => *first,
        _ => SOME_FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_cause_is_told_and_mixed_results_are_one() {
        assert_eq!(of_tables(3, &[]), OK);
        assert_eq!(of_tables(0, &[ACCESS, ACCESS]), ACCESS);
        assert_eq!(of_tables(0, &[ACCESS, DATA]), SOME_FAILED);
        assert_eq!(of_tables(1, &[ACCESS]), SOME_FAILED);
    }

    #[test]
    fn the_documentation_has_every_code_and_no_other() {
        const DOCS: &str = include_str!("../../../docs/cli.md");
        let (_, section) = DOCS.split_once("## Exit codes").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let told: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(told, ALL.map(|(code, meaning)| format!("| `{code}` | {meaning} |")));
    }

    #[test]
    fn every_kind_that_a_later_run_may_mend_says_try_later() {
        assert_eq!(of(&Error::new(ErrorKind::RateLimited, "slow down")), UNAVAILABLE);
        assert_eq!(of(&Error::new(ErrorKind::Internal, "bug")), BUG);
    }
}
