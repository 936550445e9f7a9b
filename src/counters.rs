//! Per-worker counters. One thread writes, any thread reads.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::verdict::{DropReason, Verdict};

macro_rules! counters {
    ($($variant:ident = $name:literal, $help:literal;)+) => {
        /// What is counted. The table also feeds `ctl stats`, EVE `stats` and the metrics page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Counter { $(#[doc = $help] $variant),+ }

        impl Counter {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub const COUNT: usize = Self::ALL.len();

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

counters! {
    Received = "received_packets", "Packets received from the capture backend; a GSO packet counts once.";
    ReceivedBytes = "received_bytes", "Bytes of the packets received.";
    Forwarded = "forwarded_packets", "Packets given back to be forwarded.";
    InspectedBytes = "inspected_bytes", "Payload bytes given to signatures.";
    BeyondDepthBytes = "beyond_depth_bytes", "Payload bytes not inspected since they lie beyond the configured depth.";
    TunnelPackets = "tunnel_packets", "Packets found inside others and inspected; those nested deeper count again.";
    NotInspectedPackets = "not_inspected_packets", "Packets of protocols that no parser reads.";
    FlowsCreated = "flows_created", "Flows entered into the flow table.";
    FlowsEnded = "flows_ended", "Flows that left the flow table.";
    FlowsEvicted = "flows_evicted", "Flows evicted since the table was full.";
    FlowsEstablishedEvicted = "flows_established_evicted", "Of those, flows with a handshake: no cheaper flow was left.";
    FlowsPressed = "flows_pressed", "Flows timed out sooner since the table was nearly full.";
    FlowsRefused = "flows_refused", "Flows dropped or reset by a verdict.";
    FlowsMidstream = "flows_midstream", "Flows picked up without their handshake.";
    Alerts = "alerts", "Alert records.";
    AlertsSuppressed = "alerts_suppressed", "Alerts held back by a threshold.";
    OutOfOrderSegments = "out_of_order_segments", "TCP segments that came before their turn.";
    RetransmittedSegments = "retransmitted_segments", "TCP segments whose bytes were all seen before.";
    StreamGaps = "stream_gaps", "Holes in a stream that were given up.";
    Rewritten = "rewritten_packets", "Packets forwarded with a change by the normaliser.";
    NormalisedUrgent = "normalised_urgent", "Segments with urgent data that were changed or dropped.";
    NormalisedUrgentPointer = "normalised_urgent_pointer", "Segments with an urgent pointer and no flag that were changed.";
    NormalisedReservedBits = "normalised_reserved_bits", "Segments with reserved bits that were changed.";
    NormalisedOptions = "normalised_unknown_options", "Segments with options not read here that were changed.";
    NormalisedTtl = "normalised_low_ttl", "Segments whose TTL was raised to that of the handshake.";
    NormalisedDyingTtl = "normalised_dying_ttl", "Segments dropped since they would not reach their receiver.";
    NormalisedSynData = "normalised_syn_data", "SYNs dropped for their data.";
    NormalisedResetData = "normalised_reset_data", "Resets dropped for their data.";
    NormalisedMissingTimestamp = "normalised_missing_timestamp", "Segments dropped since their timestamp is missing.";
    NormalisedSplitHandshake = "normalised_split_handshake", "SYNs from the server that were dropped.";
    ResetsSent = "resets_sent", "RST segments injected.";
    ResetsLimited = "resets_rate_limited", "RST segments not sent, by the rate limit.";
    ResetsInTunnel = "resets_in_tunnel", "RST segments not sent, since the flow they would end is inside a tunnel: its packets are dropped without an answer.";
    ResetsFailed = "resets_failed", "RST segments the kernel did not take.";
    FragmentsReceived = "fragments_received", "IP fragments received.";
    DatagramsReassembled = "datagrams_reassembled", "Datagrams put together from IP fragments.";
    FragmentsSent = "fragments_sent", "IP fragments sent on in place of those received.";
    FragmentsFailed = "fragments_failed", "Reassembled datagrams of which the kernel did not take every fragment.";
    AppLayerErrors = "app_layer_errors", "Transactions a parser could not read.";
    ExceptionPass = "exception_policy_pass", "Packets forwarded uninspected by an exception policy.";
    Panics = "worker_panics", "Panics caught; each costs one flow.";
    EventsLost = "events_lost", "Event records not written since the log could not keep up.";
    Transactions = "transactions", "Application-layer transactions seen.";
    MatchErrors = "match_limit_errors", "Times that a rule could not decide within the limits of its tests.";
    RuleWork = "rule_work_units", "Work that the tests of rules were, in units of about a nanosecond.";
    RulesSuspended = "rules_suspended", "Times that a rule took more than its budget and was not asked for a while.";
    RulesSkipped = "suspended_rules_skipped", "Times that a suspended rule was not asked though it would have been.";
    FlowsOverBudget = "flows_over_budget", "Flows whose rules took longer than their bytes and `flow_budget_us` allow.";
    KeptFull = "kept_full", "Times that what a rule wanted to keep found no room.";
    Tagged = "tagged_packets", "Packets logged since a rule tagged them.";
    FlowsBypassed = "flows_bypassed", "Flows that a rule let through uninspected from a match on.";
    FlowsLeftToKernel = "flows_left_to_kernel", "Flows that no rule in force could concern any more, and whose packets the kernel forwards by itself.";
    FlowsResynchronised = "flows_resynchronised", "Flows that came back from the kernel and are inspected again.";
    RulesetSwaps = "ruleset_swaps", "Times this worker took up a new ruleset.";
}

/// The counters of one worker.
///
/// The accounting identity (received = forwarded + dropped + in hand) holds in
/// every [`Snapshot`], also while the worker runs: a sequence lock around its
/// few stores lets a reader notice that it came between two of them.
#[derive(Debug)]
pub struct Counters {
    /// Odd while the numbers of the identity are being changed.
    sequence: AtomicU64,
    values: [AtomicU64; Counter::COUNT],
    drops: [AtomicU64; DropReason::COUNT],
    in_hand: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            values: [const { AtomicU64::new(0) }; Counter::COUNT],
            drops: [const { AtomicU64::new(0) }; DropReason::COUNT],
            in_hand: AtomicU64::new(0),
        }
    }
}

impl Counters {
    /// Only the owning worker calls this, so load and store need no lock.
    pub fn add(&self, counter: Counter, n: u64) {
        bump(&self.values[counter as usize], n);
    }

    /// A packet was taken in hand.
    pub fn received(&self, bytes: u64) {
        self.locked(|c| {
            bump(&c.values[Counter::Received as usize], 1);
            bump(&c.values[Counter::ReceivedBytes as usize], bytes);
            bump(&c.in_hand, 1);
        });
    }

    /// A packet left our hands.
    pub fn decided(&self, verdict: Verdict) {
        self.settled(1, verdict);
    }

    /// So many packets left our hands, some of which were held.
    pub fn settled(&self, packets: u64, verdict: Verdict) {
        self.locked(|c| {
            match verdict {
                Verdict::Forward => bump(&c.values[Counter::Forwarded as usize], packets),
                Verdict::Rewrite(_) => {
                    bump(&c.values[Counter::Forwarded as usize], packets);
                    bump(&c.values[Counter::Rewritten as usize], packets);
                }
                Verdict::Drop(reason) => bump(&c.drops[reason.index()], packets),
                Verdict::Held => return,
            }
            bump(&c.in_hand, packets.wrapping_neg());
        });
    }

    fn locked(&self, change: impl FnOnce(&Self)) {
        let before = self.sequence.load(Ordering::Relaxed);
        self.sequence
            .store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change(self);
        self.sequence
            .store(before.wrapping_add(2), Ordering::Release);
    }

    pub fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize].load(Ordering::Relaxed)
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason.index()].load(Ordering::Relaxed)
    }

    /// All counters at one moment.
    pub fn snapshot(&self) -> Snapshot {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let snapshot = self.read();
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before {
                return snapshot;
            }
            std::hint::spin_loop();
        }
    }

    fn read(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (to, from) in snapshot.values.iter_mut().zip(&self.values) {
            *to = from.load(Ordering::Relaxed);
        }
        for (to, from) in snapshot.drops.iter_mut().zip(&self.drops) {
            *to = from.load(Ordering::Relaxed);
        }
        snapshot.in_hand = self.in_hand.load(Ordering::Relaxed);
        snapshot
    }
}

