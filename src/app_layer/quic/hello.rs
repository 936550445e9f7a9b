//! What a TLS hello says, under the names rules and records know.

use crate::app_layer::message::{Fact, Made, Transaction};
use crate::app_layer::tls::{Carrier, Hello, extension, ja3, ja4, md5_hex, server_name};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::reuse::Text;

/// Protocols kept of one hello.
const MAX_PROTOCOLS: usize = 64;

pub(super) fn put(tx: &mut Transaction, hello: &Hello<'_>, message: &[u8]) {
    if hello.direction == Direction::ToServer {
        client(tx, hello);
        tx.put_made(hello.direction, message, OF_CLIENT);
    } else {
        tx.put_made(hello.direction, message, OF_SERVER);
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
}

const OF_CLIENT: &[Made] = &[
    Made {
        buffer: Buffer::Ja3Hash,
        path: "ja3.hash",
        make: |message| of(Direction::ToServer, message, |hello| md5_hex(&ja3(hello))),
    },
    Made {
        buffer: Buffer::Ja3String,
        path: "ja3.string",
        make: |message| of(Direction::ToServer, message, ja3),
    },
    Made {
        buffer: Buffer::Ja4Hash,
        path: "ja4",
        make: |message| {
            of(Direction::ToServer, message, |hello| {
                ja4(hello, Carrier::Quic)
            })
        },
    },
];

const OF_SERVER: &[Made] = &[
    Made {
        buffer: Buffer::Ja3sHash,
        path: "ja3s.hash",
        make: |message| of(Direction::ToClient, message, |hello| md5_hex(&ja3(hello))),
    },
    Made {
        buffer: Buffer::Ja3sString,
        path: "ja3s.string",
        make: |message| of(Direction::ToClient, message, ja3),
    },
];

fn of(direction: Direction, message: &[u8], make: fn(&Hello<'_>) -> Text) -> Text {
    let hello = Hello::parse(direction, message);
    hello.map(|hello| make(&hello)).unwrap_or_default()
}
