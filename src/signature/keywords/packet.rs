//! Headers of single packets.

use super::size::range;
use super::{Keyword, Kind, Parser};
use crate::signature::ast::{BitsMode, BitsTest, PacketTest, VlanLayers, VlanTest};
use crate::signature::draft::Draft;
use crate::signature::header_number::HeaderNumber;
use crate::signature::lex::{Arg, Fault, Opt};
use crate::signature::suggest::nearest;

pub(super) fn keywords() -> Vec<Keyword> {
    let numbers = HeaderNumber::ALL.iter().map(|&number| {
        let name = number.as_str();
        Keyword {
            name,
            aliases: number.aliases(),
            syntax: format!("{name}:[!][<|>|<=|>=]NUMBER; {name}:[!]NUMBER<>NUMBER;").into(),
            help: number.help(),
            kind: Kind::Packet,
            parser: Parser::Number(number),
        }
    });
    let flags = Keyword {
        aliases: &["flags"],
        ..Keyword::option(
            Kind::Packet,
            "tcp.flags",
            "tcp.flags:[+|*|!]FLAGS[,IGNORED];",
            "TCP flags out of F S R P A U E C, or 0 for none: these alone, these and others (+), any of them (*), not all of them (!).",
            tcp_flags,
        )
    };
    let rest = [
        flags,
        Keyword::option(
            Kind::Packet,
            "fragbits",
            "fragbits:[+|*|!]BITS;",
            "IPv4 fragment bits out of M (more), D (do not) and R (reserved): these alone, these and others (+), any of them (*), not all of them (!).",
            fragment_bits,
        ),
        Keyword::option(
            Kind::Packet,
            "ipopts",
            "ipopts:rr|ts|ts_s|lsrr|lsrre|ssrr|satid|sec|esec|cipso|rtralt|qs|eol|nop|any;",
            "The IPv4 header has this option (RFC 791 section 3.1).",
            ip_option,
        ),
        Keyword::option(
            Kind::Packet,
            "vlan.id",
            "vlan.id:[!][<|>|<=|>=]NUMBER[,any|all|LAYER]; vlan.id:[!]NUMBER-NUMBER[,any|all|LAYER];",
            "Id of a VLAN tag: of any, of all, or of one, counted from 0 at the outermost or from -1 at the innermost; three at most are read.",
            vlan_id,
        ),
        Keyword::option(
            Kind::Packet,
            "sameip",
            "sameip;",
            "Source and destination address are the same.",
            same_address,
        ),
        Keyword::option(
            Kind::Meta,
            "prefilter",
            "prefilter;",
            "Read and without effect: what a rule is looked for by is always chosen here.",
            |_, opt| opt.no_value(),
        ),
    ];
    numbers.chain(rest).collect()
}

pub(super) fn number(
    draft: &mut Draft<'_>,
    opt: &Opt<'_>,
    number: HeaderNumber,
) -> Result<(), Fault> {
    let range = range(opt.value()?.unquoted()?, number.max())?;
    draft.packet.push(PacketTest::Number(number, range));
    Ok(())
}

fn vlan_id(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let (id, layer) = match value.split_once(",") {
        None => (value, None),
        Some((id, layer)) => (id, Some(layer)),
    };
    let layers = match layer.map(|l| (l, l.text)) {
        None | Some((_, "any")) => VlanLayers::Any,
        Some((_, "all")) => VlanLayers::All,
        Some((layer, _)) => match layer.integer_in(-3..=2)? {
            at @ 0.. => VlanLayers::One(at as u8),
            back => VlanLayers::FromLast((-back - 1) as u8),
        },
    };
    let range = range(id, 4095)?;
    draft
        .packet
        .push(PacketTest::VlanId(VlanTest { range, layers }));
    Ok(())
}

fn tcp_flags(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let (flags, ignored) = match value.split_once(",") {
        None => (value, None),
        Some((flags, ignored)) => (flags, Some(ignored)),
    };
    let mut test = bits(flags, tcp_flag)?;
    if let Some(ignored) = ignored {
        test.ignored = bits(ignored, tcp_flag)?.bits;
    }
    draft.packet.push(PacketTest::TcpFlags(test));
    Ok(())
}

