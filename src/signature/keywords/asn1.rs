//! `asn1`: lengths within ASN.1 that overrun decoders.

use super::{Keyword, Kind};
use crate::signature::ast::{Asn1, Test};
use crate::signature::draft::Draft;
use crate::signature::lex::{Fault, Opt};

/// Offsets stay within this, in bytes.
const REACH: i64 = 65_535;

pub(super) fn keywords() -> Vec<Keyword> {
    vec![Keyword::option(
        Kind::Payload,
        "asn1",
        "asn1:[bitstring_overflow][, double_overflow][, oversize_length NUMBER][, absolute_offset NUMBER|relative_offset NUMBER];",
        "ASN.1 (X.690) from there on has a bit string with more unused bits than it has, a real number of more than 256 digits, or a length above the number.",
        asn1,
    )]
}

fn asn1(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let mut test = Asn1::default();
    for word in value.split(',') {
        let (name, number) = match word.text.find(char::is_whitespace) {
            Some(at) => (
                word.slice(0, at),
                Some(word.slice(at, word.text.len()).trim()),
            ),
            None => (word, None),
        };
        let number = || number.ok_or_else(|| name.fault(format!("`{}` needs a number", name.text)));
        match name.text {
            "bitstring_overflow" => test.bit_string_overflow = true,
            "double_overflow" => test.double_overflow = true,
            "oversize_length" => test.oversize_length = Some(number()?.u32()?),
            "absolute_offset" => {
                test.offset = i32::try_from(number()?.integer_in(0..=REACH)?).unwrap_or(0);
            }
            "relative_offset" => {
                test.offset = i32::try_from(number()?.integer_in(-REACH..=REACH)?).unwrap_or(0);
                test.relative = true;
            }
            _ => {
                return Err(name.fault(format!("`{}` is no option of `asn1`", name.text)));
            }
        }
    }
    let asks = test.bit_string_overflow || test.double_overflow || test.oversize_length.is_some();
    if !asks {
        return Err(value.fault(
            "nothing is asked for: bitstring_overflow, double_overflow or oversize_length",
        ));
    }
    draft.add(Test::Asn1(test));
    Ok(())
}
