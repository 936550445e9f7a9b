//! HASSH: the algorithms of a key exchange message, and their hash.

use md5::{Digest as _, Md5};

use crate::app_layer::message::Bytes;
use crate::app_layer::text::hex;
use crate::direction::Direction;
use crate::reuse::{List, Text};

/// RFC 4253 section 7.1.
pub(super) const KEXINIT: u8 = 20;
const COOKIE: usize = 16;
const LISTS: usize = 10;

/// What an end offers: `key exchange;encryption;MAC;compression` of its own direction.
pub(super) fn algorithms(payload: &[u8], direction: Direction) -> Option<List<u8>> {
    let mut bytes = Bytes(payload);
    bytes.take(1 + COOKIE)?;
    let mut lists = [&[][..]; LISTS];
    for list in &mut lists {
        let length = usize::try_from(bytes.u32()?).ok()?;
        *list = bytes.take(length)?;
    }
    // Key exchange, host key, then each of the others for the client and for the server.
    let own = match direction {
        Direction::ToServer => [0, 2, 4, 6],
        Direction::ToClient => [0, 3, 5, 7],
    };
    let mut joined = List::new();
    for (before, at) in own.into_iter().enumerate() {
        if before > 0 {
            joined.push(b';');
        }
        joined.extend_from_slice(lists[at]);
    }
    Some(joined)
}

pub(super) fn hash(algorithms: &[u8]) -> Text {
    hex(&Md5::digest(algorithms))
}
