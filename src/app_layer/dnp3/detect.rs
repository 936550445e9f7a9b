//! Whether a direction begins like DNP3.

use super::frame::{begins, is_start};
use crate::app_layer::candidates::Opening;

/// IANA: dnp.
const PORT: u16 = 20_000;

/// `None`: more bytes are needed. A header that fits its checksum tells anywhere; on the protocol's own port the start
/// octets will do, since a wrong checksum is something to be told.
pub(in crate::app_layer) fn detect(opening: &Opening<'_>) -> Option<bool> {
    if opening.server_port == PORT && is_start(opening.bytes) {
        return Some(true);
    }
    begins(opening.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_layer::Limits;
    use crate::direction::Direction;

    #[test]
    fn a_sound_header_tells_anywhere_and_the_start_on_the_port() {
        for (bytes, port, expected) in [
            (
                &b"\x05\x64\x08\xc4\x0a\x00\x01\x00\xfc\x42"[..],
                9999,
                Some(true),
            ),
            (
                b"\x05\x64\x08\xc4\x0a\x00\x01\x00\xfc\x43",
                9999,
                Some(false),
            ),
            (
                b"\x05\x64\x08\xc4\x0a\x00\x01\x00\xfc\x43",
                PORT,
                Some(true),
            ),
            (b"\x05\x64\x08", 9999, None),
            (b"\x05", PORT, None),
            (b"\x05\x01\x00", PORT, Some(false)),
            (b"GET / HTTP/1.1\r\n", PORT, Some(false)),
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
