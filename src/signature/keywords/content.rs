//! Bytes to look for, and where.

use std::ops::RangeInclusive;

use super::{Keyword, Kind};
use crate::buffer::Buffer;
use crate::signature::ast::{Absent, Content, FastPattern, IsDataAt, Test, Value};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt, Span};

/// Offsets, depths and distances stay within this, in bytes.
const REACH: i64 = 65_535;

pub(super) fn keywords() -> Vec<Keyword> {
    let test =
        |name, syntax, help, parse| Keyword::option(Kind::Payload, name, syntax, help, parse);
    let modifier =
        |name, syntax, help, parse| Keyword::option(Kind::Modifier, name, syntax, help, parse);
    vec![
        test(
            "content",
            "content:[!]\"BYTES\";",
            "Bytes that must (with `!` must not) be in the buffer; `|0d 0a|` is hexadecimal, and `\"`, `;`, `:`, `\\` need a backslash.",
            content,
        ),
        test(
            "uricontent",
            "uricontent:[!]\"BYTES\";",
            "Bytes in the normalised request target; `http.uri; content` is the newer form.",
            uricontent,
        ),
        test(
            "absent",
            "absent; absent:or_else;",
            "The transaction does not have the sticky buffer; with `or_else` it may have it if the tests behind hold.",
            absent,
        ),
        test(
            "isdataat",
            "isdataat:[!]NUMBER|VARIABLE[,relative];",
            "Whether the buffer has a byte at this place.",
            isdataat,
        ),
        modifier(
            "nocase",
            "nocase;",
            "Takes ASCII letters of either case.",
            nocase,
        ),
        modifier(
            "offset",
            "offset:NUMBER|VARIABLE;",
            "Looks from this many bytes into the buffer on.",
            offset,
        ),
        modifier(
            "depth",
            "depth:NUMBER|VARIABLE;",
            "Looks within this many bytes from the start, or from the offset.",
            depth,
        ),
        modifier(
            "distance",
            "distance:NUMBER|VARIABLE;",
            "Looks from this many bytes behind the match before on.",
            distance,
        ),
        modifier(
            "within",
            "within:NUMBER|VARIABLE;",
            "The match ends within this many bytes behind the match before.",
            within,
        ),
        modifier(
            "startswith",
            "startswith;",
            "The buffer begins with the bytes.",
            startswith,
        ),
        modifier(
            "endswith",
            "endswith;",
            "The buffer ends with the bytes.",
            endswith,
        ),
        modifier(
            "fast_pattern",
            "fast_pattern[:only|OFFSET,LENGTH];",
            "Looks for this content (or this part of it) first, before the rule is considered at all.",
            fast_pattern,
        ),
        modifier("rawbytes", "rawbytes;", "Has no effect.", rawbytes),
    ]
}

fn content(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (content, span) = pattern(opt)?;
    draft.add(Test::Content(content));
    draft.content_written_at(span);
    Ok(())
}

fn uricontent(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (content, span) = pattern(opt)?;
    draft.add_to(Buffer::HttpUri, opt, Test::Content(content))?;
    draft.content_written_at(span);
    Ok(())
}

/// What is written in quotes, perhaps negated.
pub(super) fn pattern(opt: &Opt<'_>) -> Result<(Content, Span), Fault> {
    let (negated, text) = opt.value()?.negation();
    let pattern = bytes(text.quoted()?)?;
    if pattern.is_empty() {
        return Err(text.fault("the content is empty"));
    }
    let content = Content {
        pattern,
        negated,
        nocase: false,
        offset: None,
        depth: None,
        distance: None,
        within: None,
        startswith: false,
        endswith: false,
        fast_pattern: FastPattern::Auto,
    };
    Ok((content, text.span()))
}

