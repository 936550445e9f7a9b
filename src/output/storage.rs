//! The log's files: one being written, and older ones set aside by number.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The name of the file that is written.
pub const FILE_NAME: &str = "eve.json";

/// Where the writer gets its file from. A trait, so that tests can make every step fail.
pub(super) trait Storage: Send + 'static {
    type File: LogFile + Send;

    /// Opens the file at its end, making the folder if it is not there.
    fn open(&mut self) -> io::Result<Self::File>;

    /// Sets the file aside under the first number; the oldest beyond those kept is removed.
    fn set_aside(&mut self) -> io::Result<()>;

    /// Whether `file` still is what [`Storage::open`] would open.
    fn is_current(&self, file: &Self::File) -> bool;
}

pub(super) trait LogFile {
    fn length(&self) -> u64;

    /// Appends a part of `bytes`, of the length returned.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts off what stands beyond `length`.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A folder with `eve.json`, `eve.json.1` and so on, the highest number oldest.
#[derive(Clone, Debug)]
pub struct Directory {
    dir: PathBuf,
    keep: u32,
}

/// A file of a [`Directory`].
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    device_and_inode: (u64, u64),
    length: u64,
}

impl Directory {
    /// `keep` is the number of files set aside.
    pub fn new(dir: &Path, keep: u32) -> Self {
        Self {
            dir: dir.to_owned(),
            keep,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.join(FILE_NAME)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{FILE_NAME}.{number}"))
    }
}

impl Storage for Directory {
    type File = OpenFile;

    fn open(&mut self) -> io::Result<OpenFile> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&self.dir)?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .open(self.path())?;
        end_last_line(&mut file)?;
        let metadata = file.metadata()?;
        Ok(OpenFile {
            file,
            device_and_inode: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
        })
    }

    fn set_aside(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            rename_if_there(&self.numbered(number), &self.numbered(number + 1))?;
        }
        rename_if_there(&self.path(), &self.numbered(1))
    }

    fn is_current(&self, file: &OpenFile) -> bool {
        fs::metadata(self.path()).is_ok_and(|m| (m.dev(), m.ino()) == file.device_and_inode)
    }
}

impl LogFile for OpenFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }
}

/// A crash in the middle of a write leaves half a line, which must not swallow the next record.
fn end_last_line(file: &mut File) -> io::Result<()> {
    if !file.metadata()?.is_file() || file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_set_aside_by_number_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut storage = Directory::new(dir.path(), 2);
        for n in 0..4 {
            storage.open().unwrap().append(&[b'0' + n, b'\n']).unwrap();
            storage.set_aside().unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).ok();
        assert_eq!(read("eve.json.1").as_deref(), Some("3\n"));
        assert_eq!(read("eve.json.2").as_deref(), Some("2\n"));
        assert_eq!((read("eve.json.3"), read("eve.json")), (None, None));
    }

    #[test]
    fn half_a_line_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), "{\"half").unwrap();
        let mut storage = Directory::new(dir.path(), 1);
        storage.open().unwrap().append(b"{}\n").unwrap();
        let text = fs::read_to_string(storage.path()).unwrap();
        assert_eq!(text, "{\"half\n{}\n");
    }

    #[test]
    fn a_file_removed_or_replaced_is_not_current() {
        let dir = tempfile::tempdir().unwrap();
        let mut storage = Directory::new(&dir.path().join("deep/er"), 1);
        let file = storage.open().unwrap();
        assert!(storage.is_current(&file));
        fs::remove_dir_all(dir.path().join("deep")).unwrap();
        assert!(!storage.is_current(&file));
        storage.open().unwrap();
        assert!(!storage.is_current(&file));
    }
}
