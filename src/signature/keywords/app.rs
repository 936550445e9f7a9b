//! What the application layer found.

use super::{Keyword, Kind};
use crate::app_layer::{Event, Protocol};
use crate::signature::ast::ProtocolTest;
use crate::signature::draft::Draft;
use crate::signature::lex::{Fault, Opt};

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, syntax, help, parse| Keyword::option(Kind::Flow, name, syntax, help, parse);
    vec![
        k(
            "app-layer-event",
            "app-layer-event:PROTOCOL.EVENT;",
            "Something a protocol's parser found wrong, such as `tls.overflow_heartbeat_message`.",
            event,
        ),
        k(
            "app-layer-protocol",
            "app-layer-protocol:[!]PROTOCOL|failed|unknown;",
            "The protocol found on the flow, whatever its port.",
            protocol,
        ),
    ]
}

fn event(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    match Event::from_name(value.text) {
        Some(event) => {
            draft.events.push(event);
            Ok(())
        }
        None => Err(value.fault(format!("no parser raises the event `{}`", value.text))),
    }
}

fn protocol(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (negated, value) = opt.value()?.unquoted()?.negation();
    if value.text.contains(',') {
        return Err(value.fault("a mode behind the protocol is not read in this version"));
    }
    let protocol = match value.text {
        "failed" => Protocol::Unknown,
        "unknown" => Protocol::Undetermined,
        word => Protocol::from_word(word)
            .ok_or_else(|| value.fault(format!("protocol `{word}` is not read in this version")))?,
    };
    if draft.protocols.iter().any(|p| !p.negated || !negated) {
        return Err(opt
            .name
            .fault("only negated protocols may stand more than once"));
    }
    draft.protocols.push(ProtocolTest { protocol, negated });
    Ok(())
}
