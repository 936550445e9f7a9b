//! Files that rules name, and what is kept for rules on disk.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::layers::read_bounded;
use super::priority::below_all;
use super::stamp::Stamp;
use crate::detect::{Reputation, State, StateLimits};
use crate::signature::{Rates, RuleFiles, SetLimits, Variables};

/// A larger file of a set, of reputation or of thresholds is not read.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Where rules' files lie, and how much is kept.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    pub limits: StateLimits,
    pub set_limits: SetLimits,
    /// Rules may name files outside of their own folder.
    pub any_folder: bool,
    /// Where `state` and `save` files lie; `None`: rules may not keep any.
    pub state_dir: Option<PathBuf>,
    /// Categories of `iprep`.
    pub categories_file: Option<PathBuf>,
    /// Scores of addresses.
    pub reputation: Vec<PathBuf>,
    /// How often rules alert, apart from the rules.
    pub threshold_file: Option<PathBuf>,
}

impl Keeping {
    /// Reads categories and scores.
    ///
    /// # Errors
    /// The file that cannot be read, or its line at fault.
    pub fn reputation(&self) -> Result<Reputation, String> {
        let text = |path: &Path| {
            let bytes = read_bounded(path, MAX_FILE_BYTES)?;
            String::from_utf8(bytes).map_err(|_| format!("{}: it is not UTF-8", path.display()))
        };
        let categories = match &self.categories_file {
            Some(path) => (path.display().to_string(), text(path)?),
            None => Default::default(),
        };
        let files = self.reputation.iter();
        let scores = files.map(|path| Ok((path.display().to_string(), text(path)?)));
        let scores = scores.collect::<Result<Vec<_>, String>>()?;
        Reputation::parse((&categories.0, &categories.1), &scores)
    }

    pub(super) fn reputation_files(&self) -> impl Iterator<Item = &Path> {
        let all = self.categories_file.iter().chain(&self.reputation);
        all.map(PathBuf::as_path)
    }

    pub(super) fn rates(&self, variables: &Variables) -> Result<Rates, Vec<String>> {
        let Some(path) = &self.threshold_file else {
            return Ok(Rates::default());
        };
        let name = path.display().to_string();
        let bytes = read_bounded(path, MAX_FILE_BYTES).map_err(|e| vec![e])?;
        let text = String::from_utf8_lossy(&bytes);
        Rates::parse(&name, &text, variables)
            .map_err(|faults| faults.iter().map(|f| f.render(false)).collect())
    }

    /// Files that a change of is a reason to reload.
    pub(super) fn watched(&self) -> impl Iterator<Item = PathBuf> {
        let reputation = self.reputation_files().map(Path::to_owned);
        reputation.chain(self.threshold_file.clone())
    }

