//! The kernel's side of connections that are left to it: how they are marked, and how all of them
//! are called back when the rules have changed.
//!
//! No number marks connections twice until the machine starts anew, since one that was silent all
//! the while still has its mark. Which numbers were used is kept in a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::worker_thread::Shared;
use crate::netfilter::{self, Backend, Bypass, Plan};

/// In `control.state_dir`.
const FILE: &str = "bypass";
/// Longer than what is written there.
const MAX_FILE_BYTES: u64 = 256;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Gives out generations, each once.
#[derive(Debug)]
pub struct Generations {
    file: PathBuf,
    boot: String,
    base: Bypass,
    /// Written down as used, and not in use yet.
    reserved: Option<u32>,
}

impl Generations {
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(state_dir: &Path, base: Bypass) -> Result<Self, String> {
        let boot = std::fs::read_to_string(BOOT_ID).map_err(|e| format!("{BOOT_ID}: {e}"))?;
        let mut generations = Self {
            file: state_dir.join(FILE),
            boot: boot.trim().to_owned(),
            base,
            reserved: None,
        };
        let used = generations.used()?;
        generations.reserve(used.saturating_add(1))?;
        Ok(generations)
    }

    /// The highest one that was used since the machine started.
    fn used(&self) -> Result<u32, String> {
        let described = |e: &dyn std::fmt::Display| format!("{}: {e}", self.file.display());
        match std::fs::metadata(&self.file) {
            Ok(found) if found.len() > MAX_FILE_BYTES => return Err(described(&"is not ours")),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(e) => return Err(described(&e)),
        }
        let text = std::fs::read_to_string(&self.file).map_err(|e| described(&e))?;
        let (boot, number) = text
            .trim()
            .split_once(' ')
            .ok_or_else(|| described(&"is not ours"))?;
        let number = number.parse().map_err(|e| described(&e))?;
        Ok(if boot == self.boot { number } else { 0 })
    }

    /// Written beside and renamed.
    fn reserve(&mut self, generation: u32) -> Result<(), String> {
        self.reserved = None;
        let described = |e: &dyn std::fmt::Display| format!("{}: {e}", self.file.display());
        let folder = self.file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|e| described(&e))?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| described(&e))?;
        writeln!(file, "{} {generation}", self.boot)
            .and_then(|()| file.as_file().sync_all())
            .map_err(|e| described(&e))?;
        file.persist(&self.file).map_err(|e| described(&e))?;
        self.reserved = Some(generation);
        Ok(())
    }

    /// One that no connection has; that of nobody when they are used up.
    fn take(&mut self) -> Bypass {
        let reserved = self.reserved.take();
        reserved
            .and_then(|generation| self.base.of_generation(generation))
            .unwrap_or_else(|| {
                tracing::warn!(
                    "no number is left to mark connections with: none are left to the kernel any \
                     more until the machine starts anew; a wider `[bypass] mask` has more"
                );
                self.base.of_nobody()
            })
    }
}

/// Connections that the kernel has, for all workers.
#[derive(Debug)]
pub struct KernelBypass {
    backend: Backend,
    /// As it is in force.
    plan: Plan,
    generations: Generations,
    workers: Vec<Arc<Shared>>,
    /// Verdicts that had left a connection to the kernel when all were last called back.
    marked_before: u64,
}

impl KernelBypass {
    /// The plan to install, of a generation that no connection has.
    pub fn plan(plan: &Plan, generations: &mut Generations) -> Plan {
        let bypass = generations.take();
        plan.with_bypass(bypass)
    }

    /// Workers begin to leave connections to the kernel.
    pub fn begin(
        backend: Backend,
        plan: Plan,
        generations: Generations,
        workers: Vec<Arc<Shared>>,
    ) -> Self {
        let mut bypass = Self {
            backend,
            plan,
            generations,
            workers,
            marked_before: 0,
        };
        bypass.tell_workers();
        bypass
    }

    /// Every worker has the new ruleset. What was left under an older one comes back now.
    ///
    /// # Errors
    /// The kernel rules could not be changed in any way.
    pub fn call_back(&mut self) -> Result<(), String> {
        let marked = self.workers.iter().map(|w| w.marked()).sum();
        if marked == self.marked_before {
            return Ok(());
        }
        let next = self.generations.take();
        match netfilter::call_back(&self.backend, &self.plan, next) {
            Ok(plan) => self.plan = plan,
            Err(error) => {
                tracing::warn!("kernel rules: {error}; they are installed anew");
                let plan = self.plan.with_bypass(next);
                netfilter::install_with(&self.backend, &plan).map_err(|e| {
                    format!(
                        "the ruleset is in force, and connections left to the kernel could not be \
                         called back: {e}"
                    )
                })?;
                self.plan = plan;
            }
        }
        self.marked_before = marked;
        self.tell_workers();
        Ok(())
    }

    /// The numbers that others would see; then the next one is written down.
    fn tell_workers(&mut self) {
        let bypass = self.plan.config().bypass.filter(|b| !b.is_of_nobody());
        let generation = bypass.map_or(0, Bypass::generation);
        for worker in &self.workers {
            worker.set_generation(generation);
        }
        if generation > 0
            && let Err(e) = self.generations.reserve(generation.saturating_add(1))
        {
            tracing::warn!("connections are left to the kernel until the next reload only: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_generation_is_used_twice() {
        let dir = tempfile::tempdir().unwrap();
        let base = Bypass::new(0xf0).unwrap();
        let open = || Generations::open(dir.path(), base).unwrap();
        let mut generations = open();
        assert_eq!(generations.take().generation(), 1);
        assert!(generations.take().is_of_nobody(), "none was reserved");
        // A restart does not know whether the reserved one was used.
        assert_eq!(open().take().generation(), 2);
        let mut generations = open();
        generations.reserve(13).unwrap();
        assert_eq!(generations.take().generation(), 13);
        assert!(open().take().is_of_nobody());
        std::fs::write(dir.path().join(FILE), "another-boot 13\n").unwrap();
        assert_eq!(open().take().generation(), 1);
        std::fs::write(dir.path().join(FILE), "nonsense").unwrap();
        assert!(Generations::open(dir.path(), base).is_err());
    }
}
