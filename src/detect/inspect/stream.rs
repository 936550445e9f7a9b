//! Reassembled bytes.

use super::Round;
use crate::buffer::Buffer;
use crate::detect::compile::{PayloadTests, Rule, Traffic};
use crate::detect::context::{FlowContext, StreamRules, StreamWindow};
use crate::detect::flow_state::{FlowDetect, Lack, StreamCandidate};
use crate::detect::hit::{Evidence, Hits};
use crate::detect::keywords::evaluate;
use crate::detect::ruleset::Ruleset;
use crate::detect::scratch::Scratch;
use crate::direction::Direction;
use crate::reuse::List;
use crate::verdict::Scope;

/// After so many matches of one rule in the same new bytes, the rest of them is not looked at for
/// that rule again: it has been reported.
const MATCHES_PER_WINDOW: usize = 16;

impl Ruleset {
    /// Holds payload rules against the newest bytes of one direction of a stream.
    ///
    /// To be called before [`Ruleset::on_transaction`] is, for the transactions that the same
    /// bytes changed: rules that ask for both look here first. A rule fires once for a place in
    /// the stream, however often that place is shown.
    pub fn on_stream(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        direction: Direction,
        window: StreamWindow<'_>,
        hits: &mut Hits,
    ) {
        scratch.enter(self);
        flow.sync(self.epoch, scratch);
        self.announce_protocol(scratch, ctx, flow, direction, hits);
        if window.new_from >= window.bytes.len() {
            return;
        }
        let mut found = std::mem::take(&mut scratch.found);
        for round in self.rounds(ctx.endpoints(direction), direction, ctx.now) {
            found.clear();
            round.find_stream_rules(scratch, ctx, flow, &window, &mut found);
            found.sort_unstable();
            found.dedup_by_key(|f| Found(*f).rule());
            for &one in &found {
                let one = Found(one);
                let rule = round.reference(one.rule());
                if let Some(profile) = &mut scratch.profile
                    && one.is_fresh()
                {
                    profile.called(rule);
                }
                let trial = scratch.begin_trial();
                round.try_stream(scratch, one, ctx, flow, &window, hits);
                scratch.end_trial(trial, rule, round.now);
            }
        }
        scratch.found = found;
        let end = window
            .start_offset
            .saturating_add(window.bytes.len() as u64);
        // Rules that see bytes later still wait for those that prompt ones have seen.
        if window.rules != StreamRules::Prompt {
            flow.stream[direction.index()].retain(|c| c.until > end || c.floor > 0);
        }
    }
}

/// A rule to be tried. Orders by rule, then what a scan has just found first.
#[derive(Clone, Copy)]
struct Found(u32);

impl Found {
    const fn waiting(rule: u32) -> Self {
        Self(rule << 1 | 1)
    }

    const fn rule(self) -> u32 {
        self.0 >> 1
    }

    /// Its fast pattern is in the new bytes.
    const fn is_fresh(self) -> bool {
        self.0 & 1 == 0
    }
}

