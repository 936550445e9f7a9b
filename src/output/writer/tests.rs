use std::fs;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::counters::Snapshot;
use crate::output::StatsRecord;
use crate::time::Timestamp;

fn record(n: u64) -> Record {
    Record::Stats(Box::new(StatsRecord {
        at: Timestamp::from_secs(n),
        uptime: n,
        epoch: 1,
        flows_active: 0,
        counters: Snapshot::default(),
        lost_before_us: 0,
        passed_unseen: None,
        latency_us: None,
    }))
}

/// The `uptime` of each line; fails on a line that is no JSON.
fn uptimes(text: &str) -> Vec<u64> {
    text.lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).expect("a whole line");
            value["stats"]["uptime"].as_u64().expect("an uptime")
        })
        .collect()
}

fn options(dir: &Path) -> LogOptions {
    LogOptions {
        dir: dir.to_owned(),
        rotate_bytes: 0,
        rotate_keep: 3,
        queue_records: 1_000,
    }
}

fn writer<S: Storage>(storage: S, rotate_bytes: u64) -> Writer<S> {
    Writer::new(Shared::new(1_000), storage, rotate_bytes)
}

fn push<S: Storage>(writer: &Writer<S>, n: u64) {
    assert!(writer.shared.queue.push(record(n)).is_ok());
}

fn read(dir: &Path, name: &str) -> Vec<u64> {
    uptimes(&fs::read_to_string(dir.join(name)).unwrap_or_default())
}

#[test]
fn the_thread_writes_what_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let log = LogThread::spawn(&options(&dir.path().join("new"))).unwrap();
    let handles = [log.handle(), log.handle()];
    for n in 0..100 {
        assert!(handles[n % 2].send(record(n as u64)));
    }
    let status = log.close();
    assert_eq!((status.written_records, status.lost_records), (100, 0));
    assert_eq!(status.state, LogState::Writing);
    let written = read(&dir.path().join("new"), "eve.json");
    assert_eq!(written, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_loses_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let shared = Shared::new(2);
    let handle = LogHandle {
        shared: Arc::clone(&shared),
        writer: thread::current(),
    };
    assert_eq!(
        [1, 2, 3].map(|n| handle.send(record(n))),
        [true, true, false]
    );
    let mut writer = Writer::new(shared, Directory::new(dir.path(), 1), 0);
    writer.turn(Instant::now());
    assert!(handle.send(record(4)));
    writer.turn(Instant::now());
    assert_eq!(read(dir.path(), "eve.json"), [1, 2, 4]);
    assert_eq!(handle.status().lost_records, 1);
}

#[test]
fn an_unusable_folder_is_an_error_at_the_start_and_names_the_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = LogThread::spawn(&options(&dir.path().join("file"))).unwrap_err();
    assert!(error.to_string().contains("file/eve.json"), "{error}");
}

#[test]
fn a_large_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(Directory::new(dir.path(), 2), 1);
    for n in 0..4 {
        push(&writer, n);
        writer.turn(Instant::now());
    }
    assert_eq!(read(dir.path(), "eve.json"), [3]);
    assert_eq!(read(dir.path(), "eve.json.1"), [2]);
    assert_eq!(read(dir.path(), "eve.json.2"), [1]);
    assert!(!dir.path().join("eve.json.3").exists());
}

#[test]
fn a_file_moved_away_is_opened_anew_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(Directory::new(dir.path(), 1), 0);
    push(&writer, 1);
    writer.turn(Instant::now());
    fs::rename(dir.path().join("eve.json"), dir.path().join("old")).unwrap();
    writer.shared.reopen.store(true, Ordering::Release);
    push(&writer, 2);
    writer.turn(Instant::now());
    assert_eq!(read(dir.path(), "old"), [1]);
    assert_eq!(read(dir.path(), "eve.json"), [2]);
}

#[test]
fn a_removed_folder_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("log");
    let mut writer = writer(Directory::new(&folder, 1), 0);
    push(&writer, 1);
    writer.turn(Instant::now());
    fs::remove_dir_all(&folder).unwrap();
    push(&writer, 2);
    writer.turn(Instant::now());
    assert_eq!(read(&folder, "eve.json"), [2]);
    assert_eq!(writer.shared.status().state, LogState::Writing);
}

