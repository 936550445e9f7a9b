//! The operator's say over what signatures may do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::compile::CompiledSignature;
use super::context::FlowContext;
use crate::signature::Rates;
use crate::signature::ast::IpRange;
use crate::verdict::{Action, ActionOrder, Mode, RejectTarget};

/// What happens to a flow that a virtual patch's `drop` rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Response {
    #[default]
    Drop,
    /// RST to both ends.
    Reset,
}

/// The virtual patch a signature belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchInfo {
    pub id: String,
    pub title: String,
    pub cve: Vec<String>,
    pub pack: String,
    pub pack_version: String,
    pub mode: Mode,
    pub response: Response,
}

impl PatchInfo {
    /// What `action` becomes under this patch's response.
    pub(crate) const fn action(&self, action: Action) -> Action {
        match (action, self.response) {
            (Action::Drop, Response::Reset) => Action::Reject(RejectTarget::Both),
            (action, _) => action,
        }
    }
}

/// Which end of a flow an exception names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
    Any,
}

/// Traffic that a patch, or every signature, must not block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Except {
    /// `None`: every signature, also those outside packs.
    pub patch: Option<String>,
    pub network: IpRange,
    pub side: Side,
}

impl Except {
    fn covers(&self, patch: Option<&PatchInfo>, client: IpAddr, server: IpAddr) -> bool {
        let concerns = match (&self.patch, patch) {
            (None, _) => true,
            (Some(id), Some(patch)) => *id == patch.id,
            (Some(_), None) => false,
        };
        let inside = |ip: IpAddr| self.network.contains(ip);
        concerns
            && match self.side {
                Side::Client => inside(client),
                Side::Server => inside(server),
                Side::Any => inside(client) || inside(server),
            }
    }
}

/// How far signatures may go. A ceiling: nothing raises what someone lowered.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// `--mode`; also for rules outside packs.
    pub ceiling: Mode,
    /// Operator's holds, by patch id.
    pub patch_modes: HashMap<String, Mode>,
    pub exceptions: Vec<Except>,
    pub action_order: ActionOrder,
    /// The part of all flows that a patch in canary mode prevents, in percent.
    pub canary_percent: u8,
    /// How often signatures alert, apart from what they say themselves.
    pub rates: Arc<Rates>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ceiling: Mode::Prevent,
            patch_modes: HashMap::new(),
            exceptions: Vec::new(),
            action_order: ActionOrder::default(),
            canary_percent: 10,
            rates: Arc::default(),
        }
    }
}

/// What may be done about one match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// As if the signature were not there.
    Off,
    /// Log what would have been done.
    DetectOnly(Leniency),
    Enforce,
}

/// Why a match is logged only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// `--mode detect`.
    Ceiling,
    /// The patch says so itself.
    Patch,
    /// An operator's hold on the patch.
    Hold,
    /// In canary mode, and the flow is not in the slice.
    Canary,
    /// An exception names this client, server or network.
    Excepted,
    /// Found when the flow ended: its packets had gone their way.
    FlowOver,
}

impl Leniency {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ceiling => "engine_mode",
            Self::Patch => "patch_mode",
            Self::Hold => "operator_hold",
            Self::Canary => "canary",
            Self::Excepted => "exception",
            Self::FlowOver => "flow_over",
        }
    }
}

impl Policy {
    /// The mildest of the ceiling, the patch's own mode and the operator's hold, with what set it.
    fn mode_of(&self, patch: Option<&PatchInfo>) -> (Mode, Leniency) {
        let mut mildest = (self.ceiling, Leniency::Ceiling);
        if let Some(patch) = patch {
            if patch.mode < mildest.0 {
                mildest = (patch.mode, Leniency::Patch);
            }
            if let Some(&hold) = self.patch_modes.get(&patch.id)
                && hold < mildest.0
            {
                mildest = (hold, Leniency::Hold);
            }
        }
        mildest
    }

    /// The mode in force for a signature.
    pub fn effective_mode(&self, signature: &CompiledSignature) -> Mode {
        self.mode_of(signature.patch.as_deref()).0
    }

    /// The mode in force for a patch.
    pub fn effective_mode_of(&self, patch: &PatchInfo) -> Mode {
        self.mode_of(Some(patch)).0
    }

    /// What may be done about a match of `signature` in this flow.
    pub fn decide(&self, signature: &CompiledSignature, ctx: &FlowContext) -> Decision {
        self.decide_patch(signature.patch.as_deref(), ctx)
    }

    /// What may be done about traffic that no rule of a firewall accepts.
    pub(crate) fn decide_default(&self, ctx: &FlowContext) -> Decision {
        self.decide_patch(None, ctx)
    }

