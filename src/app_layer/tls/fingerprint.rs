//! Fingerprints of hellos: JA3 and JA3S, JA4.
//!
//! They are made when a rule or a record first asks for them: most hellos are never asked.

use std::cell::OnceCell;
use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::hello::{Hello, extension};
use super::read::{take_u8_prefixed, take_u16_prefixed, u16s};
use super::transaction::Version;
use crate::app_layer::text::{hex, push_decimal, push_hex};
use crate::direction::Direction;
use crate::reuse::{List, Text};

/// What carries the hello: the first letter of a JA4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app_layer) enum Carrier {
    Tls,
    Quic,
}

/// The fingerprints of one direction's first hello.
#[derive(Debug)]
pub(super) struct Fingerprints {
    direction: Direction,
    message: List<u8>,
    ja3: OnceCell<Text>,
    ja3_hash: OnceCell<Text>,
    ja4: OnceCell<Text>,
}

impl Fingerprints {
    pub fn of(direction: Direction, message: List<u8>) -> Self {
        Self {
            direction,
            message,
            ja3: OnceCell::new(),
            ja3_hash: OnceCell::new(),
            ja4: OnceCell::new(),
        }
    }

    pub fn ja3(&self) -> &str {
        self.ja3.get_or_init(|| self.make(ja3))
    }

    pub fn ja3_hash(&self) -> &str {
        self.ja3_hash.get_or_init(|| md5_hex(self.ja3()))
    }

    pub fn ja4(&self) -> &str {
        self.ja4
            .get_or_init(|| self.make(|hello| ja4(hello, Carrier::Tls)))
    }

    pub fn held_bytes(&self) -> usize {
        let made = [&self.ja3, &self.ja3_hash, &self.ja4];
        let made = made.iter().filter_map(|cell| cell.get());
        self.message.capacity() + made.map(Text::capacity).sum::<usize>()
    }

    fn make(&self, of: impl Fn(&Hello<'_>) -> Text) -> Text {
        let hello = Hello::parse(self.direction, &self.message);
        hello.map(|hello| of(&hello)).unwrap_or_default()
    }
}

/// JA3 of a ClientHello, `version,ciphers,extensions,groups,formats`; JA3S of a ServerHello,
/// `version,cipher,extensions`. Decimal, without the values of RFC 8701.
pub(in crate::app_layer) fn ja3(hello: &Hello<'_>) -> Text {
    let mut text = Text::new();
    let _ = write!(text, "{}", hello.version.0);
    push_list(&mut text, hello.ciphers());
    push_list(&mut text, hello.extensions().map(|(kind, _)| kind));
    if hello.direction == Direction::ToServer {
        push_list(&mut text, two_byte_list(hello, extension::SUPPORTED_GROUPS));
        let formats = hello.data_of(extension::EC_POINT_FORMATS);
        let formats = formats.filter_map(|data| take_u8_prefixed(data).map(|(list, _)| list));
        push_list(&mut text, formats.flatten().map(|&f| u16::from(f)));
    }
    text
}

/// What `ja3.hash` and the like hold of their text.
pub(in crate::app_layer) fn md5_hex(text: &str) -> Text {
    hex(&Md5::digest(text))
}

/// JA4 of a ClientHello. What it says of empty lists is as Suricata has it.
pub(in crate::app_layer) fn ja4(hello: &Hello<'_>, carrier: Carrier) -> Text {
    let mut ciphers: List<u16> = hello.ciphers().filter(|v| !is_grease(*v)).collect();
    let kinds = || hello.extensions().map(|(kind, _)| kind);
    let mut extensions: List<u16> = kinds().filter(|v| !is_grease(*v)).collect();
    let has_name = extensions.contains(&extension::SERVER_NAME);
    let counts = (ciphers.len().min(99), extensions.len().min(99));
    extensions.retain(|kind| !matches!(*kind, extension::SERVER_NAME | extension::ALPN));
    ciphers.sort_unstable();
    extensions.sort_unstable();
    let algorithms =
        two_byte_list(hello, extension::SIGNATURE_ALGORITHMS).filter(|v| !is_grease(*v));

    let supported = hello.supported_versions().map(|v| v.0);
    let version = supported.filter(|v| !is_grease(*v)).max();
    let [first, last] = ends_of(hello.alpn().next());
    let mut behind = hex_list(extensions.iter().copied());
    let _ = write!(behind, "_{}", hex_list(algorithms));
    let mut text = Text::new();
    let _ = write!(
        text,
        "{}{}{}{:02}{:02}{first}{last}_{}_{}",
        match carrier {
            Carrier::Tls => 't',
            Carrier::Quic => 'q',
        },
        version_code(Version(version.unwrap_or(hello.version.0))),
        if has_name { 'd' } else { 'i' },
        counts.0,
        counts.1,
        short_hash(&hex_list(ciphers.iter().copied())),
        short_hash(&behind),
    );
    text
}

const fn version_code(version: Version) -> &'static str {
    match version.0 {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hexadecimal form if one of them
/// is neither letter nor digit.
fn ends_of(protocol: Option<&[u8]>) -> [char; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (Some(&first), Some(&last)) = (
        protocol.and_then(<[u8]>::first),
        protocol.and_then(<[u8]>::last),
    ) else {
        return ['0', '0'];
    };
    let is_pair = protocol.is_some_and(|p| p.len() == 2);
    if is_pair && is_grease(u16::from_be_bytes([first, last])) {
        return ['0', '0'];
    }
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last].map(char::from);
    }
    [first >> 4, last & 15].map(|digit| char::from(DIGITS[usize::from(digit)]))
}

