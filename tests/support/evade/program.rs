//! What a case does, as data: a small language of steps, one step a line (or between semicolons).
//!
//! ```text
//! isn N | isn +N           the initial sequence number; by N further for a new connection
//! open                     syn, expect SA, ack
//! syn ack fin rst synack   one segment without data; `at=N` says where in the stream
//! seg A-B                  bytes A to B of the payload, at their place
//! seg A-B=x                other bytes at that place: the letter x throughout
//! seg A=EXPR               at A, a list of `A-B` (payload) and `x3` (a letter, how often)
//! segs N [rev]             the whole payload in segments of N bytes
//! udp [EXPR]               a datagram
//! toobig                   an ICMP `fragmentation needed` about the connection
//! connect                  the real client connects to the crafted server
//! expect FLAGS             until the other end sent a segment with these flags
//! acked N                  until the other end acknowledged N bytes of the stream
//! wait MS
//! ```
//! Each packet takes the words of [`Shape`]; `frag=` is a [`Plan`].

use std::ops::Range;
use std::time::Duration;

use super::super::Fallible;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;
pub const URG: u8 = 0x20;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

#[derive(Clone, Debug)]
pub struct Step {
    /// As it stands in the catalogue; empty where it goes on with the step before.
    pub text: String,
    pub act: Act,
}

#[derive(Clone, Debug)]
pub enum Act {
    Isn(u32),
    IsnForward(u32),
    Segment(Segment),
    Datagram(Vec<Bytes>, Shape),
    TooBig,
    Connect,
    Expect(u8),
    Acked(i64),
    Wait(Duration),
}

/// A TCP segment.
#[derive(Clone, Debug)]
pub struct Segment {
    pub flags: u8,
    /// Place in the stream; -1 is the SYN's. `None`: where the last segment ended.
    pub at: Option<i64>,
    pub data: Vec<Bytes>,
    /// Carries what a SYN carries: a segment size and what else was asked for.
    pub opens: bool,
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bytes {
    Payload(Range<usize>),
    /// To the payload's end.
    From(usize),
    Fill(u8, usize),
}

/// How a packet differs from an ordinary one.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub flags: Option<u8>,
    /// Added to the sequence and to the acknowledgement number.
    pub seq: i64,
    pub ack: i64,
    pub window: Option<u16>,
    pub urgent: u16,
    /// TCP header length in words.
    pub data_offset: Option<u8>,
    pub reserved: u8,
    pub bad_sum: bool,
    pub no_sum: bool,
    /// Raw TCP options.
    pub options: Vec<u8>,
    pub timestamp: Stamp,
    pub mss: Option<u16>,
    pub sack_permitted: bool,
    pub window_scale: Option<u8>,
    /// UDP length, added to the true one.
    pub udp_length: i64,

    pub ttl: Option<u8>,
    pub tos: u8,
    pub id: Option<u32>,
    pub reserved_flag: bool,
    pub dont_fragment: bool,
    pub version: Option<u8>,
    pub header_words: Option<u8>,
    /// IP length, added to the true one.
    pub length: i64,
    pub bad_ip_sum: bool,
    pub ip_options: Vec<u8>,
    pub trailer: Vec<Bytes>,
    /// Extension headers before and behind the fragment header.
    pub extensions: Vec<Extension>,
    pub inner_extensions: Vec<Extension>,
    pub plan: Option<Plan>,
    pub tunnel: Option<Tunnel>,
}

/// The timestamp option of a segment, where the connection has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// As the connection does.
    #[default]
    Usual,
    None,
    /// Against the last one sent.
    Relative(i64),
    /// Also where none was negotiated.
    Absolute(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    HopByHop,
    Destination,
    /// Type 0, with so many segments left.
    Routing(u8),
}

/// In which fragments an IP payload is sent.
#[derive(Clone, Debug)]
pub enum Plan {
    Each {
        size: usize,
        order: Order,
    },
    /// `A-B[=x][+|.][/tN][/iN][/pN]`: bytes, other bytes instead, MF forced on or off, TTL, identification
    /// further by N, protocol.
    List(Vec<Piece>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Ordered,
    Reversed,
    LastFirst,
}

/// By default all of it.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    pub start: usize,
    /// `None`: to the end.
    pub end: Option<usize>,
    pub fill: Option<u8>,
    pub more: Option<bool>,
    pub ttl: Option<u8>,
    pub id: u32,
    pub protocol: Option<u8>,
}

