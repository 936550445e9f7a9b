//! Virtual patches and the packs they come in.
//!
//! A pack is a folder with a `pack.toml` and one folder for each
//! [`Patch`]: its description, its signatures, and the scenarios that show
//! that it stops the attack and leaves look-alikes alone. [`load`] reads one;
//! what is wrong with a patch makes a [`Refusal`] of that patch, and the others
//! stand. [`test_patch`] plays a patch's scenarios.

mod files;
mod hash;
mod load;
mod manifest;
mod patch;
mod report;
mod trial;

pub use files::{Files, Limits};
pub use hash::ContentHash;
pub use load::{KnownPatches, LoadedPack, PackFiles, Refusal, find_packs, load};
pub use manifest::{Manifest, SidRange, Version};
pub use patch::{Affected, Description, Patch, Response};
pub use report::{Failure, ScenarioReport, TestReport};
pub use trial::test_patch;
