//! The flow a packet belongs to, and the bits rules keep on it.

use super::size::range;
use super::{Keyword, Kind, ParseOption};
use crate::direction::Direction;
use crate::signature::ast::{
    Flow, FlowCount, FlowCountTest, FlowEnds, Flowbit, FlowbitCommand, Range,
};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};
use crate::signature::suggest::nearest;

/// Most names in one `flowbits:isset,a|b`.
const MAX_NAMES: usize = 256;

pub(super) fn keywords() -> Vec<Keyword> {
    vec![
        Keyword::option(
            Kind::Flow,
            "flow",
            "flow:WORD, ...;",
            "State and direction of the flow: to_server (from_client), to_client (from_server), established, not_established, stateless, only_stream, no_stream, only_frag, no_frag.",
            flow,
        ),
        Keyword::option(
            Kind::Flow,
            "flowbits",
            "flowbits:set|unset|toggle|isset|isnotset,NAME; flowbits:noalert;",
            "Sets or tests a named bit of the flow; `isset` and `isnotset` take several names with `|` between them.",
            flowbits,
        ),
        Keyword::option(
            Kind::Flow,
            "flow.age",
            "flow.age:[!][<|>|<=|>=]NUMBER; flow.age:[!]NUMBER<>NUMBER;",
            "Seconds since the first packet of the flow.",
            |draft, opt| {
                let range = range(opt.value()?.unquoted()?, MAX_COUNT)?;
                count(draft, FlowCount::Age, range)
            },
        ),
        Keyword::option(
            Kind::Flow,
            "flow.pkts",
            "flow.pkts:toserver|toclient|either|both,[!][<|>|<=|>=]NUMBER;",
            "Packets of the flow so far, the one in hand included.",
            |draft, opt| {
                let (ends, range) = counted_ends(opt)?;
                count(draft, FlowCount::Packets(ends), range)
            },
        ),
        Keyword::option(
            Kind::Flow,
            "flow.bytes",
            "flow.bytes:toserver|toclient|either|both,[!][<|>|<=|>=]NUMBER;",
            "Bytes of the flow's IP datagrams so far, the one in hand included.",
            |draft, opt| {
                let (ends, range) = counted_ends(opt)?;
                count(draft, FlowCount::Bytes(ends), range)
            },
        ),
        one_way(
            "flow.pkts_toserver",
            "flow.pkts_toserver:[!][<|>|<=|>=]NUMBER;",
            |draft, opt| one_way_count(draft, opt, FlowCount::Packets(TO_SERVER)),
        ),
        one_way(
            "flow.pkts_toclient",
            "flow.pkts_toclient:[!][<|>|<=|>=]NUMBER;",
            |draft, opt| one_way_count(draft, opt, FlowCount::Packets(TO_CLIENT)),
        ),
        one_way(
            "flow.bytes_toserver",
            "flow.bytes_toserver:[!][<|>|<=|>=]NUMBER;",
            |draft, opt| one_way_count(draft, opt, FlowCount::Bytes(TO_SERVER)),
        ),
        one_way(
            "flow.bytes_toclient",
            "flow.bytes_toclient:[!][<|>|<=|>=]NUMBER;",
            |draft, opt| one_way_count(draft, opt, FlowCount::Bytes(TO_CLIENT)),
        ),
    ]
}

/// The largest count that a rule may ask for.
const MAX_COUNT: u64 = i64::MAX as u64;
const TO_SERVER: FlowEnds = FlowEnds::One(Direction::ToServer);
const TO_CLIENT: FlowEnds = FlowEnds::One(Direction::ToClient);

const fn one_way(name: &'static str, syntax: &'static str, parse: ParseOption) -> Keyword {
    Keyword::option(
        Kind::Flow,
        name,
        syntax,
        "The older form of `flow.pkts` and `flow.bytes`, of one direction.",
        parse,
    )
}

fn count(draft: &mut Draft<'_>, count: FlowCount, range: Range) -> Result<(), Fault> {
    draft.flow_counts.push(FlowCountTest { count, range });
    Ok(())
}

fn one_way_count(draft: &mut Draft<'_>, opt: &Opt<'_>, of: FlowCount) -> Result<(), Fault> {
    let range = range(opt.value()?.unquoted()?, MAX_COUNT)?;
    count(draft, of, range)
}

