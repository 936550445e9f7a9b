//! From what is on disk to a ruleset, and back.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::cache::{Cache, Kept, Looked};
use super::duplicates::duplicates;
use super::engine::patch_engines;
use super::holds::{self, Holds};
use super::keeping::{Keeping, Saver};
use super::layers::{PackLayers, RulesLayer};
use super::merging::{Merged, Merging};
use super::priority::Allowance;
use super::selection::RulesFile;
use super::stamp::Stamp;
use super::summary::{PatchRow, RulesetSummary};
use crate::detect::{self, CompileOptions, Policy, Reputation, Ruleset, State};
use crate::pack::{self, ContentHash, LoadedPack, PackFiles, find_packs};
use crate::signature::ast::IpRange;
use crate::signature::{Classes, Diagnostic, Rates, Variables};
use crate::verdict::{ActionOrder, Mode};

/// Diagnostics that a summary carries; the rest is a number.
const MAX_DIAGNOSTICS: usize = 20;

/// Where a ruleset comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Packs, or folders of packs.
    pub packs: Vec<PathBuf>,
    pub rules: Vec<RulesFile>,
    pub variables: Variables,
    pub classes: Classes,
    /// Whether patches must pass their own scenarios.
    pub test_packs: bool,
    pub ceiling: Mode,
    pub action_order: ActionOrder,
    pub options: CompileOptions,
    pub keeping: Keeping,
    pub cache: Cache,
}

impl Default for Sources {
    /// Nothing to load, and nothing held back.
    fn default() -> Self {
        Self {
            packs: Vec::new(),
            rules: Vec::new(),
            variables: Variables::default(),
            classes: Classes::default(),
            test_packs: false,
            ceiling: Mode::Prevent,
            action_order: ActionOrder::default(),
            options: CompileOptions::default(),
            keeping: Keeping::default(),
            cache: Cache::default(),
        }
    }
}

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// At start: what is bad is left out and listed.
    Start,
    /// At reload: any error leaves the whole previous ruleset in force.
    Whole,
    /// `--partial`: the previous version of each failing file or patch stays.
    Partial,
}

/// A ruleset, and what is to be told of it.
#[derive(Clone, Debug)]
pub struct Built {
    pub ruleset: Arc<Ruleset>,
    pub summary: RulesetSummary,
}

/// Why the ruleset in force stays: each error, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError(pub Vec<String>);

impl std::error::Error for BuildError {}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.0.iter().take(MAX_DIAGNOSTICS);
        for (n, error) in shown.enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            f.write_str(error)?;
        }
        if self.0.len() > MAX_DIAGNOSTICS {
            write!(f, "\nand {} more", self.0.len() - MAX_DIAGNOSTICS)?;
        }
        Ok(())
    }
}

/// Packs and rules files, compiled.
#[derive(Clone, Debug, Default)]
struct Content {
    packs: Vec<PackLayers>,
    rules: Vec<RulesLayer>,
    reputation: Arc<Reputation>,
    /// Of the files that it was read from, where all can be told by it that they did not change.
    reputation_stamps: Option<Vec<Stamp>>,
    rates: Arc<Rates>,
}

/// Builds rulesets, one after the other. Lives on a thread of its own.
#[derive(Debug)]
pub struct Builder {
    sources: Sources,
    holds: Holds,
    /// What rules keep; the same for all rulesets.
    state: Arc<State>,
    content: Content,
    before: Option<Content>,
    /// To be freed in the background: that of a large ruleset takes a while.
    older: Option<Content>,
    epoch: u64,
    previous_epoch: Option<u64>,
    /// Content whose scenarios have held.
    held: HashSet<ContentHash>,
    /// Files of the cache that could not be trusted.
    cache_refused: u64,
}

impl Builder {
    pub fn new(sources: Sources, holds: Holds) -> Self {
        Self {
            state: Arc::new(State::new(sources.keeping.limits)),
            sources,
            holds,
            content: Content::default(),
            before: None,
            older: None,
            epoch: 0,
            previous_epoch: None,
            held: HashSet::new(),
            cache_refused: 0,
        }
    }

    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// The epoch that a rollback goes back to the content of.
    pub fn previous_epoch(&self) -> Option<u64> {
        self.previous_epoch
    }

    /// Folders and files that a change of is a reason to reload.
    pub fn watched(&self) -> Vec<PathBuf> {
        let files = self.sources.rules.iter().map(|file| file.path.clone());
        let named = self.content.rules.iter().flat_map(RulesLayer::named);
        let packs = self.sources.packs.iter().cloned();
        let mut all: Vec<PathBuf> = packs.chain(files).chain(named).collect();
        all.extend(self.sources.keeping.watched());
        all
    }

