//! What is kept on disk from one start to the next, so that rules are read faster.
//!
//! A file is named by a hash over all that decides what is in it besides what it is asked for: the
//! program and the form of the file. Expressions are looked up in it by their own content, so that it
//! outlives a change of the rules around them. Nothing but speed depends on it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::signature::Readings;

/// A larger file is none of ours.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Files kept, each of another build of the program; the oldest go first.
const MOST_FILES: usize = 4;
const NAME_END: &str = ".expressions";

/// A folder for such files, or none.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// What came of looking into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Looked {
    /// There is nothing of this build of the program yet, or no folder.
    #[default]
    Nothing,
    Found,
    /// There is a file, and it cannot be trusted.
    Refused,
}

impl Cache {
    /// An empty path: nothing is kept.
    pub fn new(folder: &Path) -> Self {
        let named = !folder.as_os_str().is_empty();
        Self {
            folder: named.then(|| folder.to_owned()),
        }
    }

    /// Has rules read with what was kept of this build of the program, and keeps what was found out
    /// meanwhile. Without a folder there is nothing to note anything in.
    pub fn with<R>(&self, read_rules: impl FnOnce(&Kept) -> R) -> (R, Looked) {
        let kept = Kept {
            path: self.path(),
            found: OnceLock::new(),
        };
        let result = read_rules(&kept);
        let Some((path, (readings, looked))) = kept.path.zip(kept.found.into_inner()) else {
            return (result, Looked::Nothing);
        };
        if readings.has_news() || looked == Looked::Refused {
            keep(&path, &readings);
        }
        (result, looked)
    }

    fn path(&self) -> Option<PathBuf> {
        let key = Sha256::digest(program()?);
        let name: String = key.iter().take(16).map(|b| format!("{b:02x}")).collect();
        Some(self.folder.as_ref()?.join(name + NAME_END))
    }
}

/// What was kept. It is read when it is first asked for: most reloads read few rules, or none.
#[derive(Debug)]
pub struct Kept {
    path: Option<PathBuf>,
    found: OnceLock<(Readings, Looked)>,
}

impl Kept {
    pub fn readings(&self) -> Option<&Readings> {
        let path = self.path.as_ref()?;
        Some(&self.found.get_or_init(|| look(path)).0)
    }
}

fn look(path: &Path) -> (Readings, Looked) {
    let refused = |why: &str| {
        tracing::warn!("{}: not taken, rules are read anew: {why}", path.display());
        (Readings::default(), Looked::Refused)
    };
    match read(path) {
        Ok(bytes) => match Readings::from_bytes(&bytes) {
            Some(readings) => (readings, Looked::Found),
            None => refused("it is damaged"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (Readings::default(), Looked::Nothing)
        }
        Err(error) => refused(&error.to_string()),
    }
}

/// In a folder that cannot be written to nothing is kept.
fn keep(path: &Path, readings: &Readings) {
    match write(path, &readings.to_bytes()) {
        Ok(()) => forget_oldest(path),
        Err(error) => tracing::debug!("{}: nothing is kept: {error}", path.display()),
    }
}

/// Tells this build of the program from others of the same version; `None`: it cannot be told.
fn program() -> Option<String> {
    let file = fs::metadata(std::env::current_exe().ok()?).ok()?;
    Some(format!(
        "{} {} {} {}.{:09}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        file.len(),
        file.mtime(),
        file.mtime_nsec()
    ))
}

/// Whoever writes this file decides what rules look for: it must be ours, or root's, alone.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A link leads to what others may have written; opening a pipe would wait for its other end.
    let mut options = fs::OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.read(true).open(path)?;
    let metadata = file.metadata()?;
    let wrong = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return wrong("it is no file of ours");
    }
    let own = fs::metadata("/proc/self")?.uid();
    if ![0, own].contains(&metadata.uid()) || metadata.mode() & 0o022 != 0 {
        return wrong("others may write to it");
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The file whole or not at all, also where two write at once.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Its mode is 0600.
    let mut new = tempfile::Builder::new()
        .prefix(".new-")
        .suffix(NAME_END)
        .tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes files of other builds, and pieces that a crash has left, beyond the number kept.
fn forget_oldest(newest: &Path) {
    let Some(Ok(files)) = newest.parent().map(fs::read_dir) else {
        return;
    };
    let mut others: Vec<(SystemTime, PathBuf)> = files
        .filter_map(Result::ok)
        .filter(|file| file.file_name().to_string_lossy().ends_with(NAME_END))
        .map(|file| {
            let time = file.metadata().and_then(|m| m.modified());
            (time.unwrap_or(SystemTime::UNIX_EPOCH), file.path())
        })
        .filter(|(_, path)| path != newest)
        .collect();
    others.sort_unstable();
    let surplus = (others.len() + 1).saturating_sub(MOST_FILES);
    for (_, path) in others.into_iter().take(surplus) {
        // Another process may have removed it first.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::signature::{Classes, Surroundings, Variables, parse_bytes_in};

    const RULES: &str = r#"alert tcp any any -> any any (content:"a"; pcre:"/a[bc]+d/i"; sid:1;)
alert tcp any any -> any any (pcre:"/(a)(?!b)\1/"; sid:2;)
alert tcp any any -> any any (pcre:"/(/"; sid:3;)
"#;

    /// Reads the rules as a start of the program does.
    fn start(cache: &Cache) -> (String, Looked) {
        let (variables, classes) = (Variables::default(), Classes::default());
        cache.with(|kept| {
            let mut surroundings = Surroundings::new(&variables, &classes);
            surroundings.readings = kept.readings();
            let parsed = parse_bytes_in("t.rules", RULES.into(), &surroundings);
            format!("{parsed:?}")
        })
    }

    fn only_file(folder: &Path) -> PathBuf {
        let files: Vec<_> = fs::read_dir(folder).unwrap().collect();
        assert_eq!(files.len(), 1);
        files.into_iter().next().unwrap().unwrap().path()
    }

    #[test]
    fn the_second_start_finds_what_the_first_kept_and_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&folder.path().join("made"));
        let without = start(&Cache::new(Path::new("")));
        let first = start(&cache);
        let second = start(&cache);
        assert_eq!(
            (without.1, first.1, second.1),
            (Looked::Nothing, Looked::Nothing, Looked::Found)
        );
        assert_eq!(without.0, first.0);
        assert_eq!(without.0, second.0);
    }

    #[test]
    fn what_is_damaged_or_not_ours_is_refused_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let (sound, _) = start(&cache);
        let path = only_file(folder.path());
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let (read, looked) = look(&path);
            assert_eq!((looked, read.known()), (Looked::Refused, 0), "{length}");
        }
        assert_eq!(start(&cache), (sound.clone(), Looked::Refused));
        assert_eq!(start(&cache), (sound, Looked::Found));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert_eq!(look(&path).1, Looked::Refused);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(look(&path).1, Looked::Refused);
    }

    #[test]
    fn two_that_write_at_once_leave_a_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let expected = start(&Cache::default()).0;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let (read, looked) = start(&cache);
                        assert_eq!(read, expected);
                        assert_ne!(looked, Looked::Refused);
                        let _ = fs::remove_file(cache.path().unwrap());
                    }
                });
            }
        });
        start(&cache);
        assert_eq!(start(&cache).1, Looked::Found);
    }

    #[test]
    fn files_of_other_builds_are_few() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..9 {
            fs::write(folder.path().join(format!("{n}{NAME_END}")), "").unwrap();
        }
        fs::write(folder.path().join("another's"), "").unwrap();
        start(&Cache::new(folder.path()));
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, MOST_FILES + 1, "what is not ours stays");
    }
}
