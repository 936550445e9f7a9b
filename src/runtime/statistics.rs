//! All workers' counters at one moment, and what stands beside them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::builder_thread::InForce;
use super::worker_thread::{Command, Remote, Shared, WorkerThread};
use crate::control::Stats;
use crate::counters::{Counter, Snapshot};
use crate::netfilter;
use crate::output::StatsRecord;
use crate::time::{Clock, SystemClock, Timestamp};
use crate::verdict::DropReason;

/// A worker that does not answer for so long is stalled; what is known without it is told.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Statistics {
    workers: Vec<Arc<Shared>>,
    remotes: Vec<Remote>,
    started: Timestamp,
    /// Whether the kernel rules are ours, and so their counter tells something.
    counts_rules: bool,
}

/// What the kernel says.
#[derive(Clone, Copy, Debug, Default)]
struct Kernel {
    lost_before_us: u64,
    passed_unseen: Option<i64>,
}

impl Statistics {
    pub fn new(workers: &[WorkerThread], counts_rules: bool) -> Self {
        Self {
            workers: workers.iter().map(|w| w.shared.clone()).collect(),
            remotes: workers.iter().map(WorkerThread::remote).collect(),
            started: SystemClock.now(),
            counts_rules,
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

    pub fn active_flows(&self) -> u64 {
        let flows = |w: &Arc<Shared>| w.active_flows.load(Ordering::Relaxed);
        self.workers.iter().map(flows).sum()
    }

    pub async fn record(&self, in_force: &InForce) -> StatsRecord {
        let (kernel, snapshot) = self.with_kernel().await;
        self.stats_record(in_force, kernel, snapshot)
    }

    /// After the workers have ended: nothing is in hand, and the kernel's table of queues is gone.
    pub fn last_record(&self, in_force: &InForce) -> StatsRecord {
        self.stats_record(in_force, Kernel::default(), self.snapshot())
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
        }
    }

    fn stats_record(&self, in_force: &InForce, kernel: Kernel, snapshot: Snapshot) -> StatsRecord {
        StatsRecord {
            at: SystemClock.now(),
            uptime: self.uptime_secs(),
            epoch: in_force.summary.epoch,
            flows_active: self.active_flows(),
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
        let counts_rules = self.counts_rules;
        let asked = tokio::task::spawn_blocking(move || {
            let counter = counts_rules.then(netfilter::packet_counter);
            (counter.and_then(Result::ok), losses(&remotes))
        });
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

fn losses(remotes: &[Remote]) -> u64 {
    let (reply, answers) = channel();
    let asked = remotes
        .iter()
        .filter(|remote| remote.send(Command::Losses(reply.clone())))
        .count();
    let answer = |_| answers.recv_timeout(ANSWER_TIMEOUT).unwrap_or(0);
    (0..asked).map(answer).sum()
}