/// What a packet is wrapped in; the receiver's own tunnel end unwraps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    Gre,
    IpIp,
    SixInFour,
    Vxlan,
    Geneve,
    Teredo,
}

pub fn parse_steps(text: &str) -> Fallible<Vec<Step>> {
    let mut steps = Vec::new();
    for one in text.split([';', '\n']) {
        let one = one.split('#').next().unwrap_or("").trim();
        if !one.is_empty() {
            parse_step(one, &mut steps).map_err(|e| format!("`{one}`: {e}"))?;
        }
    }
    Ok(steps)
}

fn parse_step(text: &str, steps: &mut Vec<Step>) -> Fallible<()> {
    let mut words = text.split_whitespace();
    let verb = words.next().unwrap_or("");
    let rest: Vec<&str> = words.collect();
    let mut text_once = text.to_owned();
    let mut push = |act| {
        steps.push(Step {
            text: std::mem::take(&mut text_once),
            act,
        });
    };
    match (verb, rest.as_slice()) {
        ("isn", [n]) => push(match n.strip_prefix('+') {
            Some(n) => Act::IsnForward(n.parse()?),
            None => Act::Isn(n.parse()?),
        }),
        ("open", words) => {
            push(Act::Segment(bare(SYN, words)?));
            push(Act::Expect(SYN | ACK));
            push(Act::Segment(Segment {
                opens: false,
                ..bare(ACK, &[])?
            }));
        }
        ("syn", words) => push(Act::Segment(bare(SYN, words)?)),
        ("synack", words) => push(Act::Segment(bare(SYN | ACK, words)?)),
        ("ack", words) => push(Act::Segment(bare(ACK, words)?)),
        ("fin", words) => push(Act::Segment(bare(FIN | ACK, words)?)),
        ("rst", words) => push(Act::Segment(bare(RST, words)?)),
        ("seg", [place, words @ ..]) => {
            let (at, data) = placed(place)?;
            let shape = shape(words)?;
            push(Act::Segment(Segment {
                flags: PSH | ACK,
                at: Some(at),
                data,
                opens: false,
                shape,
            }));
        }
        ("segs", [size, words @ ..]) => {
            let size: usize = size.parse()?;
            let reversed = words.first() == Some(&"rev");
            let words = &words[usize::from(reversed)..];
            steps.push(Step {
                text: text.to_owned(),
                act: Act::Segment(Segment {
                    flags: PSH | ACK,
                    // Cut up when the payload is known; see `Case::program`.
                    at: None,
                    data: vec![Bytes::Fill(u8::from(reversed), size)],
                    opens: false,
                    shape: shape(words)?,
                }),
            });
        }
        ("udp", words) => {
            let (data, words) = match words.split_first() {
                Some((first, rest)) if !is_setting(first) => (bytes(first)?, rest),
                _ => (vec![Bytes::From(0)], words),
            };
            push(Act::Datagram(data, shape(words)?));
        }
        ("toobig", []) => push(Act::TooBig),
        ("connect", []) => push(Act::Connect),
        ("expect", [letters]) => push(Act::Expect(flags(letters)?)),
        ("acked", [n]) => push(Act::Acked(n.parse()?)),
        ("wait", [ms]) => push(Act::Wait(Duration::from_millis(ms.parse()?))),
        _ => return Err("no such step".into()),
    }
    Ok(())
}

/// A segment without data of its own; `data=` gives it some.
fn bare(flags: u8, words: &[&str]) -> Fallible<Segment> {
    let mut at = (flags & SYN != 0).then_some(-1);
    let mut data = Vec::new();
    let mut others = Vec::new();
    for word in words {
        if let Some(n) = word.strip_prefix("at=") {
            at = Some(n.parse()?);
        } else if let Some(expression) = word.strip_prefix("data=") {
            data = bytes(expression)?;
        } else {
            others.push(*word);
        }
    }
    Ok(Segment {
        flags,
        at,
        data,
        opens: flags & SYN != 0,
        shape: shape(&others)?,
    })
}

