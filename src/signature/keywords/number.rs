//! Numbers that parsers read out of transactions.

use super::size::range;
use super::{Keyword, Kind, Parser};
use crate::number::{Number, Place, Values};
use crate::signature::ast::{NumberCondition, NumberTest, Range};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};
use crate::signature::suggest::nearest;

pub(super) fn keywords() -> Vec<Keyword> {
    let keyword = |&number: &Number| Keyword {
        name: number.as_str(),
        aliases: number.aliases(),
        syntax: syntax(number).into(),
        help: number.help(),
        kind: Kind::Number,
        parser: Parser::TransactionNumber(number),
    };
    let own = |number: &&Number| number.values() == Values::Own;
    Number::ALL
        .iter()
        .filter(|n| !own(n))
        .map(keyword)
        .collect()
}

fn syntax(number: Number) -> String {
    let name = number.as_str();
    let words = |list: &[(&str, u64)]| -> Vec<String> {
        list.iter().map(|(word, _)| (*word).to_owned()).collect()
    };
    let plain = format!(
        "{name}:[!][<|>|<=|>=]NUMBER; {name}:[!]NUMBER-NUMBER; {name}:&MASK[=NUMBER|!=NUMBER];"
    );
    let place = if number.has_places() {
        "[,any|all|INDEX]"
    } else {
        ""
    };
    let plain = plain.replace(';', &format!("{place};"));
    match number.values() {
        Values::Plain | Values::Own => plain,
        Values::AnyOf(list) => format!("{name}:[!]{};", words(list).join("|")),
        Values::Named(list) => format!("{plain} {name}:[!]{}{place};", words(list).join("|")),
        Values::Flags(list) => format!(
            "{plain} {name}:[!]FLAG,[!]FLAG...; FLAG one of {};",
            words(list).join(", ")
        ),
        Values::Keyed(list) => format!(
            "{name}:{}; {name}:NAME[<|>|<=|>=|=]NUMBER; {name}:NAME NUMBER-NUMBER;",
            words(list).join("|")
        ),
    }
}

pub(super) fn number(draft: &mut Draft<'_>, opt: &Opt<'_>, number: Number) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let (value, place) = match value.split_once(",") {
        Some((value, word)) if number.has_places() => (value.trim(), place(word.trim())?),
        _ => (value, Place::Any),
    };
    let condition = condition(value, number)?;
    draft.numbers.push(NumberTest {
        number,
        place,
        condition,
    });
    Ok(())
}

/// `any`, `all`, or how many stand before it; below 0, counted from the end.
fn place(word: Arg<'_>) -> Result<Place, Fault> {
    match word.text {
        "any" => return Ok(Place::Any),
        "all" => return Ok(Place::All),
        _ => {}
    }
    let most = i64::from(i32::MAX);
    let index = word.integer_in(-most..=most)?;
    let (front, back) = (usize::try_from(index), usize::try_from(-1 - index));
    front
        .map(Place::Front)
        .or(back.map(Place::Back))
        .map_err(|_| word.fault("no place has this number"))
}

fn condition(value: Arg<'_>, number: Number) -> Result<NumberCondition, Fault> {
    if let Some(mask) = value.strip_prefix("&") {
        return bits(mask, number.max());
    }
    match number.values() {
        Values::Flags(words) if begins_with_a_word(value) => flags(value, words),
        Values::Named(words) if begins_with_a_word(value) || is_among(value, words) => {
            named(value, words)
        }
        Values::AnyOf(words) => any_of(value, words),
        Values::Keyed(words) => keyed(value, words),
        _ => range(value, number.max()).map(NumberCondition::Range),
    }
}

fn begins_with_a_word(value: Arg<'_>) -> bool {
    let (_, bare) = value.negation();
    bare.text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// A word that begins with a digit, such as a version.
fn is_among(value: Arg<'_>, words: &[(&str, u64)]) -> bool {
    let (_, bare) = value.negation();
    words.iter().any(|(word, _)| *word == bare.text)
}

/// `&0xF0`: any of the bits; `&0xF0=0x40`, `&0xF0!=0x40`: the bits are so, or not so.
fn bits(value: Arg<'_>, max: u64) -> Result<NumberCondition, Fault> {
    let number = |arg: Arg<'_>| {
        let arg = arg.trim();
        let read = arg.integer_in(0..=i64::try_from(max).unwrap_or(i64::MAX))?;
        u64::try_from(read).map_err(|_| arg.fault("a mask is not negative"))
    };
    if let Some((mask, wanted)) = value.split_once("!=") {
        return Ok(NumberCondition::Bits {
            mask: number(mask)?,
            value: number(wanted)?,
            negated: true,
        });
    }
    match value.split_once("=") {
        Some((mask, wanted)) => Ok(NumberCondition::Bits {
            mask: number(mask)?,
            value: number(wanted)?,
            negated: false,
        }),
        None => Ok(NumberCondition::Bits {
            mask: number(value)?,
            value: 0,
            negated: true,
        }),
    }
}

