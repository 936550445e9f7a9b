//! Whether the first bytes of a flow are MQTT.

use super::message::{Kind, head};
use crate::app_layer::candidates::Opening;
use crate::app_layer::message::Length;
use crate::direction::Direction;

/// IANA: mqtt.
const PORT: u16 = 1883;
/// Names of the protocol in CONNECT, with their lengths (MQTT 3.1.1 section 3.1.2.1).
const NAMES: [&[u8]; 2] = [b"\x00\x04MQTT", b"\x00\x06MQIsdp"];
/// The longest head of a message, type and length.
const LONGEST_HEAD: usize = 5;

/// `None`: more bytes are needed. A client begins with CONNECT; on the protocol's own port any
/// message will do, since a flow may be seen from its middle.
pub(in crate::app_layer) fn detect(opening: &Opening<'_>) -> Option<bool> {
    let bytes = opening.bytes;
    let (kind, body) = match head(bytes) {
        Ok(head) => (Kind::of(head.first), head.body_at),
        Err(Length::Open) if bytes.len() < LONGEST_HEAD && is_kind(bytes) => return None,
        Err(_) => return Some(false),
    };
    if opening.server_port == PORT && kind.is_some() {
        return Some(true);
    }
    if opening.direction != Direction::ToServer || kind != Some(Kind::Connect) {
        return Some(false);
    }
    let text = bytes.get(body..)?;
    if NAMES.iter().any(|name| text.starts_with(name)) {
        return Some(true);
    }
    if NAMES.iter().any(|name| name.starts_with(text)) {
        return None;
    }
    Some(false)
}

fn is_kind(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_some_and(|&first| Kind::of(first).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_layer::Limits;

    #[test]
    fn connect_tells_anywhere_and_other_messages_on_the_port() {
        for (bytes, port, expected) in [
            (&b"\x10\x0c\x00\x04MQTT\x04\x02"[..], 9999, Some(true)),
            (b"\x10\x10\x00\x06MQIsdp\x03", 9999, Some(true)),
            (b"\x10", 9999, None),
            (b"\x10\x0c\x00\x04MQ", 9999, None),
            (b"\x10\x0c\x00\x04MQXX", 9999, Some(false)),
            (b"\x20\x02\x00\x00", 9999, Some(false)),
            (b"\x20\x02\x00\x00", PORT, Some(true)),
            (b"\xff\xff\xff\xff\xff\xff", PORT, Some(false)),
            (b"GET / HTTP/1.1\r\n", 80, Some(false)),
        ] {
            let opening = Opening {
                direction: Direction::ToServer,
                bytes,
                server_port: port,
                limits: &Limits::default(),
            };
            assert_eq!(detect(&opening), expected, "{bytes:?} on {port}");
        }
    }
}
