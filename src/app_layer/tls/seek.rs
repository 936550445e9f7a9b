//! Where a record begins, in bytes of a session whose past is not known.

use super::record::{ContentType, HEADER, MAX_RECORD};

/// The place of the first record that seems to begin here: it ends with these bytes, or behind
/// them, or where another one begins.
pub(in crate::app_layer) fn find_record(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&at| {
        let rest = bytes.get(at..).unwrap_or_default();
        length_of(rest).is_some_and(|length| {
            let next = rest.get(length..).unwrap_or_default();
            next.len() < HEADER || length_of(next).is_some()
        })
    })
}

/// Of a record with its header.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let &[kind, major, minor, high, low] = bytes.first_chunk::<HEADER>()?;
    ContentType::from_byte(kind)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    (major == 3 && minor <= 4 && length <= MAX_RECORD).then_some(HEADER + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_behind_what_began_unseen() {
        let data = [&[23, 3, 3, 0, 4][..], b"abcd"].concat();
        let lie = [23, 3, 3, 0, 1, 9, 9, 9, 9, 9, 9, 9];
        for (bytes, expected) in [
            (data.clone(), Some(0)),
            ([b"tail", &data[..]].concat(), Some(4)),
            ([b"tail", &data[..], &data[..]].concat(), Some(4)),
            ([&lie[..], &data[..]].concat(), Some(12)),
            (b"tail".to_vec(), None),
            (vec![23, 3, 3, 0], None),
        ] {
            assert_eq!(find_record(&bytes), expected, "{bytes:?}");
        }
    }
}