fn named(value: Arg<'_>, words: &[(&str, u64)]) -> Result<NumberCondition, Fault> {
    let (negated, word) = value.negation();
    let known = lookup(word, words)?;
    Ok(NumberCondition::Range(Range {
        min: known,
        max: known,
        negated,
    }))
}

/// Flags that must be set, and with `!` those that must not.
fn flags(value: Arg<'_>, words: &[(&str, u64)]) -> Result<NumberCondition, Fault> {
    let (mut mask, mut wanted) = (0, 0);
    for part in value.split(',') {
        let (negated, word) = part.trim().negation();
        let bit = lookup(word, words)?;
        mask |= bit;
        if !negated {
            wanted |= bit;
        }
    }
    Ok(NumberCondition::Bits {
        mask,
        value: wanted,
        negated: false,
    })
}

/// `a|b` or `a,b`: one of them; `!a|!b`: another one.
fn any_of(value: Arg<'_>, words: &[(&str, u64)]) -> Result<NumberCondition, Fault> {
    let separator = if value.text.contains('|') { '|' } else { ',' };
    let (mut mask, mut all_negated) = (0, None);
    for part in value.split(separator) {
        let (negated, word) = part.trim().negation();
        if all_negated.is_some_and(|n| n != negated) {
            return Err(part.fault("of a list either all are negated or none"));
        }
        all_negated = Some(negated);
        mask |= lookup(word, words)?;
    }
    Ok(NumberCondition::Bits {
        mask,
        value: 0,
        negated: all_negated != Some(true),
    })
}

/// A name alone, or a name and a condition on its number.
fn keyed(value: Arg<'_>, words: &[(&str, u64)]) -> Result<NumberCondition, Fault> {
    let end = value
        .text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(value.text.len());
    let word = value.slice(0, end);
    let rest = value.slice(end, value.text.len());
    let key = lookup(word, words)? << 32;
    let most = u64::from(u32::MAX);
    let rest = rest.trim();
    let rest = rest.strip_prefix("=").unwrap_or(rest);
    let condition = if rest.text.is_empty() {
        Range {
            min: 0,
            max: most,
            negated: false,
        }
    } else {
        range(rest, most)?
    };
    if condition.negated {
        return Err(rest.fault("a condition on one of several numbers is not negated"));
    }
    Ok(NumberCondition::Range(Range {
        min: key | condition.min,
        max: key | condition.max.min(most),
        negated: false,
    }))
}

fn lookup(word: Arg<'_>, words: &[(&str, u64)]) -> Result<u64, Fault> {
    let known = words
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word.text));
    known.map(|(_, value)| *value).ok_or_else(|| {
        let near = nearest(word.text, words.iter().map(|(name, _)| *name));
        word.fault(format!("`{}` is no value of this", word.text))
            .help_if(near.map(|n| format!("did you mean `{n}`?")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &[(&str, u64)] = &[("dup", 8), ("retain", 1)];

    fn arg(text: &str) -> Arg<'_> {
        Arg { text, start: 0 }
    }

    #[test]
    fn masks_flags_and_names() {
        for (text, fits, not) in [
            ("0x0c", &[4_u64, 8, 15][..], &[0_u64, 1][..]),
            ("0x0c=0x08", &[8, 9], &[12, 4]),
            ("0x0c!=0x08", &[12, 4], &[8, 9]),
        ] {
            let read = bits(arg(text), 255).unwrap();
            assert!(
                fits.iter().all(|n| read.matches(*n, 0, [0; 4].into())),
                "{text}"
            );
            assert!(
                !not.iter().any(|n| read.matches(*n, 0, [0; 4].into())),
                "{text}"
            );
        }
        let read = flags(arg("dup,!retain"), WORDS).unwrap();
        assert!(
            read.matches(8, 0, [0; 4].into())
                && read.matches(10, 0, [0; 4].into())
                && !read.matches(9, 0, [0; 4].into())
                && !read.matches(0, 0, [0; 4].into())
        );
        for (text, fits, not) in [
            ("dup|retain", &[8_u64, 1][..], &[2_u64][..]),
            ("!dup,!retain", &[2], &[8, 1]),
            ("dup", &[8], &[1]),
        ] {
            let read = any_of(arg(text), WORDS).unwrap();
            assert!(
                fits.iter().all(|n| read.matches(*n, 0, [0; 4].into())),
                "{text}"
            );
            assert!(
                !not.iter().any(|n| read.matches(*n, 0, [0; 4].into())),
                "{text}"
            );
        }
        assert!(any_of(arg("dup,!retain"), WORDS).is_err());
        let read = named(arg("!DUP"), WORDS).unwrap();
        assert!(read.matches(1, 0, [0; 4].into()) && !read.matches(8, 0, [0; 4].into()));
        assert!(named(arg("dupe"), WORDS).is_err());
        assert!(bits(arg("x"), 255).is_err());
    }
}
