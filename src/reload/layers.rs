//! The layers of packs and of rules files, compiled again only when their content changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::builder::Sources;
use super::cache::Kept;
use super::keeping::{FilesBeside, NamedFile};
use super::priority::{Allowance, is_large};
use super::selection::RulesFile;
use super::stamp::Stamp;
use super::summary::PatchRow;
use crate::detect::{CompileOptions, Layer, PatchInfo, Response, RuleInput, share_names};
use crate::pack::{self, ContentHash, KnownPatches, LoadedPack, Manifest, Patch};
use crate::signature::ast::Signature;
use crate::signature::{ParsedFile, Surroundings, parse_bytes_in};

/// A larger rules file is not read.
const MAX_RULES_BYTES: u64 = 512 * 1024 * 1024;

/// Layers over the first that a pack may have: with one more, all are made one.
const MOST_LAID_OVER: usize = 4;

/// What a pack has contributed.
#[derive(Clone, Debug)]
pub(super) struct PackLayers {
    pub folder: PathBuf,
    /// Of the pack that the layers were made of.
    version: String,
    /// By id.
    pub patches: Vec<LoadedPatch>,
    pub refused: Vec<PatchRow>,
    /// One, and over it those of patches that came since.
    pub layers: Vec<Arc<Layer>>,
}

/// One patch in force.
#[derive(Clone, Debug)]
pub(super) struct LoadedPatch {
    pub info: Arc<PatchInfo>,
    pub hash: ContentHash,
    pub inputs: Vec<RuleInput>,
}

impl PackLayers {
    /// Compiles what `loaded` holds, or takes of `before` what did not change.
    /// `kept` are patches of an earlier version that stand in for failing ones.
    ///
    /// A pack that is small is compiled whole. Where it is not, patches that came to it are compiled
    /// alone and laid over what there is; [`super::merging`] makes one of them later.
    pub fn new(
        loaded: &LoadedPack,
        kept: Vec<LoadedPatch>,
        before: Option<&Self>,
        options: &CompileOptions,
        allowance: &mut Allowance,
    ) -> Self {
        let manifest = &loaded.manifest;
        let mut patches: Vec<LoadedPatch> = loaded
            .patches
            .iter()
            .map(|patch| LoadedPatch::new(patch, manifest))
            .collect();
        let unchanged = loaded.unchanged.iter();
        let unchanged = unchanged.filter_map(|id| before?.patch(id));
        patches.extend(unchanged.map(|patch| patch.renewed(manifest)));
        patches.extend(kept);
        patches.sort_by(|a, b| a.info.id.cmp(&b.info.id));
        let refused = loaded
            .refused
            .iter()
            .map(|refusal| PatchRow::refused(&refusal.patch, &refusal.reason, manifest))
            .collect();
        let mut new = Self {
            folder: loaded.folder.clone(),
            version: manifest.version.to_string(),
            patches,
            refused,
            layers: Vec::new(),
        };
        if let Some(before) = before.filter(|b| b.is_same(&new)) {
            new.layers.clone_from(&before.layers);
            return new;
        }
        let all = rule_bytes(&new.patches);
        if !allowance.has(all)
            && let Some(before) = before
            && let Some(over) = new.over(before)
        {
            let inputs: Vec<_> = over.iter().flat_map(|p| p.inputs.clone()).collect();
            let layer = allowance.spend(rule_bytes(&over), || Layer::compile(inputs, options));
            new.layers.clone_from(&before.layers);
            new.layers.push(Arc::new(layer));
            return new;
        }
        new.layers = vec![allowance.spend(all, || new.compiled(options))];
        new
    }