    /// Writes the sets that rules keep, each file whole or not at all.
    ///
    /// # Errors
    /// The files that could not be written, and why.
    pub fn save(&self, state: &State) -> Result<(), Vec<String>> {
        let Some(folder) = &self.state_dir else {
            return Ok(());
        };
        let mut errors = Vec::new();
        for (name, text) in state.kept_files() {
            let (path, new) = (folder.join(&name), folder.join(format!(".{name}.new")));
            let written = fs::create_dir_all(folder)
                .and_then(|()| fs::write(&new, text))
                .and_then(|()| fs::rename(&new, &path));
            if let Err(error) = written {
                errors.push(format!("{}: {error}", path.display()));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

/// Writes what rules keep.
#[derive(Clone, Debug)]
pub struct Saver {
    pub(super) keeping: Keeping,
    pub(super) state: Arc<State>,
}

impl Saver {
    /// Writes below everything else: what is kept may be much.
    pub fn save_below(&self) {
        below_all(|| self.save());
    }

    /// Writes; what fails is logged.
    pub fn save(&self) {
        if let Err(errors) = self.keeping.save(&self.state) {
            for error in errors {
                tracing::warn!("what rules keep is not written: {error}");
            }
        }
    }
}

/// A file that rules named, as it was read.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    pub path: PathBuf,
    stamp: Option<Stamp>,
    hash: [u8; 32],
}

impl NamedFile {
    pub fn is_unchanged(&self) -> bool {
        if self.stamp.is_some_and(|stamp| stamp.is_of(&self.path)) {
            return true;
        }
        let bytes = read_bounded(&self.path, MAX_FILE_BYTES);
        bytes.is_ok_and(|bytes| <[u8; 32]>::from(Sha256::digest(&bytes)) == self.hash)
    }
}

/// The files in and below a rules file's own folder, and those that are kept.
pub struct FilesBeside<'a> {
    folder: PathBuf,
    keeping: &'a Keeping,
    named: Mutex<Vec<NamedFile>>,
}

impl<'a> FilesBeside<'a> {
    pub fn new(rules: &Path, keeping: &'a Keeping) -> Self {
        let folder = rules.parent().unwrap_or(Path::new("")).to_owned();
        Self {
            folder: if folder.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                folder
            },
            keeping,
            named: Mutex::default(),
        }
    }

    pub(super) fn named(&self) -> Vec<NamedFile> {
        std::mem::take(&mut *self.list())
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<NamedFile>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RuleFiles for FilesBeside<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut components = Path::new(path).components();
        let inside = components.all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !inside && !self.keeping.any_folder {
            return Err("it leads out of the folder of the rules".to_owned());
        }
        let unreadable = |e: std::io::Error| format!("it cannot be read: {e}");
        let path = self.folder.join(path);
        let real = fs::canonicalize(&path).map_err(unreadable)?;
        let folder = fs::canonicalize(&self.folder).map_err(unreadable)?;
        if !real.starts_with(folder) && !self.keeping.any_folder {
            return Err("the link leads out of the folder of the rules".to_owned());
        }
        // Opening a pipe would wait for its other end.
        if !fs::metadata(&real).map_err(unreadable)?.is_file() {
            return Err("it is no file".to_owned());
        }
        let stamp = Stamp::of(&path);
        let bytes = read_bounded(&real, MAX_FILE_BYTES)?;
        self.list().push(NamedFile {
            path,
            stamp,
            hash: Sha256::digest(&bytes).into(),
        });
        Ok(bytes)
    }

    fn read_kept(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(folder) = &self.keeping.state_dir else {
            return Err(
                "rules may not keep files: `state_dir` of `[datasets]` is empty".to_owned(),
            );
        };
        match fs::metadata(folder.join(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => read_bounded(&folder.join(name), MAX_FILE_BYTES).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_what_lies_beside_them_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("rules");
        fs::create_dir_all(folder.join("sets")).unwrap();
        fs::write(folder.join("sets/a"), "inside").unwrap();
        fs::write(root.path().join("b"), "outside").unwrap();
        std::os::unix::fs::symlink(root.path().join("b"), folder.join("link")).unwrap();
        let mut keeping = Keeping::default();
        let files = FilesBeside::new(&folder.join("x.rules"), &keeping);
        assert_eq!(files.read("sets/a").unwrap(), b"inside");
        assert_eq!(files.list().len(), 1);
        let absolute = root.path().join("b").display().to_string();
        for outside in ["../b", "sets/../../b", "link", &absolute, "sets", "absent"] {
            assert!(files.read(outside).is_err(), "{outside}");
        }
        assert!(files.read_kept("k").is_err());
        keeping.any_folder = true;
        keeping.state_dir = Some(root.path().to_owned());
        let files = FilesBeside::new(&folder.join("x.rules"), &keeping);
        for outside in ["../b", "link", &absolute] {
            assert_eq!(files.read(outside).unwrap(), b"outside", "{outside}");
        }
        assert_eq!(files.read_kept("k").unwrap(), None);
        assert_eq!(files.read_kept("b").unwrap().unwrap(), b"outside");
    }
}
