//! What a TLS hello says, under the names rules and records know.

use crate::app_layer::message::{Fact, Transaction};
use crate::app_layer::tls::{Carrier, Hello, extension, ja3, ja4, md5_hex, server_name};
use crate::buffer::Buffer;
use crate::direction::Direction;

/// Protocols kept of one hello.
const MAX_PROTOCOLS: usize = 64;

pub(super) fn put(tx: &mut Transaction, hello: &Hello<'_>) {
    match hello.direction {
        Direction::ToServer => client(tx, hello),
        Direction::ToClient => server(tx, hello),
    }
}

fn client(tx: &mut Transaction, hello: &Hello<'_>) {
    let direction = Direction::ToServer;
    for name in hello.data_of(extension::SERVER_NAME).map(server_name) {
        let Ok(name) = name else { continue };
        tx.put(Buffer::QuicSni, direction, name);
        tx.tell("sni", Fact::Text(name));
    }
    for protocol in hello.alpn().take(MAX_PROTOCOLS) {
        tx.put(Buffer::TlsAlpn, direction, protocol);
        tx.tell("client_alpns[]", Fact::Text(protocol));
    }
    let (string, ja4) = (ja3(hello), ja4(hello, Carrier::Quic));
    let hash = md5_hex(&string);
    tx.put(Buffer::Ja3String, direction, string.as_bytes());
    tx.put(Buffer::Ja3Hash, direction, hash.as_bytes());
    tx.put(Buffer::Ja4Hash, direction, ja4.as_bytes());
    tx.tell("ja3.hash", Fact::Text(hash.as_bytes()));
    tx.tell("ja3.string", Fact::Text(string.as_bytes()));
    tx.tell("ja4", Fact::Text(ja4.as_bytes()));
}

/// The protocol that the server chose is encrypted (RFC 8446 section 4.3.1).
fn server(tx: &mut Transaction, hello: &Hello<'_>) {
    let direction = Direction::ToClient;
    let string = ja3(hello);
    let hash = md5_hex(&string);
    tx.put(Buffer::Ja3sString, direction, string.as_bytes());
    tx.put(Buffer::Ja3sHash, direction, hash.as_bytes());
    tx.tell("ja3s.hash", Fact::Text(hash.as_bytes()));
    tx.tell("ja3s.string", Fact::Text(string.as_bytes()));
}
