//! Whether a direction begins like FTP.

use crate::app_layer::words::{begins_with_one, greets};
use crate::direction::Direction;

/// The port where a greeting alone is enough, and commands that other protocols have too.
const PORT: u16 = 21;
/// Ports of others that begin with the name of a user: POP3 and IRC.
const OTHERS: &[u16] = &[110, 6666, 6667, 6668, 6669, 7000];
const OWN: &[&[u8]] = &[
    b"USER ",
    b"PASS ",
    b"PORT ",
    b"EPRT ",
    b"PASV",
    b"EPSV",
    b"AUTH TLS",
    b"AUTH SSL",
    b"FEAT",
    b"SYST",
];
const SHARED: &[&[u8]] = &[
    b"QUIT", b"NOOP", b"HELP", b"OPTS ", b"CLNT ", b"HOST ", b"ACCT ",
];

/// `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(
    direction: Direction,
    bytes: &[u8],
    server_port: u16,
) -> Option<bool> {
    let hinted = server_port == PORT;
    match direction {
        _ if OTHERS.contains(&server_port) => Some(false),
        Direction::ToServer => {
            let shared: &[&[u8]] = if hinted { SHARED } else { &[] };
            begins_with_one(bytes, OWN.iter().chain(shared))
        }
        Direction::ToClient => greeting(bytes, hinted),
    }
}

/// SMTP greets alike: what the greeting says, or the port, tells them apart.
fn greeting(bytes: &[u8], hinted: bool) -> Option<bool> {
    greets(bytes, |line| {
        hinted || memchr::memmem::find(line, b"FTP").is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn words_and_the_port_tell() {
        for (direction, text, port, expected) in [
            (ToServer, "USER anonymous\r\n", 2121, Some(true)),
            (ToServer, "USER bob\r\n", 110, Some(false)),
            (ToServer, "use", 2121, None),
            (ToServer, "QUIT\r\n", 21, Some(true)),
            (ToServer, "QUIT\r\n", 2121, Some(false)),
            (ToServer, "EHLO x\r\n", 21, Some(false)),
            (ToClient, "220 ready\r\n", 21, Some(true)),
            (ToClient, "220 ready\r\n", 2121, Some(false)),
            (ToClient, "220 (vsFTPd 3.0)\r\n", 2121, Some(true)),
            (ToClient, "220 rea", 21, None),
        ] {
            assert_eq!(
                detect(direction, text.as_bytes(), port),
                expected,
                "{text:?}"
            );
        }
    }
}
