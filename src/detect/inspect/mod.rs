//! Rulesets held against traffic.

mod firewall;
mod odd;
mod packet;
mod stream;
mod transaction;

pub use firewall::{Denial, Ruled};
pub use odd::OddPacket;

use std::sync::Arc;

use super::compile::{Layer, Occasion, Rule};
use super::context::{Endpoints, FlowContext};
use super::flow_state::{FlowDetect, RuleRef};
use super::hit::{Evidence, Hit, Hits};
use super::keywords::{address_bytes, evaluate};
use super::ruleset::Ruleset;
use super::scratch::Scratch;
use super::variables::CapturedValue;
use crate::app_layer::Protocol;
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::signature::ast::CaptureScope;
use crate::time::Timestamp;
use crate::verdict::{Mode, Scope};

/// One layer held against one thing.
struct Round<'a> {
    ruleset: &'a Ruleset,
    number: u16,
    layer: &'a Layer,
    direction: Direction,
    ends: Endpoints,
    now: Timestamp,
}

impl Round<'_> {
    const fn reference(&self, rule: u32) -> RuleRef {
        RuleRef {
            layer: self.number,
            rule,
        }
    }

    /// Whether what is kept between packets fulfils the rule.
    fn kept_matches(
        &self,
        rule: &Rule,
        flow: Option<&FlowDetect>,
        tx: Option<u64>,
        hits: &Hits,
    ) -> bool {
        let bits = match flow {
            Some(flow) => rule.bits.matches(&flow.bits),
            None => !rule.bits.asks(),
        };
        bits && (!rule.kept.asks() || rule.kept.matches(flow, &self.occasion(tx, hits)))
    }

    fn occasion<'a>(&'a self, tx: Option<u64>, hits: &'a Hits) -> Occasion<'a> {
        Occasion {
            kept: &self.ruleset.kept,
            ends: &self.ends,
            now: self.now,
            tx,
            packet_texts: &hits.texts,
        }
    }

    /// A rule matched: what it keeps is kept, and it is reported, unless its patch is off.
    #[expect(clippy::too_many_arguments, reason = "what one match brings along")]
    fn fire(
        &self,
        scratch: &mut Scratch,
        rule: u32,
        tx: Option<u64>,
        scope: Scope,
        evidence: Option<Evidence>,
        flow: Option<&mut FlowDetect>,
        hits: &mut Hits,
    ) {
        let index = rule as usize;
        if let Some(profile) = &mut scratch.profile {
            profile.matched(self.reference(rule));
        }
        let (Some(compiled), Some(signature)) = (
            self.layer.rules.get(index),
            self.layer.signatures().get(index),
        ) else {
            return;
        };
        if self.ruleset.policy.effective_mode(signature) == Mode::Off {
            return;
        }
        self.act(scratch, compiled, tx, flow, hits);
        let captured = hits.keep(&scratch.variables.captured);
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
            captured,
        });
    }

    /// What a rule that matched does to what is kept.
    fn act(
        &self,
        scratch: &mut Scratch,
        rule: &Rule,
        tx: Option<u64>,
        mut flow: Option<&mut FlowDetect>,
        hits: &Hits,
    ) {
        let mut changed = match flow.as_deref_mut() {
            Some(flow) if rule.bits.acts() => rule.bits.act(&mut flow.bits),
            _ => false,
        };
        if rule.kept.acts() {
            let occasion = self.occasion(tx, hits);
            let acted = rule.kept.act(flow.as_deref_mut(), &occasion);
            changed |= acted.changed;
            scratch.variables.full |= acted.full;
        }
        for one in &scratch.variables.captured {
            if let (CaptureScope::Flow, CapturedValue::Text(text)) = (one.scope, &one.value)
                && let Some(flow) = flow.as_deref_mut()
            {
                changed = true;
                scratch.variables.full |= !flow.variables.put_text(one.id, Arc::clone(text));
            }
        }
        if changed && let Some(flow) = flow {
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
    fn protocol_only(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        hits: &mut Hits,
    ) {
        for &number in &self.layer.protocol_only {
            let Some(rule) = self.layer.rules.get(number as usize) else {
                continue;
            };
            let matches = rule.app.matches(ctx.app, ctx.original_app)
                && rule
                    .header
                    .is_for_transaction(ctx.protocol, self.ends.src.0.is_ipv6())
                && rule.flow.matches(ctx, self.direction)
                && rule.header.endpoints_match(&self.layer.sets, &self.ends);
            if matches {
                scratch.variables.begin();
                self.fire(scratch, number, None, Scope::Flow, None, Some(flow), hits);
            }
        }
    }
}

impl Ruleset {
    fn rounds(
        &self,
        ends: Endpoints,
        direction: Direction,
        now: Timestamp,
    ) -> impl Iterator<Item = Round<'_>> {
        self.layers
            .iter()
            .enumerate()
            .map(move |(number, layer)| Round {
                ruleset: self,
                number: u16::try_from(number).unwrap_or(u16::MAX),
                layer,
                direction,
                ends,
                now,
            })
    }

    /// Asks the rules that wait for nothing but the flow's protocol to be known.
    fn announce_protocol(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        direction: Direction,
        hits: &mut Hits,
    ) {
        if ctx.app == Protocol::Undetermined || flow.protocol_done[direction.index()] {
            return;
        }
        flow.protocol_done[direction.index()] = true;
        for round in self.rounds(ctx.endpoints(direction), direction, ctx.now) {
            round.protocol_only(scratch, ctx, flow, hits);
        }
    }
}
