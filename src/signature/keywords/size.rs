//! Lengths of payload and buffers.

use super::{Keyword, Kind};
use crate::buffer::Buffer;
use crate::signature::ast::{PacketTest, Range, Test};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

/// Longest payload of a packet, in bytes.
const MAX_PAYLOAD: u64 = 65_535;
/// Longest request target that a rule may ask for, in bytes.
const MAX_URI: u64 = 65_535;
/// Longest buffer that a rule may ask for, in bytes.
const MAX_BUFFER: u64 = u32::MAX as u64;

pub(super) fn keywords() -> Vec<Keyword> {
    vec![
        Keyword::option(
            Kind::Packet,
            "dsize",
            "dsize:[!][<|>|<=|>=]NUMBER; dsize:[!]NUMBER<>NUMBER;",
            "Length of the packet's payload; `<>` leaves out both ends.",
            dsize,
        ),
        Keyword::option(
            Kind::Payload,
            "bsize",
            "bsize:[!][<|>|<=|>=]NUMBER; bsize:[!]NUMBER<>NUMBER;",
            "Length of the sticky buffer; `<>` leaves out both ends.",
            bsize,
        ),
        Keyword::option(
            Kind::Payload,
            "urilen",
            "urilen:[!][<|>|<=|>=]NUMBER[,norm|raw]; urilen:[!]NUMBER<>NUMBER[,norm|raw];",
            "Length of the request target, normalised unless `raw` is written; `<>` leaves out both ends.",
            urilen,
        ),
    ]
}

fn dsize(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let lengths = range(opt.value()?.unquoted()?, MAX_PAYLOAD)?;
    let twice = |test: &PacketTest| matches!(test, PacketTest::PayloadLength(_));
    if draft.packet.iter().any(twice) {
        return Err(opt.name.fault("`dsize` stands twice"));
    }
    draft.packet.push(PacketTest::PayloadLength(lengths));
    Ok(())
}

fn bsize(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let range = range(opt.value()?.unquoted()?, MAX_BUFFER)?;
    match draft.sticky_buffer() {
        None | Some(Buffer::Payload) => {
            Err(opt.name.fault("`bsize` needs a sticky buffer before it"))
        }
        Some(_) => {
            draft.add(Test::Size(range));
            Ok(())
        }
    }
}

fn urilen(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let (lengths, buffer) = match value.split_once(",") {
        None => (value, Buffer::HttpUri),
        Some((lengths, form)) => match form.text {
            "norm" => (lengths, Buffer::HttpUri),
            "raw" => (lengths, Buffer::HttpUriRaw),
            _ => return Err(form.fault("expected `norm` or `raw`")),
        },
    };
    draft.add_aside(buffer, Test::Size(range(lengths, MAX_URI)?));
    Ok(())
}

/// Reads a condition on a length from 0 to `max`.
pub(super) fn range(arg: Arg<'_>, max: u64) -> Result<Range, Fault> {
    let (negated, body) = arg.negation();
    let number = |piece: Arg<'_>| {
        let piece = piece.trim();
        let number = piece.integer_in(0..=i64::try_from(max).unwrap_or(i64::MAX))?;
        u64::try_from(number).map_err(|_| piece.fault("a length is not negative"))
    };
    let nothing = || arg.fault("no length fulfils this");
    let between = body.split_once("<>").or_else(|| {
        let dashed = body.split_once("-");
        dashed.filter(|(low, _)| !low.text.is_empty())
    });
    let (min, max) = if let Some((low, high)) = between {
        let (low, high) = (number(low)?, number(high)?);
        if high < low.saturating_add(2) {
            return Err(arg.fault("no number lies between these two"));
        }
        (low + 1, high - 1)
    } else if let Some(rest) = body.strip_prefix("<=") {
        (0, number(rest)?)
    } else if let Some(rest) = body.strip_prefix(">=") {
        (number(rest)?, max)
    } else if let Some(rest) = body.strip_prefix("<") {
        (0, number(rest)?.checked_sub(1).ok_or_else(nothing)?)
    } else if let Some(rest) = body.strip_prefix(">") {
        let above = number(rest)?;
        if above >= max {
            return Err(nothing());
        }
        (above + 1, max)
    } else {
        let exact = number(body.strip_prefix("=").unwrap_or(body))?;
        (exact, exact)
    };
    Ok(Range { min, max, negated })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_become_inclusive_ranges() {
        for (text, min, max, negated) in [
            ("5", 5, 5, false),
            ("!5", 5, 5, true),
            ("<5", 0, 4, false),
            ("<=5", 0, 5, false),
            ("> 5", 6, 65_535, false),
            (">=5", 5, 65_535, false),
            ("5<>9", 6, 8, false),
            ("!5 <> 9", 6, 8, true),
            ("5-9", 6, 8, false),
            ("!=5", 5, 5, true),
        ] {
            let read = range(Arg { text, start: 0 }, MAX_PAYLOAD).unwrap();
            assert_eq!(read, Range { min, max, negated }, "{text}");
        }
        for bad in [
            "", "<0", ">65535", "5<>6", "9<>5", "-1", "70000", "a", "<>5",
        ] {
            assert!(
                range(
                    Arg {
                        text: bad,
                        start: 0
                    },
                    MAX_PAYLOAD
                )
                .is_err(),
                "{bad}"
            );
        }
    }
}
