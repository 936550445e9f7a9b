//! Whether a direction begins like SMTP.

use crate::app_layer::words::{begins_with_one, greets};
use crate::direction::Direction;

/// Ports where a greeting alone is enough, and commands that other protocols have too.
const PORTS: &[u16] = &[25, 465, 587, 2525];
/// What only a client of SMTP says first.
const OWN: &[&[u8]] = &[b"EHLO ", b"HELO ", b"LHLO ", b"MAIL FROM:", b"STARTTLS"];
/// What a client of SMTP may say first on its ports.
const SHARED: &[&[u8]] = &[
    b"EHLO", b"HELO", b"QUIT", b"NOOP", b"RSET", b"HELP", b"VRFY ", b"EXPN ", b"AUTH ",
];

/// `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(
    direction: Direction,
    bytes: &[u8],
    server_port: u16,
) -> Option<bool> {
    let hinted = PORTS.contains(&server_port);
    match direction {
        Direction::ToServer => {
            let shared: &[&[u8]] = if hinted { SHARED } else { &[] };
            begins_with_one(bytes, OWN.iter().chain(shared))
        }
        Direction::ToClient => greeting(bytes, hinted),
    }
}

/// FTP greets alike: what the greeting says, or the port, tells them apart.
fn greeting(bytes: &[u8], hinted: bool) -> Option<bool> {
    greets(bytes, |line| {
        let says = |word: &[u8]| memchr::memmem::find(line, word).is_some();
        says(b"SMTP") || (hinted && !says(b"FTP"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn words_and_ports_tell() {
        for (direction, text, port, expected) in [
            (ToServer, "EHLO x\r\n", 9999, Some(true)),
            (ToServer, "ehl", 9999, None),
            (ToServer, "QUI", 25, None),
            (ToServer, "QUIT\r\n", 25, Some(true)),
            (ToServer, "QUIT\r\n", 21, Some(false)),
            (ToServer, "USER x\r\n", 25, Some(false)),
            (ToServer, "", 25, None),
            (ToClient, "220 a ESMTP ready\r\n", 9999, Some(true)),
            (ToClient, "220 ready\r\n", 25, Some(true)),
            (ToClient, "220 ready\r\n", 21, Some(false)),
            (ToClient, "220 my FTP server\r\n", 25, Some(false)),
            (ToClient, "22", 25, None),
            (ToClient, "HTTP/1.1 220 OK\r\n", 25, Some(false)),
        ] {
            assert_eq!(
                detect(direction, text.as_bytes(), port),
                expected,
                "{text:?}"
            );
        }
    }
}
