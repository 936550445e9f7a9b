//! Tests of what is kept between packets, and what a match does to it, compiled.

use std::time::Duration;

use crate::detect::context::Endpoints;
use crate::detect::flow_state::FlowDetect;
use crate::detect::flowbits::BitId;
use crate::detect::keywords::Needle;
use crate::detect::state::{BitChange, Kept, Tracked};
use crate::signature::ast::{
    BitCommand, BitTrack, CaptureScope, IntComparison, IntOperator, IntValue, KeptAction, KeptTest,
    ReputationCondition, ReputationOf, Signature,
};
use crate::time::Timestamp;

/// What tests are held against.
pub(crate) struct Occasion<'a> {
    pub(crate) kept: &'a Kept,
    pub(crate) ends: &'a Endpoints,
    pub(crate) now: Timestamp,
    /// The transaction in hand.
    pub(crate) tx: Option<u64>,
    /// Texts kept with the packet.
    pub(crate) packet_texts: &'a [(BitId, std::sync::Arc<[u8]>)],
}

#[derive(Debug)]
enum Number {
    Const(u32),
    Named(BitId),
}

impl Number {
    fn new(value: &IntValue) -> Self {
        match value {
            IntValue::Const(n) => Self::Const(*n),
            IntValue::Named(name) => Self::Named(id("int", name)),
        }
    }

    fn value(&self, flow: &FlowDetect) -> Option<u32> {
        match self {
            Self::Const(n) => Some(*n),
            Self::Named(name) => flow.variables.number(*name),
        }
    }
}

#[derive(Debug)]
enum Test {
    Bit {
        any_of: Box<[BitId]>,
        track: BitTrack,
        set: bool,
    },
    Number(BitId, IntComparison, Number),
    NumberIsSet(BitId, bool),
    FlowText(BitId, Needle),
    PacketText(BitId, Box<[u8]>),
    Reputation(ReputationOf, u8, ReputationCondition),
}

#[derive(Debug)]
enum Action {
    Bit {
        bit: BitId,
        track: BitTrack,
        command: BitCommand,
        expire: Duration,
    },
    Number(BitId, IntOperator, Number),
}

/// Kinds of names do not get into each other's way.
fn id(kind: &str, name: &str) -> BitId {
    BitId::of(&format!("{kind}:{name}"))
}

/// The name of a captured text, among the names of all rules.
pub(crate) fn text_id(scope: CaptureScope, name: &str) -> BitId {
    id(scope.as_str(), name)
}

fn bit_id(track: BitTrack, name: &str) -> BitId {
    match track {
        BitTrack::Source | BitTrack::Destination => id("host", name),
        BitTrack::Pair => id("pair", name),
        BitTrack::Transaction => id("tx", name),
    }
}

/// What a rule asks of what is kept, and does to it.
#[derive(Debug, Default)]
pub(crate) struct KeptRules {
    tests: Box<[Test]>,
    actions: Box<[Action]>,
}

/// What acting has led to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acted {
    pub(crate) changed: bool,
    /// Something found no room.
    pub(crate) full: bool,
}

impl KeptRules {
    pub(crate) fn new(signature: &Signature) -> Self {
        let tests = signature.kept_tests.iter().map(|test| match test {
            KeptTest::Bit { names, track, set } => Test::Bit {
                any_of: names.iter().map(|n| bit_id(*track, n)).collect(),
                track: *track,
                set: *set,
            },
            KeptTest::Number {
                name,
                comparison,
                value,
            } => Test::Number(id("int", name), *comparison, Number::new(value)),
            KeptTest::NumberIsSet { name, set } => Test::NumberIsSet(id("int", name), *set),
            KeptTest::Text { scope, name, bytes } => match scope {
                CaptureScope::Packet => {
                    Test::PacketText(text_id(*scope, name), bytes.clone().into())
                }
                CaptureScope::Flow | CaptureScope::Alert => {
                    Test::FlowText(text_id(*scope, name), Needle::new(bytes, false))
                }
            },
            KeptTest::Reputation {
                who,
                category,
                condition,
            } => Test::Reputation(*who, *category, *condition),
        });
        let actions = signature.kept_actions.iter().map(|action| match action {
            KeptAction::Bit {
                name,
                track,
                command,
                expire,
            } => Action::Bit {
                bit: bit_id(*track, name),
                track: *track,
                command: *command,
                expire: Duration::from_secs(u64::from(*expire)),
            },
            KeptAction::Number {
                name,
                operator,
                value,
            } => Action::Number(id("int", name), *operator, Number::new(value)),
        });
        Self {
            tests: tests.collect(),
            actions: actions.collect(),
        }
    }

