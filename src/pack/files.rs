//! The files of a pack, read once and within bounds.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::ops::Bound;
use std::path::{Component, Path, PathBuf};

use crate::scenario::{Diagnostics, ScenarioFiles, whole_file};
use crate::signature::{Diagnostic, RuleFiles};

/// What one pack may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files.
    pub pack_bytes: u64,
    /// Folders within folders.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 20_000,
            file_bytes: 4 * 1024 * 1024,
            pack_bytes: 128 * 1024 * 1024,
            depth: 4,
        }
    }
}

/// Contents by path, which is relative and uses `/`.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Reads the folder `root`. Names that begin with a dot are left out. A link may
    /// lead to a file within the folder, not out of it.
    pub fn read(root: &Path, limits: &Limits) -> Result<Self, Diagnostics> {
        let shown = root.display().to_string();
        let canonical = fs::canonicalize(root)
            .map_err(|error| vec![whole_file(&shown, format!("cannot be read: {error}"))])?;
        let mut walk = Walk {
            shown: root,
            canonical,
            limits,
            files: BTreeMap::new(),
            bytes: 0,
            errors: Vec::new(),
        };
        walk.folder(root, "", 0);
        if walk.errors.is_empty() {
            Ok(Self(walk.files))
        } else {
            Err(walk.errors)
        }
    }

    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    /// The text of `path`; `shown` is its name in errors.
    pub fn text(&self, path: &str, shown: &str) -> Result<&str, Diagnostic> {
        let bytes = self
            .get(path)
            .ok_or_else(|| whole_file(shown, "there is no such file"))?;
        std::str::from_utf8(bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = valid.split(|&byte| byte == b'\n').count();
            whole_file(shown, format!("line {line} is not valid UTF-8"))
        })
    }

    /// Everything within `folder`, by its path from there.
    pub fn within<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.0
            .range::<str, _>((Bound::Included(folder), Bound::Unbounded))
            .take_while(move |(path, _)| path.starts_with(folder))
            .filter_map(move |(path, bytes)| {
                let inner = path.strip_prefix(folder)?.strip_prefix('/')?;
                Some((inner, bytes.as_slice()))
            })
    }

    /// First parts of all paths, each once; whether it is a folder.
    pub fn top_level(&self) -> BTreeMap<&str, bool> {
        self.0
            .keys()
            .map(|path| match path.split_once('/') {
                Some((folder, _)) => (folder, true),
                None => (path.as_str(), false),
            })
            .collect()
    }
}

/// One folder of [`Files`], for what scenarios' messages and rules name.
pub struct Folder<'a> {
    pub files: &'a Files,
    pub path: String,
}

impl Folder<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut components = Path::new(path).components();
        if !components.all(|component| matches!(component, Component::Normal(_))) {
            return Err(format!("`{path}` leads out of the folder"));
        }
        let bytes = self.files.get(&format!("{}/{path}", self.path));
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format!("there is no `{path}` in the folder"))
    }
}

impl ScenarioFiles for Folder<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.read(path)
    }
}

/// A patch keeps nothing on disk.
impl RuleFiles for Folder<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.read(path)
    }

    fn read_kept(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Err("a patch keeps no files: `load` one of its folder".to_owned())
    }
}

struct Walk<'a> {
    shown: &'a Path,
    canonical: PathBuf,
    limits: &'a Limits,
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
    errors: Diagnostics,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.error(prefix, format!("cannot be read: {error}")),
        };
        for entry in entries {
            if self.files.len() > self.limits.files {
                let message = format!("more than {} files", self.limits.files);
                return self.error("", message);
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.error(prefix, format!("cannot be read: {error}")),
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.error(prefix, format!("{name:?} is not valid UTF-8"));
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let inner = if prefix.is_empty() {
                name.to_owned()
            } else {
                format!("{prefix}/{name}")
            };
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if depth < self.limits.depth {
                    self.folder(&entry.path(), &inner, depth + 1);
                } else {
                    self.error(&inner, "too many folders within folders".to_owned());
                }
            } else if let Err(message) = self.file(&entry.path(), &inner) {
                self.error(&inner, message);
            }
        }
    }

    fn file(&mut self, path: &Path, inner: &str) -> Result<(), String> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let real = fs::canonicalize(path).map_err(unreadable)?;
        if !real.starts_with(&self.canonical) {
            return Err("the link leads out of the pack".to_owned());
        }
        // Opening a pipe would wait for its other end.
        if !fs::metadata(&real).map_err(unreadable)?.is_file() {
            return Err("is not a file".to_owned());
        }
        let left = self.limits.pack_bytes.saturating_sub(self.bytes);
        let allowed = left.min(self.limits.file_bytes);
        let mut bytes = Vec::new();
        let file = File::open(&real).map_err(unreadable)?;
        let read = file.take(allowed + 1).read_to_end(&mut bytes);
        let read = read.map_err(unreadable)? as u64;
        if read > allowed {
            let (file, pack) = (self.limits.file_bytes, self.limits.pack_bytes);
            return Err(format!(
                "too large: a file holds at most {file} bytes, a pack {pack}"
            ));
        }
        self.bytes += read;
        self.files.insert(inner.to_owned(), bytes);
        Ok(())
    }

    fn error(&mut self, inner: &str, message: String) {
        let shown = self.shown.join(inner).display().to_string();
        self.errors.push(whole_file(&shown, message));
    }
}

