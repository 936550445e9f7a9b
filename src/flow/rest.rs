//! Flows that lie idle take little room: what is the same in most of them is left out.

use super::key::FlowKey;
use super::table::Flow;
use crate::time::Timestamp;

/// What a table keeps with each flow.
pub trait FlowRest: Sized {
    /// All of it, in less room.
    type Resting: std::fmt::Debug;

    /// `None`, and nothing has changed: it cannot be made smaller.
    fn lie_down(&mut self) -> Option<Self::Resting>;

    /// What [`Self::lie_down`] was given.
    fn get_up(resting: Self::Resting) -> Self;
}

#[derive(Debug)]
pub(super) struct RestingFlow<R> {
    pub key: FlowKey,
    id: u64,
    first_seen: Timestamp,
    pub last_seen: Timestamp,
    packets: [u64; 2],
    bytes: [u64; 2],
    state: R,
    client_is_low: bool,
}

impl<R> RestingFlow<R> {
    /// `None`, and nothing has changed: the flow's state cannot lie down.
    pub fn of<S: FlowRest<Resting = R>>(flow: &mut Flow<S>) -> Option<Self> {
        Some(Self {
            key: flow.key,
            id: flow.id,
            first_seen: flow.first_seen,
            last_seen: flow.last_seen,
            packets: flow.packets,
            bytes: flow.bytes,
            state: flow.state.lie_down()?,
            client_is_low: flow.client_is_low,
        })
    }

    pub fn get_up<S: FlowRest<Resting = R>>(self) -> Flow<S> {
        Flow {
            key: self.key,
            id: self.id,
            client_is_low: self.client_is_low,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            packets: self.packets,
            bytes: self.bytes,
            state: S::get_up(self.state),
        }
    }
}
