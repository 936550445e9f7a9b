//! Buffers of a TLS session.

use super::View;
use crate::app_layer::tls::Transaction;
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

pub(super) fn view(
    tx: &Transaction,
    buffer: Buffer,
    direction: Direction,
    instance: usize,
) -> Option<View<'_>> {
    let bytes = match buffer {
        Buffer::TlsCerts => tx.certs().get(instance).map(Vec::as_slice),
        _ if instance > 0 => None,
        Buffer::TlsSni => tx.sni(),
        Buffer::TlsCertSubject => tx.subject(),
        Buffer::TlsCertIssuer => tx.issuer(),
        Buffer::TlsCertSerial => tx.serial(),
        Buffer::TlsRandom => tx.random(direction).map(<[u8; 32]>::as_slice),
        Buffer::TlsRandomTime => tx.random(direction).map(|r| &r[..4]),
        Buffer::TlsRandomBytes => tx.random(direction).map(|r| &r[4..]),
        Buffer::TlsVersion => tx.version().map(|v| v.as_str().as_bytes()),
        _ => None,
    };
    bytes.map(View::whole)
}

pub(super) fn number(tx: &Transaction, number: Number, direction: Direction) -> Option<u64> {
    match (number, direction) {
        (Number::TlsChainLength, Direction::ToClient) if !tx.certs().is_empty() => {
            Some(tx.certs().len() as u64)
        }
        _ => None,
    }
}
