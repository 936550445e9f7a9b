//! `[datasets]`, `[hostbits]` and `[reputation]`: what rules keep, and what they look up.

use std::path::PathBuf;

use serde::Deserialize;

use super::field::within;

/// `[datasets]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Datasets {
    /// Whether rules may keep files (`state`, `save`), in `datasets` below `[control] state_dir`.
    pub keep_files: bool,
    /// Whether rules may load files from outside of their own folder.
    pub any_folder: bool,
    /// Bytes that a set takes at most where its rule does not say (`memcap`).
    #[serde(deserialize_with = "within::<_, _, 65_536, 1_099_511_627_776>")]
    pub set_bytes: usize,
    /// What a rule may say at most.
    #[serde(deserialize_with = "within::<_, _, 65_536, 1_099_511_627_776>")]
    pub max_set_bytes: usize,
    /// Bytes that all sets take together at most.
    #[serde(deserialize_with = "within::<_, _, 65_536, 1_099_511_627_776>")]
    pub memory_bytes: u64,
    /// Seconds between two times that kept files are written. 0: at the end alone.
    #[serde(deserialize_with = "within::<_, _, 0, 86_400>")]
    pub save_secs: u64,
}

impl Default for Datasets {
    fn default() -> Self {
        Self {
            keep_files: true,
            any_folder: false,
            set_bytes: 16 << 20,
            max_set_bytes: 256 << 20,
            memory_bytes: 512 << 20,
            save_secs: 300,
        }
    }
}

/// `[hostbits]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct HostBits {
    /// Bits that `hostbits` and `xbits` keep at once.
    #[serde(deserialize_with = "within::<_, _, 64, 67_108_864>")]
    pub max_bits: usize,
}

impl Default for HostBits {
    fn default() -> Self {
        Self { max_bits: 262_144 }
    }
}

/// `[reputation]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Reputation {
    /// The categories of `iprep`: number, name and description a line. Empty: none.
    pub categories_file: PathBuf,
    /// Files of scores: address or network, category and score a line.
    pub files: Vec<PathBuf>,
}
