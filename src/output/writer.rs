//! The thread that writes the log, and the queue to it.
//!
//! A worker never waits: a record that finds the queue full is lost, and
//! counted. The thread takes what there is every 100 ms, or sooner when the
//! queue is half full. What cannot be written is kept, to a bound, and tried
//! again; then the queue fills, and records are lost and counted at its mouth.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

use super::record::Record;
use super::storage::{Directory, LogFile, Storage};

/// How long a record waits at most before it is written.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes rendered before they are written. A file exceeds its size by no more than this.
const BATCH_BYTES: usize = 256 << 10;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const SLOWEST_RETRY: Duration = Duration::from_secs(5);

/// How the log is written.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The folder of `eve.json`; made if it is not there.
    pub dir: PathBuf,
    /// Bytes after which the file is set aside; 0: never.
    pub rotate_bytes: u64,
    /// Files set aside that are kept, at least 1.
    pub rotate_keep: u32,
    /// Records that wait to be written, at least 1.
    pub queue_records: usize,
}

/// How the log fares.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LogStatus {
    pub state: LogState,
    pub written_records: u64,
    pub written_bytes: u64,
    /// Records that were never written.
    pub lost_records: u64,
    /// Records in the queue.
    pub queued_records: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogState {
    #[default]
    Writing,
    /// Nothing can be written at present; it is tried again by and by.
    Failing { error: String, attempts: u64 },
    /// Records are written, and files cannot be set aside.
    CannotRotate { error: String },
}

#[derive(Debug)]
struct Shared {
    queue: ArrayQueue<Record>,
    lost: AtomicU64,
    written_records: AtomicU64,
    written_bytes: AtomicU64,
    reopen: AtomicBool,
    stop: AtomicBool,
    state: Mutex<LogState>,
}

/// A worker's end of the queue.
#[derive(Clone, Debug)]
pub struct LogHandle {
    shared: Arc<Shared>,
    writer: Thread,
}

impl LogHandle {
    /// Gives a record to be written; false where it is lost since the queue is full. Never blocks.
    pub fn send(&self, record: Record) -> bool {
        let sent = self.shared.queue.push(record).is_ok();
        if !sent {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        if self.shared.queue.len() * 2 >= self.shared.queue.capacity() {
            self.writer.unpark();
        }
        sent
    }

    pub fn status(&self) -> LogStatus {
        self.shared.status()
    }

    /// Opens the file anew, as after `logrotate` moved it away.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.writer.unpark();
    }
}

impl Shared {
    fn new(queue_records: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: ArrayQueue::new(queue_records.max(1)),
            lost: AtomicU64::new(0),
            written_records: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    fn status(&self) -> LogStatus {
        LogStatus {
            state: self.lock_state().clone(),
            written_records: self.written_records.load(Ordering::Relaxed),
            written_bytes: self.written_bytes.load(Ordering::Relaxed),
            lost_records: self.lost.load(Ordering::Relaxed),
            queued_records: self.queue.len(),
        }
    }

    fn lock_state(&self) -> std::sync::MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing thread. Dropping it writes what is in the queue, and ends it.
#[derive(Debug)]
pub struct LogThread {
    handle: LogHandle,
    thread: Option<JoinHandle<()>>,
}

impl LogThread {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// A folder that cannot be made, a file that cannot be opened, and a thread that cannot be
    /// started; with the path.
    pub fn spawn(options: &LogOptions) -> io::Result<Self> {
        let mut storage = Directory::new(&options.dir, options.rotate_keep.max(1));
        let path = storage.path();
        let file = storage.open().map_err(|e| with_path(&e, &path))?;
        let shared = Shared::new(options.queue_records);
        let mut writer = Writer::new(Arc::clone(&shared), storage, options.rotate_bytes);
        writer.file = Some(file);
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())?;
        let handle = LogHandle {
            shared,
            writer: thread.thread().clone(),
        };
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }

    pub fn handle(&self) -> LogHandle {
        self.handle.clone()
    }

    pub fn status(&self) -> LogStatus {
        self.handle.status()
    }

    /// Writes what is in the queue, ends the thread, and tells how it went. What cannot be
    /// written then is lost.
    pub fn close(mut self) -> LogStatus {
        self.end();
        self.handle.status()
    }

    fn end(&mut self) {
        self.handle.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been reported; the records it cost are in no count.
            let _ = thread.join();
        }
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.end();
    }
}

