//! What lies around a file of rules: classes, variables, and the files that its rules name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::classification::Classes;
use super::readings::Readings;
use super::set::{SetContent, SetFormat, SetKind};
use super::vars::Variables;

/// Where the files that rules name are read.
pub trait RuleFiles: Sync {
    /// The contents of `path`, which is relative to the folder of the rules, or what is wrong with
    /// it. Must refuse a path that leads out of the folder.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The contents of a file that the engine itself keeps for rules, by its name; `None`: it is
    /// not there yet.
    fn read_kept(&self, name: &str) -> Result<Option<Vec<u8>>, String>;
}

/// No file can be named.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl RuleFiles for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("rules that name files are read from a folder only".to_owned())
    }

    fn read_kept(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Err("these rules may not keep files".to_owned())
    }
}

/// Bounds of sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimits {
    /// Of each set that says nothing else, in bytes.
    pub default_bytes: usize,
    /// What a rule may ask for at most.
    pub most_bytes: usize,
}

impl Default for SetLimits {
    fn default() -> Self {
        Self {
            default_bytes: 16 << 20,
            most_bytes: 256 << 20,
        }
    }
}

type SetFile = (String, SetKind, SetFormat);

/// What the reader of a file of rules looks up.
pub struct Surroundings<'a> {
    pub variables: &'a Variables,
    pub classes: &'a Classes,
    pub files: &'a dyn RuleFiles,
    /// Categories of `iprep` by name.
    pub categories: &'a HashMap<String, u8>,
    pub set_limits: SetLimits,
    /// What is known of expressions already; `None`: nothing, and nothing is noted.
    pub readings: Option<&'a Readings>,
    /// Files of sets read so far: many rules may name one.
    read: Mutex<HashMap<SetFile, Arc<SetContent>>>,
    /// Kinds of the sets named so far.
    kinds: Mutex<HashMap<String, SetKind>>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

impl<'a> Surroundings<'a> {
    /// Without files and without categories.
    pub fn new(variables: &'a Variables, classes: &'a Classes) -> Self {
        static NONE: std::sync::LazyLock<HashMap<String, u8>> =
            std::sync::LazyLock::new(HashMap::new);
        Self {
            variables,
            classes,
            files: &NoFiles,
            categories: &NONE,
            set_limits: SetLimits::default(),
            readings: None,
            read: Mutex::default(),
            kinds: Mutex::default(),
        }
    }

    /// The kind of a set, as the rules so far have it.
    pub(super) fn kind_of(&self, set: &str) -> Option<SetKind> {
        locked(&self.kinds).get(set).copied()
    }

    /// Notes a set's kind; another one than before: that.
    pub(super) fn note_kind(&self, set: &str, kind: SetKind) -> Result<(), SetKind> {
        let mut kinds = locked(&self.kinds);
        match kinds.get(set) {
            Some(&before) if before != kind => Err(before),
            _ => {
                kinds.insert(set.to_owned(), kind);
                Ok(())
            }
        }
    }

    /// What a set's file holds.
    pub(super) fn load(
        &self,
        path: &str,
        kind: SetKind,
        format: &SetFormat,
    ) -> Result<Arc<SetContent>, String> {
        self.content((path.to_owned(), kind, format.clone()), |path| {
            self.files.read(path)
        })
    }

    /// What a file kept for a set holds; nothing where it is not there yet.
    pub(super) fn kept(&self, name: &str, kind: SetKind) -> Result<Arc<SetContent>, String> {
        let key = (format!("kept:{name}"), kind, SetFormat::Lines);
        self.content(key, |_| {
            self.files.read_kept(name).map(Option::unwrap_or_default)
        })
    }

    fn content(
        &self,
        key: SetFile,
        read: impl FnOnce(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Arc<SetContent>, String> {
        if let Some(known) = locked(&self.read).get(&key) {
            return Ok(Arc::clone(known));
        }
        let bytes = read(&key.0)?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let content = Arc::new(SetContent::parse(key.1, &key.2, &text)?);
        locked(&self.read).insert(key, Arc::clone(&content));
        Ok(content)
    }
}

/// What a panic elsewhere left is whole: nothing here is changed in more than one step.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
