//! How long packets waited for their verdict: a histogram that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets to each doubling: a percentile is told to within an eighth.
const STEPS: u64 = 8;
/// The longest time told apart: 2^24 us, 16.8 s. What took longer is in the last bucket.
const DOUBLINGS: u64 = 24;
const BUCKETS: usize = (STEPS * (DOUBLINGS - STEPS.ilog2() as u64 + 1)) as usize;

/// The histogram of one worker, in microseconds.
#[derive(Debug)]
pub struct Latency {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum_us: AtomicU64::new(0),
        }
    }
}

impl Latency {
    /// Only the owning worker calls this, so load and store need no lock.
    pub fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bump = |cell: &AtomicU64, n: u64| {
            cell.store(
                cell.load(Ordering::Relaxed).wrapping_add(n),
                Ordering::Relaxed,
            );
        };
        bump(&self.buckets[bucket_of(us)], 1);
        bump(&self.sum_us, us);
    }

    pub fn snapshot(&self) -> LatencySnapshot {
        LatencySnapshot {
            buckets: self.buckets.each_ref().map(|b| b.load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

/// A histogram at one moment; several workers' add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencySnapshot {
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

impl Default for LatencySnapshot {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            sum_us: 0,
        }
    }
}

impl LatencySnapshot {
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *to += from;
        }
        self.sum_us += other.sum_us;
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// Each bucket that holds something: the time in microseconds that its packets stayed below,
    /// and how many they are.
    pub fn filled(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let counts = self.buckets.iter().enumerate();
        counts
            .filter(|&(_, &n)| n > 0)
            .map(|(index, &n)| (bucket_end_us(index), n))
    }

    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50: self.quantile_us(500),
            p99: self.quantile_us(990),
            p999: self.quantile_us(999),
        }
    }

    fn quantile_us(&self, thousandths: u64) -> u64 {
        let wanted = (self.count() * thousandths).div_ceil(1000);
        let mut seen = 0;
        self.filled()
            .find(|&(_, n)| {
                seen += n;
                seen >= wanted
            })
            .map_or(0, |(end, _)| end)
    }

    /// Packets that waited less than `us`, exact where `us` is a power of two.
    pub fn below(&self, us: u64) -> u64 {
        self.filled()
            .take_while(|&(end, _)| end <= us)
            .map(|(_, n)| n)
            .sum()
    }
}

/// Times in microseconds that shares of the packets stayed below; 0 where none was timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
}

/// Below `STEPS` each microsecond has a bucket; above, each doubling has `STEPS`.
fn bucket_of(us: u64) -> usize {
    let Some(doubling) = us.checked_ilog2().filter(|_| us >= STEPS) else {
        return us as usize;
    };
    let shift = doubling - STEPS.ilog2();
    let index = u64::from(shift) * STEPS + (us >> shift);
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// The first microsecond behind a bucket.
fn bucket_end_us(index: usize) -> u64 {
    let index = index as u64 + 1;
    if index <= STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    (STEPS + index % STEPS) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut start = 0;
        for index in 0..BUCKETS {
            let end = bucket_end_us(index);
            assert!(end > start, "bucket {index}");
            assert_eq!(bucket_of(start), index);
            assert_eq!(bucket_of(end - 1), index);
            assert!(
                end <= STEPS || end - start <= start / STEPS,
                "within an eighth"
            );
            start = end;
        }
        assert_eq!(start, 1 << DOUBLINGS);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_two_workers_together() {
        let (one, other) = (Latency::default(), Latency::default());
        for _ in 0..98 {
            one.record(Duration::from_micros(5));
        }
        other.record(Duration::from_micros(100));
        other.record(Duration::from_secs(60));
        let mut both = one.snapshot();
        both.merge(&other.snapshot());
        assert_eq!(both.count(), 100);
        let expected = Percentiles {
            p50: 6,
            p99: 104,
            p999: 1 << DOUBLINGS,
        };
        assert_eq!(both.percentiles(), expected);
        assert_eq!((both.below(8), both.below(128)), (98, 99));
        assert_eq!(
            LatencySnapshot::default().percentiles(),
            Percentiles::default()
        );
    }
}
