//! Transforms: what a rule wants done to a buffer before its tests.

use md5::{Digest, Md5};
use memchr::{memchr, memchr2};
use sha1::Sha1;
use sha2::Sha256;

use super::reveal;
use super::unpack::{is_gzip, is_zlib, unpack};
use crate::base64;
use crate::detect::keywords::LazyPattern;
use crate::signature::ast::Transform;

/// The transforms of one buffer, made ready to run.
#[derive(Debug, Default)]
pub(crate) struct Shaper(Box<[Step]>);

#[derive(Debug)]
enum Step {
    Plain(Transform),
    /// Leaves what the expression's first group takes.
    Capture(LazyPattern),
}

impl Shaper {
    pub(crate) fn new(transforms: &[Transform]) -> Self {
        let steps = transforms.iter().map(|transform| match transform {
            Transform::Capture(pcre) => Step::Capture(LazyPattern::new(pcre.clone())),
            plain => Step::Plain(plain.clone()),
        });
        Self(steps.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes `bytes`, transformed, into `out`; `spare` is room to work in.
    pub(crate) fn apply(&self, bytes: &[u8], out: &mut Vec<u8>, spare: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(bytes);
        for step in &self.0 {
            match step {
                Step::Plain(transform) => plain(transform, out, spare),
                Step::Capture(pattern) => {
                    if let Some((from, to)) = pattern.group_of_first(1, out) {
                        keep(out, from, to);
                    }
                }
            }
        }
    }
}

fn plain(transform: &Transform, out: &mut Vec<u8>, spare: &mut Vec<u8>) {
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
        Transform::HeaderLowercase => header_lowercase(out),
        Transform::StripPseudoHeaders => strip_pseudo_headers(out),
        Transform::Domain => suffix(out, |name| psl::domain(name).map(|d| d.as_bytes().len())),
        Transform::Tld => suffix(out, |name| psl::suffix(name).map(|d| d.as_bytes().len())),
        Transform::ToMd5 => replace(out, &Md5::digest(&*out)),
        Transform::ToSha1 => replace(out, &Sha1::digest(&*out)),
        Transform::ToSha256 => replace(out, &Sha256::digest(&*out)),
        Transform::Xor(key) => {
            for (byte, key) in out.iter_mut().zip(key.iter().cycle()) {
                *byte ^= key;
            }
        }
        Transform::FromBase64 {
            bytes,
            offset,
            mode,
        } => {
            let encoded = out.get(*offset as usize..).unwrap_or_default();
            let most = bytes.map_or(encoded.len(), |n| encoded.len().min(n as usize));
            base64::decode(&encoded[..most], *mode, spare);
            if !spare.is_empty() {
                std::mem::swap(out, spare);
            }
        }
        // Both leave out what takes memory where the first bytes tell that there is nothing to unpack.
        Transform::Gunzip(most) if is_gzip(out) => {
            spare.clear();
            unpack(out, *most as usize, spare);
            std::mem::swap(out, spare);
        }
        Transform::ZlibDeflate(most) if is_zlib(out) => {
            spare.clear();
            unpack(out, *most as usize, spare);
            std::mem::swap(out, spare);
        }
        Transform::Gunzip(_) | Transform::ZlibDeflate(_) => out.clear(),
        Transform::Subslice {
            offset,
            length,
            truncate,
        } => subslice(out, *offset, *length, *truncate),
        Transform::Reveal(disguise) => reveal::reveal(*disguise, out, spare),
        // A step of its own.
        Transform::Capture(_) => {}
    }
}

fn replace(out: &mut Vec<u8>, by: &[u8]) {
    out.clear();
    out.extend_from_slice(by);
}

/// Leaves the bytes from `from` to `to`.
fn keep(out: &mut Vec<u8>, from: usize, to: usize) {
    out.truncate(to);
    out.drain(..from.min(out.len()));
}

/// Leaves the last bytes, as many as `length` says.
fn suffix(out: &mut Vec<u8>, length: impl FnOnce(&[u8]) -> Option<usize>) {
    let length = length(out).unwrap_or(0).min(out.len());
    out.drain(..out.len() - length);
}

fn header_lowercase(bytes: &mut [u8]) {
    for line in bytes.split_mut(|&b| b == b'\n') {
        // A pseudo header's name begins with a colon.
        let from = usize::from(line.first() == Some(&b':'));
        let rest = line.get(from..).unwrap_or_default();
        let end = memchr(b':', rest).map_or(0, |at| from + at);
        if let Some(name) = line.get_mut(..end) {
            name.make_ascii_lowercase();
        }
    }
}

fn strip_pseudo_headers(bytes: &mut Vec<u8>) {
    let (mut at_line_start, mut in_pseudo) = (true, false);
    bytes.retain(|&b| {
        if at_line_start {
            in_pseudo = b == b':';
        }
        at_line_start = b == b'\n';
        !in_pseudo
    });
}

fn subslice(bytes: &mut Vec<u8>, offset: i32, length: Option<i32>, truncate: bool) {
    let have = bytes.len() as i64;
    let from_end = |n: i32| {
        if n < 0 {
            have + i64::from(n)
        } else {
            i64::from(n)
        }
    };
    let from = from_end(offset);
    let to = match length {
        None => have,
        Some(length) if length < 0 => from_end(length),
        Some(length) => from + i64::from(length),
    };
    let fits = 0 <= from && from <= to && to <= have;
    if !fits && !truncate {
        bytes.clear();
        return;
    }
    let (from, to) = (from.clamp(0, have), to.clamp(0, have));
    keep(bytes, from as usize, to.max(from) as usize);
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

pub(super) fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn run(transforms: &[Transform], bytes: &str) -> String {
        String::from_utf8(bytes_of(transforms, bytes.as_bytes())).unwrap()
    }

    fn bytes_of(transforms: &[Transform], bytes: &[u8]) -> Vec<u8> {
        let (mut out, mut spare) = (vec![1, 2, 3], vec![4]);
        Shaper::new(transforms).apply(bytes, &mut out, &mut spare);
        out
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

    #[test]
    fn headers_and_names_are_taken_apart() {
        let headers = ":Method: GET\r\nUser-Agent: A\r\n";
        assert_eq!(
            run(&[Transform::HeaderLowercase], headers),
            ":method: GET\r\nuser-agent: A\r\n"
        );
        assert_eq!(
            run(&[Transform::StripPseudoHeaders], headers),
            "User-Agent: A\r\n"
        );
        assert_eq!(
            run(&[Transform::Domain], "www.a.example.co.uk"),
            "example.co.uk"
        );
        assert_eq!(run(&[Transform::Tld], "www.a.example.co.uk"), "co.uk");
        assert_eq!(run(&[Transform::Domain], "co.uk"), "");
    }

    #[test]
    fn hashes_keys_and_packed_bytes() {
        assert_eq!(bytes_of(&[Transform::ToMd5], b"").len(), 16);
        assert_eq!(bytes_of(&[Transform::ToSha1], b"").len(), 20);
        assert_eq!(bytes_of(&[Transform::ToSha256], b"a")[..2], [0xca, 0x97]);
        let key = Transform::Xor(vec![1, 2]);
        assert_eq!(bytes_of(std::slice::from_ref(&key), b"abc"), b"``b");
        assert_eq!(bytes_of(&[key.clone(), key], b"abc"), b"abc");
        for packed in [true, false] {
            let mut encoded = Vec::new();
            let text = b"some text, some text, some text";
            if packed {
                let mut encoder =
                    flate2::read::GzEncoder::new(&text[..], flate2::Compression::fast());
                encoder.read_to_end(&mut encoded).unwrap();
                assert_eq!(bytes_of(&[Transform::Gunzip(9)], &encoded), b"some text");
                assert_eq!(bytes_of(&[Transform::ZlibDeflate(9)], &encoded), b"");
                encoded.truncate(encoded.len() - 9);
                assert!(bytes_of(&[Transform::Gunzip(99)], &encoded).starts_with(b"some"));
            } else {
                let mut encoder =
                    flate2::read::ZlibEncoder::new(&text[..], flate2::Compression::fast());
                encoder.read_to_end(&mut encoded).unwrap();
                assert_eq!(bytes_of(&[Transform::ZlibDeflate(99)], &encoded), text);
                assert_eq!(bytes_of(&[Transform::Gunzip(9)], &encoded), b"");
            }
        }
    }

    #[test]
    fn a_slice_counts_from_either_end() {
        let slice = |offset, length, truncate, bytes: &str| {
            run(
                &[Transform::Subslice {
                    offset,
                    length,
                    truncate,
                }],
                bytes,
            )
        };
        assert_eq!(slice(1, Some(2), false, "abcd"), "bc");
        assert_eq!(slice(1, None, false, "abcd"), "bcd");
        assert_eq!(slice(-2, None, false, "abcd"), "cd");
        assert_eq!(slice(1, Some(-1), false, "abcd"), "bc");
        assert_eq!(slice(1, Some(9), false, "abcd"), "");
        assert_eq!(slice(1, Some(9), true, "abcd"), "bcd");
        assert_eq!(slice(-9, Some(2), true, "abcd"), "");
        assert_eq!(slice(9, None, true, "abcd"), "");
    }
}