fn counted_ends(opt: &Opt<'_>) -> Result<(FlowEnds, Range), Fault> {
    let value = opt.value()?.unquoted()?;
    let Some((ends, condition)) = value.split_once(",") else {
        return Err(value.fault("expected a direction, a comma and a condition"));
    };
    let ends = match ends.text {
        "toserver" => TO_SERVER,
        "toclient" => TO_CLIENT,
        "either" => FlowEnds::Either,
        "both" => FlowEnds::Both,
        _ => return Err(ends.fault("expected toserver, toclient, either or both")),
    };
    Ok((ends, range(condition, MAX_COUNT)?))
}

const WORDS: &[&str] = &[
    "to_server",
    "to_client",
    "from_server",
    "from_client",
    "established",
    "not_established",
    "stateless",
    "only_stream",
    "no_stream",
    "only_frag",
    "no_frag",
];

fn flow(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    if draft.flow.is_some() {
        return Err(opt.name.fault("`flow` stands twice"));
    }
    let mut flow = Flow::default();
    for word in opt.value()?.unquoted()?.split(',') {
        match word.text {
            "to_server" | "from_client" => put(&mut flow.direction, Direction::ToServer, word)?,
            "to_client" | "from_server" => put(&mut flow.direction, Direction::ToClient, word)?,
            "established" => put(&mut flow.established, true, word)?,
            "not_established" => put(&mut flow.established, false, word)?,
            "stateless" => flow.stateless = true,
            "only_stream" => put(&mut flow.stream, true, word)?,
            "no_stream" => put(&mut flow.stream, false, word)?,
            "only_frag" => put(&mut flow.only_frag, true, word)?,
            "no_frag" => put(&mut flow.only_frag, false, word)?,
            other => {
                let near = nearest(other, WORDS.iter().copied());
                return Err(word
                    .fault(format!("`{other}` is no state or direction of a flow"))
                    .help_if(near.map(|n| format!("did you mean `{n}`?"))));
            }
        }
        if flow.stateless && flow.established.is_some() {
            return Err(word.fault("`stateless` and a state of the connection exclude each other"));
        }
    }
    draft.flow = Some(flow);
    Ok(())
}

fn put<T: PartialEq>(slot: &mut Option<T>, value: T, word: Arg<'_>) -> Result<(), Fault> {
    match slot {
        Some(before) if *before != value => {
            Err(word.fault(format!("`{}` contradicts a word before it", word.text)))
        }
        Some(_) => Err(word.fault(format!("`{}` stands twice", word.text))),
        None => {
            *slot = Some(value);
            Ok(())
        }
    }
}

fn flowbits(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    if value.text == "noalert" {
        draft.noalert = true;
        return Ok(());
    }
    let Some((command, names)) = value.split_once(",") else {
        return Err(value.fault("expected a command, a comma and a name"));
    };
    let command = match command.text {
        "set" => FlowbitCommand::Set,
        "unset" => FlowbitCommand::Unset,
        "toggle" => FlowbitCommand::Toggle,
        "isset" => FlowbitCommand::IsSet,
        "isnotset" => FlowbitCommand::IsNotSet,
        other => {
            let known = ["set", "unset", "toggle", "isset", "isnotset", "noalert"];
            return Err(command
                .fault(format!("`{other}` is no command of `flowbits`"))
                .help_if(nearest(other, known).map(|n| format!("did you mean `{n}`?"))));
        }
    };
    let several = matches!(command, FlowbitCommand::IsSet | FlowbitCommand::IsNotSet);
    let mut found = Vec::new();
    for name in names.split('|') {
        if name.text.is_empty() || name.text.contains(|c: char| c.is_whitespace() || c == ',') {
            return Err(name.fault("the name of a flowbit has no spaces and no commas"));
        }
        if !several && !found.is_empty() {
            return Err(names.fault("only `isset` and `isnotset` take several names"));
        }
        if found.len() >= MAX_NAMES {
            return Err(names.fault(format!("more than {MAX_NAMES} names")));
        }
        found.push(name.text.to_owned());
    }
    draft.flowbits.push(Flowbit {
        command,
        names: found,
    });
    Ok(())
}
