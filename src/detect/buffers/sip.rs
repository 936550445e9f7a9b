//! Buffers of a SIP message.

use super::View;
use crate::app_layer::sip::{Header, Transaction};
use crate::direction::Direction;
use crate::signature::buffer::Buffer;

pub(super) fn view(
    tx: &Transaction,
    buffer: Buffer,
    direction: Direction,
    instance: usize,
) -> Option<View<'_>> {
    let bytes = match header(buffer) {
        Some(header) => tx.values(direction, header).nth(instance),
        None if instance > 0 => None,
        None => match buffer {
            Buffer::SipMethod => tx.method(direction),
            Buffer::SipUri => tx.uri(direction),
            Buffer::SipRequestLine => tx.request_line(direction),
            Buffer::SipStatusCode => tx.status_code(direction),
            Buffer::SipStatusMessage => tx.status_message(direction),
            Buffer::SipResponseLine => tx.response_line(direction),
            Buffer::SipProtocol => tx.protocol(direction),
            _ => None,
        },
    };
    bytes.map(View::whole)
}

pub(super) fn instances(tx: &Transaction, buffer: Buffer, direction: Direction) -> usize {
    header(buffer).map_or(0, |header| tx.values(direction, header).count())
}

const fn header(buffer: Buffer) -> Option<Header> {
    Some(match buffer {
        Buffer::SipFrom => Header::From,
        Buffer::SipTo => Header::To,
        Buffer::SipVia => Header::Via,
        Buffer::SipUserAgent => Header::UserAgent,
        Buffer::SipContentType => Header::ContentType,
        Buffer::SipContentLength => Header::ContentLength,
        _ => return None,
    })
}