    /// Reads, tests and compiles what is on disk now. On an error nothing has changed.
    pub fn build(&mut self, strictness: Strictness) -> Result<Built, BuildError> {
        let started = Instant::now();
        let ((content, errors), looked) = self.sources.cache.with(|cache| {
            let mut reading = Reading {
                sources: &self.sources,
                strictness,
                before: &self.content,
                held: &mut self.held,
                cache,
                allowance: match strictness {
                    Strictness::Start => Allowance::of_start(),
                    Strictness::Whole | Strictness::Partial => Allowance::of_reload(),
                },
                errors: Vec::new(),
            };
            (reading.content(), reading.errors)
        });
        self.cache_refused += u64::from(looked == Looked::Refused);
        if strictness == Strictness::Whole && !errors.is_empty() {
            return Err(BuildError(errors));
        }
        let first = self.epoch == 0;
        let before = std::mem::replace(&mut self.content, content);
        if !first {
            self.older = self.before.replace(before);
            self.previous_epoch = Some(self.epoch);
        }
        Ok(self.assemble(&errors, started))
    }

    /// Back to the content before the last build; once more goes forward again.
    pub fn rollback(&mut self) -> Result<Built, BuildError> {
        let before = self
            .before
            .take()
            .ok_or_else(|| BuildError(vec!["there is no ruleset to go back to".to_owned()]))?;
        self.before = Some(std::mem::replace(&mut self.content, before));
        self.previous_epoch = Some(self.epoch);
        Ok(self.assemble(&[], Instant::now()))
    }

    /// What is to be done in the background, if anything is. To be asked after each change.
    pub fn background(&mut self) -> Option<Merging<impl Send + use<>>> {
        let packs = self.content.packs.iter().filter(|pack| pack.is_laid_over());
        Merging::new(packs, self.sources.options, self.older.take())
    }

    /// Takes up what was made one meanwhile. `None`: nothing of it is in force any more. What a rollback
    /// goes back to stays.
    pub fn take_up(&mut self, merged: &Merged) -> Option<Built> {
        let started = Instant::now();
        let packs = self.content.packs.iter_mut();
        // Each of them, and not until the first.
        let taken = packs
            .filter_map(|pack| merged.replace_in(pack).then_some(()))
            .count();
        (taken > 0).then(|| self.assemble(&[], started))
    }

    /// The same content under other holds.
    pub fn set_holds(&mut self, holds: Holds) -> Built {
        self.holds = holds;
        self.assemble(&[], Instant::now())
    }

    /// Writes what rules keep in files, without the builder.
    pub fn saver(&self) -> Saver {
        Saver {
            keeping: self.sources.keeping.clone(),
            state: Arc::clone(&self.state),
        }
    }

    pub fn knows_patch(&self, id: &str) -> bool {
        let mut patches = self.content.packs.iter().flat_map(|p| &p.patches);
        patches.any(|patch| patch.info.id == id)
    }

    fn assemble(&mut self, errors: &[String], started: Instant) -> Built {
        self.epoch += 1;
        let policy = Arc::new(self.policy());
        let packs = self.content.packs.iter().flat_map(|p| p.layers.clone());
        let rules = self.content.rules.iter().map(|r| r.layer.clone());
        let ruleset = Arc::new(Ruleset::new(
            self.epoch,
            packs.chain(rules).collect(),
            policy,
            &self.state,
            Arc::clone(&self.content.reputation),
        ));
        let summary = self.summary(&ruleset, errors, started);
        Built { ruleset, summary }
    }

    fn policy(&self) -> Policy {
        let exceptions = self.holds.exceptions.iter().map(|e| {
            let (first, last) = e.network.range();
            detect::Except {
                patch: e.patch.clone(),
                network: IpRange { first, last },
                side: match e.side {
                    holds::Side::Client => detect::Side::Client,
                    holds::Side::Server => detect::Side::Server,
                    holds::Side::Any => detect::Side::Any,
                },
            }
        });
        Policy {
            ceiling: self.sources.ceiling,
            patch_modes: self.holds.modes.clone().into_iter().collect(),
            exceptions: exceptions.collect(),
            action_order: self.sources.action_order,
            rates: Arc::clone(&self.content.rates),
            ..Policy::default()
        }
    }

