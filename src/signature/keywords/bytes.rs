//! Numbers read out of a buffer.

use super::{Keyword, Kind};
use crate::signature::ast::{
    Base64Decode, ByteExtract, ByteJump, ByteMath, ByteTest, Comparison, Endian, Entropy,
    EntropyComparison, MathOperator, NumberBase, NumberFormat, Test, Value,
};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};
use crate::signature::suggest::nearest;

/// Offsets stay within this, in bytes.
const REACH: i64 = 65_535;
/// So do offsets of `byte_test`.
const FAR_REACH: i64 = i32::MAX as i64;
/// Longest binary number, in bytes.
const MAX_BINARY: i64 = 8;

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, syntax, help, parse| Keyword::option(Kind::Payload, name, syntax, help, parse);
    vec![
        k(
            "byte_test",
            "byte_test:BYTES,[!]<|>|=|<=|>=|!=|&|^,VALUE,OFFSET[,relative][,big|little|dce][,string,hex|dec|oct][,bitmask MASK];",
            "Compares a number in the buffer; `&` and `^` test whether any bit of the value is set, or none is left.",
            byte_test,
        ),
        k(
            "byte_jump",
            "byte_jump:BYTES,OFFSET[,relative][,multiplier N][,big|little|dce][,string,hex|dec|oct][,align][,from_beginning|from_end][,post_offset N][,bitmask MASK];",
            "Moves the place behind which relative tests look by a number in the buffer.",
            byte_jump,
        ),
        k(
            "byte_extract",
            "byte_extract:BYTES,OFFSET,NAME[,relative][,multiplier N][,big|little|dce][,string,hex|dec|oct][,align 2|4];",
            "Keeps a number in the buffer as a variable for later tests.",
            byte_extract,
        ),
        k(
            "byte_math",
            "byte_math:bytes NUMBER|VARIABLE, offset NUMBER|VARIABLE, oper +|-|*|/|<<|>>, rvalue NUMBER|VARIABLE, result NAME[, relative][, endian big|little][, dce][, string hex|dec|oct][, bitmask MASK];",
            "Computes a variable from a number in the buffer and another one, in 64 bits; a division by zero does not match.",
            byte_math,
        ),
        k(
            "entropy",
            "entropy:[bytes NUMBER, ][offset NUMBER, ]value <|<=|>|>=|=|!= NUMBER;",
            "Compares how evenly byte values are spread over the buffer, or over so many bytes of it from the offset on: from 0 (all alike) to 8 (as if drawn by lot).",
            entropy,
        ),
        k(
            "base64_decode",
            "base64_decode; base64_decode:[bytes NUMBER][, offset NUMBER][, relative];",
            "Decodes base64 in the buffer, up to the first character that is none, for `base64_data`; does not match where nothing is decoded.",
            base64_decode,
        ),
    ]
}

/// The options common to the three.
#[derive(Default)]
struct Format {
    endian: Option<Endian>,
    string: bool,
    base: Option<NumberBase>,
    relative: bool,
    mask: Option<u32>,
}

