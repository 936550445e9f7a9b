//! Work divided among threads, its results in the order of what it was done on.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More would wait for the order of their results.
const MOST_THREADS: usize = 8;

/// What `work` makes of each item. Each thread has a state of its own, and takes `at_once` items at
/// a time; what fits in one such share is done here. The threads run under the priority of the
/// caller, and end before this returns.
pub fn map<'i, T: Sync, R: Send, S>(
    items: &'i [T],
    at_once: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &'i T) -> R + Sync,
) -> impl Iterator<Item = R> {
    let shares: Vec<&'i [T]> = items.chunks(at_once.max(1)).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        let mut state = state();
        let mut done: Vec<(usize, Vec<R>)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(at) else {
                return done;
            };
            let results = share.iter().map(|item| work(&mut state, item)).collect();
            done.push((at, results));
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(MOST_THREADS).min(shares.len());
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, run).ok())
            .collect();
        let mut done = run();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|&(at, _)| at);
    done.into_iter().flat_map(|(_, results)| results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for (count, at_once) in [(0, 1), (1, 1), (10, 3), (1_000, 7), (5, 0), (3, 100)] {
            let items: Vec<usize> = (0..count).collect();
            let doubled = map(&items, at_once, || (), |(), n| n * 2);
            let expected: Vec<usize> = items.iter().map(|n| n * 2).collect();
            assert_eq!(doubled.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    #[should_panic(expected = "this one")]
    fn a_panic_is_the_callers() {
        let items = [0; 64];
        let _ = map(&items, 1, || (), |(), _| panic!("this one")).count();
    }
}
