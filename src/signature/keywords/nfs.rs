//! Keywords of NFS that are no plain number.

use super::{Keyword, Kind, size};
use crate::number::{Number, Place};
use crate::signature::ast::{NumberCondition, NumberTest, Range};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

pub(super) fn keywords() -> Vec<Keyword> {
    vec![Keyword::option(
        Kind::Number,
        Number::NfsProcedure.as_str(),
        "nfs_procedure:[!][<|>|<=|>=]NUMBER; nfs_procedure:[!]NUMBER<>NUMBER;",
        Number::NfsProcedure.help(),
        procedure,
    )]
}

/// Other than elsewhere, `<>` includes both ends: rules are written for that.
fn procedure(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let (negated, body) = value.negation();
    let range = match body.split_once("<>") {
        Some((first, last)) => Range {
            min: exactly(first)?,
            max: exactly(last)?,
            negated,
        },
        None => size::range(value, Number::NfsProcedure.max())?,
    };
    if range.max < range.min {
        return Err(body.fault("this range ends before it begins"));
    }
    draft.numbers.push(NumberTest {
        number: Number::NfsProcedure,
        place: Place::Any,
        condition: NumberCondition::Range(range),
    });
    Ok(())
}

fn exactly(number: Arg<'_>) -> Result<u64, Fault> {
    let number = number.trim();
    let read = number.integer_in(0..=i64::from(u32::MAX))?;
    u64::try_from(read).map_err(|_| number.fault("a procedure is not negative"))
}
