//! What the kernel and the socket say about a queue.

use std::fs;
use std::io;

/// Of the calling thread's network namespace.
const TABLE: &str = "/proc/thread-self/net/netfilter/nfnetlink_queue";

/// One line of the kernel's table of queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelStats {
    /// Netlink port id of the reader; mostly its process id.
    pub port_id: u32,
    /// Packets that wait for a verdict.
    pub waiting: u64,
    /// Packets dropped since the queue was full. Stays 0 under fail-open.
    pub queue_dropped: u64,
    /// Packets dropped since the reader's receive buffer was full. Stays 0 under fail-open.
    pub user_dropped: u64,
    /// Id of the last packet queued. Counts from 1 when the queue is opened, packets of
    /// `user_dropped` included.
    pub last_id: u32,
}

impl KernelStats {
    /// Reads one queue's line; `None` when nobody reads that queue.
    ///
    /// # Errors
    /// The table cannot be read: no privileges, or a kernel without NFQUEUE.
    pub fn read(queue: u16) -> io::Result<Option<Self>> {
        Ok(find(&fs::read_to_string(TABLE)?, queue))
    }
}

/// Columns: queue, port id, waiting, copy mode, copy range, queue dropped, user dropped, last id, 1.
fn find(table: &str, queue: u16) -> Option<KernelStats> {
    table.lines().find_map(|line| {
        let mut columns = line.split_whitespace().map(str::parse::<u64>);
        let mut column = || columns.next()?.ok();
        if column()? != u64::from(queue) {
            return None;
        }
        let port_id = column()?;
        let waiting = column()?;
        let (_copy_mode, _copy_range) = (column()?, column()?);
        Some(KernelStats {
            port_id: port_id as u32,
            waiting,
            queue_dropped: column()?,
            user_dropped: column()?,
            last_id: column()? as u32,
        })
    })
}

/// All that is known about lost and refused messages of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    pub kernel: KernelStats,
    /// Messages that did not fit the receive buffer, whatever became of their packets:
    /// dropped, or under fail-open forwarded unseen. From the socket itself, modulo 2^32.
    pub overruns: u32,
    /// Verdicts for packets the kernel no longer held, for example after an interface went away.
    pub verdicts_late: u64,
    /// Verdicts the kernel refused for any other reason.
    pub verdicts_refused: u64,
    /// Messages that could not be read.
    pub malformed: u64,
}

impl QueueStats {
    /// Packets that a kernel rule brought since the queue was opened, read or not, less those
    /// that passed since it was full.
    pub fn brought(&self) -> u64 {
        u64::from(self.kernel.last_id) + self.kernel.queue_dropped
    }

    /// Packets the kernel dropped before they were received.
    pub fn lost_before_us(&self) -> u64 {
        self.kernel.queue_dropped + self.kernel.user_dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_queue_among_others() {
        let table = "    3   1200     0 2 65531     0     0        0  1\n   \
                     30   1201    17 2 65531     4     5      900  1\n";
        let stats = find(table, 30).unwrap();
        assert_eq!(
            stats,
            KernelStats {
                port_id: 1201,
                waiting: 17,
                queue_dropped: 4,
                user_dropped: 5,
                last_id: 900
            }
        );
        assert_eq!(find(table, 0), None);
        assert_eq!(find("30 1201", 30), None);
    }
}
