//! Buffers of a TLS session.

use super::View;
use crate::app_layer::tls::{Chain, Transaction, Version};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

/// How many instances the buffer has, where it may have several.
pub(super) fn instances(tx: &Transaction, buffer: Buffer, direction: Direction) -> usize {
    let chain = tx.chain(direction);
    match buffer {
        Buffer::TlsSni => tx.names().len(),
        Buffer::TlsAlpn => tx.alpn(direction).len(),
        Buffer::TlsCerts => chain.map_or(0, |chain| chain.certificates().len()),
        Buffer::TlsSubjectAltName => chain.map_or(0, |chain| chain.names().len()),
        Buffer::TlsRandom | Buffer::TlsRandomTime | Buffer::TlsRandomBytes => {
            tx.randoms(direction).len()
        }
        _ => 0,
    }
}

pub(super) fn view(
    tx: &Transaction,
    buffer: Buffer,
    direction: Direction,
    instance: usize,
) -> Option<View<'_>> {
    let chain = tx.chain(direction);
    let random = || tx.randoms(direction).get(instance);
    let bytes = match buffer {
        Buffer::TlsSni => at(tx.names(), instance),
        Buffer::TlsAlpn => at(tx.alpn(direction), instance),
        Buffer::TlsCerts => chain.and_then(|chain| at(chain.certificates(), instance)),
        Buffer::TlsSubjectAltName => chain.and_then(|chain| at(chain.names(), instance)),
        Buffer::TlsRandom => random().map(<[u8; 32]>::as_slice),
        Buffer::TlsRandomTime => random().map(|r| &r[..4]),
        Buffer::TlsRandomBytes => random().map(|r| &r[4..]),
        _ if instance > 0 => None,
        Buffer::TlsCertSubject => chain.and_then(Chain::subject),
        Buffer::TlsCertIssuer => chain.and_then(Chain::issuer),
        Buffer::TlsCertSerial => chain.and_then(Chain::serial),
        Buffer::TlsCertFingerprint => chain.and_then(Chain::fingerprint),
        Buffer::Ja3Hash | Buffer::Ja3sHash => tx.ja3_hash(direction).map(str::as_bytes),
        Buffer::Ja3String | Buffer::Ja3sString => tx.ja3(direction).map(str::as_bytes),
        Buffer::Ja4Hash => tx.ja4().map(str::as_bytes),
        _ => None,
    };
    bytes.map(View::whole)
}

fn at(list: &[impl AsRef<[u8]>], instance: usize) -> Option<&[u8]> {
    list.get(instance).map(AsRef::as_ref)
}

pub(super) fn has_number(
    tx: &Transaction,
    number: Number,
    direction: Direction,
    will_do: &dyn Fn(u64) -> bool,
) -> bool {
    let chain = || tx.chain(direction);
    let version = || tx.version(direction);
    let since_1970 = |second: i64| u64::try_from(second).unwrap_or(0);
    let value = match number {
        Number::TlsChainLength => chain().map(|chain| u64::from(chain.length())),
        Number::TlsVersion => version().map(|v| u64::from(v.number())),
        Number::SslVersion => version().map(ssl_version),
        Number::TlsCertNotBefore => chain().and_then(Chain::validity).map(|v| since_1970(v.0)),
        Number::TlsCertNotAfter => chain().and_then(Chain::validity).map(|v| since_1970(v.1)),
        Number::SslState => {
            let states = u64::from(tx.states(direction));
            return (0..8).any(|bit| states & (1 << bit) != 0 && will_do(1 << bit));
        }
        _ => None,
    };
    value.is_some_and(will_do)
}

/// One bit for each version, in the order of the words of `ssl_version`.
fn ssl_version(version: Version) -> u64 {
    match version.number() {
        0x0002 => 1,
        0x0300 => 1 << 1,
        0x0301 => 1 << 2,
        0x0302 => 1 << 3,
        0x0303 => 1 << 4,
        0x0304 => 1 << 5,
        _ => 0,
    }
}
