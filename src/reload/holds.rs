//! What operators have set by hand: modes of patches, and exceptions.
//!
//! Kept in a file of its own, so that it outlives a restart and a reload.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::network::Network;
use crate::verdict::Mode;

/// A file larger than this is not ours.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Enough for any operator; a bound for what the socket can make us keep.
const MAX_EXCEPTIONS: usize = 10_000;

/// Holds only ever lower what a patch may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    /// By patch id.
    #[serde(default)]
    pub modes: BTreeMap<String, Mode>,
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// Traffic that a patch only logs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// `None`: every patch.
    pub patch: Option<String>,
    pub side: Side,
    pub network: Network,
}

/// Which end of a flow an exception looks at.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Client,
    Server,
    /// Either end.
    Any,
}

impl Holds {
    pub fn set_mode(&mut self, patch: &str, mode: Option<Mode>) {
        match mode {
            Some(mode) => {
                self.modes.insert(patch.to_owned(), mode);
            }
            None => {
                self.modes.remove(patch);
            }
        }
    }

    /// Adding what is there already changes nothing.
    pub fn add_exception(&mut self, exception: Exception) -> Result<(), String> {
        if self.exceptions.contains(&exception) {
            return Ok(());
        }
        if self.exceptions.len() >= MAX_EXCEPTIONS {
            return Err(format!("there are {MAX_EXCEPTIONS} exceptions already"));
        }
        self.exceptions.push(exception);
        Ok(())
    }

    pub fn remove_exception(&mut self, exception: &Exception) -> Result<(), String> {
        let before = self.exceptions.len();
        self.exceptions.retain(|e| e != exception);
        if self.exceptions.len() == before {
            return Err("no such exception".to_owned());
        }
        Ok(())
    }
}

/// The file that keeps [`Holds`].
#[derive(Clone, Debug)]
pub struct HoldsFile(PathBuf);

impl HoldsFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// An absent file holds nothing. An unreadable one is an error: to go on
    /// without it would enforce what an operator has lowered.
    pub fn load(&self) -> Result<Holds, String> {
        let described = |e: &dyn std::fmt::Display| format!("{}: {e}", self.0.display());
        match std::fs::metadata(&self.0) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Holds::default()),
            Err(e) => return Err(described(&e)),
            Ok(m) if m.len() > MAX_FILE_BYTES => {
                return Err(described(&format!("larger than {MAX_FILE_BYTES} bytes")));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&self.0).map_err(|e| described(&e))?;
        serde_json::from_str(&text)
            .map_err(|e| format!("{}:{}:{}: {e}", self.0.display(), e.line(), e.column()))
    }

    /// Written beside and renamed: a full disk leaves the old file whole.
    pub fn store(&self, holds: &Holds) -> Result<(), String> {
        let described = |e: &dyn std::fmt::Display| format!("{}: {e}", self.0.display());
        let folder = self.0.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|e| described(&e))?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| described(&e))?;
        let text = serde_json::to_vec_pretty(holds).map_err(|e| described(&e))?;
        file.write_all(&text)
            .and_then(|()| file.as_file().sync_all())
            .map_err(|e| described(&e))?;
        file.persist(&self.0).map_err(|e| described(&e))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(text: &str) -> Exception {
        Exception {
            patch: Some("p".to_owned()),
            side: Side::Client,
            network: text.parse().unwrap(),
        }
    }

    #[test]
    fn holds_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let file = HoldsFile::new(dir.path().join("deeper/holds.json"));
        assert_eq!(file.load().unwrap(), Holds::default());
        let mut holds = Holds::default();
        holds.set_mode("p", Some(Mode::Detect));
        holds.add_exception(exception("192.0.2.0/24")).unwrap();
        holds.add_exception(exception("192.0.2.0/24")).unwrap();
        assert_eq!(holds.exceptions.len(), 1);
        file.store(&holds).unwrap();
        assert_eq!(file.load().unwrap(), holds);
    }

    #[test]
    fn a_broken_file_is_an_error_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("holds.json");
        std::fs::write(&path, "{\n \"modes\": 3}").unwrap();
        let error = HoldsFile::new(&path).load().unwrap_err();
        assert!(error.contains("holds.json:2:"), "{error}");
    }

    #[test]
    fn removing_what_is_not_there_is_told() {
        let mut holds = Holds::default();
        assert!(holds.remove_exception(&exception("192.0.2.1")).is_err());
    }
}
