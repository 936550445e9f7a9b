//! Unpacks gzip (RFC 1952) and zlib (RFC 1950) within a text.

use flate2::Status;

use crate::reuse::Inflater;

/// RFC 1950 section 2.2.
pub(super) fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// RFC 1952 section 2.3.1.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Puts at most `most` bytes behind `out`. What was unpacked before a fault counts.
pub(super) fn unpack(bytes: &[u8], most: usize, out: &mut Vec<u8>) {
    let mut rest = bytes;
    if is_gzip(bytes) {
        match behind_header(bytes) {
            Some(deflated) => rest = deflated,
            None => return,
        }
    }
    let mut inflater = Inflater::new(!is_gzip(bytes));
    let mut room = most;
    let mut window = [0; 4096];
    while room > 0 {
        let most = window.len().min(room);
        let step = inflater.step(rest, window.get_mut(..most).unwrap_or_default());
        out.extend_from_slice(window.get(..step.made).unwrap_or_default());
        room = room.saturating_sub(step.made);
        rest = rest.get(step.read..).unwrap_or_default();
        let stands = step.read == 0 && step.made == 0;
        if stands || !matches!(step.status, Some(Status::Ok | Status::BufError)) {
            return;
        }
    }
}

/// What stands behind the header of a gzip member; `None` where it has no whole one.
fn behind_header(bytes: &[u8]) -> Option<&[u8]> {
    const HEADER_CHECKSUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0xe0;
    let (&[_, _, method, flags, ..], mut rest) = bytes.split_first_chunk::<10>()?;
    if method != 8 || flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (&length, behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_le_bytes(length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = memchr::memchr(0, rest)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn unpacked(bytes: &[u8], most: usize) -> Vec<u8> {
        let mut out = b"before ".to_vec();
        unpack(bytes, most, &mut out);
        assert!(out.starts_with(b"before "));
        out.split_off(7)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = flate2::GzBuilder::new()
            .filename("name")
            .comment("comment")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), flate2::Compression::best());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn a_header_is_passed_over_with_all_its_parts() {
        let packed = gzip(b"the text");
        assert_eq!(unpacked(&packed, 100), b"the text");
        assert_eq!(unpacked(&packed, 5), b"the t");
        for end in 0..12 {
            assert_eq!(unpacked(&packed[..end], 100), b"");
        }
        assert!(is_gzip(&packed) && !is_zlib(&packed));
    }

    #[test]
    fn what_stands_before_a_fault_counts() {
        let text: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let packed = gzip(&text);
        let got = unpacked(&packed[..packed.len() / 2], 1 << 20);
        assert!(got.len() > 1000 && text.starts_with(&got));
        assert_eq!(unpacked(&packed, 1 << 20), text);
    }
}
