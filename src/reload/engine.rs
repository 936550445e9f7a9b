//! The real worker as the engine that a patch's scenarios are played past.

use std::sync::Arc;

use super::layers::patch_info;
use crate::counters::{Counter, Counters};
use crate::decode::{ChecksumTrust, LinkType};
use crate::detect::{CompileOptions, Layer, Policy, RuleInput, Ruleset, State};
use crate::pack::{Manifest, Patch};
use crate::pipeline::{Event, EventSink, RawPacket, Reassembled, Reset, Worker, WorkerConfig};
use crate::scenario::{Engine, FiredSignature, Outcome};
use crate::time::Timestamp;
use crate::verdict::{Mode, Verdict};

/// One worker with one patch in force.
#[derive(Debug)]
pub struct PatchEngine {
    worker: Worker,
    counters: Arc<Counters>,
    fired: Fired,
    last: Timestamp,
}

/// A maker of engines that run `patch` in prevent, whatever its mode.
pub fn patch_engines(
    patch: &Patch,
    manifest: &Manifest,
    options: &CompileOptions,
) -> impl Fn() -> PatchEngine + Sync + use<> {
    let mut info = patch_info(patch, manifest);
    info.mode = Mode::Prevent;
    let info = Arc::new(info);
    let inputs = patch
        .signatures
        .iter()
        .map(|signature| RuleInput {
            signature: Arc::clone(signature),
            patch: Some(info.clone()),
        })
        .collect();
    let layer = Arc::new(Layer::compile(inputs, options));
    let policy = Arc::new(Policy::default());
    // What one variant's rules keep is nothing to the next one's.
    move || {
        let ruleset = Ruleset::new(
            1,
            vec![Arc::clone(&layer)],
            Arc::clone(&policy),
            &State::default(),
            Arc::default(),
        );
        PatchEngine::new(Arc::new(ruleset))
    }
}

impl PatchEngine {
    pub(super) fn new(ruleset: Arc<Ruleset>) -> Self {
        let counters = Arc::new(Counters::default());
        // A scenario is a handful of flows: no room is taken for more.
        let mut config = WorkerConfig {
            threshold_entries: 16,
            ..WorkerConfig::default()
        };
        config.flow.max_flows = 64;
        Self {
            worker: Worker::new(config, ruleset, counters.clone()),
            counters,
            fired: Fired::default(),
            last: Timestamp::ZERO,
        }
    }
}

impl Engine for PatchEngine {
    fn process(&mut self, packet: &mut [u8], now: Timestamp) -> Verdict {
        self.last = now;
        let raw = RawPacket {
            data: packet,
            link: LinkType::RawIp,
            trust: ChecksumTrust::Unverified,
            returned: false,
        };
        self.worker.process(&raw, now, &mut self.fired)
    }

    fn finish(&mut self) -> Outcome {
        self.worker.finish(self.last, &mut self.fired);
        Outcome {
            blocked_flows: self.counters.get(Counter::FlowsRefused),
            alerts: std::mem::take(&mut self.fired.0),
        }
    }
}

/// The signatures that alerted, in order.
#[derive(Debug, Default)]
struct Fired(Vec<FiredSignature>);

impl EventSink for Fired {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(alert) = event {
            let id = alert.signature.id();
            self.0.push(FiredSignature {
                gid: id.gid,
                sid: id.sid,
            });
        }
    }

    fn reset(&mut self, _: Reset) {}

    /// No scenario is played in fragments.
    fn reassembled(&mut self, _: Reassembled<'_>) {}
}