impl Format {
    /// Takes `word` if it is one of the common options.
    fn take(&mut self, word: Arg<'_>) -> Result<bool, Fault> {
        match word.text {
            "relative" => self.relative = true,
            "big" => self.set_endian(Endian::Big, word)?,
            "little" => self.set_endian(Endian::Little, word)?,
            "string" => self.string = true,
            "dce" => self.set_endian(Endian::Sender, word)?,
            "hex" => self.set_base(NumberBase::Hex, word)?,
            "dec" => self.set_base(NumberBase::Decimal, word)?,
            "oct" => self.set_base(NumberBase::Octal, word)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_endian(&mut self, endian: Endian, word: Arg<'_>) -> Result<(), Fault> {
        match self.endian.replace(endian) {
            None => Ok(()),
            Some(_) => Err(word.fault("the order of bytes is given twice")),
        }
    }

    fn set_base(&mut self, base: NumberBase, word: Arg<'_>) -> Result<(), Fault> {
        match self.base.replace(base) {
            None => Ok(()),
            Some(_) => Err(word.fault("the base is given twice")),
        }
    }

    fn set_mask(&mut self, arg: Arg<'_>) -> Result<(), Fault> {
        let mask = arg.u32()?;
        if mask == 0 {
            return Err(arg.fault("a bitmask has at least one bit"));
        }
        self.mask = Some(mask);
        Ok(())
    }

    /// Checks the number of bytes against the form; a variable is checked when it is read.
    fn finish(
        self,
        bytes: Value,
        least: i64,
        written: Arg<'_>,
        opt: &Opt<'_>,
    ) -> Result<NumberFormat, Fault> {
        let string = match (self.string, self.base) {
            (true, base) => Some(base.unwrap_or(NumberBase::Decimal)),
            (false, None) => None,
            (false, Some(_)) => {
                return Err(opt
                    .name
                    .fault("a base without `string`: binary numbers have none"));
            }
        };
        if string.is_some() && self.endian.is_some() {
            return Err(opt.name.fault("digits (`string`) have no order of bytes"));
        }
        // 64 bits written out, in each base. No digits at all means as many as there are.
        let most = match string {
            None => MAX_BINARY,
            Some(NumberBase::Hex) => 14,
            Some(NumberBase::Decimal) => 20,
            Some(NumberBase::Octal) => 23,
        };
        let least = if string.is_some() { 0 } else { least };
        let bytes = match bytes {
            Value::Var(_) => 0,
            Value::Const(count) if (least..=most).contains(&count) => {
                u8::try_from(count).unwrap_or(0)
            }
            Value::Const(_) => {
                return Err(written.fault(format!(
                    "the number of bytes is between {least} and {most} here"
                )));
            }
        };
        Ok(NumberFormat {
            bytes,
            endian: self.endian.unwrap_or(Endian::Big),
            string,
            relative: self.relative,
            mask: self.mask,
        })
    }
}

/// The next comma-separated part, which must be there.
fn required<'a>(
    parts: &mut impl Iterator<Item = Arg<'a>>,
    whole: Arg<'a>,
    what: &str,
) -> Result<Arg<'a>, Fault> {
    match parts.next() {
        Some(part) if !part.text.is_empty() => Ok(part),
        Some(part) => Err(Fault::new(part.span(), format!("{what} is missing"))),
        None => Err(whole.fault(format!("{what} is missing"))),
    }
}

/// `multiplier 4` and the like: the word and what follows it.
fn with_value<'a>(word: Arg<'a>) -> (Arg<'a>, Option<Arg<'a>>) {
    match word.text.find(char::is_whitespace) {
        Some(at) => (
            word.slice(0, at),
            Some(word.slice(at, word.text.len()).trim()),
        ),
        None => (word, None),
    }
}

fn needs_value<'a>(word: Arg<'_>, value: Option<Arg<'a>>) -> Result<Arg<'a>, Fault> {
    value.ok_or_else(|| word.fault(format!("`{}` needs a value", word.text)))
}

fn unknown(word: Arg<'_>, known: &[&'static str]) -> Fault {
    let near = nearest(word.text, known.iter().copied());
    word.fault(format!("`{}` is no option here", word.text))
        .help_if(near.map(|n| format!("did you mean `{n}`?")))
}

const COMMON: &[&str] = &[
    "relative",
    "big",
    "little",
    "string",
    "hex",
    "dec",
    "oct",
    "multiplier",
    "align",
    "from_beginning",
    "from_end",
    "post_offset",
    "bitmask",
];

fn byte_test(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let whole = opt.value()?.unquoted()?;
    let mut parts = whole.split(',');
    let written = required(&mut parts, whole, "the number of bytes")?;
    let bytes = draft.value(written, 0..=23)?;
    let (negated, comparison) = comparison(required(&mut parts, whole, "the comparison")?)?;
    let value = required(&mut parts, whole, "the value")?;
    let value = draft.value(value, 0..=i64::MAX)?;
    let offset = required(&mut parts, whole, "the offset")?;
    let offset = draft.value(offset, -FAR_REACH..=FAR_REACH)?;
    let mut format = Format::default();
    for word in parts {
        if format.take(word)? {
            continue;
        }
        match with_value(word) {
            (name, mask) if name.text == "bitmask" => format.set_mask(needs_value(name, mask)?)?,
            (name, _) => return Err(unknown(name, COMMON)),
        }
    }
    draft.add(Test::ByteTest(ByteTest {
        format: format.finish(bytes, 1, written, opt)?,
        bytes,
        negated,
        comparison,
        value,
        offset,
    }));
    Ok(())
}