    pub(crate) fn asks(&self) -> bool {
        !self.tests.is_empty()
    }

    pub(crate) fn acts(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Without a flow nothing is kept of one.
    pub(crate) fn matches(&self, flow: Option<&FlowDetect>, occasion: &Occasion<'_>) -> bool {
        self.tests.iter().all(|test| match test {
            Test::Bit { any_of, track, set } => {
                let has = |&bit: &BitId| has_bit(bit, *track, flow, occasion);
                any_of.iter().any(has) == *set
            }
            Test::Number(name, comparison, value) => flow.is_some_and(|flow| {
                let pair = flow.variables.number(*name).zip(value.value(flow));
                pair.is_some_and(|(a, b)| comparison.holds(a.into(), b.into()))
            }),
            Test::NumberIsSet(name, set) => {
                flow.is_some_and(|flow| flow.variables.number(*name).is_some() == *set)
            }
            Test::FlowText(name, needle) => flow
                .and_then(|flow| flow.variables.text(*name))
                .is_some_and(|text| needle.find(text).is_some()),
            Test::PacketText(name, bytes) => {
                let mut texts = occasion.packet_texts.iter();
                texts.any(|(n, text)| n == name && **text == **bytes)
            }
            Test::Reputation(who, category, condition) => {
                let score = |end: (std::net::IpAddr, u16)| {
                    let score = occasion.kept.reputation.score(end.0, *category);
                    match condition {
                        ReputationCondition::IsSet(set) => score.is_some() == *set,
                        ReputationCondition::Is(comparison, than) => {
                            score.is_some_and(|s| comparison.holds(s.into(), (*than).into()))
                        }
                    }
                };
                let (src, dst) = (occasion.ends.src, occasion.ends.dst);
                match who {
                    ReputationOf::Any => score(src) || score(dst),
                    ReputationOf::Source => score(src),
                    ReputationOf::Destination => score(dst),
                    ReputationOf::Both => score(src) && score(dst),
                }
            }
        })
    }

    pub(crate) fn act(&self, mut flow: Option<&mut FlowDetect>, occasion: &Occasion<'_>) -> Acted {
        let mut acted = Acted::default();
        for action in &self.actions {
            match action {
                Action::Bit {
                    bit,
                    track,
                    command,
                    expire,
                } => {
                    let (src, dst) = (occasion.ends.src.0, occasion.ends.dst.0);
                    let Some(whose) = Tracked::of(*track, src, dst) else {
                        let tx = flow.as_deref_mut().and_then(|f| tx_bits(f, occasion.tx));
                        if let Some(bits) = tx {
                            match command {
                                BitCommand::Set => acted.changed |= bits.set(*bit),
                                BitCommand::Unset => acted.changed |= bits.unset(*bit),
                                BitCommand::Toggle => {
                                    bits.toggle(*bit);
                                    acted.changed = true;
                                }
                            }
                        }
                        continue;
                    };
                    let end = occasion.now + *expire;
                    let bits = &occasion.kept.bits;
                    match bits.act(*command, *bit, whose, occasion.now, end) {
                        BitChange::Changed => acted.changed = true,
                        BitChange::Same => {}
                        BitChange::Full => acted.full = true,
                    }
                }
                Action::Number(name, operator, by) => {
                    if let Some(flow) = flow.as_deref_mut() {
                        let by = by.value(flow).unwrap_or(0);
                        acted.full |= !flow.variables.change(*name, *operator, by);
                        acted.changed = true;
                    }
                }
            }
        }
        acted
    }
}

fn has_bit(
    bit: BitId,
    track: BitTrack,
    flow: Option<&FlowDetect>,
    occasion: &Occasion<'_>,
) -> bool {
    match Tracked::of(track, occasion.ends.src.0, occasion.ends.dst.0) {
        Some(whose) => occasion.kept.bits.has(bit, whose, occasion.now),
        None => flow.zip(occasion.tx).is_some_and(|(flow, id)| {
            let tx = flow.txs.iter().find(|tx| tx.id == id);
            tx.is_some_and(|tx| tx.bits.has(bit))
        }),
    }
}

fn tx_bits(flow: &mut FlowDetect, tx: Option<u64>) -> Option<&mut crate::detect::flowbits::Bits> {
    let id = tx?;
    let tx = flow.txs.iter_mut().find(|tx| tx.id == id)?;
    Some(&mut tx.bits)
}
