//! `frame`: what a protocol is written in on the wire, as a sticky buffer.

use super::{Keyword, Kind};
use crate::buffer::{Buffer, Owner};
use crate::protocol::Protocol;
use crate::signature::ast::Proto;
use crate::signature::draft::Draft;
use crate::signature::lex::{Fault, Opt};
use crate::signature::suggest::nearest;

pub(super) fn keyword() -> Keyword {
    let names: Vec<_> = all().map(|(_, written)| written).collect();
    Keyword {
        syntax: format!("frame:[PROTOCOL.]NAME; one of {};", names.join(", ")).into(),
        ..Keyword::option(
            Kind::StickyBuffer,
            "frame",
            "",
            "What a protocol is written in on the wire, such as a record or a message; the protocol may be left out where the rule's header names it.",
            frame,
        )
    }
}

/// Each frame, and how it is written in full.
fn all() -> impl Iterator<Item = (Buffer, &'static str)> {
    Buffer::ALL
        .iter()
        .filter_map(|b| Some((*b, b.as_str().strip_prefix("frame:")?)))
}

fn frame(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    if let Some((buffer, _)) = all().find(|(_, written)| *written == value.text) {
        return draft.set_sticky(buffer, opt.span());
    }
    let of_header = |protocol: Protocol| match draft.protocol {
        Proto::App(app) => app.covers(protocol),
        _ => true,
    };
    let mut named = all().filter(|(buffer, _)| {
        let of_rule = matches!(buffer.owner(), Owner::Frame(p) if of_header(p));
        of_rule && buffer.frame_name() == Some(value.text)
    });
    match (named.next(), named.next()) {
        (Some((buffer, _)), None) => draft.set_sticky(buffer, opt.span()),
        (Some((_, first)), Some((_, second))) => Err(value
            .fault(format!("`{}` may be `{first}` or `{second}`", value.text))
            .help("write it with its protocol")),
        (None, _) => {
            let near = nearest(value.text, all().map(|(_, written)| written));
            Err(value
                .fault(format!(
                    "`{}` is no frame of the rule's protocol",
                    value.text
                ))
                .help_if(near.map(|n| format!("did you mean `{n}`?"))))
        }
    }
}
