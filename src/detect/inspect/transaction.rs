//! Application-layer transactions.

use super::Round;
use crate::app_layer::{TxRef, Unit};
use crate::buffer::Buffer;
use crate::detect::buffers::{Transaction, grows};
use crate::detect::compile::{BufferGroup, Rule, Slot, TransactionRules};
use crate::detect::context::FlowContext;
use crate::detect::flow_state::{CandidateState, FlowDetect, Scanned, TxCandidate, TxSide};
use crate::detect::hit::{Evidence, Hits};
use crate::detect::keywords::evaluate;
use crate::detect::ruleset::Ruleset;
use crate::detect::scratch::Scratch;
use crate::direction::Direction;
use crate::number::Place;
use crate::reuse::List;
use crate::signature::ast::Absent;
use crate::verdict::Scope;

impl Ruleset {
    /// Holds rules against one direction of a transaction. Costs a comparison where nothing has
    /// changed since the last call. A rule fires once for each direction of a transaction.
    ///
    /// Transactions of a flow are shown oldest first; one that was complete in both directions
    /// may be shown again, and costs nothing.
    pub fn on_transaction(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        direction: Direction,
        tx: TxRef<'_>,
        hits: &mut Hits,
    ) {
        self.inspect_transaction(scratch, ctx, flow, direction, &tx, hits);
    }

    /// The same for one direction of a unit of frames.
    pub fn on_unit(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        unit: &Unit,
        hits: &mut Hits,
    ) {
        self.inspect_transaction(scratch, ctx, flow, unit.direction(), &unit, hits);
    }

    pub(crate) fn inspect_transaction<T: Transaction>(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        direction: Direction,
        tx: &T,
        hits: &mut Hits,
    ) {
        scratch.enter(self);
        flow.sync(self.epoch, scratch);
        self.announce_protocol(scratch, ctx, flow, direction, hits);
        let over = Direction::BOTH.into_iter().all(|d| tx.is_complete(d));
        // Of most protocols no rule asks anything.
        if !self.asks_of(tx, direction) {
            // The other direction may have been asked about.
            if over {
                flow.end_transaction(tx.id());
            }
            return;
        }
        let Some(at) = flow.transaction(tx.id(), scratch) else {
            return;
        };
        let state = &mut flow.txs[at];
        state.over = over;
        let side = &mut state.sides[direction.index()];
        let seen = Some((tx.revision(direction), flow.generation));
        if side.done || side.seen == seen {
            return;
        }
        // Taken out, so that flowbits can change while its rules are tried.
        let mut side = std::mem::take(side);
        side.growth.begin();
        let amendable = tx.amendable_bytes(direction);
        if amendable != side.amendable {
            side.look_again();
            side.amendable = amendable;
        }
        let mut scanned_from = 0;
        for round in self.rounds(ctx.endpoints(direction), direction, ctx.now) {
            let layer = round.layer;
            let Some(rules) = layer.transactions(tx.protocol(), tx.is_unit(), direction) else {
                continue;
            };
            if rules.is_empty() {
                continue;
            }
            // Slots are numbered by each layer anew.
            scratch.transformed.next_round();
            round.find_transaction_rules(scratch, rules, &mut side, tx, scanned_from);
            scanned_from += rules.screens.len();
            round.add_candidates(scratch, ctx, &mut side);
            round.try_candidates(scratch, ctx, flow, &mut side, tx, hits);
        }
        side.events_seen = tx.events().len();
        side.seen = Some((tx.revision(direction), flow.generation));
        side.done = tx.is_complete(direction);
        if side.done && !tx.is_unit() {
            self.forget_payload_matches(flow, direction);
        }
        flow.txs[at].sides[direction.index()] = side;
    }

    /// Whether a rule may ask something of such transactions.
    fn asks_of<T: Transaction>(&self, tx: &T, direction: Direction) -> bool {
        let mut rules = self
            .layers
            .iter()
            .filter_map(|l| l.transactions(tx.protocol(), tx.is_unit(), direction));
        rules.any(|rules| !rules.is_empty())
    }

