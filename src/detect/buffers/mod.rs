//! From a sticky buffer's name to its bytes.

mod http;
mod sip;
mod tls;
mod transform;

pub(crate) use transform::apply;

use crate::app_layer::{Event, Protocol, TxRef};
use crate::direction::Direction;
use crate::signature::buffer::{Buffer, Owner};

/// What a buffer holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    /// No byte will be added.
    pub(crate) complete: bool,
}

impl<'a> View<'a> {
    pub(crate) const fn whole(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            complete: true,
        }
    }
}

/// A transaction, as inspection sees it. Parsers' transactions are wrapped by it.
pub(crate) trait Transaction {
    fn protocol(&self) -> Protocol;
    /// Increases within a flow.
    fn id(&self) -> u64;
    /// Changes whenever a buffer or the events of that direction changed.
    fn revision(&self, direction: Direction) -> u32;
    /// Nothing more will come from that direction.
    fn is_complete(&self, direction: Direction) -> bool;
    fn events(&self) -> &[Event];
    /// Bytes of the direction's buffers that are used at once and may still be added to: headers,
    /// to which trailers come (RFC 9112 section 7.1.2). Another number: look again.
    fn amendable_bytes(&self, direction: Direction) -> usize;
    /// How many instances the buffer has now; one for most. Zero: not there, or not yet.
    fn instances(&self, buffer: Buffer, direction: Direction) -> usize;
    fn view(&self, buffer: Buffer, direction: Direction, instance: usize) -> Option<View<'_>>;
}

/// Buffers that grow while a transaction goes on. All others are whole once they are there.
pub(crate) const fn grows(buffer: Buffer) -> bool {
    matches!(
        buffer,
        Buffer::HttpRequestBody | Buffer::HttpResponseBody | Buffer::FileData
    )
}

/// The protocol whose transactions have the buffer.
pub(crate) const fn protocol_of(buffer: Buffer) -> Option<Protocol> {
    match buffer.owner() {
        Owner::Raw | Owner::Packet => None,
        Owner::Http | Owner::File => Some(Protocol::Http1),
        Owner::Tls => Some(Protocol::Tls),
        Owner::Sip => Some(Protocol::Sip),
    }
}

impl Transaction for TxRef<'_> {
    fn protocol(&self) -> Protocol {
        TxRef::protocol(self)
    }

    fn id(&self) -> u64 {
        TxRef::id(self)
    }

    fn revision(&self, direction: Direction) -> u32 {
        TxRef::revision(self, direction)
    }

    fn is_complete(&self, direction: Direction) -> bool {
        TxRef::is_complete(self, direction)
    }

    fn events(&self) -> &[Event] {
        TxRef::events(self)
    }

    fn amendable_bytes(&self, direction: Direction) -> usize {
        match self {
            Self::Http1(tx) => tx.header_raw(direction).map_or(0, <[u8]>::len),
            Self::Tls(_) | Self::Sip(_) => 0,
        }
    }

    fn instances(&self, buffer: Buffer, direction: Direction) -> usize {
        match self {
            Self::Tls(tx) if buffer.has_instances() => tls::instances(tx, buffer, direction),
            Self::Sip(tx) if buffer.has_instances() => sip::instances(tx, buffer, direction),
            _ => usize::from(self.view(buffer, direction, 0).is_some()),
        }
    }

    fn view(&self, buffer: Buffer, direction: Direction, instance: usize) -> Option<View<'_>> {
        match self {
            Self::Http1(tx) if instance == 0 => http::view(tx, buffer, direction),
            Self::Http1(_) => None,
            Self::Sip(tx) => sip::view(tx, buffer, direction, instance),
            Self::Tls(tx) => tls::view(tx, buffer, direction, instance),
        }
    }
}
