//! A firewall's tables: its rules in the order written, by where they are asked.

use crate::app_layer::hooks;
use crate::direction::Direction;
use crate::protocol::Protocol;
use crate::signature::ast::{Hook, PacketHook, Proto, Signature};

/// A table of rules about packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PacketTable {
    PreFlow,
    PreStream,
    Filter,
}

impl PacketTable {
    const COUNT: usize = 3;
}

/// A rule at a state of a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookRule {
    pub(crate) rule: u32,
    /// It belongs to a later state and accepts this one on the way there.
    pub(crate) on_the_way: bool,
}

#[derive(Debug)]
pub(crate) struct Firewall {
    packet: [Vec<u32>; PacketTable::COUNT],
    /// By protocol, direction and place of the state.
    app: Box<[[Vec<Vec<HookRule>>; 2]; Protocol::COUNT]>,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            packet: Default::default(),
            app: Box::new(std::array::from_fn(|_| Default::default())),
        }
    }
}

impl Firewall {
    pub(crate) fn packet(&self, table: PacketTable) -> &[u32] {
        &self.packet[table as usize]
    }

    pub(crate) fn at(&self, protocol: Protocol, direction: Direction, place: usize) -> &[HookRule] {
        let of_protocol = protocol.index().and_then(|index| self.app.get(index));
        of_protocol
            .and_then(|both| both[direction.index()].get(place))
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn place(&mut self, number: u32, signature: &Signature) {
        match (signature.header.hook, signature.header.protocol) {
            (Some(Hook::Packet(hook)), _) => {
                let table = match hook {
                    PacketHook::PreFlow => PacketTable::PreFlow,
                    PacketHook::PreStream => PacketTable::PreStream,
                    PacketHook::All | PacketHook::FlowStart => PacketTable::Filter,
                };
                self.packet[table as usize].push(number);
            }
            (Some(Hook::App(hook)), Proto::App(protocol)) => {
                let Some(both) = protocol.index().and_then(|index| self.app.get_mut(index)) else {
                    return;
                };
                let states = &mut both[hook.direction.index()];
                states.resize_with(hooks(protocol, hook.direction).len(), Vec::new);
                let place = usize::from(hook.place);
                let first = if hook.and_before { 0 } else { place };
                for (at, rules) in states.iter_mut().enumerate().take(place + 1).skip(first) {
                    rules.push(HookRule {
                        rule: number,
                        on_the_way: at < place,
                    });
                }
            }
            _ => {}
        }
    }
}