    /// A payload match counts for the transaction that it came with, and not for later ones.
    fn forget_payload_matches(&self, flow: &mut FlowDetect, direction: Direction) {
        flow.payload_matched.retain(|r| {
            let layer = self.layers.get(usize::from(r.layer));
            let rule = layer.and_then(|l| l.rules.get(r.rule as usize));
            rule.is_some_and(|rule| !rule.directions[direction.index()])
        });
    }
}

/// What became of one buffer of a rule.
enum Outcome {
    Match(Option<Evidence>),
    NotYet,
    /// Unless what was whole is added to.
    Never,
    Over,
}

impl Round<'_> {
    fn find_transaction_rules<T: Transaction>(
        &self,
        scratch: &mut Scratch,
        rules: &TransactionRules,
        side: &mut TxSide,
        tx: &T,
        scanned_from: usize,
    ) {
        scratch.found.clear();
        if side.seen.is_none() {
            scratch.found.extend_from_slice(&rules.always);
        }
        for event in tx.events().get(side.events_seen..).unwrap_or_default() {
            let first = rules.events.partition_point(|(e, _)| e < event);
            let same = rules.events[first..].iter().take_while(|(e, _)| e == event);
            scratch.found.extend(same.map(|(_, rule)| *rule));
        }
        let needed = scanned_from + rules.screens.len();
        if side.scanned.len() < needed {
            side.scanned.resize(needed, 0);
        }
        let scanned = side.scanned[scanned_from..].iter_mut();
        for (place, ((id, screen), scanned)) in
            (scanned_from..).zip(rules.screens.iter().zip(scanned))
        {
            let Some(slot) = self.layer.slots.get(*id as usize) else {
                continue;
            };
            let found = &mut scratch.found;
            if slot.buffer.has_instances() {
                let known = *scanned as usize;
                for instance in known..tx.instances(slot.buffer, slot.direction) {
                    if let Some(view) = tx.view(slot.buffer, slot.direction, instance) {
                        let bytes =
                            shape(&mut scratch.transformed, *id, slot, instance, view.bytes);
                        screen.scan(bytes, 0, &mut scratch.prefilter, found);
                    }
                    *scanned = instance as u32 + 1;
                }
                continue;
            }
            let growing = grows(slot.buffer);
            let plain = slot.shaper.is_empty();
            for instance in 0..tx.instances(slot.buffer, slot.direction) {
                let Some(view) = tx.view(slot.buffer, slot.direction, instance) else {
                    continue;
                };
                let scanned = match instance {
                    0 => &mut *scanned,
                    _ => scanned_of(&mut side.scanned_further, place, instance),
                };
                // One more than the length, so that an empty buffer counts as scanned.
                let known = (*scanned as usize).saturating_sub(1);
                let length = view.bytes.len();
                if (*scanned > 0 && known == length)
                    || (growing && !plain && !side.growth.is_enough(tx, self.direction))
                {
                    continue;
                }
                let from = if growing && plain && known <= length {
                    known
                } else {
                    0
                };
                let bytes = shape(&mut scratch.transformed, *id, slot, instance, view.bytes);
                screen.scan(bytes, from, &mut scratch.prefilter, found);
                *scanned = u32::try_from(length).unwrap_or(u32::MAX - 1) + 1;
            }
        }
    }

    /// Enters what was found among the transaction's candidates.
    fn add_candidates(&self, scratch: &mut Scratch, ctx: &FlowContext, side: &mut TxSide) {
        scratch.found.sort_unstable();
        scratch.found.dedup();
        for &number in &scratch.found {
            let rule = self.reference(number);
            if let Some(profile) = &mut scratch.profile {
                profile.called(rule);
            }
            let Err(at) = side.candidates.binary_search_by_key(&rule, |c| c.rule) else {
                continue;
            };
            let possible = self.layer.rules.get(number as usize).is_some_and(|r| {
                let header = &r.header;
                header.is_for_transaction(ctx.protocol, self.ends.src.0.is_ipv6())
                    && header.endpoints_match(&self.layer.sets, &self.ends)
            });
            if possible {
                side.candidates
                    .insert(at, TxCandidate::new(self.number, number));
            }
        }
    }

    fn try_candidates<T: Transaction>(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        side: &mut TxSide,
        tx: &T,
        hits: &mut Hits,
    ) {
        let candidates = side.candidates.iter_mut();
        let waiting = candidates
            .filter(|c| c.rule.layer == self.number && c.state == CandidateState::Waiting);
        for candidate in waiting {
            let (reference, number) = (candidate.rule, candidate.rule.rule);
            let Some(rule) = self.layer.rules.get(number as usize) else {
                continue;
            };
            let ready = self.is_ready(rule, ctx, flow, tx, hits)
                && (rule.payload.is_none()
                    || flow.payload_matched.binary_search(&candidate.rule).is_ok());
            // Buffers of a mixed rule are tried all the same: what can never match ends the wait.
            if (!ready && !rule.is_mixed()) || scratch.ledger.skips(reference, self.now) {
                continue;
            }
            let eager = side.growth.is_enough(tx, self.direction);
            let before = candidate.matched;
            let trial = scratch.begin_trial();
            match self.try_buffers(scratch, rule, candidate, tx, eager) {
                Outcome::Match(evidence) if ready && self.addresses_match(scratch, rule) => {
                    candidate.state = CandidateState::Fired;
                    let evidence = self.evidence_of_all(scratch, rule, before, tx, evidence);
                    self.fire(
                        scratch,
                        number,
                        Some(tx.id()),
                        Scope::Flow,
                        evidence,
                        Some(flow),
                        hits,
                    );
                }
                Outcome::Match(_) | Outcome::NotYet => {}
                Outcome::Never => candidate.state = CandidateState::Dead,
                Outcome::Over => candidate.state = CandidateState::Over,
            }
            scratch.end_trial(trial, reference, self.now);
        }
    }

    /// Whether all holds that a rule asks of a transaction and its flow, but for its buffers.
    pub(super) fn is_ready<T: Transaction>(
        &self,
        rule: &Rule,
        ctx: &FlowContext,
        flow: &FlowDetect,
        tx: &T,
        hits: &Hits,
    ) -> bool {
        let now = ctx.now.as_secs();
        rule.flow.matches(ctx, self.direction)
            && rule.app.matches(tx.protocol(), ctx.original_app)
            && self.kept_matches(rule, Some(flow), Some(tx.id()), hits)
            && rule
                .hook
                .is_none_or(|hook| tx.progress(hook.direction) >= hook.progress)
            && rule.events.iter().all(|e| tx.events().contains(e))
            && rule.numbers.iter().all(|t| {
                let direction = t.number.direction().unwrap_or(self.direction);
                let will_do = |n| t.condition.matches(n, now, ctx.client.0);
                match t.place {
                    Place::Any => tx.has_number(t.number, direction, &will_do),
                    place => tx.has_number_at(t.number, direction, place, &will_do),
                }
            })
    }

    /// The buffers of a rule as they are now: what matches in them, if all do.
    pub(super) fn match_buffers<T: Transaction>(
        &self,
        scratch: &mut Scratch,
        rule: &Rule,
        candidate: &mut TxCandidate,
        tx: &T,
    ) -> Option<Option<Evidence>> {
        let before = candidate.matched;
        match self.try_buffers(scratch, rule, candidate, tx, true) {
            Outcome::Match(evidence) => {
                Some(self.evidence_of_all(scratch, rule, before, tx, evidence))
            }
            Outcome::NotYet | Outcome::Never | Outcome::Over => None,
        }
    }

    /// Holds all buffers of a rule that did not match before against what is there now.
    fn try_buffers<T: Transaction>(
        &self,
        scratch: &mut Scratch,
        rule: &Rule,
        candidate: &mut TxCandidate,
        tx: &T,
        eager: bool,
    ) -> Outcome {
        scratch.variables.begin();
        let mut evidence = None;
        for (at, group) in rule.buffers.iter().enumerate() {
            let bit = u32::try_from(at)
                .ok()
                .and_then(|at| 1u32.checked_shl(at))
                .unwrap_or(0);
            if candidate.matched & bit != 0 {
                continue;
            }
            match self.try_buffer(scratch, group, tx, eager) {
                Outcome::Match(found) => {
                    evidence = evidence.or(found);
                    if !rule.has_variables {
                        candidate.matched |= bit;
                    }
                }
                other => return other,
            }
        }
        Outcome::Match(evidence)
    }

    /// The evidence of the first buffer, also where some matched `before` and were not tried again: what is
    /// shown does not depend on when the rule was called for. `newest` is that of those tried.
    fn evidence_of_all<T: Transaction>(
        &self,
        scratch: &mut Scratch,
        rule: &Rule,
        before: u32,
        tx: &T,
        newest: Option<Evidence>,
    ) -> Option<Evidence> {
        if before == 0 {
            return newest;
        }
        let mut groups = rule.buffers.iter();
        let first = groups.find_map(|group| match self.try_buffer(scratch, group, tx, true) {
            Outcome::Match(evidence) => evidence,
            Outcome::NotYet | Outcome::Never | Outcome::Over => None,
        });
        first.or(newest)
    }

    fn try_buffer<T: Transaction>(
        &self,
        scratch: &mut Scratch,
        group: &BufferGroup,
        tx: &T,
        eager: bool,
    ) -> Outcome {
        let id = group.slots[self.direction.index()];
        let Some(slot) = self.layer.slots.get(id as usize) else {
            return Outcome::Never;
        };
        let ended = tx.is_complete(slot.direction);
        let several = tx.may_come(slot.buffer);
        let count = tx.instances(slot.buffer, slot.direction);
        match group.absent {
            Some(_) if count == 0 => {
                return if tx.is_settled(slot.buffer, slot.direction) {
                    Outcome::Match(None)
                } else {
                    Outcome::NotYet
                };
            }
            Some(Absent::Only) => return Outcome::Never,
            Some(Absent::OrElse) | None => {}
        }
        // More instances may come, as long as the direction goes on.
        let mut complete = ended || (!several && count > 0);
        for instance in 0..count {
            let Some(view) = tx.view(slot.buffer, slot.direction, instance) else {
                continue;
            };
            complete &= ended || view.complete;
            if !ended && !view.complete && (!eager || group.needs_whole) {
                continue;
            }
            let bytes = shape(&mut scratch.transformed, id, slot, instance, view.bytes);
            scratch.variables.little_endian = tx.is_little_endian(slot.direction);
            let (variables, limits) = (&mut scratch.variables, &mut scratch.limits);
            if let Some(found) = evaluate(&group.program, bytes, 0, variables, limits) {
                let matched = found
                    .evidence
                    .and_then(|(a, b)| Some((a, bytes.get(a..b)?)));
                return Outcome::Match(
                    matched.map(|(at, m)| Evidence::new(slot.buffer, at as u64, m)),
                );
            }
        }
        if complete && is_of_first_line(slot.buffer) {
            Outcome::Over
        } else if complete {
            Outcome::Never
        } else {
            Outcome::NotYet
        }
    }
}

/// Whether a buffer is what it is once it is whole. Of headers more may come behind the body.
const fn is_of_first_line(buffer: Buffer) -> bool {
    matches!(
        buffer,
        Buffer::HttpMethod | Buffer::HttpUri | Buffer::HttpUriRaw | Buffer::HttpRequestLine
    )
}

/// How much was scanned of an instance other than the first.
fn scanned_of(further: &mut List<Scanned>, place: usize, instance: usize) -> &mut u32 {
    let known = further
        .iter()
        .position(|s| (s.place, s.instance) == (place, instance));
    let at = known.unwrap_or_else(|| {
        further.push(Scanned {
            place,
            instance,
            bytes: 0,
        });
        further.len() - 1
    });
    &mut further[at].bytes
}

/// The bytes as the slot's rules want them.
fn shape<'a>(
    transformed: &'a mut crate::detect::scratch::Transformed,
    id: u32,
    slot: &Slot,
    instance: usize,
    bytes: &'a [u8],
) -> &'a [u8] {
    if slot.shaper.is_empty() {
        return bytes;
    }
    transformed.get(id, instance, |out, spare| {
        slot.shaper.apply(bytes, out, spare);
    })
}
