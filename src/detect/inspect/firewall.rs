//! A firewall's tables held against traffic: the first rule that matches decides.

use super::Round;
use crate::app_layer::{TxRef, hooks};
use crate::decode::Packet;
use crate::detect::compile::{HookRule, PacketTable, Rule};
use crate::detect::context::{Endpoints, FlowContext};
use crate::detect::flow_state::{FlowDetect, RuleRef, TxCandidate};
use crate::detect::hit::{Evidence, Hit, Hits};
use crate::detect::policy::Decision;
use crate::detect::ruleset::Ruleset;
use crate::detect::scratch::Scratch;
use crate::direction::Direction;
use crate::signature::ast::ActionScope;
use crate::verdict::{Action, RejectTarget, Scope};

/// What a table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruled {
    Accept {
        scope: ActionScope,
        /// Other rules are not held against so much.
        pass: Option<Scope>,
    },
    Deny(Denial),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    pub scope: Scope,
    pub reject: Option<RejectTarget>,
    /// The rule that said so; `None`: none accepted.
    pub by: Option<Hit>,
}

const ACCEPT: Ruled = Ruled::Accept {
    scope: ActionScope::Hook,
    pass: None,
};

impl Ruleset {
    /// Whether there is a firewall at all. Where there is one, what it does not accept is denied.
    pub fn has_firewall(&self) -> bool {
        self.layers.iter().any(|layer| layer.firewall.is_some())
    }

    /// Asks a table about a packet. `first`: of its direction of the flow.
    #[expect(clippy::too_many_arguments, reason = "what one packet brings along")]
    pub fn firewall_on_packet(
        &self,
        table: PacketTable,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        mut flow: Option<&mut FlowDetect>,
        direction: Direction,
        first: bool,
        packet: &Packet<'_>,
        hits: &mut Hits,
    ) -> Ruled {
        scratch.enter(self);
        if let Some(flow) = flow.as_deref_mut() {
            flow.sync(self.epoch, scratch);
        }
        for round in self.rounds(Endpoints::of(packet), direction, ctx.now) {
            let Some(firewall) = &round.layer.firewall else {
                continue;
            };
            for &number in firewall.packet(table) {
                let trial = scratch.begin_trial();
                let matched =
                    round.packet_match(scratch, number, ctx, flow.as_deref(), first, packet, hits);
                scratch.end_trial(trial, round.reference(number), round.now);
                if let Some(found) = matched
                    && let Some(ruled) = round.decided(
                        scratch,
                        number,
                        None,
                        found.evidence,
                        ctx,
                        flow.as_deref_mut(),
                        hits,
                    )
                {
                    return ruled;
                }
            }
        }
        if table == PacketTable::Filter {
            self.by_default(Scope::Packet, ctx)
        } else {
            ACCEPT
        }
    }

    /// Asks about the states that a transaction has come to in one direction, each once, and the
    /// one that it is at each time.
    pub fn firewall_on_transaction(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        direction: Direction,
        tx: TxRef<'_>,
        hits: &mut Hits,
    ) -> Ruled {
        scratch.enter(self);
        flow.sync(self.epoch, scratch);
        let Some(at) = flow.transaction(tx.id(), scratch) else {
            return ACCEPT;
        };
        let states = hooks(tx.protocol(), direction);
        let progress = tx.progress(direction);
        let reached = states.partition_point(|state| state.progress <= progress);
        let passed = usize::from(flow.txs[at].sides[direction.index()].states_passed);
        if flow.txs[at].accepted || passed == states.len() {
            return ACCEPT;
        }
        scratch.transformed.next_round();
        let from = if passed == reached {
            reached.saturating_sub(1)
        } else {
            passed
        };
        for (place, state) in states.iter().enumerate().take(reached).skip(from) {
            let ruled = if !tx.came_to(direction, state) {
                ACCEPT
            } else {
                self.at_state(scratch, ctx, flow, at, direction, tx, place, hits)
            };
            let Ruled::Accept { scope, .. } = ruled else {
                return ruled;
            };
            match scope {
                ActionScope::Hook => {
                    let side = &mut flow.txs[at].sides[direction.index()];
                    side.states_passed = place as u8 + 1;
                }
                ActionScope::Tx => {
                    flow.txs[at].accepted = true;
                    return ruled;
                }
                ActionScope::Packet | ActionScope::Flow => return ruled,
            }
        }
        ACCEPT
    }