#[test]
fn a_folder_that_cannot_be_made_again_fails_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("log");
    let mut writer = writer(Directory::new(&folder, 1), 0);
    // A file stands where the folder should be.
    fs::write(&folder, "").unwrap();
    push(&writer, 1);
    let now = Instant::now();
    writer.turn(now);
    let state = writer.shared.status().state;
    assert!(
        matches!(state, LogState::Failing { attempts: 1, .. }),
        "{state:?}"
    );
    // Too early for another try.
    writer.turn(now + Duration::from_millis(50));
    assert_eq!(writer.retry.attempts, 1);
    fs::remove_file(&folder).unwrap();
    writer.turn(now + Duration::from_millis(150));
    assert_eq!(read(&folder, "eve.json"), [1]);
    assert_eq!(writer.shared.status().state, LogState::Writing);
}

#[test]
fn a_device_without_room_is_reported() {
    // The kernel's own full disk.
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join("eve.json")).unwrap();
    let mut writer = writer(Directory::new(dir.path(), 1), 0);
    push(&writer, 1);
    writer.turn(Instant::now());
    let state = writer.shared.status().state;
    assert!(matches!(state, LogState::Failing { .. }), "{state:?}");
    writer.give_up();
    let status = writer.shared.status();
    assert_eq!((status.written_records, status.lost_records), (0, 1));
}

/// A disk with room for so many bytes.
#[derive(Clone)]
struct Disk {
    content: Arc<Mutex<Vec<u8>>>,
    room: Arc<AtomicUsize>,
    set_aside_fails: bool,
}

impl Disk {
    fn with_room(room: usize) -> Self {
        Self {
            content: Arc::default(),
            room: Arc::new(AtomicUsize::new(room)),
            set_aside_fails: false,
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.content.lock().unwrap().clone()).unwrap()
    }
}

impl Storage for Disk {
    type File = Self;

    fn open(&mut self) -> io::Result<Self> {
        Ok(self.clone())
    }

    fn set_aside(&mut self) -> io::Result<()> {
        if self.set_aside_fails {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.content.lock().unwrap().clear();
        Ok(())
    }

    fn is_current(&self, _: &Self) -> bool {
        true
    }
}

impl LogFile for Disk {
    fn length(&self) -> u64 {
        self.content.lock().unwrap().len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut content = self.content.lock().unwrap();
        let room = self.room.load(Ordering::Relaxed) - content.len();
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Short writes, as a disk that fills up gives them.
        let n = bytes.len().min(room).min(700);
        content.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.content.lock().unwrap().truncate(length as usize);
        Ok(())
    }
}

#[test]
fn a_full_disk_holds_whole_lines_and_goes_on_once_there_is_room() {
    let disk = Disk::with_room(5_000);
    let mut writer = writer(disk.clone(), 0);
    for n in 0..10 {
        push(&writer, n);
    }
    let now = Instant::now();
    writer.turn(now);
    let state = writer.shared.status().state;
    assert!(matches!(state, LogState::Failing { .. }), "{state:?}");
    let kept = uptimes(&disk.text()).len();
    assert!(kept < 10 && disk.text().ends_with('\n'));

    disk.room.store(1 << 20, Ordering::Relaxed);
    writer.turn(now + SLOWEST_RETRY);
    assert_eq!(uptimes(&disk.text()), (0..10).collect::<Vec<_>>());
    let status = writer.shared.status();
    assert_eq!((status.written_records, status.lost_records), (10, 0));
    assert_eq!(status.written_bytes, disk.text().len() as u64);
}

#[test]
fn what_waits_is_bounded_and_the_rest_is_lost_at_the_queue() {
    let disk = Disk::with_room(0);
    let mut writer = writer(disk, 0);
    let now = Instant::now();
    let mut sent = 0;
    while writer.shared.queue.push(record(sent)).is_ok() {
        sent += 1;
        writer.turn(now);
    }
    let longest = 4_096;
    assert!(writer.batch.len() < BATCH_BYTES + longest);
    assert_eq!(writer.shared.queue.len(), 1_000);
    writer.give_up();
    assert_eq!(writer.shared.status().lost_records, sent);
}

#[test]
fn tries_become_slower() {
    let mut writer = writer(Disk::with_room(0), 0);
    push(&writer, 1);
    let start = Instant::now();
    for ms in (0..60_000).step_by(100) {
        writer.turn(start + Duration::from_millis(ms));
    }
    assert!(
        (10..=20).contains(&writer.retry.attempts),
        "{}",
        writer.retry.attempts
    );
}

#[test]
fn a_file_that_cannot_be_set_aside_is_written_on() {
    let disk = Disk {
        set_aside_fails: true,
        ..Disk::with_room(1 << 20)
    };
    let mut writer = writer(disk.clone(), 1);
    for n in 0..3 {
        push(&writer, n);
        writer.turn(Instant::now());
    }
    assert_eq!(uptimes(&disk.text()), [0, 1, 2]);
    let state = writer.shared.status().state;
    assert!(matches!(state, LogState::CannotRotate { .. }), "{state:?}");
}
