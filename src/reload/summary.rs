//! What a build loaded, for status, answers and logs.

use serde::{Deserialize, Serialize};

use crate::detect::PatchInfo;
use crate::pack::Manifest;
use crate::verdict::Mode;

/// What is loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RulesetSummary {
    /// Grows with each change.
    pub epoch: u64,
    pub patches: Vec<PatchRow>,
    pub signatures: usize,
    /// Signatures that were not loaded.
    pub failed: usize,
    /// The first of the diagnostics, as text.
    pub diagnostics: Vec<String>,
    /// Files of the cache that could not be trusted since the start; rules were read anew.
    #[serde(default)]
    pub cache_refused: u64,
    pub build_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchRow {
    pub id: String,
    pub title: String,
    pub cve: Vec<String>,
    pub pack: String,
    pub pack_version: String,
    /// As the patch asks.
    pub mode: Mode,
    /// After the operator's holds and the engine's ceiling.
    pub effective_mode: Mode,
    pub signatures: usize,
    /// Why it is not loaded.
    pub refused: Option<String>,
}

impl PatchRow {
    pub(super) fn loaded(info: &PatchInfo, effective_mode: Mode, signatures: usize) -> Self {
        Self {
            id: info.id.clone(),
            title: info.title.clone(),
            cve: info.cve.clone(),
            pack: info.pack.clone(),
            pack_version: info.pack_version.clone(),
            mode: info.mode,
            effective_mode,
            signatures,
            refused: None,
        }
    }

    pub(super) fn refused(id: &str, reason: &str, manifest: &Manifest) -> Self {
        Self {
            id: id.to_owned(),
            title: String::new(),
            cve: Vec::new(),
            pack: manifest.name.clone(),
            pack_version: manifest.version.to_string(),
            mode: Mode::Off,
            effective_mode: Mode::Off,
            signatures: 0,
            refused: Some(reason.to_owned()),
        }
    }
}