    /// Asks the rules of one state. While it lasts, each packet brings something that rules have not
    /// seen: one that let the state through for what is in the transaction neither says so again nor
    /// keeps the others from being asked, and decides where no other does.
    #[expect(
        clippy::too_many_arguments,
        reason = "what one transaction brings along"
    )]
    fn at_state(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        at: usize,
        direction: Direction,
        tx: TxRef<'_>,
        place: usize,
        hits: &mut Hits,
    ) -> Ruled {
        let mut again = false;
        for round in self.rounds(ctx.endpoints(direction), direction, ctx.now) {
            let Some(firewall) = &round.layer.firewall else {
                continue;
            };
            for &rule in firewall.at(tx.protocol(), direction, place) {
                let this = RuleRef {
                    layer: round.number,
                    rule: rule.rule,
                };
                let let_through = &flow.txs[at].sides[direction.index()].let_through_by;
                let before = let_through.contains(&this);
                if before && again {
                    continue;
                }
                let trial = scratch.begin_trial();
                let matched = round.state_match(scratch, rule, ctx, flow, &tx, hits);
                scratch.end_trial(trial, this, round.now);
                let Some(evidence) = matched else {
                    continue;
                };
                if rule.on_the_way {
                    return ACCEPT;
                }
                if before {
                    again = true;
                    continue;
                }
                let id = Some(tx.id());
                let ruled = round.decided(
                    scratch,
                    rule.rule,
                    id,
                    evidence,
                    ctx,
                    Some(&mut *flow),
                    hits,
                );
                if let Some(ruled) = ruled {
                    let compiled = round.layer.rules.get(rule.rule as usize);
                    if compiled.is_some_and(Rule::asks_transaction) {
                        let side = &mut flow.txs[at].sides[direction.index()];
                        side.let_through_by.push(this);
                    }
                    return ruled;
                }
            }
        }
        if again {
            return ACCEPT;
        }
        self.by_default(Scope::Flow, ctx)
    }

    fn by_default(&self, scope: Scope, ctx: &FlowContext) -> Ruled {
        match self.policy.decide_default(ctx) {
            Decision::Enforce => Ruled::Deny(Denial {
                scope,
                reject: None,
                by: None,
            }),
            Decision::Off | Decision::DetectOnly(_) => ACCEPT,
        }
    }
}

impl Round<'_> {
    /// Whether a rule matches at a state of a transaction, and on what.
    fn state_match(
        &self,
        scratch: &mut Scratch,
        rule: HookRule,
        ctx: &FlowContext,
        flow: &FlowDetect,
        tx: &TxRef<'_>,
        hits: &Hits,
    ) -> Option<Option<Evidence>> {
        let compiled = self.layer.rules.get(rule.rule as usize)?;
        let header = &compiled.header;
        let possible = header.is_for_transaction(ctx.protocol, self.ends.src.0.is_ipv6())
            && header.endpoints_match(&self.layer.sets, &self.ends);
        if !possible || (!rule.on_the_way && !self.is_ready(compiled, ctx, flow, tx, hits)) {
            return None;
        }
        if rule.on_the_way {
            return Some(None);
        }
        if !self.addresses_match(scratch, compiled) {
            return None;
        }
        let mut candidate = TxCandidate::new(self.number, rule.rule);
        self.match_buffers(scratch, compiled, &mut candidate, tx)
    }

    /// A rule matched: what it decides. `None`: it is as if it were not there.
    #[expect(clippy::too_many_arguments, reason = "what one match brings along")]
    fn decided(
        &self,
        scratch: &mut Scratch,
        number: u32,
        tx: Option<u64>,
        evidence: Option<Evidence>,
        ctx: &FlowContext,
        flow: Option<&mut FlowDetect>,
        hits: &mut Hits,
    ) -> Option<Ruled> {
        let compiled = self.layer.rules.get(number as usize)?;
        let signature = self.layer.signatures().get(number as usize)?;
        let asked = signature.signature.firewall?;
        let decision = self.ruleset.policy.decide(signature, ctx);
        if decision == Decision::Off {
            return None;
        }
        self.act(scratch, compiled, tx, flow, hits);
        let scope = match asked.scope {
            ActionScope::Flow => Scope::Flow,
            _ => Scope::Packet,
        };
        let hit = Hit {
            layer: self.number,
            signature: number,
            direction: self.direction,
            tx,
            scope,
            evidence,
            captured: (0, 0),
        };
        if signature.signature.alert && !signature.signature.noalert {
            hits.push(hit);
        }
        let deny = |reject| {
            Ruled::Deny(Denial {
                scope,
                reject,
                by: Some(hit),
            })
        };
        Some(match signature.action() {
            Action::Drop if decision == Decision::Enforce => deny(None),
            Action::Reject(target) if decision == Decision::Enforce => deny(Some(target)),
            Action::Accept => Ruled::Accept {
                scope: asked.scope,
                pass: asked.pass,
            },
            _ => ACCEPT,
        })
    }
}