    /// The patches that came, if what was there before stays as it is under them: nothing of it
    /// changed or went, and no rule of theirs speaks of a name that one of its rules does.
    fn over(&self, before: &Self) -> Option<Vec<LoadedPatch>> {
        let hash = |patch: &LoadedPatch| before.patch(&patch.info.id).map(|p| p.hash);
        let (old, new): (Vec<_>, Vec<_>) = self
            .patches
            .iter()
            .cloned()
            .partition(|patch| hash(patch) == Some(patch.hash));
        let signatures = |patches: &'_ [LoadedPatch]| -> Vec<Arc<Signature>> {
            let inputs = patches.iter().flat_map(|p| &p.inputs);
            inputs.map(|i| Arc::clone(&i.signature)).collect()
        };
        let (under, over) = (signatures(&old), signatures(&new));
        let apart = !share_names(over.iter().map(|s| &**s), under.iter().map(|s| &**s));
        let stays = old.len() == before.patches.len() && before.layers.len() <= MOST_LAID_OVER;
        (stays && apart && !new.is_empty()).then_some(new)
    }

    /// Whether its layers are to be made one.
    pub fn is_laid_over(&self) -> bool {
        self.layers.len() > 1
    }

    /// All its patches in one layer.
    pub fn compiled(&self, options: &CompileOptions) -> Arc<Layer> {
        let inputs = self.patches.iter().flat_map(|p| p.inputs.clone()).collect();
        Arc::new(Layer::compile(inputs, options))
    }

    pub fn patch(&self, id: &str) -> Option<&LoadedPatch> {
        self.patches.iter().find(|patch| patch.info.id == id)
    }

    pub fn known(&self) -> KnownPatches {
        let patches = self.patches.iter();
        let known = patches.map(|patch| {
            let signatures = patch.inputs.iter().map(|i| i.signature.id).collect();
            (patch.info.id.clone(), (patch.hash, signatures))
        });
        known.collect()
    }

    fn is_same(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&LoadedPatch, &LoadedPatch)| {
            (&a.info.id, a.hash, &a.info.pack) == (&b.info.id, b.hash, &b.info.pack)
        };
        self.version == other.version
            && self.patches.len() == other.patches.len()
            && self.patches.iter().zip(&other.patches).all(is_same)
    }
}

/// What the rules of patches take as written.
fn rule_bytes(patches: &[LoadedPatch]) -> usize {
    let inputs = patches.iter().flat_map(|p| &p.inputs);
    inputs.map(|input| input.signature.text.len()).sum()
}

impl LoadedPatch {
    fn new(patch: &Patch, manifest: &Manifest) -> Self {
        let info = Arc::new(patch_info(patch, manifest));
        let inputs = patch
            .signatures
            .iter()
            .map(|signature| RuleInput {
                signature: Arc::clone(signature),
                patch: Some(info.clone()),
            })
            .collect();
        Self {
            info,
            hash: patch.hash,
            inputs,
        }
    }

    /// The same as a patch of the pack as it is now.
    fn renewed(&self, manifest: &Manifest) -> Self {
        let version = manifest.version.to_string();
        if self.info.pack_version == version && self.info.pack == manifest.name {
            return self.clone();
        }
        let info = Arc::new(PatchInfo {
            pack: manifest.name.clone(),
            pack_version: version,
            ..PatchInfo::clone(&self.info)
        });
        let inputs = self.inputs.iter().map(|input| RuleInput {
            signature: Arc::clone(&input.signature),
            patch: Some(Arc::clone(&info)),
        });
        Self {
            inputs: inputs.collect(),
            hash: self.hash,
            info,
        }
    }
}

/// What logs and verdicts need of a patch.
pub fn patch_info(patch: &Patch, manifest: &Manifest) -> PatchInfo {
    let description = &patch.description;
    PatchInfo {
        id: description.id.clone(),
        title: description.title.clone(),
        cve: description.cve.clone(),
        pack: manifest.name.clone(),
        pack_version: manifest.version.to_string(),
        mode: description.mode,
        response: match description.response {
            pack::Response::Drop => Response::Drop,
            pack::Response::Reset => Response::Reset,
        },
    }
}

/// What a rules file has contributed.
#[derive(Clone, Debug)]
pub(super) struct RulesLayer {
    pub path: PathBuf,
    /// Of the file, where it can be told by it that it did not change.
    stamp: Option<Stamp>,
    /// Of what its rules know of reputation.
    categories: [u8; 32],
    hash: [u8; 32],
    named: Vec<NamedFile>,
    pub layer: Arc<Layer>,
    pub failures: Vec<String>,
    pub failed: usize,
}

/// Diagnostics kept of one file; the rest is a number.
const MAX_KEPT_FAILURES: usize = 50;

