//! Keywords of DCE/RPC that are no sticky buffer and no plain number.

use super::{Keyword, Kind};
use crate::buffer::Buffer;
use crate::number::{Number, Place};
use crate::signature::ast::{
    ByteTest, Comparison, Content, Endian, FastPattern, NumberCondition, NumberFormat, NumberTest,
    Test, Value,
};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

/// Characters of a UUID as it is usually written.
const UUID_LENGTH: usize = 36;
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, aliases, syntax, help, parse| Keyword {
        aliases,
        ..Keyword::option(Kind::Number, name, syntax, help, parse)
    };
    vec![
        k(
            "dcerpc.iface",
            &["dce_iface"],
            "dcerpc.iface:UUID[,[<|>|=|!]VERSION][,any_frag];",
            "The interface that a request calls, and its major version; requests are looked at whole, so `any_frag` changes nothing.",
            interface,
        ),
        k(
            "dcerpc.opnum",
            &["dce_opnum"],
            "dcerpc.opnum:NUMBER[-NUMBER][,NUMBER[-NUMBER]...];",
            "The operation that a request calls; ranges include both ends.",
            operation,
        ),
    ]
}

/// The interface as tests of its own buffer: the UUID, and behind it the version in two bytes.
fn interface(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let mut parts = opt.value()?.unquoted()?.split(',');
    let Some(uuid) = parts.next().map(|part| part.trim()) else {
        return Err(opt.name.fault("expected a UUID"));
    };
    if !is_uuid(uuid.text) {
        return Err(uuid.fault(format!("`{}` is no UUID", uuid.text)));
    }
    let name = Test::Content(Content {
        pattern: uuid.text.to_ascii_lowercase().into_bytes(),
        negated: false,
        nocase: false,
        offset: None,
        depth: None,
        distance: None,
        within: None,
        startswith: true,
        endswith: false,
        fast_pattern: FastPattern::Auto,
    });
    draft.add_aside(Buffer::DcerpcInterface, name);
    for part in parts.map(|part| part.trim()) {
        if part.text == "any_frag" {
            continue;
        }
        let version = version(part)?;
        draft.add_aside(Buffer::DcerpcInterface, version);
    }
    Ok(())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    text.len() == UUID_LENGTH
        && groups.len() == GROUPS.len()
        && groups.iter().zip(GROUPS).all(|(group, length)| {
            group.len() == length && group.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

fn version(part: Arg<'_>) -> Result<Test, Fault> {
    let (sign, number) = part.text.split_at_checked(1).unwrap_or_default();
    let (comparison, negated) = match sign {
        "<" => (Comparison::Less, false),
        ">" => (Comparison::Greater, false),
        "=" => (Comparison::Equal, false),
        "!" => (Comparison::Equal, true),
        _ => {
            return Err(part.fault("expected `any_frag` or a version behind <, >, = or !"));
        }
    };
    let number: u16 = number
        .trim()
        .parse()
        .map_err(|_| part.fault("a version is a number up to 65535"))?;
    Ok(Test::ByteTest(ByteTest {
        format: NumberFormat {
            bytes: 2,
            endian: Endian::Big,
            string: None,
            relative: false,
            mask: None,
        },
        bytes: Value::Const(2),
        negated,
        comparison,
        value: Value::Const(i64::from(number)),
        offset: Value::Const(UUID_LENGTH as i64),
    }))
}

fn operation(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let number = Number::DcerpcOperation;
    let read = |arg: Arg<'_>| {
        let arg = arg.trim();
        let max = i64::try_from(number.max()).unwrap_or(i64::MAX);
        let read = arg.integer_in(0..=max)?;
        u64::try_from(read).map_err(|_| arg.fault("an operation is not negative"))
    };
    let mut ranges = Vec::new();
    for part in opt.value()?.unquoted()?.split(',') {
        let (first, last) = match part.split_once("-") {
            Some((first, last)) => (read(first)?, read(last)?),
            None => (read(part)?, read(part)?),
        };
        if last < first {
            return Err(part.fault("this range ends before it begins"));
        }
        ranges.push((first, last));
    }
    draft.numbers.push(NumberTest {
        number,
        place: Place::Any,
        condition: NumberCondition::OneOf(ranges.into()),
    });
    Ok(())
}