/// Undoes escapes and `|hex|`.
pub(super) fn bytes(arg: Arg<'_>) -> Result<Vec<u8>, Fault> {
    let mut found = Vec::with_capacity(arg.text.len());
    let mut all = arg.text.bytes().enumerate();
    let part = |from: usize, to: usize| Span::new(arg.start + from, arg.start + to);
    while let Some((at, byte)) = all.next() {
        match byte {
            b'\\' => match all.next() {
                Some((_, escaped @ (b'"' | b';' | b':' | b'\\'))) => found.push(escaped),
                Some((to, _)) => {
                    let width = arg.text.get(to..).and_then(|t| t.chars().next());
                    let end = to + width.map_or(1, char::len_utf8);
                    return Err(Fault::new(part(at, end), "this escape is unknown in a content")
                        .help("a backslash stands before `\"`, `;`, `:` or a backslash; other bytes are `|hex|`"));
                }
                None => {
                    return Err(Fault::new(
                        part(at, at + 1),
                        "a backslash with nothing behind it",
                    ));
                }
            },
            b'|' => {
                let mut half: Option<(usize, u8)> = None;
                loop {
                    let Some((to, digit)) = all.next() else {
                        return Err(Fault::new(
                            part(at, at + 1),
                            "no `|` closes the hexadecimal bytes",
                        ));
                    };
                    match (digit, half) {
                        (b'|', None) => break,
                        (b'|', Some((lone, _))) => {
                            return Err(Fault::new(
                                part(lone, lone + 1),
                                "half a byte: hexadecimal digits come in pairs",
                            ));
                        }
                        (b' ' | b',', _) => {}
                        _ => {
                            let Some(value) = char::from(digit)
                                .to_digit(16)
                                .and_then(|v| u8::try_from(v).ok())
                            else {
                                let width = arg.text.get(to..).and_then(|t| t.chars().next());
                                return Err(Fault::new(
                                    part(to, to + width.map_or(1, char::len_utf8)),
                                    "not a hexadecimal digit",
                                ));
                            };
                            half = match half {
                                None => Some((to, value)),
                                Some((_, high)) => {
                                    found.push(high << 4 | value);
                                    None
                                }
                            };
                        }
                    }
                }
            }
            _ => found.push(byte),
        }
    }
    Ok(found)
}

fn nocase(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    draft.content_before(opt)?.nocase = true;
    Ok(())
}

/// Which of a content's four places a modifier sets.
#[derive(Clone, Copy)]
enum Place {
    Offset,
    Depth,
    Distance,
    Within,
}

fn offset(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    place(draft, opt, Place::Offset, 0..=REACH)
}

fn depth(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    place(draft, opt, Place::Depth, 0..=REACH)
}

fn distance(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    place(draft, opt, Place::Distance, -REACH..=REACH)
}

fn within(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    place(draft, opt, Place::Within, -REACH..=REACH)
}

fn place(
    draft: &mut Draft<'_>,
    opt: &Opt<'_>,
    place: Place,
    range: RangeInclusive<i64>,
) -> Result<(), Fault> {
    draft.content_before(opt)?;
    let arg = opt.value()?.unquoted()?;
    let value = draft.value(arg, range)?;
    let content = draft.content_before(opt)?;
    let name = opt.name;
    let relative = matches!(place, Place::Distance | Place::Within);
    if content.fast_pattern == FastPattern::Only {
        return Err(only_stands_alone(opt));
    }
    if content.startswith {
        return Err(name.fault(format!("`startswith` excludes `{}`", name.text)));
    }
    let absolute = content.offset.is_some() || content.depth.is_some();
    if relative && absolute || !relative && content.is_relative() {
        return Err(name
            .fault(format!("`{}` contradicts a modifier before it", name.text))
            .help(
                "offset and depth count from the start, distance and within from the match before",
            ));
    }
    let length = i64::try_from(content.pattern.len()).unwrap_or(i64::MAX);
    if let (Place::Depth | Place::Within, Value::Const(bytes)) = (place, value)
        && bytes < length
    {
        return Err(arg.fault(format!(
            "{} is less than the {length} bytes of the content",
            name.text
        )));
    }
    let slot = match place {
        Place::Offset => &mut content.offset,
        Place::Depth => &mut content.depth,
        Place::Distance => &mut content.distance,
        Place::Within => &mut content.within,
    };
    if slot.replace(value).is_some() {
        return Err(name.fault(format!("`{}` stands twice for one content", name.text)));
    }
    chosen_and_negated(content, opt)
}

fn only_stands_alone(opt: &Opt<'_>) -> Fault {
    opt.name.fault(format!(
        "`{}` contradicts `fast_pattern:only`, which says that the place does not matter",
        opt.name.text
    ))
}

/// A negated fast pattern must be absent from the whole buffer, wherever.
fn chosen_and_negated(content: &Content, opt: &Opt<'_>) -> Result<(), Fault> {
    let placed = content.is_relative() || content.offset.is_some() || content.depth.is_some();
    if content.negated && placed && content.fast_pattern != FastPattern::Auto {
        return Err(opt
            .name
            .fault("a negated content with a place cannot be the fast pattern"));
    }
    Ok(())
}

