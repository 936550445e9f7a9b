//! What a rule says about itself.

use super::{Keyword, Kind};
use crate::signature::ast::{Tag, TagOf, TagUntil, Target};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

/// Packets of a flow that are logged where the rule does not say.
const TAGGED_PACKETS: u32 = 256;

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, syntax, help, parse| Keyword::option(Kind::Meta, name, syntax, help, parse);
    vec![
        k("msg", "msg:\"TEXT\";", "What the alert says.", msg),
        k(
            "sid",
            "sid:NUMBER;",
            "Number of the rule, unique within its `gid`; every rule has one.",
            sid,
        ),
        k(
            "gid",
            "gid:NUMBER;",
            "Group of rule numbers; 1 unless given.",
            gid,
        ),
        k(
            "rev",
            "rev:NUMBER;",
            "Revision; of two rules with one number the higher revision is loaded.",
            rev,
        ),
        k(
            "classtype",
            "classtype:NAME;",
            "Class of the rule, which gives it its priority.",
            classtype,
        ),
        k(
            "priority",
            "priority:NUMBER;",
            "1 (gravest) to 255; wins over the class.",
            priority,
        ),
        k(
            "reference",
            "reference:KIND,ID;",
            "Where to read more, such as `cve,2014-0160` or `url,example.com/a`.",
            reference,
        ),
        k(
            "metadata",
            "metadata:KEY VALUE, KEY VALUE, ...;",
            "Free keys and values, kept in the alert.",
            metadata,
        ),
        k(
            "target",
            "target:src_ip|dest_ip;",
            "Which end is attacked.",
            target,
        ),
        k(
            "noalert",
            "noalert;",
            "Matches, and acts on flowbits, without an alert.",
            noalert,
        ),
        k(
            "requires",
            "requires:version >=|>|<=|< VERSION ...[ | ...], keyword NAME, feature NAME;",
            "Leaves the rule out where the engine is another one, or has no such keyword; this one is version 8 and has the features `ja3` and `ja4`.",
            |_, _| Ok(()),
        ),
        k(
            "tag",
            "tag:session[,NUMBER,packets|bytes|seconds]; tag:host,NUMBER,packets|bytes|seconds,src|dst;",
            "Logs the packets that follow in the flow, or of the host; 256 of a flow unless said otherwise.",
            tag,
        ),
        k(
            "alert",
            "alert;",
            "Makes a record of what makes none otherwise: a `pass` rule, or a rule of a firewall.",
            alert,
        ),
        k(
            "bypass",
            "bypass;",
            "Once the rule has matched, the rest of the flow passes without being looked at.",
            bypass,
        ),
    ]
}

fn once<T>(slot: &mut Option<T>, opt: &Opt<'_>, value: T) -> Result<(), Fault> {
    if slot.is_some() {
        return Err(opt.name.fault(format!("`{}` stands twice", opt.name.text)));
    }
    *slot = Some(value);
    Ok(())
}

fn msg(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let text = opt.value()?.quoted()?;
    once(&mut draft.message, opt, unescape(text))
}

/// Takes the backslash from before `"`, `;`, `:` and another backslash.
fn unescape(arg: Arg<'_>) -> String {
    if !arg.text.contains('\\') {
        return arg.text.to_owned();
    }
    let mut plain = String::with_capacity(arg.text.len());
    let mut chars = arg.text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next @ ('"' | ';' | ':' | '\\'))) => {
                plain.push(next);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

fn sid(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let number = value.u32()?;
    if number == 0 {
        return Err(value.fault("a sid is at least 1"));
    }
    once(&mut draft.sid, opt, number)
}

fn gid(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let number = opt.value()?.unquoted()?.u32()?;
    once(&mut draft.gid, opt, number)
}

fn rev(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let number = opt.value()?.unquoted()?.u32()?;
    once(&mut draft.rev, opt, number)
}

fn classtype(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let name = opt.value()?.unquoted()?;
    let (class, known) = draft.classes.get_or_unknown(name.text);
    if !known {
        let near = draft.classes.suggestion(name.text);
        draft.warn(
            name.fault(format!(
                "unknown class `{}`: taken with priority {}",
                name.text, class.priority
            ))
            .help_if(near.map(|n| format!("did you mean `{n}`?"))),
        );
    }
    once(&mut draft.class, opt, class)
}

fn priority(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let number = value.integer_in(1..=255)?;
    let number = u8::try_from(number).map_err(|_| value.fault("not between 1 and 255"))?;
    once(&mut draft.priority, opt, number)
}

fn reference(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    match value.split_once(",") {
        Some((kind, id)) if !kind.text.is_empty() && !id.text.is_empty() => {
            let reference = format!("{},{}", kind.text, unescape(id));
            draft.references.push(reference.into());
            Ok(())
        }
        _ => Err(value.fault("a reference is a kind, a comma and an id")),
    }
}

fn metadata(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    draft.metadata.add(opt.value()?.unquoted()?.text);
    Ok(())
}

fn target(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let target = match value.text {
        "src_ip" => Target::SrcIp,
        "dest_ip" => Target::DestIp,
        _ => return Err(value.fault("expected `src_ip` or `dest_ip`")),
    };
    if draft.target.replace(target).is_some() {
        draft.warn(opt.name.fault("`target` stands twice: the last one holds"));
    }
    Ok(())
}

fn tag(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    const MOST_TAGS: usize = 4;
    let value = opt.value()?.unquoted()?;
    let mut words = value.split(',');
    let of_host = match words.next().map(|w| (w, w.text)) {
        Some((_, "session")) => false,
        Some((_, "host")) => true,
        _ => return Err(value.fault("expected `session` or `host`")),
    };
    let until = match (words.next(), words.next()) {
        (None, _) => TagUntil::Packets(TAGGED_PACKETS),
        (Some(number), Some(unit)) => {
            let number = match number.u32()? {
                0 => return Err(number.fault("at least 1")),
                number => number,
            };
            match unit.text {
                "packets" => TagUntil::Packets(number),
                "bytes" => TagUntil::Bytes(number),
                "seconds" => TagUntil::Seconds(number),
                _ => return Err(unit.fault("expected packets, bytes or seconds")),
            }
        }
        (Some(number), None) => return Err(number.fault("expected a number and its unit")),
    };
    let of = match (of_host, words.next()) {
        (false, None) => TagOf::Flow,
        (true, Some(end)) if end.text == "src" => TagOf::Source,
        (true, Some(end)) if end.text == "dst" => TagOf::Destination,
        (true, None) => return Err(value.fault("whose packets? `src` or `dst` is missing")),
        (_, Some(extra)) => return Err(extra.fault("this does not belong here")),
    };
    if draft.tags.len() >= MOST_TAGS {
        return Err(opt.name.fault(format!("more than {MOST_TAGS} tags")));
    }
    draft.tags.push(Tag { of, until });
    Ok(())
}

fn noalert(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    draft.noalert = true;
    Ok(())
}

fn alert(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    draft.alert = true;
    Ok(())
}

fn bypass(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    draft.bypass = true;
    Ok(())
}
