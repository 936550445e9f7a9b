//! Which rules of a file are taken, and what they then do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use regex::Regex;

use crate::signature::ast::Signature;
use crate::verdict::Action;

/// A rules file outside the packs: `[[rules]]` in the configuration, or `--rules`.
#[derive(Clone, Debug)]
pub struct RulesFile {
    pub path: PathBuf,
    pub selection: Selection,
    /// Replaces the action of each rule taken; `None`: each keeps its own.
    pub action: Option<Action>,
}

impl RulesFile {
    /// Every rule, with its own action.
    pub fn whole(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            selection: Selection::default(),
            action: None,
        }
    }

    /// The signature as it is to be compiled; `None`: not selected.
    pub fn take(&self, mut signature: Arc<Signature>) -> Option<Arc<Signature>> {
        if !self.selection.takes(&signature) {
            return None;
        }
        if let Some(action) = self.action {
            Arc::make_mut(&mut signature).action = action;
        }
        Some(signature)
    }
}

/// A rule is taken when it meets every condition that is set.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Any of these; empty: any sid.
    pub sids: BTreeSet<u32>,
    /// Any of these; empty: any class.
    pub classtypes: Vec<String>,
    /// Found in the rule as written.
    pub matching: Option<Regex>,
}

impl Selection {
    fn takes(&self, signature: &Signature) -> bool {
        let class = signature.class.as_ref();
        (self.sids.is_empty() || self.sids.contains(&signature.id.sid))
            && (self.classtypes.is_empty()
                || class.is_some_and(|c| self.classtypes.contains(&c.name)))
            && self
                .matching
                .as_ref()
                .is_none_or(|regex| regex.is_match(&signature.text))
    }
}