fn is_setting(word: &str) -> bool {
    !word.starts_with(|c: char| c.is_ascii_digit())
}

/// `A-B`, `A-B=x` or `A=EXPR`.
fn placed(word: &str) -> Fallible<(i64, Vec<Bytes>)> {
    let (place, what) = match word.split_once('=') {
        Some((place, what)) => (place, Some(what)),
        None => (word, None),
    };
    match (parse_range(place)?, what) {
        ((start, Some(end)), None) => Ok((start, vec![Bytes::Payload(start as usize..end)])),
        ((start, None), None) => Ok((start, vec![Bytes::From(start as usize)])),
        ((start, Some(end)), Some(letter)) => {
            let length = end
                .checked_sub(start as usize)
                .ok_or("the range runs backward")?;
            Ok((start, vec![Bytes::Fill(first_letter(letter)?, length)]))
        }
        ((start, None), Some(expression)) => Ok((start, bytes(expression)?)),
    }
}

/// `A-B`, `A-` or `A`; A may be negative.
fn parse_range(word: &str) -> Fallible<(i64, Option<usize>)> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word),
    };
    let (start, end) = match digits.split_once('-') {
        Some((start, "")) => (start, None),
        Some((start, end)) => (start, Some(end.parse()?)),
        None => (digits, None),
    };
    Ok((sign * start.parse::<i64>()?, end))
}

fn bytes(expression: &str) -> Fallible<Vec<Bytes>> {
    expression
        .split(',')
        .map(|item| {
            let first = item.bytes().next().ok_or("an empty item")?;
            if first.is_ascii_digit() {
                return Ok(match parse_range(item)? {
                    (start, Some(end)) => Bytes::Payload(start as usize..end),
                    (start, None) => Bytes::From(start as usize),
                });
            }
            let count = match &item[1..] {
                "" => 1,
                digits => digits.parse()?,
            };
            Ok(Bytes::Fill(first, count))
        })
        .collect()
}

fn first_letter(word: &str) -> Fallible<u8> {
    word.bytes().next().ok_or_else(|| "no letter".into())
}

fn flags(letters: &str) -> Fallible<u8> {
    letters.chars().try_fold(0, |all, letter| {
        Ok(all
            | match letter {
                'F' => FIN,
                'S' => SYN,
                'R' => RST,
                'P' => PSH,
                'A' => ACK,
                'U' => URG,
                'E' => ECE,
                'C' => CWR,
                '0' => 0,
                _ => return Err(format!("`{letter}` is no flag").into()),
            })
    })
}

fn hex(text: &str) -> Fallible<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err("hex digits come in pairs".into());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| Ok(u8::from_str_radix(&text[at..at + 2], 16)?))
        .collect()
}

