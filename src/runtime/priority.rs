//! Work that must never slow the data path runs only when nothing else wants the processor.

use std::io;

/// Puts the calling thread under `SCHED_IDLE`: below every normal thread, also those of other processes.
pub fn lowest() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: pid 0 names the calling thread, and `parameters` lives across the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