fn bump(cell: &AtomicU64, n: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(n),
        Ordering::Relaxed,
    );
}

/// Counters at one moment; several workers' snapshots add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    values: [u64; Counter::COUNT],
    drops: [u64; DropReason::COUNT],
    in_hand: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            values: [0; Counter::COUNT],
            drops: [0; DropReason::COUNT],
            in_hand: 0,
        }
    }
}

impl Snapshot {
    pub fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize]
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason.index()]
    }

    pub fn dropped_total(&self) -> u64 {
        self.drops.iter().sum()
    }

    pub fn in_hand(&self) -> u64 {
        self.in_hand
    }

    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.values.iter_mut().zip(&other.values) {
            *to += from;
        }
        for (to, from) in self.drops.iter_mut().zip(&other.drops) {
            *to += from;
        }
        self.in_hand += other.in_hand;
    }

    /// received = forwarded + dropped (by each reason) + in hand.
    pub fn accounts(&self) -> bool {
        self.get(Counter::Received)
            == self.get(Counter::Forwarded) + self.dropped_total() + self.in_hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_counts_packets_in_hand() {
        let c = Counters::default();
        c.received(100);
        c.received(100);
        c.received(100);
        c.decided(Verdict::Forward);
        c.decided(Verdict::Drop(DropReason::Rules));
        let s = c.snapshot();
        assert_eq!((s.get(Counter::Received), s.in_hand()), (3, 1));
        assert_eq!(s.get(Counter::ReceivedBytes), 300);
        assert!(s.accounts());
        c.decided(Verdict::Held);
        assert_eq!(c.snapshot().in_hand(), 1, "held is in hand");
        c.received(100);
        c.settled(2, Verdict::Forward);
        let s = c.snapshot();
        assert_eq!((s.get(Counter::Forwarded), s.in_hand()), (3, 0));
        assert!(s.accounts());
        c.add(Counter::Forwarded, 1);
        assert!(!c.snapshot().accounts());
    }

    #[test]
    fn every_snapshot_of_a_running_worker_accounts() {
        let c = Counters::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..200_000_u32 {
                    c.received(1);
                    c.decided(if n % 3 == 0 {
                        Verdict::Drop(DropReason::Rules)
                    } else {
                        Verdict::Forward
                    });
                }
            });
            for _ in 0..1_000 {
                assert!(c.snapshot().accounts());
            }
        });
        assert_eq!(c.snapshot().get(Counter::Received), 200_000);
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = Counter::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(names.len(), Counter::COUNT);
    }
}