    fn summary(&self, ruleset: &Ruleset, errors: &[String], started: Instant) -> RulesetSummary {
        let mut patches = Vec::new();
        for pack in &self.content.packs {
            for patch in &pack.patches {
                let mode = ruleset.policy.effective_mode_of(&patch.info);
                patches.push(PatchRow::loaded(&patch.info, mode, patch.inputs.len()));
            }
            patches.extend(pack.refused.iter().cloned());
        }
        let failed_rules: usize = self.content.rules.iter().map(|r| r.failed).sum();
        let mut diagnostics: Vec<String> = errors.to_vec();
        if diagnostics.is_empty() {
            diagnostics = self
                .content
                .rules
                .iter()
                .flat_map(|r| r.failures.iter().cloned())
                .collect();
        }
        let duplicates = duplicates(ruleset.layers.iter().map(|layer| &**layer));
        diagnostics.extend(duplicates.iter().map(|d| d.render(false)));
        diagnostics.truncate(MAX_DIAGNOSTICS);
        RulesetSummary {
            epoch: ruleset.epoch,
            signatures: ruleset.signature_count(),
            failed: failed_rules,
            patches,
            diagnostics,
            cache_refused: self.cache_refused,
            build_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// One pass over the sources.
struct Reading<'a> {
    sources: &'a Sources,
    strictness: Strictness,
    before: &'a Content,
    held: &'a mut HashSet<ContentHash>,
    cache: &'a Kept,
    allowance: Allowance,
    errors: Vec<String>,
}

impl Reading<'_> {
    fn content(&mut self) -> Content {
        let (reputation, reputation_stamps) = self.reputation();
        let mut content = Content {
            reputation,
            reputation_stamps,
            rates: self.rates(),
            ..Content::default()
        };
        for folder in &self.sources.packs {
            match find_packs(folder) {
                Ok(folders) => {
                    let packs: Vec<_> = folders.iter().filter_map(|f| self.pack(f)).collect();
                    content.packs.extend(packs);
                }
                Err(diagnostics) => {
                    self.fail(&diagnostics);
                    let kept = self.before.packs.iter();
                    let kept = kept.filter(|p| p.folder.starts_with(folder));
                    content.packs.extend(kept.cloned());
                }
            }
        }
        for file in &self.sources.rules {
            let categories = content.reputation.categories().clone();
            content.rules.extend(self.rules(file, &categories));
        }
        content
    }

    fn reputation(&mut self) -> (Arc<Reputation>, Option<Vec<Stamp>>) {
        let keeping = &self.sources.keeping;
        let stamps: Option<Vec<_>> = keeping.reputation_files().map(Stamp::of).collect();
        if stamps == self.before.reputation_stamps && stamps.is_some() {
            return (Arc::clone(&self.before.reputation), stamps);
        }
        let bytes = keeping
            .reputation_files()
            .map(file_bytes)
            .fold(0, usize::saturating_add);
        match self.allowance.spend(bytes, || keeping.reputation()) {
            Ok(reputation) => (Arc::new(reputation), stamps),
            Err(error) => {
                self.errors.push(error);
                (Arc::clone(&self.before.reputation), None)
            }
        }
    }

    fn rates(&mut self) -> Arc<Rates> {
        match self.sources.keeping.rates(&self.sources.variables) {
            Ok(rates) => Arc::new(rates),
            Err(errors) => {
                self.errors.extend(errors);
                Arc::clone(&self.before.rates)
            }
        }
    }

    fn pack(&mut self, folder: &Path) -> Option<PackLayers> {
        let before = self.before.packs.iter().find(|p| p.folder == folder);
        let sources = self.sources;
        let limits = pack::Limits::default();
        let files = match PackFiles::read(folder, &limits) {
            Ok(files) => files,
            Err(diagnostics) => {
                self.fail(&diagnostics);
                return before.cloned();
            }
        };
        let known = before.map(PackLayers::known).unwrap_or_default();
        let held = &*self.held;
        let loaded = self.allowance.spend(files.changed_bytes(&known), || {
            let mut loaded = files.load(&sources.variables, &sources.classes, &known);
            if sources.test_packs {
                test(&mut loaded, held, &sources.options);
            }
            loaded
        });
        if sources.test_packs {
            self.held.extend(loaded.patches.iter().map(|p| p.hash));
        }
        let mut kept = Vec::new();
        for refusal in &loaded.refused {
            self.errors.push(format!(
                "{}: patch `{}` is not loaded: {}",
                folder.display(),
                refusal.patch,
                refusal.reason
            ));
            self.fail(&refusal.diagnostics);
            if self.strictness == Strictness::Partial {
                kept.extend(before.and_then(|b| b.patch(&refusal.patch)).cloned());
            }
        }
        let options = &sources.options;
        Some(PackLayers::new(
            &loaded,
            kept,
            before,
            options,
            &mut self.allowance,
        ))
    }

    fn rules(&mut self, file: &RulesFile, categories: &HashMap<String, u8>) -> Option<RulesLayer> {
        let before = self.before.rules.iter().find(|r| r.path == file.path);
        let sources = self.sources;
        let known = (categories, self.cache);
        let read = RulesLayer::read(file, before, sources, known, &mut self.allowance);
        match read {
            Err(error) => {
                self.errors.push(error);
                before.cloned()
            }
            // What was left out at start and has not changed since is no new error.
            Ok(layer) if layer.failed == 0 || layer.is(before) => Some(layer),
            Ok(layer) => {
                self.errors.extend(layer.failures.iter().cloned());
                match self.strictness {
                    Strictness::Partial if before.is_some() => before.cloned(),
                    _ => Some(layer),
                }
            }
        }
    }

    fn fail(&mut self, diagnostics: &[Diagnostic]) {
        let rendered = diagnostics.iter().map(|d| d.render(false));
        self.errors.extend(rendered);
    }
}

/// What cannot be read says so when it is read.
fn file_bytes(path: &Path) -> usize {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn test(loaded: &mut LoadedPack, held: &HashSet<ContentHash>, options: &CompileOptions) {
    let manifest = loaded.manifest.clone();
    loaded.test(&|hash| held.contains(hash), &mut |patch| {
        Ok(patch_engines(patch, &manifest, options))
    });
}
