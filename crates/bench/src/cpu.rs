//! Processor time and memory of the children, as Linux tells them under `/proc`.

use std::fs::read_to_string;
use std::time::Duration;

/// The unit of `/proc/PID/stat`; 100 a second on every Linux that Debian builds.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that these processes and those that they started have used so far.
pub(crate) fn used(roots: &[u32]) -> Duration {
    let children = roots.iter().flat_map(|root| {
        let text = read_to_string(format!("/proc/{root}/task/{root}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
    });
    roots.iter().copied().chain(children).filter_map(ticks).map(|ticks| TICK * ticks).sum()
}

/// What a process holds in memory now, in KiB.
pub(crate) fn resident_kib(process: u32) -> Option<u64> {
    let status = read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time, and those of children that were waited for. The name before them may hold anything.
fn ticks(process: u32) -> Option<u32> {
    let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // Counted from the state, the field after the name: utime, stime, cutime, cstime (proc(5)).
    fields.get(11..15)?.iter().map(|field| field.parse::<u32>().ok()).sum()
}
