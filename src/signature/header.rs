//! What stands before the options: action, protocol, ends and direction.

use super::action::{self, Actions};
use super::ast::{Header, Hook, Proto};
use super::hook;
use super::lex::{Arg, Fault};
use super::network::Resolver;
use super::suggest::nearest;
use crate::protocol::Protocol;

/// The words for packets and bytes; those for application protocols are in their own table.
const CARRIERS: &[(&str, Proto)] = &[
    ("ip", Proto::Ip),
    ("ip4", Proto::Ipv4),
    ("ipv4", Proto::Ipv4),
    ("ip6", Proto::Ipv6),
    ("ipv6", Proto::Ipv6),
    ("tcp", Proto::Tcp),
    ("tcp-pkt", Proto::TcpPacket),
    ("tcp-stream", Proto::TcpStream),
    ("udp", Proto::Udp),
    ("icmp", Proto::Icmp),
    ("icmpv4", Proto::Icmp4),
    ("icmpv6", Proto::Icmp6),
    ("pkthdr", Proto::PacketHeader),
];

/// The protocol words that are read.
pub fn protocol_words() -> impl Iterator<Item = (&'static str, Proto)> {
    let app = Protocol::ALL.iter().flat_map(|&protocol| {
        let words = protocol.words().iter();
        words.map(move |word| (*word, Proto::App(protocol)))
    });
    CARRIERS.iter().copied().chain(app)
}

/// Suricata's other protocol words: right, but not read here.
const NOT_READ: &[&str] = &[
    "arp",
    "bittorrent-dht",
    "doh2",
    "enip",
    "ether",
    "imap",
    "mdns",
    "modbus",
    "pop3",
    "rdp",
    "sctp",
    "telnet",
    "tftp",
];

pub(super) fn parse(
    header: Arg<'_>,
    resolver: &mut Resolver<'_>,
) -> Result<(Actions, Header), Fault> {
    let words = words(header)?;
    let mut words = words.into_iter();
    let mut next = |what: &str| {
        words.next().ok_or_else(|| {
            let end = header.slice(header.text.len(), header.text.len());
            end.fault(format!("the header ends where {what} was expected"))
                .help("ACTION PROTOCOL ADDRESSES PORTS -> ADDRESSES PORTS (OPTIONS)")
        })
    };
    let written = next("the action")?;
    let (protocol, hook) = protocol(next("the protocol")?)?;
    let action = action::parse(written, hook)?;
    let src = next("the source address")?;
    let src_ports = next("the source port")?;
    let arrow = next("the direction")?;
    let dst = next("the destination address")?;
    let dst_ports = next("the destination port")?;
    if let Some(extra) = words.next() {
        return Err(extra.fault(format!("`{}` does not belong to a header", extra.text)));
    }
    let header = Header {
        protocol,
        hook,
        bidirectional: bidirectional(arrow)?,
        transactional: arrow.text == "=>",
        src: resolver.addresses(src)?,
        src_ports: resolver.ports(src_ports)?,
        dst: resolver.addresses(dst)?,
        dst_ports: resolver.ports(dst_ports)?,
    };
    Ok((action, header))
}

/// Words between white space; a list in brackets is one word.
fn words(header: Arg<'_>) -> Result<Vec<Arg<'_>>, Fault> {
    let mut found = Vec::with_capacity(7);
    let (mut depth, mut from) = (0_usize, None);
    for (at, c) in header.text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| header.slice(at, at + 1).fault("`]` without its `[`"))?;
            }
            _ => {}
        }
        if c.is_whitespace() && depth == 0 {
            if let Some(from) = from.take() {
                found.push(header.slice(from, at));
            }
        } else {
            from.get_or_insert(at);
        }
    }
    if let Some(from) = from {
        let last = header.slice(from, header.text.len());
        if depth > 0 {
            return Err(last.fault("no `]` closes this list"));
        }
        found.push(last);
    }
    Ok(found)
}

/// The protocol, and the hook behind it.
fn protocol(word: Arg<'_>) -> Result<(Proto, Option<Hook>), Fault> {
    let (word, hook) = word
        .split_once(":")
        .map_or((word, None), |(word, hook)| (word, Some(hook)));
    let lower = word.text.to_ascii_lowercase();
    if let Some((_, proto)) = protocol_words().find(|(name, _)| *name == lower) {
        let hook = hook.map(|hook| hook::parse(hook, proto)).transpose()?;
        return Ok((proto, hook));
    }
    if NOT_READ.contains(&lower.as_str()) {
        return Err(word.fault(format!("protocol `{lower}` is not read in this version")));
    }
    let near = nearest(&lower, protocol_words().map(|(name, _)| name));
    Err(word
        .fault(format!("unknown protocol `{}`", word.text))
        .help_if(near.map(|n| format!("did you mean `{n}`?"))))
}

fn bidirectional(arrow: Arg<'_>) -> Result<bool, Fault> {
    match arrow.text {
        "->" | "=>" => Ok(false),
        "<>" => Ok(true),
        "<-" => Err(arrow
            .fault("`<-` is no direction")
            .help("swap the ends and write `->`")),
        other => Err(arrow.fault(format!("`{other}` is not `->`, `<>` or `=>`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::vars::Variables;
    use crate::verdict::Action;

    fn read(text: &str) -> Result<(Actions, Header), Fault> {
        let vars = Variables::default();
        parse(Arg { text, start: 0 }, &mut Resolver::new(&vars))
    }

    #[test]
    fn reads_a_whole_header() {
        let (action, header) =
            read("drop  tcp [10.0.0.1, 10.0.0.3] any\t<> $HTTP_SERVERS [80, 8080:8090]").unwrap();
        assert_eq!(action.action, Action::Drop);
        assert_eq!(header.protocol, Proto::Tcp);
        assert!(header.bidirectional);
        assert_eq!(header.src.include.len(), 2);
        assert_eq!(header.dst.include.len(), 3);
        assert_eq!(header.dst_ports.0, [(80, 80), (8080, 8090)]);
    }

    #[test]
    fn reads_every_protocol_word() {
        for (word, proto) in protocol_words() {
            let (_, header) = read(&format!("alert {word} any any -> any any")).unwrap();
            assert_eq!(header.protocol, proto);
        }
        assert!(
            NOT_READ
                .iter()
                .all(|w| protocol_words().all(|(p, _)| p != *w))
        );
    }

    #[test]
    fn refuses_with_the_span_at_fault() {
        for (text, span, needle) in [
            ("", 0..0, "the action"),
            ("alert tcp any any -> any", 24..24, "destination port"),
            ("aler tcp any any -> any any", 0..4, "unknown action"),
            (
                "accept:hook tcp any any -> any any",
                0..11,
                "names its hook",
            ),
            (
                "alert arp any any -> any any",
                6..9,
                "not read in this version",
            ),
            ("alert tls:x any any -> any any", 10..11, "hook"),
            ("alert htp any any -> any any", 6..9, "unknown protocol"),
            ("alert tcp any any <- any any", 18..20, "no direction"),
            ("alert tcp any any - any any", 18..19, "not `->`"),
            ("alert tcp any any -> any any x", 29..30, "does not belong"),
            ("alert tcp [any any -> any any", 10..29, "no `]`"),
            ("alert tcp any] any -> any any", 13..14, "without its"),
            ("alert tcp any 99999 -> any any", 14..19, "not between"),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.message.contains(needle), "{text}: {}", fault.message);
            assert_eq!(fault.span.start..fault.span.end, span, "{text}");
        }
    }
}
