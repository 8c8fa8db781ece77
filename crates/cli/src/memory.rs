//! How much memory this process needs.

/// Starts the program anew with one heap for all threads, where the C library would keep up to eight for each core.
///
/// Rows are decoded by one thread and freed by another, so every heap grows to the size of the largest unit and stays so.
/// The number can only be set from outside of the process; a number that the user has set is left alone. When the program
/// cannot be started anew it goes on as it is: it needs more memory then, nothing else.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn use_one_heap() {
    use std::{env, os::unix::process::CommandExt, process::Command};

    const HEAPS: &str = "MALLOC_ARENA_MAX";
    let tuned = env::var_os("GLIBC_TUNABLES").is_some_and(|t| t.to_string_lossy().contains("malloc.arena_max"));
    let Ok(program) = env::current_exe() else { return };
    if env::var_os(HEAPS).is_some() || tuned {
        return;
    }
    let mut args = env::args_os();
    let name = args.next().unwrap_or_else(|| program.clone().into());
    let _ = Command::new(program).arg0(name).args(args).env(HEAPS, "1").exec();
}

/// Other systems share heaps between threads already.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn use_one_heap() {}

/// The peak in bytes, where the system tells.
pub(crate) fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    peak_of(&status)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_systems_words() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t   1024 kB\n"), Some(1_048_576));
        assert_eq!(peak_of("Name:\tx\n"), None);
    }
}
