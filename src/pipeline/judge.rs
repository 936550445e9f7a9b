//! From hits to one ruling: action order, modes, thresholds.

use super::event::{AlertEvent, Ends, Event, EventSink, FlowSoFar, Shown};
use super::gate::Gate;
use crate::app_layer::{AppLayer, FIRST_UNIT, Frame, TxRef, Unit};
use crate::counters::{Counter, Counters};
use crate::detect::{
    Captured, CompiledSignature, Decision, Denial, Evidence, FlowContext, Hit, Hits, Leniency,
    Parties, Ruleset, ThresholdTable, Thresholded,
};
use crate::direction::Direction;
use crate::reuse::List;
use crate::signature::ast::Tag;
use crate::signature::{SuppressedEnd, Suppression};
use crate::verdict::{Action, RejectTarget, Scope};

/// What the matching signatures, taken together, ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Continue,
    Pass(Scope),
    /// A rule that says `bypass` matched: the rest of the flow is not looked at.
    Bypass,
    /// By a firewall.
    Deny(Denial),
    Refuse {
        scope: Scope,
        reject: Option<RejectTarget>,
        /// The hit that decided, for the record.
        hit: Hit,
    },
}

/// A ruling, and what else the matching signatures ask for.
pub(super) struct Judged {
    pub ruling: Ruling,
    pub tags: Vec<(Tag, Parties)>,
}

/// The packet that completed the matches.
pub(super) struct Case<'a> {
    pub ctx: FlowContext,
    /// `None`: the packet belongs to no flow.
    pub flow_id: Option<u64>,
    /// In the direction of the packet. `None`: its IP header cannot be read.
    pub ends: Option<Ends>,
    pub direction: Direction,
    pub app: &'a AppLayer,
    /// Where no content matched (an event, a size): the payload that completed the match.
    pub payload: Option<Evidence>,
    /// Of the packet.
    pub shown: Shown<'a>,
    /// What is kept of the streams, by direction, for matches on them.
    pub streams: Option<&'a [Vec<u8>; 2]>,
}

impl<'a> Case<'a> {
    fn ends(&self, hit: &Hit) -> Option<Ends> {
        let ends = self.ends?;
        if hit.direction == self.direction {
            return Some(ends);
        }
        Some(Ends {
            src: ends.dst,
            dst: ends.src,
            ..ends
        })
    }

    fn parties(&self, hit: &Hit) -> Parties {
        let ends = self.ctx.endpoints(hit.direction);
        Parties {
            src: ends.src.0,
            dst: ends.dst.0,
            flow_id: self.ctx.flow_id,
        }
    }

    fn shown(&self, hit: &Hit) -> Shown<'a> {
        match self.streams {
            Some(streams) if hit.scope == Scope::Flow && self.ctx.stream => Shown {
                payload: Some(&streams[hit.direction.index()]),
                of_stream: true,
                ..self.shown
            },
            _ => self.shown,
        }
    }
}

/// Emits an alert for each match that is to be seen, and says what must be done.
pub(super) fn rule(
    ruleset: &Ruleset,
    hits: &Hits,
    thresholds: &mut ThresholdTable,
    counters: &Counters,
    case: &Case<'_>,
    sink: &mut dyn EventSink,
) -> Judged {
    let mut tags = Vec::new();
    let rates = &ruleset.policy.rates;
    let mut ordered: List<usize> = (0..hits.as_slice().len()).collect();
    ordered.sort_unstable_by_key(|&at| {
        let signature = hits.as_slice().get(at).and_then(|h| ruleset.signature(h));
        let rank = signature.map(|s| {
            let rank = ruleset.policy.action_order.rank(s.action());
            (rank, s.signature.priority)
        });
        (rank, at)
    });
    let mut ruling = Ruling::Continue;
    // Most packets with a match tell of none: it sets a flowbit, or was told of before.
    let mut told = Vec::new();
    for &at in &ordered {
        let found = hits.as_slice().get(at);
        let Some((hit, signature)) = found.and_then(|hit| Some((hit, ruleset.signature(hit)?)))
        else {
            continue;
        };
        let parties = case.parties(hit);
        let (id, now) = (signature.id(), case.ctx.now);
        let filtered = thresholds.filtered(id, rates, &parties, now);
        let asked = filtered.unwrap_or_else(|| signature.action());
        let (done, held_back) = match ruleset.policy.decide(signature, &case.ctx) {
            Decision::Off => continue,
            Decision::DetectOnly(why) if asked.blocks() => (Action::Alert, Some(why)),
            // Its packets went their way long ago.
            _ if asked.blocks() && case.shown.at_flow_end => {
                (Action::Alert, Some(Leniency::FlowOver))
            }
            Decision::Enforce | Decision::DetectOnly(_) => (asked, None),
        };
        let shown = match thresholds.check(signature, rates, &parties, now) {
            Thresholded::NoMatch => continue,
            Thresholded::Silent => false,
            Thresholded::Alert => !rates.suppressions(id).any(|s| is_suppressed(s, &parties)),
        };
        tags.extend(signature.signature.tags.iter().map(|&tag| (tag, parties)));
        // A flow is blocked once, and by one patch: what else of the packs matches with it
        // is not another record.
        let blocked_already = matches!(ruling, Ruling::Refuse { .. });
        let shown = shown && !(blocked_already && done.blocks() && signature.patch.is_some());
        if !shown {
            counters.add(Counter::AlertsSuppressed, 1);
        }
        if shown && signature.signature.makes_record() {
            told.push(Told {
                hit,
                signature,
                asked,
                done,
                held_back,
                captured: hits.captured(hit),
            });
        }
        match done {
            Action::Pass => {
                if matches!(ruling, Ruling::Continue | Ruling::Bypass) {
                    ruling = Ruling::Pass(hit.scope);
                }
                break;
            }
            Action::Drop => ruling = widest(ruling, hit, None),
            Action::Reject(target) => ruling = widest(ruling, hit, Some(target)),
            Action::Alert if signature.signature.bypass && ruling == Ruling::Continue => {
                ruling = Ruling::Bypass;
            }
            Action::Alert | Action::Accept => {}
        }
    }
    let outcome = match ruling {
        Ruling::Continue | Ruling::Bypass => Action::Alert,
        Ruling::Pass(_) => Action::Pass,
        Ruling::Refuse {
            reject: Some(target),
            ..
        } => Action::Reject(target),
        Ruling::Refuse { reject: None, .. } | Ruling::Deny(_) => Action::Drop,
    };
    for one in &told {
        one.tell(ruleset, counters, outcome, case, sink);
    }
    Judged { ruling, tags }
}

