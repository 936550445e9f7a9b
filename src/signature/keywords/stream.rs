//! How far a TCP stream has come.

use super::size::range;
use super::{Keyword, Kind};
use crate::signature::ast::{PacketTest, StreamSide, StreamSize};
use crate::signature::draft::Draft;
use crate::signature::lex::{Fault, Opt};
use crate::signature::suggest::nearest;
use crate::stream::StreamEvent;

/// Longest stream that a rule may ask for, in bytes.
const MAX_STREAM: u64 = u32::MAX as u64;

pub(super) fn keywords() -> Vec<Keyword> {
    vec![
        Keyword::option(
            Kind::Flow,
            "stream_size",
            "stream_size:client|server|both|either,<|>|=|!=|<=|>=,NUMBER;",
            "Sequence numbers that an end of the TCP connection has used so far, the SYN's included.",
            stream_size,
        ),
        Keyword::option(
            Kind::Packet,
            "stream-event",
            "stream-event:NAME;",
            "Something odd about a segment that is let through, seen from its connection, by its name, such as `reassembly_seq_gap`.",
            stream_event,
        ),
    ]
}

fn stream_event(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let name = opt.value()?.unquoted()?;
    let Some(event) = StreamEvent::from_name(name.text) else {
        let known = StreamEvent::ALL.iter().map(|e| e.as_str());
        return Err(name
            .fault(format!("`{}` is no event of a stream", name.text))
            .help_if(nearest(name.text, known).map(|n| format!("did you mean `{n}`?"))));
    };
    draft.packet.push(PacketTest::StreamEvent(event));
    Ok(())
}

fn stream_size(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let whole = || value.fault("expected whose stream, a comparison and a number, with commas");
    let (side, rest) = value.split_once(",").ok_or_else(whole)?;
    let whose = match side.text {
        "client" => StreamSide::Client,
        "server" => StreamSide::Server,
        "both" => StreamSide::Both,
        "either" => StreamSide::Either,
        _ => return Err(side.fault("expected client, server, both or either")),
    };
    let (comparison, number) = rest.split_once(",").ok_or_else(whole)?;
    number.integer()?;
    if !matches!(comparison.text, "<" | ">" | "=" | "!=" | "<=" | ">=") {
        return Err(comparison.fault("expected <, >, =, !=, <= or >="));
    }
    // One text again, so that all conditions on numbers are read in one place.
    let condition = format!("{}{}", comparison.text, number.text);
    let size = range(
        crate::signature::lex::Arg {
            text: &condition,
            start: number.start,
        },
        MAX_STREAM,
    )
    .map_err(|fault| number.fault(fault.message))?;
    draft.stream_sizes.push(StreamSize { whose, size });
    Ok(())
}
