//! One layer per pack and per rules file, compiled again only when its content changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::builder::Sources;
use super::keeping::{FilesBeside, NamedFile};
use super::selection::RulesFile;
use super::summary::PatchRow;
use crate::detect::{CompileOptions, Layer, PatchInfo, Response, RuleInput};
use crate::pack::{self, ContentHash, LoadedPack, Manifest, Patch};
use crate::signature::{ParsedFile, Readings, Surroundings, parse_bytes_in};

/// A larger rules file is not read.
const MAX_RULES_BYTES: u64 = 512 * 1024 * 1024;

/// What a pack has contributed.
#[derive(Clone, Debug)]
pub(super) struct PackLayer {
    pub folder: PathBuf,
    /// Name and version of the pack, then id and content of each patch.
    key: Vec<(String, ContentHash)>,
    version: String,
    pub patches: Vec<LoadedPatch>,
    pub refused: Vec<PatchRow>,
    pub layer: Arc<Layer>,
}

/// One patch in force.
#[derive(Clone, Debug)]
pub(super) struct LoadedPatch {
    pub info: Arc<PatchInfo>,
    pub hash: ContentHash,
    pub inputs: Vec<RuleInput>,
}

impl PackLayer {
    /// Compiles what `loaded` holds, or takes `before` where nothing changed.
    /// `kept` are patches of an earlier version that stand in for failing ones.
    pub fn new(
        loaded: &LoadedPack,
        kept: Vec<LoadedPatch>,
        before: Option<&Self>,
        options: &CompileOptions,
    ) -> Self {
        let manifest = &loaded.manifest;
        let mut patches: Vec<LoadedPatch> = loaded
            .patches
            .iter()
            .map(|patch| LoadedPatch::new(patch, manifest))
            .collect();
        patches.extend(kept);
        patches.sort_by(|a, b| a.info.id.cmp(&b.info.id));
        let key: Vec<_> = patches
            .iter()
            .map(|p| (p.info.id.clone(), p.hash))
            .collect();
        let version = manifest.version.to_string();
        let unchanged = before.filter(|b| b.key == key && b.version == version);
        let (layer, patches) = match unchanged {
            Some(before) => (before.layer.clone(), before.patches.clone()),
            None => {
                let inputs = patches.iter().flat_map(|p| p.inputs.clone()).collect();
                (Arc::new(Layer::compile(inputs, options)), patches)
            }
        };
        let refused = loaded
            .refused
            .iter()
            .map(|refusal| PatchRow::refused(&refusal.patch, &refusal.reason, manifest))
            .collect();
        Self {
            folder: loaded.folder.clone(),
            key,
            version,
            patches,
            refused,
            layer,
        }
    }
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
        (categories, readings): (&HashMap<String, u8>, Option<&Readings>),
    ) -> Result<Self, String> {
        let text = read_bounded(&file.path, MAX_RULES_BYTES)?;
        let mut hash = Sha256::new();
        hash.update(&text);
        for (name, number) in categories.iter().collect::<BTreeMap<_, _>>() {
            hash.update(format!("{name},{number};"));
        }
        let hash: [u8; 32] = hash.finalize().into();
        if let Some(before) = before
            && before.hash == hash
            && before.named.iter().all(NamedFile::is_unchanged)
        {
            return Ok(before.clone());
        }
        let files = FilesBeside::new(&file.path, &sources.keeping);
        let mut surroundings = Surroundings::new(&sources.variables, &sources.classes);
        surroundings.files = &files;
        surroundings.categories = categories;
        surroundings.readings = readings;
        surroundings.set_limits = sources.keeping.set_limits;
        let parsed = parse_bytes_in(&file.path.display().to_string(), text, &surroundings);
        let mut layer = Self::compile(file, hash, parsed, &sources.options);
        layer.named = files.named();
        Ok(layer)
    }

    /// Files that its rules name.
    pub fn named(&self) -> impl Iterator<Item = PathBuf> {
        self.named.iter().map(|file| file.path.clone())
    }

    fn compile(
        file: &RulesFile,
        hash: [u8; 32],
        mut parsed: ParsedFile,
        options: &CompileOptions,
    ) -> Self {
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
            hash,
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