/// The records of a firewall's rules that ask for one.
pub(super) fn tell_gate(
    ruleset: &Ruleset,
    gate: &Gate,
    thresholds: &mut ThresholdTable,
    counters: &Counters,
    case: &Case<'_>,
    sink: &mut dyn EventSink,
) {
    let outcome = match gate.denial {
        None => Action::Accept,
        Some(Denial {
            reject: Some(target),
            ..
        }) => Action::Reject(target),
        Some(_) => Action::Drop,
    };
    for hit in &gate.hits {
        let Some(signature) = ruleset.signature(hit) else {
            continue;
        };
        let rates = &ruleset.policy.rates;
        let counted = thresholds.check(signature, rates, &case.parties(hit), case.ctx.now);
        if counted != Thresholded::Alert {
            counters.add(Counter::AlertsSuppressed, 1);
            continue;
        }
        let asked = signature.action();
        let (done, held_back) = match ruleset.policy.decide(signature, &case.ctx) {
            Decision::DetectOnly(why) if asked.blocks() => (Action::Alert, Some(why)),
            _ => (asked, None),
        };
        let one = Told {
            hit,
            signature,
            asked,
            done,
            held_back,
            captured: &[],
        };
        one.tell(ruleset, counters, outcome, case, sink);
    }
}

/// A match that makes a record, once it is known what is done to the packet.
struct Told<'a> {
    hit: &'a Hit,
    signature: &'a CompiledSignature,
    asked: Action,
    done: Action,
    held_back: Option<Leniency>,
    captured: &'a [Captured],
}

impl Told<'_> {
    fn tell(
        &self,
        ruleset: &Ruleset,
        counters: &Counters,
        outcome: Action,
        case: &Case<'_>,
        sink: &mut dyn EventSink,
    ) {
        let (hit, signature) = (self.hit, self.signature);
        counters.add(Counter::Alerts, 1);
        sink.event(Event::Alert(AlertEvent {
            at: case.ctx.now,
            flow_id: case.flow_id,
            ends: case.ends(hit),
            flow: case.flow_id.map(|_| FlowSoFar {
                client: case.ctx.client,
                server: case.ctx.server,
                counts: case.ctx.counts,
            }),
            direction: hit.direction,
            app: case.ctx.app,
            signature,
            asked: self.asked,
            done: self.done,
            outcome: if self.held_back.is_some() {
                self.done
            } else {
                outcome
            },
            mode: signature
                .patch
                .as_ref()
                .map(|_| ruleset.policy.effective_mode(signature)),
            held_back: self.held_back,
            tx: hit.tx.and_then(|id| transaction(case.app, id)),
            frame: hit
                .tx
                .and_then(|id| frame(case.app, id, hit.evidence.as_ref())),
            evidence: hit.evidence.as_ref().or(case.payload.as_ref()),
            shown: case.shown(hit),
            captured: self.captured,
        }));
    }
}

fn is_suppressed(suppression: &Suppression, parties: &Parties) -> bool {
    let Some((end, addresses)) = &suppression.whose else {
        return true;
    };
    let (src, dst) = (
        addresses.contains(parties.src),
        addresses.contains(parties.dst),
    );
    match end {
        SuppressedEnd::Source => src,
        SuppressedEnd::Destination => dst,
        SuppressedEnd::Either => src || dst,
    }
}

/// A flow is refused rather than a packet, and answered rather than not.
fn widest(ruling: Ruling, hit: &Hit, reject: Option<RejectTarget>) -> Ruling {
    match ruling {
        Ruling::Refuse {
            scope,
            reject: before,
            hit: first,
        } => Ruling::Refuse {
            scope: if hit.scope == Scope::Flow {
                Scope::Flow
            } else {
                scope
            },
            reject: before.or(reject),
            hit: first,
        },
        _ => Ruling::Refuse {
            scope: hit.scope,
            reject,
            hit: *hit,
        },
    }
}

/// The transaction that a rule matched on; for a unit of frames the one that it came with.
fn transaction(app: &AppLayer, id: u64) -> Option<TxRef<'_>> {
    if id >= FIRST_UNIT {
        return app.transactions().last();
    }
    app.transactions().find(|tx| tx.id() == id)
}

/// The frame that a rule matched on; the unit's first where no content tells which.
fn frame<'a>(
    app: &'a AppLayer,
    id: u64,
    evidence: Option<&Evidence>,
) -> Option<(&'a Unit, &'a Frame)> {
    let unit = app.units().find(|unit| unit.id() == id)?;
    let frame = match evidence {
        Some(evidence) => unit.matching(evidence.buffer, evidence.offset, evidence.bytes()),
        None => unit.first(),
    };
    Some((unit, frame?))
}
