//! Whether a file is still the one that was read, without reading it again.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file changed so shortly before it was read may change again without another stamp: file
/// systems count time in steps, of two seconds at the coarsest.
const STEP: Duration = Duration::from_secs(2);

/// What the kernel changes with every change of a file's bytes. Nobody can set `ctime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file that is about to be read; `None`: it may change without another one, or is none.
    pub fn of(path: &Path) -> Option<Self> {
        Self::at(&fs::metadata(path).ok()?, SystemTime::now())
    }

    fn at(file: &Metadata, now: SystemTime) -> Option<Self> {
        let stamp = Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        };
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let changed = Duration::from_secs(u64::try_from(file.ctime()).ok()?);
        // A file from the future says nothing either.
        (file.is_file() && changed + STEP < now).then_some(stamp)
    }

    pub fn is_of(&self, path: &Path) -> bool {
        Self::of(path).as_ref() == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_given_once_it_can_be_trusted_and_changes_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        assert_eq!(Stamp::of(&path), None, "it may change within the step");
        let later = SystemTime::now() + 2 * STEP;
        let stamp = |at| Stamp::at(&fs::metadata(&path).unwrap(), at);
        let first = stamp(later);
        assert!(first.is_some() && first == stamp(later));
        assert_eq!(stamp(SystemTime::now() - Duration::from_secs(60)), None);
        // The same length, and the time of the change put back: `ctime` tells.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&path, "two").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
        assert_ne!(first, stamp(later));
        assert_eq!(Stamp::of(folder.path()), None);
        assert_eq!(Stamp::of(&folder.path().join("absent")), None);
    }
}