#[cfg(test)]
impl Files {
    /// Files held in memory, for tests.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(path, text): (&str, &str)| (path.to_owned(), text.as_bytes().to_vec());
        Self(texts.into_iter().map(owned).collect())
    }

    pub fn set(&mut self, path: &str, text: &str) {
        self.0.insert(path.to_owned(), text.as_bytes().to_vec());
    }

    pub fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn read(root: &Path, limits: Limits) -> Result<Files, String> {
        Files::read(root, &limits).map_err(|errors| {
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            texts.join("\n")
        })
    }

    #[test]
    fn a_folder_is_read_whole_without_hidden_names() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/attack")).unwrap();
        fs::write(root.path().join("pack.toml"), "x").unwrap();
        fs::write(root.path().join("a/attack/1.toml"), "y").unwrap();
        fs::write(root.path().join("a/.1.toml.swp"), "z").unwrap();
        let files = read(root.path(), Limits::default()).unwrap();
        assert_eq!(files.get("a/attack/1.toml"), Some(&b"y"[..]));
        assert_eq!(files.within("a").count(), 1);
        assert_eq!(files.within("a").next().unwrap().0, "attack/1.toml");
        let top: Vec<_> = files.top_level().into_iter().collect();
        assert_eq!(top, [("a", true), ("pack.toml", false)]);
    }

    #[test]
    fn a_folder_whose_name_begins_like_another_is_apart() {
        let files = Files::from_texts([("a-b/x", "1"), ("a/y", "2"), ("ab/z", "3")]);
        assert_eq!(files.within("a").collect::<Vec<_>>(), [("y", &b"2"[..])]);
    }

    #[test]
    fn links_stay_within_the_pack() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("real"), "r").unwrap();
        symlink("real", root.path().join("inside")).unwrap();
        let files = read(root.path(), Limits::default()).unwrap();
        assert_eq!(files.get("inside"), Some(&b"r"[..]));

        symlink(outside.path().join("secret"), root.path().join("escape")).unwrap();
        let error = read(root.path(), Limits::default()).unwrap_err();
        assert!(
            error.contains("escape:1:1: error: the link leads out"),
            "{error}"
        );
        fs::remove_file(root.path().join("escape")).unwrap();

        symlink(".", root.path().join("loop")).unwrap();
        let error = read(root.path(), Limits::default()).unwrap_err();
        assert!(error.contains("is not a file"), "{error}");
    }

    #[test]
    fn every_bound_holds() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(root.path().join(name), "12345").unwrap();
        }
        let limits = Limits::default();
        let small = |change: &dyn Fn(&mut Limits)| {
            let mut limits = limits;
            change(&mut limits);
            read(root.path(), limits)
        };
        small(&|l| (l.files, l.file_bytes, l.pack_bytes) = (3, 5, 15)).unwrap();
        assert!(small(&|l| l.files = 1).unwrap_err().contains("files"));
        assert!(small(&|l| l.file_bytes = 4).unwrap_err().contains("large"));
        assert!(small(&|l| l.pack_bytes = 14).unwrap_err().contains("large"));
        fs::create_dir_all(root.path().join("x/y")).unwrap();
        assert!(small(&|l| l.depth = 1).unwrap_err().contains("folders"));
        assert!(read(&root.path().join("none"), limits).is_err());
    }

    #[test]
    fn a_scenario_reaches_only_its_own_folder() {
        let files = Files::from_texts([("p/attack/b.bin", "x"), ("p/patch.toml", "y")]);
        let folder = Folder {
            files: &files,
            path: "p/attack".to_owned(),
        };
        assert_eq!(folder.read("b.bin").unwrap(), b"x");
        for path in [
            "../patch.toml",
            "/etc/passwd",
            "./../patch.toml",
            "none",
            "",
        ] {
            assert!(folder.read(path).is_err(), "{path}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_told_by_line() {
        let mut files = Files::default();
        files.0.insert("a".to_owned(), b"one\ntwo\xff".to_vec());
        let error = files.text("a", "pack/a").unwrap_err().to_string();
        assert!(
            error.contains("pack/a") && error.contains("line 2"),
            "{error}"
        );
    }
}
