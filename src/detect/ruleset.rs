//! All layers in force, with the operator's policy.

use std::sync::Arc;

use super::compile::{CompiledSignature, Layer, Traffic};
use super::context::FlowContext;
use super::flow_state::FlowDetect;
use super::hit::Hit;
use super::policy::Policy;
use super::state::{Kept, Reputation, State};
use crate::app_layer::FrameProtocols;
use crate::decode::{Packet, Transport};
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
    packets_asked: PacketsAsked,
    frames_asked: FrameProtocols,
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
        Self::with_kept(epoch, layers, policy, kept)
    }

    /// Layers under an epoch, whose rules share what is kept already.
    pub fn with_kept(
        epoch: u64,
        layers: Vec<Arc<Layer>>,
        policy: Arc<Policy>,
        kept: Arc<Kept>,
    ) -> Self {
        let packets_asked = PacketsAsked::by(&layers);
        let of_layers = layers.iter().map(|l| l.frames_asked());
        let frames_asked = of_layers.fold(FrameProtocols::default(), FrameProtocols::join);
        Self {
            epoch,
            layers,
            policy,
            kept,
            packets_asked,
            frames_asked,
        }
    }

    /// A ruleset without signatures.
    pub fn empty(epoch: u64) -> Self {
        Self::with_kept(epoch, Vec::new(), Arc::default(), Arc::default())
    }

    /// Whether any rule could say something of a packet like this: if none can,
    /// [`Ruleset::on_packet`] need not be asked. `in_stream`: its payload also comes by
    /// [`Ruleset::on_stream`].
    pub fn asks_of_packet(
        &self,
        packet: &Packet<'_>,
        in_stream: bool,
        flow: &FlowDetect,
        direction: Direction,
    ) -> bool {
        let traffic = Traffic::of(packet);
        let asks = self.packets_asked.0[traffic as usize]
            || traffic == Traffic::TcpPacket
                && !in_stream
                && self.packets_asked.0[Traffic::TcpStream as usize];
        asks && !(packet.payload.is_empty()
            && flow.was_asked_about(self.epoch, direction)
            && self.passes_bare(packet))
    }

    /// Whether no rule that is asked of each packet can concern this one, a segment without payload.
    fn passes_bare(&self, packet: &Packet<'_>) -> bool {
        match &packet.transport {
            Transport::Tcp(tcp) => {
                let concerns = |layer: &Arc<Layer>| layer.each_packet.concerns_segment(tcp.flags());
                !self.layers.iter().any(concerns)
            }
            _ => false,
        }
    }

    /// Protocols whose frames rules ask for: only of those need a flow keep any.
    pub const fn frames_asked(&self) -> FrameProtocols {
        self.frames_asked
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
    /// needs to be kept. `None`: no rule looks at the stream, and [`Ruleset::on_stream`] need not
    /// be asked.
    pub fn stream_window_bytes(&self, ctx: &FlowContext, direction: Direction) -> Option<usize> {
        let mut looks_back = None;
        for layer in &self.layers {
            let groups = layer.payload(Traffic::TcpStream, direction);
            let groups = groups.of(ctx.client.1, ctx.server.1).into_iter().flatten();
            for group in groups {
                looks_back = looks_back.max(Some(group.lookback as usize));
            }
        }
        let waits_for_protocol = || self.layers.iter().any(|l| !l.protocol_only.is_empty());
        looks_back.or_else(|| waits_for_protocol().then_some(0))
    }
}

/// The kinds of payload with which single packets are of interest to a rule.
#[derive(Debug)]
struct PacketsAsked([bool; Traffic::COUNT]);

impl PacketsAsked {
    fn by(layers: &[Arc<Layer>]) -> Self {
        Self(Traffic::ALL.map(|traffic| layers.iter().any(|l| l.asks_of_packets(traffic))))
    }
}