fn comparison(arg: Arg<'_>) -> Result<(bool, Comparison), Fault> {
    let (negated, operator) = arg.negation();
    let comparison = match operator.text {
        "<" => Comparison::Less,
        ">" => Comparison::Greater,
        "=" => Comparison::Equal,
        "<=" => Comparison::LessOrEqual,
        ">=" => Comparison::GreaterOrEqual,
        "&" => Comparison::BitAnd,
        "^" => Comparison::BitOr,
        "" if negated => Comparison::Equal,
        _ => return Err(arg.fault("expected <, >, =, <=, >=, !=, & or ^, perhaps behind a `!`")),
    };
    Ok((negated, comparison))
}

fn byte_jump(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let whole = opt.value()?.unquoted()?;
    let mut parts = whole.split(',');
    let written = required(&mut parts, whole, "the number of bytes")?;
    let bytes = draft.value(written, 0..=23)?;
    let offset = required(&mut parts, whole, "the offset")?;
    let offset = draft.value(offset, -REACH..=REACH)?;
    let mut format = Format::default();
    let (mut multiplier, mut post_offset) = (1, Value::Const(0));
    let (mut align, mut from_beginning, mut from_end) = (false, false, false);
    for word in parts {
        if format.take(word)? {
            continue;
        }
        let (name, value) = with_value(word);
        match name.text {
            "align" if value.is_none() => align = true,
            "from_beginning" if value.is_none() => from_beginning = true,
            "from_end" if value.is_none() => from_end = true,
            "multiplier" => multiplier = multiplier_of(needs_value(name, value)?)?,
            "post_offset" => {
                post_offset = draft.value(needs_value(name, value)?, -REACH..=REACH)?;
            }
            "bitmask" => format.set_mask(needs_value(name, value)?)?,
            _ => return Err(unknown(word, COMMON)),
        }
        if from_beginning && from_end {
            return Err(name.fault("`from_beginning` and `from_end` exclude each other"));
        }
    }
    // Without bytes the jump is `post_offset` alone.
    draft.add(Test::ByteJump(ByteJump {
        format: format.finish(bytes, 0, written, opt)?,
        bytes,
        offset,
        multiplier,
        post_offset,
        align,
        from_beginning,
        from_end,
    }));
    Ok(())
}

fn multiplier_of(arg: Arg<'_>) -> Result<u32, Fault> {
    let number = arg.integer_in(1..=REACH)?;
    u32::try_from(number).map_err(|_| arg.fault("too large"))
}

fn byte_extract(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let whole = opt.value()?.unquoted()?;
    let mut parts = whole.split(',');
    let written = required(&mut parts, whole, "the number of bytes")?;
    let bytes = written.integer_in(0..=23).map(Value::Const)?;
    let offset_written = required(&mut parts, whole, "the offset")?;
    let offset = offset_written.integer_in(-REACH..=REACH)?;
    let offset = i32::try_from(offset).map_err(|_| offset_written.fault("too large"))?;
    let name = required(&mut parts, whole, "the name of the variable")?;
    let mut format = Format::default();
    let (mut multiplier, mut align) = (1, None);
    for word in parts {
        if format.take(word)? {
            continue;
        }
        let (name, value) = with_value(word);
        match name.text {
            "multiplier" => multiplier = multiplier_of(needs_value(name, value)?)?,
            "align" => {
                let value = needs_value(name, value)?;
                align = Some(match value.text {
                    "2" => 2,
                    "4" => 4,
                    _ => return Err(value.fault("`align` is 2 or 4")),
                });
            }
            _ => return Err(unknown(word, COMMON)),
        }
    }
    let format = format.finish(bytes, 1, written, opt)?;
    let variable = draft.define_variable(name)?;
    draft.add(Test::ByteExtract(ByteExtract {
        format,
        offset,
        variable,
        multiplier,
        align,
    }));
    Ok(())
}

