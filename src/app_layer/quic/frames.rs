//! Frames of Initial packets (RFC 9000 section 12.4 says which there may be).

use super::header::Cursor;

const PADDING_BYTE: u8 = 0x00;
const PADDING: u64 = 0x00;
const PING: u64 = 0x01;
const ACK: u64 = 0x02;
const ACK_ECN: u64 = 0x03;
const CRYPTO: u64 = 0x06;
/// Google's Q050 has its hello here.
const GOOGLE_CRYPTO: u64 = 0x08;
const CONNECTION_CLOSE: u64 = 0x1c;

/// What a frame carries, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Crypto { offset: u64, data: &'a [u8] },
    GoogleCrypto(&'a [u8]),
}

/// Calls back for each frame that carries something; whether all of them are well-formed and
/// belong in an Initial packet.
pub(super) fn each<'a>(bytes: &'a [u8], mut take: impl FnMut(Frame<'a>)) -> bool {
    let mut cursor = Cursor { bytes, at: 0 };
    loop {
        // Most of a client's first packet is padding (RFC 9000 section 14.1).
        cursor.pass(PADDING_BYTE);
        if cursor.rest().is_empty() {
            return true;
        }
        match next(&mut cursor) {
            Some(Some(frame)) => take(frame),
            Some(None) => {}
            None => return false,
        }
    }
}

/// Reads a frame; `None` if there is none that belongs here.
fn next<'a>(cursor: &mut Cursor<'a>) -> Option<Option<Frame<'a>>> {
    match cursor.number()? {
        PADDING | PING => {}
        kind @ (ACK | ACK_ECN) => acknowledgement(cursor, kind == ACK_ECN)?,
        CRYPTO => {
            let offset = cursor.number()?;
            let data = data(cursor)?;
            return Some(Some(Frame::Crypto { offset, data }));
        }
        GOOGLE_CRYPTO => {
            cursor.number()?;
            return Some(Some(Frame::GoogleCrypto(data(cursor)?)));
        }
        CONNECTION_CLOSE => {
            cursor.number()?;
            cursor.number()?;
            data(cursor)?;
        }
        _ => return None,
    }
    Some(None)
}

/// RFC 9000 section 19.3.
fn acknowledgement(cursor: &mut Cursor<'_>, ecn: bool) -> Option<()> {
    cursor.number()?;
    cursor.number()?;
    let ranges = cursor.number()?;
    cursor.number()?;
    // As many as there are bytes at most: each takes two or more.
    for _ in 0..ranges {
        cursor.number()?;
        cursor.number()?;
    }
    if ecn {
        for _ in 0..3 {
            cursor.number()?;
        }
    }
    Some(())
}

fn data<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.number()?;
    cursor.take(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_an_initial_are_told_from_others() {
        let bytes = [
            &[0, 0, 1][..],
            &[2, 5, 0, 1, 0, 0, 0],
            &[3, 5, 0, 0, 0, 1, 2, 3],
            &[6, 4, 3, b'a', b'b', b'c'],
            &[0x1c, 1, 6, 2, b'n', b'o'],
        ]
        .concat();
        let mut found = Vec::new();
        assert!(each(&bytes, |frame| found.push(frame)));
        let (offset, data) = (4, &b"abc"[..]);
        assert_eq!(found, [Frame::Crypto { offset, data }]);
        for wrong in [
            &[0x1d][..],
            &[6, 0, 2, b'a'],
            &[2, 0xff, 0xff, 0xff, 0xff],
            &[0x40],
        ] {
            assert!(!each(wrong, |_| {}), "{wrong:?}");
        }
    }
}