/// Words after a packet's verb. Numbers with a sign are added to what would stand there.
fn shape(words: &[&str]) -> Fallible<Shape> {
    let mut shape = Shape::default();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "f" => shape.flags = Some(flags(value)?),
            "seq" => shape.seq = value.parse()?,
            "ack" => shape.ack = value.parse()?,
            "win" => shape.window = Some(value.parse()?),
            "urg" => shape.urgent = value.parse()?,
            "doff" => shape.data_offset = Some(value.parse()?),
            "res" => shape.reserved = value.parse()?,
            "sum" if value == "bad" => shape.bad_sum = true,
            "sum" if value == "0" => shape.no_sum = true,
            "opt" => shape.options.extend(hex(value)?),
            // RFC 2385, RFC 5925.
            "md5" => shape
                .options
                .extend([[19, 18].as_slice(), &[0x5a; 16]].concat()),
            "ao" => shape
                .options
                .extend([[29, 16].as_slice(), &[0x5a; 14]].concat()),
            "mss" => shape.mss = Some(value.parse()?),
            "sack" => shape.sack_permitted = true,
            "ws" => shape.window_scale = Some(value.parse()?),
            "ts" => {
                shape.timestamp = match value {
                    "none" => Stamp::None,
                    relative if relative.starts_with(['+', '-']) => {
                        Stamp::Relative(relative.parse()?)
                    }
                    absolute => Stamp::Absolute(absolute.parse()?),
                }
            }
            "ulen" => shape.udp_length = value.parse()?,
            "ttl" => shape.ttl = Some(value.parse()?),
            "tos" => shape.tos = value.parse()?,
            "id" => shape.id = Some(value.parse()?),
            "rf" => shape.reserved_flag = true,
            "df" => shape.dont_fragment = true,
            "lost" => shape.tos = super::place::LOST_DSCP << 2,
            "ver" => shape.version = Some(value.parse()?),
            "ihl" => shape.header_words = Some(value.parse()?),
            "len" => shape.length = value.parse()?,
            "ipsum" if value == "bad" => shape.bad_ip_sum = true,
            "ipopt" => shape.ip_options = hex(value)?,
            "tail" => shape.trailer = bytes(value)?,
            "eh" => shape.extensions = extensions(value)?,
            "feh" => shape.inner_extensions = extensions(value)?,
            "frag" => shape.plan = Some(plan(value)?),
            "in" => shape.tunnel = Some(tunnel(value)?),
            _ => return Err(format!("`{word}` is no setting of a packet").into()),
        }
    }
    Ok(shape)
}

fn extensions(text: &str) -> Fallible<Vec<Extension>> {
    let mut all = Vec::new();
    for word in text.split(',') {
        let (name, count) = match word.split_once('*') {
            Some((name, count)) => (name, count.parse()?),
            None => (word, 1),
        };
        let extension = match name {
            "hbh" => Extension::HopByHop,
            "dst" => Extension::Destination,
            "rt0" => Extension::Routing(0),
            "rt1" => Extension::Routing(1),
            _ => return Err(format!("`{name}` is no extension header").into()),
        };
        all.extend(std::iter::repeat_n(extension, count));
    }
    Ok(all)
}

fn tunnel(name: &str) -> Fallible<Tunnel> {
    Ok(match name {
        "gre" => Tunnel::Gre,
        "ipip" => Tunnel::IpIp,
        "6in4" => Tunnel::SixInFour,
        "vxlan" => Tunnel::Vxlan,
        "geneve" => Tunnel::Geneve,
        "teredo" => Tunnel::Teredo,
        _ => return Err(format!("`{name}` is no tunnel").into()),
    })
}

fn plan(text: &str) -> Fallible<Plan> {
    if !text.contains('-') {
        let (digits, order) = match text.as_bytes().last() {
            Some(b'r') => (&text[..text.len() - 1], Order::Reversed),
            Some(b'l') => (&text[..text.len() - 1], Order::LastFirst),
            _ => (text, Order::Ordered),
        };
        return Ok(Plan::Each {
            size: digits.parse()?,
            order,
        });
    }
    let pieces: Fallible<Vec<_>> = text.split(',').map(piece).collect();
    Ok(Plan::List(pieces?))
}

fn piece(text: &str) -> Fallible<Piece> {
    let mut parts = text.split('/');
    let mut main = parts.next().unwrap_or("");
    let mut more = None;
    if let Some(rest) = main.strip_suffix('+') {
        (main, more) = (rest, Some(true));
    } else if let Some(rest) = main.strip_suffix('.') {
        (main, more) = (rest, Some(false));
    }
    let (range, fill) = match main.split_once('=') {
        Some((range, letter)) => (range, Some(first_letter(letter)?)),
        None => (main, None),
    };
    let (start, end) = parse_range(range)?;
    let mut piece = Piece {
        start: usize::try_from(start)?,
        end,
        fill,
        more,
        ..Piece::default()
    };
    for part in parts {
        let number = part.get(1..).unwrap_or("");
        match part.as_bytes().first() {
            Some(b't') => piece.ttl = Some(number.parse()?),
            Some(b'i') => piece.id = number.parse()?,
            Some(b'p') => piece.protocol = Some(number.parse()?),
            _ => return Err(format!("`/{part}` is nothing of a fragment's").into()),
        }
    }
    Ok(piece)
}