    fn decide_patch(&self, patch: Option<&PatchInfo>, ctx: &FlowContext) -> Decision {
        let (mode, why) = self.mode_of(patch);
        if mode == Mode::Off {
            return Decision::Off;
        }
        let (client, server) = (ctx.client.0, ctx.server.0);
        if self
            .exceptions
            .iter()
            .any(|e| e.covers(patch, client, server))
        {
            return Decision::DetectOnly(Leniency::Excepted);
        }
        match mode {
            Mode::Off => Decision::Off,
            Mode::Detect => Decision::DetectOnly(why),
            Mode::Canary if ctx.flow_id % 100 >= u64::from(self.canary_percent) => {
                Decision::DetectOnly(Leniency::Canary)
            }
            Mode::Canary | Mode::Prevent => Decision::Enforce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_layer::Protocol;
    use crate::detect::FlowCounts;
    use crate::stream::StreamEvents;
    use crate::time::Timestamp;

    fn patch(mode: Mode) -> PatchInfo {
        PatchInfo {
            id: "p".into(),
            title: String::new(),
            cve: vec![],
            pack: "core".into(),
            pack_version: "1".into(),
            mode,
            response: Response::Reset,
        }
    }

    fn flow(flow_id: u64) -> FlowContext {
        FlowContext {
            client: ("10.0.0.1".parse().unwrap(), 4000),
            server: ("192.0.2.1".parse().unwrap(), 80),
            protocol: 6,
            app: Protocol::Unknown,
            original_app: None,
            established: true,
            stream: true,
            stream_sizes: [0; 2],
            counts: FlowCounts::default(),
            stream_events: StreamEvents::NONE,
            flow_id,
            now: Timestamp::ZERO,
        }
    }

    #[test]
    fn the_mildest_hold_wins_and_nothing_raises_it() {
        let mut policy = Policy::default();
        let decide = |p: &Policy, m| p.decide_patch(Some(&patch(m)), &flow(0));
        assert_eq!(decide(&policy, Mode::Prevent), Decision::Enforce);
        policy.patch_modes.insert("p".into(), Mode::Prevent);
        assert_eq!(
            decide(&policy, Mode::Detect),
            Decision::DetectOnly(Leniency::Patch)
        );
        policy.patch_modes.insert("p".into(), Mode::Detect);
        assert_eq!(
            decide(&policy, Mode::Prevent),
            Decision::DetectOnly(Leniency::Hold)
        );
        policy.patch_modes.insert("p".into(), Mode::Off);
        assert_eq!(decide(&policy, Mode::Prevent), Decision::Off);
        policy.patch_modes.clear();
        policy.ceiling = Mode::Detect;
        assert_eq!(
            decide(&policy, Mode::Canary),
            Decision::DetectOnly(Leniency::Ceiling)
        );
        assert_eq!(
            policy.decide_patch(None, &flow(0)),
            Decision::DetectOnly(Leniency::Ceiling)
        );
    }

    #[test]
    fn canary_prevents_its_slice_only() {
        let policy = Policy::default();
        let enforced = (0..1000)
            .filter(|&id| {
                policy.decide_patch(Some(&patch(Mode::Canary)), &flow(id)) == Decision::Enforce
            })
            .count();
        assert_eq!(enforced, 100);
    }

    #[test]
    fn an_exception_names_a_side_and_a_patch() {
        let network = IpRange {
            first: "10.0.0.0".parse().unwrap(),
            last: "10.0.0.255".parse().unwrap(),
        };
        let except = |patch: Option<&str>, side| Policy {
            exceptions: vec![Except {
                patch: patch.map(Into::into),
                network,
                side,
            }],
            ..Policy::default()
        };
        let excepted = Decision::DetectOnly(Leniency::Excepted);
        let p = patch(Mode::Prevent);
        assert_eq!(
            except(Some("p"), Side::Client).decide_patch(Some(&p), &flow(0)),
            excepted
        );
        assert_eq!(
            except(None, Side::Any).decide_patch(None, &flow(0)),
            excepted
        );
        assert_eq!(
            except(Some("p"), Side::Server).decide_patch(Some(&p), &flow(0)),
            Decision::Enforce
        );
        assert_eq!(
            except(Some("q"), Side::Client).decide_patch(Some(&p), &flow(0)),
            Decision::Enforce
        );
        assert_eq!(
            except(Some("p"), Side::Client).decide_patch(None, &flow(0)),
            Decision::Enforce
        );
    }

    #[test]
    fn a_reset_response_turns_a_drop_into_a_reset_of_both_ends() {
        let p = patch(Mode::Prevent);
        assert_eq!(p.action(Action::Drop), Action::Reject(RejectTarget::Both));
        assert_eq!(p.action(Action::Alert), Action::Alert);
    }
}