const fn tcp_flag(letter: char) -> Option<u8> {
    Some(match letter {
        'F' => 0x01,
        'S' => 0x02,
        'R' => 0x04,
        'P' => 0x08,
        'A' => 0x10,
        'U' => 0x20,
        'E' | '2' => 0x40,
        'C' | '1' => 0x80,
        '0' => 0,
        _ => return None,
    })
}

fn fragment_bits(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let test = bits(opt.value()?.unquoted()?, |letter| match letter {
        'M' => Some(0x20),
        'D' => Some(0x40),
        'R' => Some(0x80),
        _ => None,
    })?;
    draft.packet.push(PacketTest::FragmentBits(test));
    Ok(())
}

/// Names and types of IPv4 options: RFC 791, RFC 1108, RFC 2113, RFC 4782, FIPS 188.
const IP_OPTIONS: &[(&str, Option<u8>)] = &[
    ("eol", Some(0)),
    ("nop", Some(1)),
    ("rr", Some(7)),
    ("qs", Some(25)),
    ("ts", Some(68)),
    ("ts_s", Some(68)),
    ("sec", Some(130)),
    ("lsrr", Some(131)),
    ("lsrre", Some(131)),
    ("esec", Some(133)),
    ("cipso", Some(134)),
    ("satid", Some(136)),
    ("ssrr", Some(137)),
    ("rtralt", Some(148)),
    ("any", None),
];

fn ip_option(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let Some((_, kind)) = IP_OPTIONS.iter().find(|(name, _)| *name == value.text) else {
        let near = nearest(value.text, IP_OPTIONS.iter().map(|(name, _)| *name));
        return Err(value
            .fault(format!("`{}` is no option of IPv4", value.text))
            .help_if(near.map(|n| format!("did you mean `{n}`?"))));
    };
    draft.packet.push(PacketTest::IpOption(*kind));
    Ok(())
}

fn same_address(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    draft.packet.push(PacketTest::SameAddress);
    Ok(())
}

/// Letters for bits, and at most one of `+`, `*` and `!` among them.
fn bits(arg: Arg<'_>, letter: impl Fn(char) -> Option<u8>) -> Result<BitsTest, Fault> {
    let (mut bits, mut mode) = (None, None);
    for c in arg.text.chars().filter(|c| !c.is_whitespace()) {
        let said = match c {
            '+' => Some(BitsMode::All),
            '*' => Some(BitsMode::Any),
            '!' => Some(BitsMode::NotAll),
            _ => None,
        };
        match (said, letter(c)) {
            (Some(said), _) if mode.is_none() => mode = Some(said),
            (None, Some(bit)) => bits = Some(bits.unwrap_or(0) | bit),
            _ => return Err(arg.fault(format!("`{c}` does not belong here"))),
        }
    }
    Ok(BitsTest {
        bits: bits.ok_or_else(|| arg.fault("no flag is named"))?,
        ignored: 0,
        mode: mode.unwrap_or(BitsMode::Exactly),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_tested_as_the_modifier_says() {
        let (fin, syn, ack) = (0x01, 0x02, 0x10);
        for (text, matching, others) in [
            ("S", &[syn][..], &[syn | ack, 0, ack][..]),
            ("SA+", &[syn | ack, syn | ack | fin], &[syn]),
            ("*SF", &[syn, fin | ack], &[ack, 0]),
            ("!SA", &[syn, 0, fin], &[syn | ack, syn | ack | fin]),
            ("0", &[0], &[ack]),
        ] {
            let test = bits(Arg { text, start: 0 }, tcp_flag).unwrap();
            assert!(matching.iter().all(|&f| test.matches(f)), "{text}");
            assert!(!others.iter().any(|&f| test.matches(f)), "{text}");
        }
        for text in ["", "X", "+", "S+!"] {
            assert!(bits(Arg { text, start: 0 }, tcp_flag).is_err(), "{text}");
        }
    }
}
