//! Transforms: what a rule wants done to a buffer before its tests.

use memchr::memchr2;

use crate::signature::ast::Transform;

/// Writes `bytes`, with all of `transforms` applied in order, into `out`.
pub(crate) fn apply(transforms: &[Transform], bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(bytes);
    for transform in transforms {
        match transform {
            Transform::ToLowercase => out.make_ascii_lowercase(),
            Transform::ToUppercase => out.make_ascii_uppercase(),
            Transform::StripWhitespace => out.retain(|&b| !is_space(b)),
            Transform::CompressWhitespace => {
                out.dedup_by(|b, before| is_space(*b) && is_space(*before));
            }
            Transform::UrlDecode => url_decode(out),
            // So that `.name` matches the name itself and what is below it, and nothing else.
            Transform::DotPrefix => out.insert(0, b'.'),
        }
    }
}

const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 0x09..=0x0d)
}

/// `+` is a space, `%` and two hex digits a byte; all else stays (RFC 3986 section 2.1).
fn url_decode(bytes: &mut Vec<u8>) {
    let next = |bytes: &[u8], from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        memchr2(b'%', b'+', rest).map_or(bytes.len(), |at| from + at)
    };
    let mut from = next(bytes, 0);
    let mut to = from;
    while let Some(&b) = bytes.get(from) {
        let escape = (b == b'%')
            .then(|| hex(bytes.get(from + 1)).zip(hex(bytes.get(from + 2))))
            .flatten();
        let (value, taken) = match escape {
            Some((high, low)) => (high << 4 | low, 3),
            None if b == b'+' => (b' ', 1),
            None => (b, 1),
        };
        bytes[to] = value;
        to += 1;
        from += taken;
        let until = next(bytes, from);
        bytes.copy_within(from..until, to);
        to += until - from;
        from = until;
    }
    bytes.truncate(to);
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(transforms: &[Transform], bytes: &str) -> String {
        let mut out = vec![1, 2, 3];
        apply(transforms, bytes.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_transform_does_what_it_says() {
        assert_eq!(run(&[Transform::ToLowercase], "aBC1"), "abc1");
        assert_eq!(run(&[Transform::ToUppercase], "aBc1"), "ABC1");
        assert_eq!(run(&[Transform::StripWhitespace], " a\t\r\n b "), "ab");
        assert_eq!(run(&[Transform::CompressWhitespace], "a \t b  c"), "a b c");
        assert_eq!(run(&[Transform::UrlDecode], "a%41+%4%zz%2"), "aA %4%zz%2");
        assert_eq!(run(&[Transform::UrlDecode], "plain"), "plain");
        assert_eq!(run(&[Transform::UrlDecode], "%%41and+then%"), "%Aand then%");
        assert_eq!(run(&[Transform::DotPrefix], "example.org"), ".example.org");
    }

    #[test]
    fn they_apply_in_order() {
        let both = [Transform::UrlDecode, Transform::ToLowercase];
        assert_eq!(run(&both, "%41B"), "ab");
    }
}
