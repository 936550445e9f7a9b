//! What the decoder finds odd about a packet's headers.

use super::{Keyword, Kind};
use crate::decode::DecodeEvent;
use crate::signature::draft::Draft;
use crate::signature::lex::{Fault, Opt};
use crate::signature::suggest::nearest;

pub(super) fn keywords() -> Vec<Keyword> {
    vec![Keyword::option(
        Kind::Packet,
        "decode-event",
        "decode-event:EVENT;",
        "The packet's headers are odd in this way, such as `ipv6.dstopts_unknown_opt`; also where the packet is refused for it. Stands with no test but the rule's header.",
        decode_event,
    )]
}

fn decode_event(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    if let Some(event) = DecodeEvent::from_name(value.text) {
        draft.decode_events.add(event);
        return Ok(());
    }
    let name = value.text;
    if DecodeEvent::is_never_raised(name) {
        return Err(value
            .fault(format!("the event `{name}` is never raised here"))
            .help("a rule that asks for it could not match"));
    }
    let near = nearest(name, DecodeEvent::ALL.iter().map(|e| e.as_str()));
    Err(value
        .fault(format!("no decoder raises the event `{name}`"))
        .help_if(near.map(|n| format!("did you mean `{n}`?"))))
}
