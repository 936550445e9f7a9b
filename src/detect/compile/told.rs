//! What is told of a signature when it matches. The rest of what was parsed is compiled, and let go.

use std::sync::Arc;

use crate::signature::ast::{
    Class, FirewallAction, Signature, SignatureId, Source, Tag, Threshold,
};
use crate::signature::{Metadata, Written};
use crate::verdict::Action;

/// A signature as logs, verdicts and thresholds know it.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: SignatureId,
    pub rev: u32,
    pub action: Action,
    pub firewall: Option<FirewallAction>,
    pub priority: u8,
    pub noalert: bool,
    pub bypass: bool,
    pub alert: bool,
    pub message: Box<str>,
    pub class: Option<Arc<Class>>,
    /// Each with its kind and a comma before it.
    pub references: Box<[Box<str>]>,
    pub metadata: Metadata,
    pub tags: Box<[Tag]>,
    pub threshold: Option<Threshold>,
    pub source: Source,
    pub text: Written,
}

impl Told {
    /// Whether a match is told of in the log.
    pub fn makes_record(&self) -> bool {
        !self.noalert && (self.alert || self.action != Action::Pass)
    }
}

impl From<Signature> for Told {
    fn from(signature: Signature) -> Self {
        Self {
            id: signature.id,
            rev: signature.rev,
            action: signature.action,
            firewall: signature.firewall,
            priority: signature.priority,
            noalert: signature.noalert,
            bypass: signature.bypass,
            alert: signature.alert,
            message: signature.message.into(),
            class: signature.class,
            references: signature.references.into(),
            metadata: signature.metadata,
            tags: signature.tags.into(),
            threshold: signature.threshold,
            source: signature.source,
            text: signature.text,
        }
    }
}
