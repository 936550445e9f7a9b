//! Which priority work gets. What is small is done at once, since somebody waits for it; what is large
//! must never slow the data path, and runs only when nothing else wants the processor.

use std::io;
use std::sync::{Mutex, PoisonError};

/// What one reload works through at the priority of everybody else, in bytes of rules and scenarios:
/// a few patches, for some tens of milliseconds.
const SMALL_BYTES: usize = 64 * 1024;

/// Whether this alone is more than one reload works through at once.
pub(super) const fn is_large(bytes: usize) -> bool {
    bytes > SMALL_BYTES
}

/// How much more is small.
#[derive(Debug)]
pub(super) struct Allowance(usize);

impl Allowance {
    /// Of one reload.
    pub const fn of_reload() -> Self {
        Self(SMALL_BYTES)
    }

    /// At start no packet flows yet, and all is done at once.
    pub const fn of_start() -> Self {
        Self(usize::MAX)
    }

    /// Whether so many bytes more are small.
    pub const fn has(&self, bytes: usize) -> bool {
        bytes <= self.0
    }

    /// Does `work`, which goes through so many bytes, before it returns: here where that is allowed,
    /// else on a thread below all others.
    pub fn spend<R: Send>(&mut self, bytes: usize, work: impl FnOnce() -> R + Send) -> R {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                work()
            }
            None => below_all(work),
        }
    }
}

/// Does `work` on a thread that the kernel runs only when nothing else wants the processor. A thread
/// cannot be raised again without a privilege, so each such work gets one of its own; threads that it
/// starts are like it.
pub(super) fn below_all<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let work = Mutex::new(Some(work));
    let take = || work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("builder-idle".to_owned());
        let spawned = thread.spawn_scoped(scope, || {
            if let Err(e) = lowest() {
                tracing::warn!("a ruleset is built at normal priority: {e}");
            }
            take().map(|work| work())
        });
        match spawned {
            Ok(thread) => match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            Err(_) => None,
        }
    });
    match (done, take()) {
        (Some(done), _) => done,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("whoever took the work has done it"),
    }
}

/// Puts the calling thread under `SCHED_IDLE`: below every normal thread, also those of other processes.
fn lowest() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: pid 0 names the calling thread, and `parameters` lives across the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lowest() -> bool {
        // SAFETY: pid 0 names the calling thread.
        unsafe { libc::sched_getscheduler(0) == libc::SCHED_IDLE }
    }

    #[test]
    fn what_is_small_runs_here_and_the_rest_below() {
        let mut allowance = Allowance::of_reload();
        assert!(!allowance.spend(SMALL_BYTES - 10, is_lowest));
        assert!(allowance.spend(11, is_lowest), "over what is left");
        assert!(!allowance.spend(10, is_lowest), "which is still left");
        assert!(allowance.spend(1, is_lowest));
        assert!(!is_lowest(), "whoever waits stays as it was");
        assert!(!Allowance::of_start().spend(1 << 40, is_lowest));
    }

    #[test]
    #[should_panic(expected = "this one")]
    fn a_panic_below_is_the_callers() {
        // Without the hook, whose report takes long down there.
        below_all(|| std::panic::resume_unwind(Box::new("this one")));
    }
}