fn with_path(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// What the thread does, apart from the clock.
struct Writer<S: Storage> {
    shared: Arc<Shared>,
    storage: S,
    file: Option<S::File>,
    rotate_bytes: u64,
    /// Rendered lines; those before `done` are written.
    batch: Vec<u8>,
    done: usize,
    batch_records: u64,
    retry: Retry,
    rotate_retry: Retry,
}

/// When to try again, ever more slowly.
#[derive(Default)]
struct Retry {
    attempts: u64,
    after: Option<Instant>,
    wait: Duration,
}

impl Retry {
    fn is_due(&self, now: Instant) -> bool {
        self.after.is_none_or(|after| now >= after)
    }

    fn failed(&mut self, now: Instant) {
        self.attempts += 1;
        self.wait = (self.wait * 2).clamp(FIRST_RETRY, SLOWEST_RETRY);
        self.after = Some(now + self.wait);
    }
}

impl<S: Storage> Writer<S> {
    fn new(shared: Arc<Shared>, storage: S, rotate_bytes: u64) -> Self {
        Self {
            shared,
            storage,
            file: None,
            rotate_bytes,
            batch: Vec::with_capacity(BATCH_BYTES),
            done: 0,
            batch_records: 0,
            retry: Retry::default(),
            rotate_retry: Retry::default(),
        }
    }

    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.turn(Instant::now());
            thread::park_timeout(FLUSH_INTERVAL);
        }
        // A last try, due or not.
        self.retry.after = None;
        self.turn(Instant::now());
        self.give_up();
    }

    /// Writes what there is, as far as it goes.
    fn turn(&mut self, now: Instant) {
        if self.shared.reopen.swap(false, Ordering::AcqRel) {
            self.file = None;
            self.retry = Retry::default();
        }
        loop {
            self.fill();
            if self.batch.is_empty() || !self.retry.is_due(now) {
                return;
            }
            match self.write_batch(now) {
                Ok(()) => self.written(),
                Err(error) => return self.failed(&error, now),
            }
        }
    }

    /// Renders records until the batch is full. One that waits for another try takes no more.
    fn fill(&mut self) {
        while self.batch.len() < BATCH_BYTES
            && let Some(record) = self.shared.queue.pop()
        {
            record.write_line(&mut self.batch);
            self.batch_records += 1;
        }
    }

    fn write_batch(&mut self, now: Instant) -> io::Result<()> {
        self.rotate_if_large(now);
        let current = |file: &S::File| self.storage.is_current(file);
        if !self.file.as_ref().is_some_and(current) {
            // What a lost file was given of a line is lost with it.
            self.done = line_start(&self.batch, self.done);
            self.file = None;
            self.file = Some(self.storage.open()?);
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        while let Some(rest) = self.batch.get(self.done..).filter(|r| !r.is_empty()) {
            match file.append(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.done += written,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    // Half a line is taken back, so that the log can be read meanwhile.
                    let whole = line_start(&self.batch, self.done);
                    let half = (self.done - whole) as u64;
                    if half > 0 && file.truncate(file.length() - half).is_ok() {
                        self.done = whole;
                    }
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    fn rotate_if_large(&mut self, now: Instant) {
        let Some(file) = &self.file else { return };
        let length = file.length();
        let due = self.rotate_bytes > 0
            && self.done == 0
            && length > 0
            && length.saturating_add(self.batch.len() as u64) > self.rotate_bytes;
        if !due || !self.rotate_retry.is_due(now) {
            return;
        }
        match self.storage.set_aside() {
            Ok(()) => {
                self.file = None;
                self.rotate_retry = Retry::default();
            }
            Err(error) => {
                // The log goes on in the file it has.
                tracing::warn!(%error, "the event log cannot be rotated");
                self.rotate_retry.failed(now);
                *self.shared.lock_state() = LogState::CannotRotate {
                    error: error.to_string(),
                };
            }
        }
    }

    fn written(&mut self) {
        let shared = &self.shared;
        let bytes = self.batch.len() as u64;
        shared.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        let records = self.batch_records;
        shared.written_records.fetch_add(records, Ordering::Relaxed);
        let mut state = shared.lock_state();
        let rotates = self.rotate_retry.attempts == 0;
        if matches!(*state, LogState::Failing { .. }) {
            tracing::info!("the event log is written again");
            *state = LogState::Writing;
        } else if rotates && *state != LogState::Writing {
            *state = LogState::Writing;
        }
        drop(state);
        self.retry = Retry::default();
        self.clear_batch();
    }

    fn failed(&mut self, error: &io::Error, now: Instant) {
        if self.retry.attempts == 0 {
            tracing::error!(%error, "the event log cannot be written; trying again");
        }
        self.retry.failed(now);
        *self.shared.lock_state() = LogState::Failing {
            error: error.to_string(),
            attempts: self.retry.attempts,
        };
    }

    /// At the end: what is still here is lost.
    fn give_up(&mut self) {
        let written = self.batch.get(..self.done).unwrap_or_default();
        let written = memchr::memchr_iter(b'\n', written).count() as u64;
        let mut lost = self.batch_records.saturating_sub(written);
        while self.shared.queue.pop().is_some() {
            lost += 1;
        }
        let shared = &self.shared;
        shared.lost.fetch_add(lost, Ordering::Relaxed);
        let kept = self.batch_records.min(written);
        shared.written_records.fetch_add(kept, Ordering::Relaxed);
        self.clear_batch();
    }

    fn clear_batch(&mut self) {
        self.batch.clear();
        self.done = 0;
        self.batch_records = 0;
    }
}

/// Where the line that holds position `at` begins.
fn line_start(lines: &[u8], at: usize) -> usize {
    let before = lines.get(..at).unwrap_or_default();
    memchr::memrchr(b'\n', before).map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests;