fn startswith(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    let content = draft.content_before(opt)?;
    if content.fast_pattern == FastPattern::Only {
        return Err(only_stands_alone(opt));
    }
    if content.is_relative() || content.offset.is_some() || content.depth.is_some() {
        return Err(opt
            .name
            .fault("`startswith` excludes offset, depth, distance and within"));
    }
    if std::mem::replace(&mut content.startswith, true) {
        return Err(opt.name.fault("`startswith` stands twice for one content"));
    }
    Ok(())
}

fn endswith(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    let content = draft.content_before(opt)?;
    if content.fast_pattern == FastPattern::Only {
        return Err(only_stands_alone(opt));
    }
    if std::mem::replace(&mut content.endswith, true) {
        return Err(opt.name.fault("`endswith` stands twice for one content"));
    }
    Ok(())
}

fn fast_pattern(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    draft.content_before(opt)?;
    let already = draft
        .contents()
        .any(|(_, content, _)| content.fast_pattern != FastPattern::Auto);
    if already {
        return Err(opt
            .name
            .fault("one content of a rule can be the fast pattern, and one already is"));
    }
    let content = draft.content_before(opt)?;
    let placed = content.is_relative() || content.offset.is_some() || content.depth.is_some();
    content.fast_pattern = match opt.value {
        None => FastPattern::Chosen,
        Some(value) if value.text == "only" => {
            if placed || content.startswith || content.endswith {
                return Err(
                    value.fault("`only` says that the place does not matter, but one is given")
                );
            }
            if content.negated {
                return Err(value.fault("a negated content cannot be `fast_pattern:only`"));
            }
            FastPattern::Only
        }
        Some(value) => chop(value, content.pattern.len())?,
    };
    chosen_and_negated(content, opt)
}

fn chop(value: Arg<'_>, pattern: usize) -> Result<FastPattern, Fault> {
    let Some((offset, length)) = value.split_once(",") else {
        return Err(value.fault("expected `only` or an offset, a comma and a length"));
    };
    let number = |arg: Arg<'_>| {
        arg.integer_in(0..=REACH)
            .and_then(|n| u16::try_from(n).map_err(|_| arg.fault("too large")))
    };
    let (from, count) = (number(offset)?, number(length)?);
    if count == 0 {
        return Err(length.fault("the part has no bytes"));
    }
    if usize::from(from) + usize::from(count) > pattern {
        return Err(value.fault(format!("the content has {pattern} bytes only")));
    }
    Ok(FastPattern::Chop {
        offset: from,
        length: count,
    })
}

fn rawbytes(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    draft.content_before(opt).map(|_| ())
}

fn absent(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let absent = match opt.value {
        None => Absent::Only,
        Some(value) if value.text == "or_else" => Absent::OrElse,
        Some(value) => return Err(value.fault("expected `or_else`, or nothing")),
    };
    draft.add_absent(opt, absent)
}

fn isdataat(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (negated, value) = opt.value()?.unquoted()?.negation();
    let mut parts = value.split(',');
    let position = parts.next().unwrap_or(value);
    let position = draft.value(position, 0..=REACH)?;
    let mut relative = false;
    for word in parts {
        match word.text {
            "relative" => relative = true,
            "rawbytes" => {}
            other => return Err(word.fault(format!("`{other}` is not `relative`"))),
        }
    }
    draft.add(Test::IsDataAt(IsDataAt {
        position,
        negated,
        relative,
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u8>, Fault> {
        bytes(Arg { text, start: 0 })
    }

    #[test]
    fn hex_and_escapes_become_bytes() {
        for (text, expected) in [
            ("abc", &b"abc"[..]),
            ("|41 42|c", b"ABc"),
            ("|4142|", b"AB"),
            ("|4 1|", b"A"),
            ("a||b", b"ab"),
            (r#"\"\;\:\\"#, br#"";:\"#),
            ("|0D 0a|", b"\r\n"),
            ("\u{e9}", "\u{e9}".as_bytes()),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn bad_bytes_are_refused_where_they_stand() {
        for (text, span) in [
            ("a|4|", 2..3),
            ("a|41", 1..2),
            ("|4g|", 2..3),
            (r"a\n", 1..3),
            ("a\\\u{e9}", 1..4),
            ("|\u{e9}|", 1..3),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!(fault.span.start..fault.span.end, span, "{text}");
        }
    }
}
