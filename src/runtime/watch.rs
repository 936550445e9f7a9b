//! Notices changes of packs and rules files on disk.

use std::path::PathBuf;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::UnboundedSender;

/// Sends a unit for each change until dropped.
#[derive(Debug)]
pub struct FileWatch {
    _watcher: RecommendedWatcher,
}

impl FileWatch {
    /// Folders are watched whole; a file through its folder, since editors replace files.
    pub fn new(paths: &[PathBuf], changed: UnboundedSender<()>) -> notify::Result<Self> {
        let files: Vec<PathBuf> = paths.iter().filter(|p| p.is_file()).cloned().collect();
        let folders: Vec<PathBuf> = paths.iter().filter(|p| p.is_dir()).cloned().collect();
        let concerned = {
            let (files, folders) = (files.clone(), folders.clone());
            move |path: &PathBuf| {
                files.contains(path) || folders.iter().any(|folder| path.starts_with(folder))
            }
        };
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let Ok(event) = event else { return };
                let read_only = matches!(event.kind, EventKind::Access(_));
                if !read_only && event.paths.iter().any(&concerned) {
                    // The receiver goes with the daemon.
                    let _ = changed.send(());
                }
            })?;
        for folder in &folders {
            watcher.watch(folder, RecursiveMode::Recursive)?;
        }
        for file in &files {
            if let Some(folder) = file.parent() {
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
            }
        }
        Ok(Self { _watcher: watcher })
    }
}
