//! All workers' counters at one moment, and what stands beside them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::builder_thread::InForce;
use super::worker_thread::{Command, Remote, Shared, WorkerThread};
use crate::capture::nfqueue::Queue;
use crate::control::{LatencyStats, Stats};
use crate::counters::{Counter, Snapshot};
use crate::latency::LatencySnapshot;
use crate::netfilter;
use crate::output::StatsRecord;
use crate::time::{Clock, SystemClock, Timestamp};
use crate::verdict::DropReason;

/// A worker that does not answer for so long is stalled; what is known without it is told.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// How often [`carried_over`] looks for a quiet moment. Packets wait meanwhile.
const QUIET_ATTEMPTS: usize = 3;

#[derive(Debug)]
pub struct Statistics {
    workers: Vec<Arc<Shared>>,
    remotes: Vec<Remote>,
    started: Timestamp,
    rules: RuleCounter,
}

/// What the counter of the kernel rules is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleCounter {
    /// The rules are not ours.
    Unknown,
    /// Ours. Packets that an older installation brought to our queues are received and not in it.
    Ours { carried_over: u64 },
}

/// What the kernel says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel {
    lost_before_us: u64,
    passed_unseen: Option<i64>,
}

impl Statistics {
    pub fn new(workers: &[WorkerThread], rules: RuleCounter) -> Self {
        Self {
            workers: workers.iter().map(|w| w.shared.clone()).collect(),
            remotes: workers.iter().map(WorkerThread::remote).collect(),
            started: SystemClock.now(),
            rules,
        }
    }

    pub fn uptime_secs(&self) -> u64 {
        SystemClock.now().since(self.started).as_secs()
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        for worker in &self.workers {
            sum.merge(&worker.counters.snapshot());
        }
        sum
    }

    pub fn latency(&self) -> LatencySnapshot {
        let mut sum = LatencySnapshot::default();
        for worker in &self.workers {
            sum.merge(&worker.latency.snapshot());
        }
        sum
    }

    pub fn active_flows(&self) -> u64 {
        let flows = |w: &Arc<Shared>| w.active_flows.load(Ordering::Relaxed);
        self.workers.iter().map(flows).sum()
    }

    pub async fn record(&self, in_force: &InForce) -> StatsRecord {
        let (kernel, snapshot) = self.with_kernel().await;
        self.stats_record(in_force, kernel, snapshot)
    }

    /// What the kernel says while there are workers to ask, for [`Statistics::last_record`].
    pub async fn last_of_kernel(&self) -> Kernel {
        self.with_kernel().await.0
    }

    /// After the workers have ended: nothing is in hand, and the kernel's table of queues is gone.
    pub fn last_record(&self, in_force: &InForce, kernel: Kernel) -> StatsRecord {
        self.stats_record(in_force, kernel, self.snapshot())
    }

    pub async fn stats(&self) -> Stats {
        let (kernel, snapshot) = self.with_kernel().await;
        Stats {
            counters: Counter::ALL
                .iter()
                .map(|&c| (c.as_str().to_owned(), snapshot.get(c)))
                .collect(),
            dropped_packets: DropReason::ALL
                .iter()
                .map(|&r| (r.as_str().to_owned(), snapshot.dropped(r)))
                .collect(),
            in_hand: snapshot.in_hand(),
            accounts: snapshot.accounts(),
            lost_before_us: kernel.lost_before_us,
            passed_unseen: kernel.passed_unseen.unwrap_or(0),
            active_flows: self.active_flows(),
            latency_us: LatencyStats::of(&self.latency()),
        }
    }

    fn stats_record(&self, in_force: &InForce, kernel: Kernel, snapshot: Snapshot) -> StatsRecord {
        StatsRecord {
            at: SystemClock.now(),
            uptime: self.uptime_secs(),
            epoch: in_force.summary.epoch,
            flows_active: self.active_flows(),
            latency_us: Some(self.latency().percentiles()),
            counters: snapshot,
            lost_before_us: kernel.lost_before_us,
            passed_unseen: kernel
                .passed_unseen
                .map(|unseen| u64::try_from(unseen).unwrap_or(0)),
        }
    }

    /// The kernel is asked first: a packet that comes meanwhile counts as received, not as unseen.
    async fn with_kernel(&self) -> (Kernel, Snapshot) {
        let remotes = self.remotes.clone();
        let rules = self.rules;
        let asked = tokio::task::spawn_blocking(move || (rules.brought(), losses(&remotes)));
        let (counter, lost_before_us) = asked.await.unwrap_or((None, 0));
        let snapshot = self.snapshot();
        let received = snapshot.get(Counter::Received);
        let kernel = Kernel {
            lost_before_us,
            passed_unseen: counter.map(|counted| {
                let seen = received.saturating_add(lost_before_us);
                i64::try_from(counted).unwrap_or(i64::MAX) - i64::try_from(seen).unwrap_or(i64::MAX)
            }),
        };
        (kernel, snapshot)
    }
}

impl RuleCounter {
    /// Packets that rules brought to our queues; `None` where nobody can tell.
    fn brought(self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Ours { carried_over } => {
                let counted = netfilter::packet_counter().ok()??;
                Some(counted.saturating_add(carried_over))
            }
        }
    }
}

/// Packets in newly opened queues that our newly installed rules have not counted: an older
/// installation brought them.
///
/// Exact if a moment without packets is found, which a held-back TCP soon grants; otherwise at
/// most too low by the packets of some milliseconds, so that no packet is called unseen which
/// was not.
pub fn carried_over(queues: &[Queue]) -> u64 {
    let mut carried = 0;
    for _ in 0..QUIET_ATTEMPTS {
        let before = brought(queues);
        if before == 0 {
            break;
        }
        let Ok(Some(counted)) = netfilter::packet_counter() else {
            break;
        };
        carried = carried.max(before.saturating_sub(counted));
        if brought(queues) == before {
            break;
        }
    }
    carried
}

fn brought(queues: &[Queue]) -> u64 {
    let stats = queues.iter().filter_map(|queue| queue.stats().ok());
    stats.map(|s| s.brought()).sum()
}

fn losses(remotes: &[Remote]) -> u64 {
    let (reply, answers) = channel();
    let asked = remotes
        .iter()
        .filter(|remote| remote.send(Command::Losses(reply.clone())))
        .count();
    let answer = |_| answers.recv_timeout(ANSWER_TIMEOUT).unwrap_or(0);
    (0..asked).map(answer).sum()
}
