//! Keywords of DNP3 that are no sticky buffer and no plain number.

use super::{Keyword, Kind};
use crate::number::{Number, Place};
use crate::signature::ast::{NumberCondition, NumberTest, Range};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

pub(super) fn keywords() -> Vec<Keyword> {
    vec![Keyword::option(
        Kind::Number,
        Number::Dnp3Object.as_str(),
        "dnp3_obj:GROUP,VARIATION;",
        Number::Dnp3Object.help(),
        object,
    )]
}

fn object(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let Some((group, variation)) = value.split_once(",") else {
        return Err(value.fault("a group and a variation are expected"));
    };
    let octet = |part: Arg<'_>| {
        let part = part.trim();
        let read = part.integer_in(0..=i64::from(u8::MAX))?;
        u64::try_from(read).map_err(|_| part.fault("an octet is not negative"))
    };
    let wanted = octet(group)? << 8 | octet(variation)?;
    draft.numbers.push(NumberTest {
        number: Number::Dnp3Object,
        place: Place::Any,
        condition: NumberCondition::Range(Range {
            min: wanted,
            max: wanted,
            negated: false,
        }),
    });
    Ok(())
}
