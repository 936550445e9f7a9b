//! Whether any rule could still say something about a flow.
//!
//! A flow may be left to the kernel where the answer is none, and no sooner. What rules ask beyond
//! ports, addresses, protocol and direction (flowbits, thresholds, contents) is taken as fulfilled:
//! that errs on the side of looking on.

use super::compile::{Claim, Claimant, Layer, Rule};
use super::context::FlowContext;
use super::flow_state::FlowDetect;
use super::ruleset::Ruleset;
use crate::app_layer::Protocol;
use crate::decode::protocol;
use crate::direction::Direction;
use crate::signature::ast::Proto;

/// How much can be read of what a TCP flow still brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legible {
    /// It is of no protocol that is read, and will not become one.
    Bytes,
    /// It is encrypted both ways: transactions get no more bytes, and still may have events.
    Records,
    /// All of it, and another protocol may follow.
    Everything,
}

impl Ruleset {
    /// What rules still want of a TCP flow; `None`: no rule in force can match on it any more,
    /// whatever comes.
    pub fn claim(&self, ctx: &FlowContext, flow: &FlowDetect, legible: Legible) -> Option<Claim> {
        if self.has_firewall() {
            return Some(Claim::Firewall);
        }
        let asked = flow.asked_about_ends(self.epoch);
        let claims = |layer: &Layer, one: &Claimant| {
            let outstanding: [bool; 2] = match one.claim {
                Claim::Addresses => asked.map(|asked| !asked),
                Claim::Transactions => [legible == Legible::Everything; 2],
                Claim::Events => [legible != Legible::Bytes; 2],
                Claim::Packets | Claim::Firewall => [true; 2],
            };
            let rule = layer.rules.get(one.rule as usize);
            rule.is_none_or(|rule| {
                Direction::BOTH.into_iter().any(|direction| {
                    outstanding[direction.index()]
                        && is_about(rule, ctx, legible)
                        && rule.flow.direction.is_none_or(|d| d == direction)
                        && rule
                            .header
                            .endpoints_match(&layer.sets, &ctx.endpoints(direction))
                })
            })
        };
        self.layers.iter().find_map(|layer| {
            let found = layer.claimants.iter().find(|one| claims(layer, one));
            found.map(|one| one.claim)
        })
    }
}

/// Whether a rule is for flows of this protocol, ends apart.
fn is_about(rule: &Rule, ctx: &FlowContext, legible: Legible) -> bool {
    let carried = match rule.header.protocol {
        Proto::Udp | Proto::Icmp | Proto::Icmp4 | Proto::Icmp6 => false,
        Proto::App(app) => app.carrier().has_streams(),
        _ => ctx.protocol == protocol::TCP,
    };
    let spoken = legible == Legible::Everything
        || ctx.app == Protocol::Undetermined
        || rule.app.matches(ctx.app, ctx.original_app);
    carried
        && spoken
        && rule.flow.established != Some(!ctx.established)
        && rule.header.ip_version_matches(ctx.client.0.is_ipv6())
}
