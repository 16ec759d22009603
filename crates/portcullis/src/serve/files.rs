//! How many files this process may have open, each connection being one: raised to what the settings need, where the
//! operating system lets us.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the database, the log, listeners and outgoing connections.
const OTHERS: u64 = 256;
/// Fewer are not worth serving.
const LEAST: u64 = 16;

/// Makes room for so many connections, and says for how many there is.
pub(super) fn make_room(connections: u32) -> usize {
    let wanted = u64::from(connections) + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        // What cannot be raised shows below.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    }
    let room = room_in(getrlimit(Resource::Nofile).current, connections);
    if room < connections {
        tracing::warn!(
            room,
            max_connections = connections,
            "fewer connections than configured: the limit of open files (ulimit -n, LimitNOFILE=) is in the way"
        );
    }
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// For how many connections there would be room at most, in a process that is started like this one.
pub(crate) fn most_connections(wanted: u32) -> u32 {
    room_in(getrlimit(Resource::Nofile).maximum, wanted)
}

fn room_in(files: Option<u64>, wanted: u32) -> u32 {
    let room = files.map_or(u64::from(wanted), |files| files.saturating_sub(OTHERS).max(LEAST));
    u32::try_from(room).unwrap_or(u32::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_files_is_left_for_others() {
        assert_eq!(room_in(None, 10_000), 10_000);
        assert_eq!(room_in(Some(1_024), 10_000), 768);
        assert_eq!(room_in(Some(20_000), 10_000), 10_000);
        assert_eq!(room_in(Some(100), 10_000), 16);
    }
}