impl Round<'_> {
    fn find_stream_rules(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        flow: &FlowDetect,
        window: &StreamWindow<'_>,
        found: &mut Vec<u32>,
    ) {
        let new_start = window.start_offset.saturating_add(window.new_from as u64);
        let groups = self.layer.payload(Traffic::TcpStream, self.direction);
        let groups = groups.of(ctx.client.1, ctx.server.1);
        for group in groups.into_iter().flatten() {
            if let Some(screen) = &group.head
                && let Some(left) = u64::from(group.head_bytes).checked_sub(window.start_offset)
                && new_start < u64::from(group.head_bytes)
            {
                let head = window
                    .bytes
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                screen.scan(
                    &window.bytes[..head],
                    window.new_from,
                    &mut scratch.prefilter,
                    found,
                );
            }
            if let Some(screen) = &group.whole {
                screen.scan(window.bytes, window.new_from, &mut scratch.prefilter, found);
            }
        }
        for rule in found.iter_mut() {
            self.note_for_packet(scratch, *rule);
            *rule <<= 1;
        }
        for group in groups.into_iter().flatten() {
            found.extend(group.always.iter().map(|&rule| Found::waiting(rule).0));
        }
        let waiting = flow.stream[self.direction.index()].iter();
        let waiting = waiting.filter(|c| c.rule.layer == self.number && c.until > new_start);
        found.extend(waiting.map(|c| Found::waiting(c.rule.rule).0));
    }

    /// The rule may match the packet whose bytes were scanned.
    fn note_for_packet(&self, scratch: &mut Scratch, rule: u32) {
        let payload = |rule: &Rule| rule.payload.as_ref().is_some_and(|p| p.packet_by_stream);
        if self.layer.rules.get(rule as usize).is_some_and(payload) {
            scratch.by_stream.rules.push(self.reference(rule));
        }
    }

    fn try_stream(
        &self,
        scratch: &mut Scratch,
        found: Found,
        ctx: &FlowContext,
        flow: &mut FlowDetect,
        window: &StreamWindow<'_>,
        hits: &mut Hits,
    ) {
        let number = found.rule();
        let Some(rule) = self.layer.rules.get(number as usize) else {
            return;
        };
        let Some(payload) = rule.payload.as_ref().filter(|p| p.on_stream) else {
            return;
        };
        let reference = self.reference(number);
        let candidates = &flow.stream[self.direction.index()];
        let known = candidates.binary_search_by_key(&reference, |c| c.rule).ok();
        let ready = rule.flow.matches(ctx, self.direction)
            && rule.app.matches(ctx.app, ctx.original_app)
            && (rule.is_mixed() || self.kept_matches(rule, Some(flow), None, hits));
        // Without any of these there is nothing to find, nor to remember.
        let concerns = ready || found.is_fresh() || known.is_some();
        if !concerns
            || !window.rules.take(rule.is_patient())
            || !rule.header.is_for_stream(self.ends.src.0.is_ipv6())
            || rule.flow.direction.is_some_and(|d| d != self.direction)
            || !rule.header.endpoints_match(&self.layer.sets, &self.ends)
        {
            return;
        }
        let (mut floor, waiting_until, mut lack) = known.map_or((0, 0, None), |at| {
            let c = &candidates[at];
            (c.floor, c.until, c.lack)
        });
        let end = window
            .start_offset
            .saturating_add(window.bytes.len() as u64);
        let looks = ready
            && !still_lacks(scratch, payload, &mut lack, window)
            && !scratch.ledger.skips(reference, self.now);
        if looks {
            self.match_stream(
                scratch, number, rule, payload, flow, window, &mut floor, hits,
            );
        }
        let until = if found.is_fresh() {
            end.saturating_add(u64::from(payload.span))
        } else {
            waiting_until
        };
        if looks && until > end {
            let test = payload.program.lacks(window.bytes, &mut scratch.limits);
            lack = test.map(|test| Lack {
                test: test as u32,
                looked_to: end,
            });
        }
        if floor > 0 || until > end {
            remember(
                &mut flow.stream[self.direction.index()],
                StreamCandidate {
                    rule: reference,
                    until,
                    floor,
                    lack,
                },
            );
        }
    }

    /// Looks for matches behind `floor` and moves it behind those found.
    #[expect(clippy::too_many_arguments, reason = "what one window brings along")]
    fn match_stream(
        &self,
        scratch: &mut Scratch,
        number: u32,
        rule: &Rule,
        payload: &PayloadTests,
        flow: &mut FlowDetect,
        window: &StreamWindow<'_>,
        floor: &mut u64,
        hits: &mut Hits,
    ) {
        let end = window
            .start_offset
            .saturating_add(window.bytes.len() as u64);
        for round in 0..MATCHES_PER_WINDOW {
            let from = usize::try_from(floor.saturating_sub(window.start_offset))
                .unwrap_or(usize::MAX)
                .min(window.bytes.len());
            let bytes = &window.bytes[from..];
            let base = window.start_offset + from as u64;
            scratch.variables.begin();
            let (variables, limits) = (&mut scratch.variables, &mut scratch.limits);
            let Some(found) = evaluate(&payload.program, bytes, base, variables, limits) else {
                return;
            };
            if round == 0 && self.addresses_match(scratch, rule) {
                self.stream_matched(
                    scratch,
                    number,
                    rule,
                    base,
                    bytes,
                    found.evidence,
                    flow,
                    hits,
                );
            }
            // Without a place there is nothing to look behind.
            *floor = if found.end == 0 {
                end
            } else {
                base + found.end as u64
            };
            if *floor >= end {
                return;
            }
        }
        *floor = end;
    }

    #[expect(clippy::too_many_arguments, reason = "what one match brings along")]
    fn stream_matched(
        &self,
        scratch: &mut Scratch,
        number: u32,
        rule: &Rule,
        base: u64,
        bytes: &[u8],
        evidence: Option<(usize, usize)>,
        flow: &mut FlowDetect,
        hits: &mut Hits,
    ) {
        if rule.is_mixed() {
            let reference = self.reference(number);
            if let Err(at) = flow.payload_matched.binary_search(&reference) {
                flow.payload_matched.insert(at, reference);
                flow.generation = flow.generation.wrapping_add(1);
            }
            return;
        }
        let matched = evidence.and_then(|(a, b)| Some((a, bytes.get(a..b)?)));
        let evidence = matched.map(|(at, m)| Evidence::new(Buffer::Payload, base + at as u64, m));
        self.fire(
            scratch,
            number,
            None,
            Scope::Flow,
            evidence,
            Some(flow),
            hits,
        );
    }
}

/// Whether what a waiting rule needs has not come with the newest bytes either. So rules that wait
/// cost what is new, and not the whole window again with each segment.
fn still_lacks(
    scratch: &mut Scratch,
    payload: &PayloadTests,
    lack: &mut Option<Lack>,
    window: &StreamWindow<'_>,
) -> bool {
    let Some(known) = lack else {
        return false;
    };
    let test = known.test as usize;
    let overlap = payload.program.overlap(test) as u64;
    let from = known.looked_to.saturating_sub(overlap);
    let from = usize::try_from(from.saturating_sub(window.start_offset)).unwrap_or(usize::MAX);
    let fresh = window.bytes.get(from..).unwrap_or_default();
    if payload.program.may_have(test, fresh, &mut scratch.limits) {
        *lack = None;
        return false;
    }
    known.looked_to = window
        .start_offset
        .saturating_add(window.bytes.len() as u64);
    true
}

fn remember(candidates: &mut List<StreamCandidate>, new: StreamCandidate) {
    match candidates.binary_search_by_key(&new.rule, |c| c.rule) {
        Ok(at) => candidates[at] = new,
        Err(at) => candidates.insert(at, new),
    }
}
