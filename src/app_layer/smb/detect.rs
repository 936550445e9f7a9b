//! Whether a direction begins like SMB.

use super::fields::{HEAD, SESSION_MESSAGE};

/// RFC 1002 section 4.3.2: a session request, which names whom it is for.
const SESSION_REQUEST: &[u8] = &[0x81, 0, 0, 0x44, 0x20];
/// RFC 1002 section 4.3.3.
const SESSION_ACCEPTED: &[u8] = &[0x82, 0, 0, 0];

/// `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(bytes: &[u8]) -> Option<bool> {
    for whole in [SESSION_REQUEST, SESSION_ACCEPTED] {
        let length = bytes.len().min(whole.len());
        if length > 0 && bytes[..length] == whole[..length] {
            return (length == whole.len()).then_some(true);
        }
    }
    if bytes.first().is_some_and(|b| *b != SESSION_MESSAGE) {
        return Some(false);
    }
    let mark = bytes.get(HEAD..).unwrap_or_default();
    let first = mark.first().is_none_or(|b| (0xfc..=0xff).contains(b));
    let rest = mark.iter().skip(1).zip(b"SMB").all(|(a, b)| a == b);
    if !first || !rest {
        return Some(false);
    }
    (mark.len() >= 4).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_behind_the_length_tells() {
        for (bytes, expected) in [
            (&b"\0\0\0\x40\xffSMB"[..], Some(true)),
            (b"\0\0\0\x40\xfeSMBx", Some(true)),
            (b"\0\0\0\x40\xfeSM", None),
            (b"\0\0", None),
            (b"", None),
            (b"\0\0\0\x40\xfeSX", Some(false)),
            (b"\0\0\0\x40\x05", Some(false)),
            (b"\x81\0\0\x44\x20", Some(true)),
            (b"\x81\0", None),
            (b"GET", Some(false)),
        ] {
            assert_eq!(detect(bytes), expected, "{bytes:?}");
        }
    }
}
