//! All layers in force, with the operator's policy.

use std::sync::Arc;

use super::compile::{CompiledSignature, Layer, Traffic};
use super::context::FlowContext;
use super::hit::Hit;
use super::policy::Policy;
use super::state::{Kept, Reputation, State};
use crate::decode::protocol;
use crate::direction::Direction;

/// What a worker holds, swapped whole by a reload.
#[derive(Debug)]
pub struct Ruleset {
    /// Above zero, and another for each ruleset: flows notice by it that rules changed.
    pub epoch: u64,
    pub layers: Vec<Arc<Layer>>,
    pub policy: Arc<Policy>,
    /// What rules keep beyond a flow.
    pub kept: Arc<Kept>,
}

impl Ruleset {
    /// Layers under an epoch, with what their rules keep.
    pub fn new(
        epoch: u64,
        layers: Vec<Arc<Layer>>,
        policy: Arc<Policy>,
        state: &State,
        reputation: Arc<Reputation>,
    ) -> Self {
        let kept = Arc::new(state.for_layers(&layers, reputation));
        Self {
            epoch,
            layers,
            policy,
            kept,
        }
    }

    /// A ruleset without signatures.
    pub fn empty(epoch: u64) -> Self {
        Self {
            epoch,
            layers: Vec::new(),
            policy: Arc::new(Policy::default()),
            kept: Arc::default(),
        }
    }

    /// The signature that matched; `None` for a hit of another ruleset.
    pub fn signature(&self, hit: &Hit) -> Option<&CompiledSignature> {
        let layer = self.layers.get(usize::from(hit.layer))?;
        layer.signatures().get(hit.signature as usize)
    }

    pub fn signature_count(&self) -> usize {
        self.layers.iter().map(|l| l.signatures().len()).sum()
    }

    /// How many bytes before the new ones rules for this flow need to see again. Zero: nothing
    /// needs to be kept.
    pub fn stream_window_bytes(&self, ctx: &FlowContext, direction: Direction) -> usize {
        if ctx.protocol != protocol::TCP {
            return 0;
        }
        let groups = self.layers.iter().flat_map(|layer| {
            layer
                .payload(Traffic::TcpStream, direction)
                .of(ctx.client.1, ctx.server.1)
        });
        groups.map(|g| g.lookback as usize).max().unwrap_or(0)
    }
}