fn two_byte_list(hello: &Hello<'_>, kind: u16) -> impl Iterator<Item = u16> {
    let lists = hello.data_of(kind).filter_map(take_u16_prefixed);
    lists.flat_map(|(list, _)| u16s(list))
}

/// A comma, and the numbers with dashes between them.
fn push_list(text: &mut Text, numbers: impl Iterator<Item = u16>) {
    let mut before = ',';
    for number in numbers.filter(|n| !is_grease(*n)) {
        text.push(before);
        push_decimal(text, number.into());
        before = '-';
    }
    if before == ',' {
        text.push(',');
    }
}

fn hex_list(numbers: impl Iterator<Item = u16>) -> Text {
    let mut text = Text::new();
    for number in numbers {
        if !text.is_empty() {
            text.push(',');
        }
        for byte in number.to_be_bytes() {
            push_hex(&mut text, byte);
        }
    }
    text
}

fn short_hash(text: &str) -> Text {
    let hash = Sha256::digest(text);
    hex(hash.get(..6).unwrap_or_default())
}

/// Values that mean nothing (RFC 8701 section 2).
const fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 15 == 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(ciphers: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![3, 3];
        message.extend([7; 32]);
        message.push(0);
        message.extend(u16::try_from(2 * ciphers.len()).unwrap().to_be_bytes());
        message.extend(ciphers.iter().flat_map(|c| c.to_be_bytes()));
        message.extend([1, 0]);
        let mut all = Vec::new();
        for (kind, data) in extensions {
            all.extend(kind.to_be_bytes());
            all.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            all.extend_from_slice(data);
        }
        message.extend(u16::try_from(all.len()).unwrap().to_be_bytes());
        message.extend(all);
        message
    }

    #[test]
    fn a_client_is_known_by_its_ja3() {
        let message = hello(
            &[0x1a1a, 0x1301, 0xc02f],
            &[
                (0x0a0a, &[]),
                (0, &[0, 4, 0, 0, 1, b'a']),
                (10, &[0, 6, 0x2a, 0x2a, 0, 29, 0, 23]),
                (11, &[1, 0]),
                (43, &[4, 0xaa, 0xaa, 3, 4]),
            ],
        );
        let fingerprints = Fingerprints::of(Direction::ToServer, List::from(&message[..]));
        assert_eq!(fingerprints.ja3(), "771,4865-49199,0-10-11-43,29-23,0");
        assert_eq!(
            fingerprints.ja3_hash(),
            &*hex(&Md5::digest("771,4865-49199,0-10-11-43,29-23,0"))
        );
        assert!(fingerprints.ja4().starts_with("t13d020400_"));
    }

    #[test]
    fn a_hello_without_extensions_keeps_its_commas() {
        let mut message = hello(&[0x2f, 0x35], &[]);
        message.truncate(message.len() - 2);
        let client = Hello::parse(Direction::ToServer, &message).unwrap();
        assert_eq!(ja3(&client), "771,47-53,,,");
        let answer = [&[3, 1][..], &[8; 32], &[0, 0, 0x2f, 0]].concat();
        let server = Hello::parse(Direction::ToClient, &answer).unwrap();
        assert_eq!(ja3(&server), "769,47,");
    }

    #[test]
    fn empty_lists_have_the_hash_of_nothing() {
        let message = hello(&[], &[]);
        let hello = Hello::parse(Direction::ToServer, &message).unwrap();
        assert_eq!(
            ja4(&hello, Carrier::Tls),
            "t12i000000_e3b0c44298fc_d2e2adf7177b"
        );
    }

    #[test]
    fn counts_and_order_make_a_ja4() {
        let alpn = b"\x00\x06\x05h3-16";
        let message = hello(
            &[0xbada, 0x0a20, 0x1111],
            &[
                (0xface, &[]),
                (16, alpn),
                (0x1234, &[]),
                (0, &[]),
                (13, &[0, 2, 0x66, 0x66]),
            ],
        );
        let hello = Hello::parse(Direction::ToServer, &message).unwrap();
        let behind = short_hash("000d,1234,face_6666");
        assert_eq!(
            ja4(&hello, Carrier::Tls),
            &*format!("t12d0305h6_f500716053f9_{behind}")
        );
    }

    #[test]
    fn odd_protocol_names_are_written_in_hex() {
        assert_eq!(ends_of(None), ['0', '0']);
        assert_eq!(ends_of(Some(b"")), ['0', '0']);
        assert_eq!(ends_of(Some(b"a")), ['a', 'a']);
        assert_eq!(ends_of(Some(b"http/1.1")), ['h', '1']);
        assert_eq!(ends_of(Some(b"\xab--\xcd")), ['a', 'd']);
        assert_eq!(ends_of(Some(b"\x0a\x0a")), ['0', '0']);
    }
}
