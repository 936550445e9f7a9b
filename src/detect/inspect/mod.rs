//! Rulesets held against traffic.

mod firewall;
mod odd;
mod packet;
mod stream;
mod transaction;

pub use firewall::{Denial, Ruled};
pub use odd::OddPacket;

use super::compile::{Layer, Rule};
use super::context::{Endpoints, FlowContext};
use super::flow_state::FlowDetect;
use super::hit::{Evidence, Hit, Hits};
use super::keywords::{address_bytes, evaluate};
use super::ruleset::Ruleset;
use super::scratch::Scratch;
use crate::app_layer::Protocol;
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::verdict::{Mode, Scope};

/// One layer held against one thing.
struct Round<'a> {
    ruleset: &'a Ruleset,
    number: u16,
    layer: &'a Layer,
    direction: Direction,
    ends: Endpoints,
}

impl Round<'_> {
    /// A rule matched: its flowbits act, and it is reported, unless its patch is off.
    fn fire(
        &self,
        rule: u32,
        tx: Option<u64>,
        scope: Scope,
        evidence: Option<Evidence>,
        flow: Option<&mut FlowDetect>,
        hits: &mut Hits,
    ) {
        let index = rule as usize;
        let (Some(compiled), Some(signature)) = (
            self.layer.rules.get(index),
            self.layer.signatures().get(index),
        ) else {
            return;
        };
        if self.ruleset.policy.effective_mode(signature) == Mode::Off {
            return;
        }
        if let Some(flow) = flow {
            self.act(compiled, flow);
        }
        // What says `noalert` makes no record, but what it does to traffic it still does.
        if compiled.noalert && signature.signature.action == crate::verdict::Action::Alert {
            return;
        }
        hits.push(Hit {
            layer: self.number,
            signature: rule,
            direction: self.direction,
            tx,
            scope,
            evidence,
        });
    }

    /// What a rule that matched does to the flow's state.
    fn act(&self, rule: &Rule, flow: &mut FlowDetect) {
        if rule.bits.acts() && rule.bits.act(&mut flow.bits) {
            flow.generation = flow.generation.wrapping_add(1);
        }
    }

    /// Holds `ip.src` and `ip.dst` against the ends, where no packet is in hand.
    fn addresses_match(&self, scratch: &mut Scratch, rule: &Rule) -> bool {
        rule.headers.iter().all(|(buffer, program)| {
            let address = match buffer {
                Buffer::IpSource => self.ends.src.0,
                Buffer::IpDestination => self.ends.dst.0,
                _ => return true,
            };
            let (bytes, length) = address_bytes(address);
            let (variables, limits) = (&mut scratch.variables, &mut scratch.limits);
            evaluate(program, &bytes[..length], 0, variables, limits).is_some()
        })
    }

    /// Rules about nothing but the protocol, once for each direction of a flow.
    fn protocol_only(&self, ctx: &FlowContext, flow: &mut FlowDetect, hits: &mut Hits) {
        for &number in &self.layer.protocol_only {
            let Some(rule) = self.layer.rules.get(number as usize) else {
                continue;
            };
            let matches = rule.app.matches(ctx.app)
                && rule
                    .header
                    .is_for_transaction(ctx.protocol, self.ends.src.0.is_ipv6())
                && rule.flow.matches(ctx, self.direction)
                && rule.header.endpoints_match(&self.layer.sets, &self.ends);
            if matches {
                self.fire(number, None, Scope::Flow, None, Some(flow), hits);
            }
        }
    }
}

impl Ruleset {
    fn rounds(&self, ends: Endpoints, direction: Direction) -> impl Iterator<Item = Round<'_>> {
        self.layers
            .iter()
            .enumerate()
            .map(move |(number, layer)| Round {
                ruleset: self,
                number: u16::try_from(number).unwrap_or(u16::MAX),
                layer,
                direction,
                ends,
            })
    }

    /// Asks the rules that wait for nothing but the flow's protocol to be known.
    fn announce_protocol(
        &self,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        direction: Direction,
        hits: &mut Hits,
    ) {
        if ctx.app == Protocol::Undetermined || flow.protocol_done[direction.index()] {
            return;
        }
        flow.protocol_done[direction.index()] = true;
        for round in self.rounds(ctx.endpoints(direction), direction) {
            round.protocol_only(ctx, flow, hits);
        }
    }
}
