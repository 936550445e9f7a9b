//! From a sticky buffer's name to its bytes.

mod frame;
mod http;
mod reveal;
mod tls;
mod transform;
mod unpack;

pub(crate) use transform::Shaper;

use crate::app_layer::{Event, Protocol, TxRef, http1};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::{Number, Place};

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
    /// How far that direction has come.
    fn progress(&self, direction: Direction) -> u8;
    /// Nothing more will come from that direction.
    fn is_complete(&self, direction: Direction) -> bool;
    fn events(&self) -> &[Event];
    /// Bytes of the direction's buffers that are used at once and may still be added to: headers,
    /// to which trailers come (RFC 9112 section 7.1.2), and readings of a body. Another number: look again.
    fn amendable_bytes(&self, direction: Direction) -> usize;
    /// How many instances the buffer has now; one for most. Zero: not there, or not yet. Of a
    /// buffer that grows, one in the middle may have no view yet.
    fn instances(&self, buffer: Buffer, direction: Direction) -> usize;
    fn view(&self, buffer: Buffer, direction: Direction, instance: usize) -> Option<View<'_>>;
    /// What is not there of the buffer will not come any more.
    fn is_settled(&self, buffer: Buffer, direction: Direction) -> bool;
    /// Whether the sender of that direction writes integers with their lowest byte first.
    fn is_little_endian(&self, _: Direction) -> bool {
        false
    }
    /// Whether another instance may come as long as the direction goes on.
    fn may_come(&self, buffer: Buffer) -> bool;
    /// Whether it is a unit of frames, and no transaction.
    fn is_unit(&self) -> bool {
        false
    }
    /// Length of a direction's growing buffers, and whether all of them are complete.
    fn growing(&self, direction: Direction) -> (usize, bool) {
        use Buffer::{FileData, HttpRequestBody, HttpResponseBody, WebSocketPayload};
        let body = match direction {
            Direction::ToServer => HttpRequestBody,
            Direction::ToClient => HttpResponseBody,
        };
        let (mut length, mut complete) = (0, true);
        for buffer in [body, FileData, WebSocketPayload] {
            for instance in 0..self.instances(buffer, direction) {
                if let Some(view) = self.view(buffer, direction, instance) {
                    length += view.bytes.len();
                    complete &= view.complete;
                }
            }
        }
        (length, complete)
    }
    /// Whether one of the values that the number has now will do.
    fn has_number(
        &self,
        number: Number,
        direction: Direction,
        will_do: &dyn Fn(u64) -> bool,
    ) -> bool;
    /// Whether those at a place among the values will do.
    fn has_number_at(
        &self,
        number: Number,
        direction: Direction,
        place: Place,
        will_do: &dyn Fn(u64) -> bool,
    ) -> bool;
}

/// Buffers that grow while a transaction goes on. All others are whole once they are there.
pub(crate) const fn grows(buffer: Buffer) -> bool {
    buffer.is_frame()
        || matches!(
            buffer,
            Buffer::HttpRequestBody
                | Buffer::HttpResponseBody
                | Buffer::FileData
                | Buffer::DcerpcStub
                | Buffer::WebSocketPayload
        )
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

    fn progress(&self, direction: Direction) -> u8 {
        TxRef::progress(self, direction)
    }

    fn is_complete(&self, direction: Direction) -> bool {
        TxRef::is_complete(self, direction)
    }

    fn events(&self) -> &[Event] {
        TxRef::events(self)
    }

    fn amendable_bytes(&self, direction: Direction) -> usize {
        match self {
            Self::Http1(tx) => tx.amendable_bytes(direction),
            Self::Http2(tx) => tx.http().amendable_bytes(direction),
            Self::Tls(_) | Self::Message(_) => 0,
        }
    }

    fn instances(&self, buffer: Buffer, direction: Direction) -> usize {
        match self {
            Self::Http1(tx) => http::instances(tx, buffer, direction),
            Self::Http2(tx) => http::instances_of_stream(tx, buffer, direction),
            Self::Tls(tx) if buffer.has_instances() => tls::instances(tx, buffer, direction),
            Self::Message(tx) if buffer == Buffer::FileData => tx.files(direction).count(),
            Self::Message(tx) if buffer.has_instances() => tx.instances(buffer, direction),
            _ => usize::from(self.view(buffer, direction, 0).is_some()),
        }
    }

    fn view(&self, buffer: Buffer, direction: Direction, instance: usize) -> Option<View<'_>> {
        match self {
            Self::Http1(tx) => http::view(tx, buffer, direction, instance),
            Self::Http2(tx) => http::view_of_stream(tx, buffer, direction, instance),
            Self::Message(tx) if buffer == Buffer::FileData => {
                let file = tx.files(direction).nth(instance)?;
                Some(View {
                    bytes: file.data(),
                    complete: file.is_closed(),
                })
            }
            Self::Message(tx) if buffer.has_instances() => {
                tx.instance(buffer, direction, instance).map(View::whole)
            }
            Self::Message(_) if instance > 0 => None,
            Self::Message(tx) => {
                let (bytes, complete) = tx.field(buffer, direction)?;
                Some(View { bytes, complete })
            }
            Self::Tls(tx) => tls::view(tx, buffer, direction, instance),
        }
    }

    fn may_come(&self, buffer: Buffer) -> bool {
        match self {
            Self::Message(_) if buffer == Buffer::FileData => true,
            _ => buffer.has_instances(),
        }
    }

    fn is_settled(&self, buffer: Buffer, direction: Direction) -> bool {
        let progress = TxRef::progress(self, direction);
        match self {
            Self::Http1(_) | Self::Http2(_) if !grows(buffer) && buffer != Buffer::FileName => {
                progress >= http1::progress::HEADERS
            }
            _ => TxRef::is_complete(self, direction),
        }
    }

    fn is_little_endian(&self, direction: Direction) -> bool {
        match self {
            Self::Http1(_) | Self::Http2(_) | Self::Tls(_) => false,
            Self::Message(tx) => tx.is_little_endian(direction),
        }
    }

    fn has_number(
        &self,
        number: Number,
        direction: Direction,
        will_do: &dyn Fn(u64) -> bool,
    ) -> bool {
        match self {
            Self::Http1(_) => false,
            Self::Http2(tx) => tx.numbers(number, direction).any(will_do),
            Self::Tls(tx) => tls::has_number(tx, number, direction, will_do),
            Self::Message(tx) => tx.numbers(number, direction).any(will_do),
        }
    }

    fn has_number_at(
        &self,
        number: Number,
        direction: Direction,
        place: Place,
        will_do: &dyn Fn(u64) -> bool,
    ) -> bool {
        match self {
            Self::Http1(_) | Self::Http2(_) | Self::Tls(_) => false,
            Self::Message(tx) => {
                (place.is_known_early() || tx.is_complete(direction))
                    && place.holds(tx.numbers_in_place(number, direction), will_do)
            }
        }
    }
}
