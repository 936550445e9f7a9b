//! Builds, tests and swaps rulesets off the data path.
//!
//! A [`Builder`] reads packs and rules files, plays the scenarios of every
//! patch whose content changed, compiles what changed into layers, and keeps
//! the ruleset before for a rollback. It never touches a worker: `runtime`
//! hands the result over.

mod builder;
mod cache;
mod duplicates;
mod engine;
mod holds;
mod keeping;
mod layers;
mod merging;
mod network;
mod priority;
mod selection;
mod stamp;
mod summary;
#[cfg(test)]
mod tests;

pub use builder::{BuildError, Builder, Built, Sources, Strictness};
pub use cache::{Cache, Looked};
pub use duplicates::duplicates;
pub use engine::{PatchEngine, patch_engines};
pub use holds::{Exception, Holds, HoldsFile, Side};
pub use keeping::{FilesBeside, Keeping, Saver};
pub use layers::patch_info;
pub use merging::{Merged, Merging};
pub use network::Network;
pub use selection::{RulesFile, Selection};
pub use summary::{PatchRow, RulesetSummary};