impl RulesLayer {
    /// The layer of the file as it is on disk; `before` itself where that did not change.
    pub fn read(
        file: &RulesFile,
        before: Option<&Self>,
        sources: &Sources,
        (categories, cache): (&HashMap<String, u8>, &Kept),
        allowance: &mut Allowance,
    ) -> Result<Self, String> {
        let known = hash_of(categories);
        let before = before.filter(|b| b.categories == known);
        let before = before.filter(|b| b.named.iter().all(NamedFile::is_unchanged));
        if let Some(before) = before
            && before.stamp.is_some_and(|stamp| stamp.is_of(&file.path))
        {
            return Ok(before.clone());
        }
        let stamp = Stamp::of(&file.path);
        let text = read_bounded(&file.path, MAX_RULES_BYTES)?;
        let hash: [u8; 32] = Sha256::digest(&text).into();
        if let Some(before) = before.filter(|b| b.hash == hash) {
            return Ok(Self {
                stamp,
                ..before.clone()
            });
        }
        let files = FilesBeside::new(&file.path, &sources.keeping);
        let mut surroundings = Surroundings::new(&sources.variables, &sources.classes);
        surroundings.files = &files;
        surroundings.categories = categories;
        surroundings.set_limits = sources.keeping.set_limits;
        let bytes = text.len();
        // To read what was kept takes longer than a few rules do.
        if is_large(bytes) {
            surroundings.readings = cache.readings();
        }
        let mut layer = allowance.spend(bytes, || {
            let parsed = parse_bytes_in(&file.path.display().to_string(), text, &surroundings);
            Self::compile(file, parsed, &sources.options)
        });
        layer.named = files.named();
        (layer.stamp, layer.categories, layer.hash) = (stamp, known, hash);
        Ok(layer)
    }

    /// Files that its rules name.
    pub fn named(&self) -> impl Iterator<Item = PathBuf> {
        self.named.iter().map(|file| file.path.clone())
    }

    fn compile(file: &RulesFile, mut parsed: ParsedFile, options: &CompileOptions) -> Self {
        let broken = broken_firewall(file, &mut parsed);
        let inputs = parsed
            .signatures
            .into_iter()
            .filter_map(|signature| file.take(signature))
            .map(|signature| RuleInput {
                signature,
                patch: None,
            })
            .collect();
        Self {
            path: file.path.clone(),
            stamp: None,
            categories: [0; 32],
            hash: [0; 32],
            named: Vec::new(),
            layer: Arc::new(Layer::compile(inputs, options)),
            failed: parsed.failures.len() + broken.as_ref().map_or(0, |(_, rules)| *rules),
            failures: parsed
                .failures
                .iter()
                .take(MAX_KEPT_FAILURES)
                .map(|failure| failure.render(false))
                .chain(broken.map(|(told, _)| told))
                .collect(),
        }
    }

    /// Whether this is what was loaded before: nothing of it is new.
    pub fn is(&self, before: Option<&Self>) -> bool {
        before.is_some_and(|before| Arc::ptr_eq(&before.layer, &self.layer))
    }
}

fn hash_of(categories: &HashMap<String, u8>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, number) in categories.iter().collect::<BTreeMap<_, _>>() {
        hash.update(format!("{name},{number};"));
    }
    hash.finalize().into()
}

/// A firewall of which rules are missing would deny what they accept: it is in force whole or not
/// at all. What is told of one that is taken out, and how many sound rules that had.
fn broken_firewall(file: &RulesFile, parsed: &mut ParsedFile) -> Option<(String, usize)> {
    let is_firewall = parsed.signatures.iter().any(|s| s.firewall.is_some());
    if !is_firewall || parsed.failures.is_empty() {
        return None;
    }
    let rules = parsed.signatures.len();
    parsed.signatures.clear();
    let told = format!(
        "error: {}: a firewall is loaded whole or not at all, and {} of its rules are at fault: the other {rules} are not in force",
        file.path.display(),
        parsed.failures.len(),
    );
    Some((told, rules))
}

pub(super) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let described = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let metadata = std::fs::metadata(path).map_err(|e| described(&e))?;
    if metadata.len() > most {
        return Err(described(&format!("larger than {most} bytes")));
    }
    std::fs::read(path).map_err(|e| described(&e))
}