fn byte_math(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let whole = opt.value()?.unquoted()?;
    let mut format = Format::default();
    let (mut bytes, mut offset, mut operator, mut operand) = (None, None, None, None);
    let (mut result, mut named) = (None, whole);
    for word in whole.split(',') {
        if format.take(word)? {
            continue;
        }
        let (name, value) = with_value(word);
        let value = || needs_value(name, value);
        let twice = match name.text {
            "bytes" => {
                named = value()?;
                bytes.replace(draft.value(named, 0..=10)?).is_some()
            }
            "offset" => offset
                .replace(draft.value(value()?, -REACH..=REACH)?)
                .is_some(),
            "oper" => operator.replace(math_operator(value()?)?).is_some(),
            "rvalue" => operand
                .replace(draft.value(value()?, 0..=i64::from(u32::MAX))?)
                .is_some(),
            "result" => result.replace(value()?).is_some(),
            "endian" | "string" => !format.take(value()?)?,
            "bitmask" => {
                format.set_mask(value()?)?;
                false
            }
            _ => return Err(unknown(name, MATH)),
        };
        if name.text == "string" {
            format.string = true;
        }
        if twice {
            return Err(name.fault(format!("`{}` stands twice", name.text)));
        }
    }
    let (Some(bytes), Some(offset), Some(operator), Some(operand), Some(result)) =
        (bytes, offset, operator, operand, result)
    else {
        return Err(whole.fault("bytes, offset, oper, rvalue and result are all needed"));
    };
    let format = format.finish(bytes, 1, named, opt)?;
    let variable = draft.define_variable(result)?;
    draft.add(Test::ByteMath(ByteMath {
        format,
        bytes,
        offset,
        operator,
        operand,
        variable,
    }));
    Ok(())
}

const MATH: &[&str] = &[
    "bytes", "offset", "oper", "rvalue", "result", "relative", "endian", "string", "bitmask",
];

fn math_operator(arg: Arg<'_>) -> Result<MathOperator, Fault> {
    Ok(match arg.text {
        "+" => MathOperator::Add,
        "-" => MathOperator::Subtract,
        "*" => MathOperator::Multiply,
        "/" => MathOperator::Divide,
        "<<" => MathOperator::ShiftLeft,
        ">>" => MathOperator::ShiftRight,
        _ => return Err(arg.fault("expected +, -, *, /, << or >>")),
    })
}

fn entropy(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let whole = opt.value()?.unquoted()?;
    let (mut offset, mut bytes, mut condition) = (0, None, None);
    for word in whole.split(',') {
        let (name, value) = with_value(word);
        let value = needs_value(name, value)?;
        let number = || {
            let number = value.integer_in(0..=FAR_REACH)?;
            u32::try_from(number).map_err(|_| value.fault("too large"))
        };
        match name.text {
            "offset" => offset = number()?,
            "bytes" => bytes = Some(number()?).filter(|&n| n > 0),
            "value" => condition = Some(entropy_condition(value)?),
            _ => return Err(unknown(name, &["bytes", "offset", "value"])),
        }
    }
    let Some((comparison, value)) = condition else {
        return Err(whole.fault("`value` with a condition is missing"));
    };
    draft.add(Test::Entropy(Entropy {
        offset,
        bytes,
        comparison,
        value,
    }));
    Ok(())
}

fn entropy_condition(arg: Arg<'_>) -> Result<(EntropyComparison, f64), Fault> {
    const OPERATORS: &[(&str, EntropyComparison)] = &[
        ("<=", EntropyComparison::LessOrEqual),
        (">=", EntropyComparison::GreaterOrEqual),
        ("!=", EntropyComparison::NotEqual),
        ("!", EntropyComparison::NotEqual),
        ("<", EntropyComparison::Less),
        (">", EntropyComparison::Greater),
        ("=", EntropyComparison::Equal),
    ];
    let found = OPERATORS
        .iter()
        .find_map(|(text, operator)| Some((*operator, arg.strip_prefix(text)?)));
    let (comparison, number) = found.unwrap_or((EntropyComparison::Equal, arg));
    let number = number.trim();
    match number.text.parse::<f64>() {
        Ok(value) if (0.0..=8.0).contains(&value) => Ok((comparison, value)),
        _ => Err(number.fault("expected a number from 0 to 8")),
    }
}

fn base64_decode(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let mut decode = Base64Decode {
        bytes: None,
        offset: 0,
        relative: false,
    };
    let words = opt.value.map(|v| v.unquoted()).transpose()?;
    for word in words.into_iter().flat_map(|words| words.split(',')) {
        let (name, value) = with_value(word);
        match name.text {
            "relative" if value.is_none() => decode.relative = true,
            "bytes" => {
                let bytes = needs_value(name, value)?.integer_in(1..=REACH)?;
                decode.bytes = u32::try_from(bytes).ok();
            }
            "offset" => {
                let offset = needs_value(name, value)?.integer_in(0..=REACH)?;
                decode.offset = u32::try_from(offset).unwrap_or(0);
            }
            _ => return Err(unknown(name, &["bytes", "offset", "relative"])),
        }
    }
    draft.add(Test::Base64Decode(decode));
    Ok(())
}
