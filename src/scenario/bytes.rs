//! Bytes written as hexadecimal text.

/// Where in the text the error is, in bytes, and what it is.
#[derive(Debug, PartialEq, Eq)]
pub struct HexError {
    pub offset: usize,
    pub message: String,
}

/// Reads pairs of hexadecimal digits. White space may stand between pairs, and
/// `#` begins a comment that ends with its line.
pub fn from_hex(text: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high: Option<(usize, u8)> = None;
    let mut chars = text.char_indices();
    while let Some((offset, c)) = chars.next() {
        if c == '#' || c.is_ascii_whitespace() {
            if let Some((offset, _)) = high {
                return Err(half_a_byte(offset));
            }
            if c == '#' {
                chars.by_ref().find(|(_, c)| *c == '\n');
            }
            continue;
        }
        let Some(digit) = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
            return Err(HexError {
                offset,
                message: format!("`{}` is not a hexadecimal digit", c.escape_debug()),
            });
        };
        match high.take() {
            None => high = Some((offset, digit)),
            Some((_, first)) => bytes.push(first << 4 | digit),
        }
    }
    match high {
        Some((offset, _)) => Err(half_a_byte(offset)),
        None => Ok(bytes),
    }
}

fn half_a_byte(offset: usize) -> HexError {
    HexError {
        offset,
        message: "a byte needs two hexadecimal digits".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_comments_stand_between_bytes() {
        let text = "16 0301 # record\n0003 # length f\n\n01ffAB";
        assert_eq!(
            from_hex(text).unwrap(),
            [0x16, 3, 1, 0, 3, 1, 0xff, 0xab],
            "a comment's letters are not digits"
        );
        assert!(from_hex(" # nothing").unwrap().is_empty());
    }

    #[test]
    fn errors_point_at_the_digit() {
        assert_eq!(from_hex("16 0 1").unwrap_err().offset, 3);
        assert_eq!(from_hex("16 0g").unwrap_err().offset, 4);
        assert_eq!(from_hex("160").unwrap_err().offset, 2);
        assert_eq!(from_hex("16 é").unwrap_err().offset, 3);
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>) {
            let text: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(from_hex(&text.join(" ")).unwrap(), bytes);
            assert_eq!(from_hex(&text.concat()).unwrap(), bytes);
        }
    }
}
