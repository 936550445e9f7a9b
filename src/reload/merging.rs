//! Layers that were laid over each other are made one, in the background: each costs every packet a look.

use std::path::PathBuf;
use std::sync::Arc;

use super::layers::PackLayers;
use super::priority::below_all;
use crate::detect::{CompileOptions, Layer};

/// Work for a thread of its own, on which nothing waits. `T` is let go with it.
#[derive(Debug)]
pub struct Merging<T> {
    packs: Vec<PackLayers>,
    options: CompileOptions,
    older: Option<T>,
}

/// What came of it: for each pack the layers that were made one, and that one.
#[derive(Debug)]
pub struct Merged(Vec<One>);

#[derive(Debug)]
struct One {
    folder: PathBuf,
    of: Vec<Arc<Layer>>,
    layer: Arc<Layer>,
}

impl<T: Send> Merging<T> {
    /// `None`: there is nothing to do.
    pub(super) fn new<'a>(
        packs: impl Iterator<Item = &'a PackLayers>,
        options: CompileOptions,
        older: Option<T>,
    ) -> Option<Self> {
        let packs: Vec<_> = packs.cloned().collect();
        (!packs.is_empty() || older.is_some()).then_some(Self {
            packs,
            options,
            older,
        })
    }

    /// Does it below everything else.
    pub fn run(self) -> Merged {
        below_all(|| {
            drop(self.older);
            let merged = self.packs.into_iter().map(|pack| One {
                layer: pack.compiled(&self.options),
                folder: pack.folder,
                of: pack.layers,
            });
            Merged(merged.collect())
        })
    }
}

impl Merged {
    /// Puts the one layer in place of those that it was made of, unless they are no longer the pack's
    /// first. What was laid over them since stays over it.
    pub(super) fn replace_in(&self, pack: &mut PackLayers) -> bool {
        let Some(one) = self.0.iter().find(|one| one.folder == pack.folder) else {
            return false;
        };
        let first = pack.layers.iter().zip(&one.of);
        let same = first.filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        if same < one.of.len() {
            return false;
        }
        pack.layers.splice(..same, [Arc::clone(&one.layer)]);
        true
    }
}
