//! Keywords of TLS that are no sticky buffer and no plain number.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::content;
use super::{Keyword, Kind};
use crate::buffer::Buffer;
use crate::number::{Number, Place};
use crate::signature::ast::{NumberCondition, NumberTest, Range, Test};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

/// Hexadecimal digits and colons of a SHA-1.
const FINGERPRINT_LENGTH: usize = 59;

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, syntax, help, parse| Keyword::option(Kind::Number, name, syntax, help, parse);
    let content = |name, syntax, help, parse| Keyword {
        kind: Kind::Payload,
        ..k(name, syntax, help, parse)
    };
    vec![
        k(
            "tls_cert_notbefore",
            "tls_cert_notbefore:[<|>]DATE; tls_cert_notbefore:DATE<>DATE;",
            "First second in which the certificate is valid, such as 2026-01-31T12:00:00; parts from the end may be left out.",
            |draft, opt| date(draft, opt, Number::TlsCertNotBefore),
        ),
        k(
            "tls_cert_notafter",
            "tls_cert_notafter:[<|>]DATE; tls_cert_notafter:DATE<>DATE;",
            "Last second in which the certificate is valid, such as 2026-01-31T12:00:00; parts from the end may be left out.",
            |draft, opt| date(draft, opt, Number::TlsCertNotAfter),
        ),
        k(
            "tls_cert_expired",
            "tls_cert_expired;",
            "The certificate is not valid any more.",
            |draft, opt| {
                opt.no_value()?;
                ask(
                    draft,
                    Number::TlsCertNotAfter,
                    NumberCondition::Past { negated: false },
                );
                Ok(())
            },
        ),
        k(
            "tls_cert_valid",
            "tls_cert_valid;",
            "The certificate is valid by its dates.",
            |draft, opt| {
                opt.no_value()?;
                ask(
                    draft,
                    Number::TlsCertNotAfter,
                    NumberCondition::Past { negated: true },
                );
                ask(
                    draft,
                    Number::TlsCertNotBefore,
                    NumberCondition::Future { negated: true },
                );
                Ok(())
            },
        ),
        content(
            "tls.subject",
            "tls.subject:[!]\"TEXT\";",
            "The text is in the subject of an end's own certificate.",
            |draft, opt| part_of(draft, opt, Buffer::TlsCertSubject),
        ),
        content(
            "tls.issuerdn",
            "tls.issuerdn:[!]\"TEXT\";",
            "The text is in the issuer of an end's own certificate.",
            |draft, opt| part_of(draft, opt, Buffer::TlsCertIssuer),
        ),
        content(
            "tls.fingerprint",
            "tls.fingerprint:[!]\"AA:BB:...\";",
            "SHA-1 of an end's own certificate.",
            fingerprint,
        ),
        Keyword::option(
            Kind::Meta,
            "tls.store",
            "tls.store;",
            "Read and without effect, with a warning: certificates are not stored.",
            store,
        ),
    ]
}

fn ask(draft: &mut Draft<'_>, number: Number, condition: NumberCondition) {
    draft.numbers.push(NumberTest {
        number,
        place: Place::Any,
        condition,
    });
}

fn part_of(draft: &mut Draft<'_>, opt: &Opt<'_>, buffer: Buffer) -> Result<(), Fault> {
    let (content, _) = content::pattern(opt)?;
    draft.add_aside(buffer, Test::Content(content));
    Ok(())
}

fn fingerprint(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (mut content, span) = content::pattern(opt)?;
    let digits = |pair: &[u8]| pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
    let well_formed = content.pattern.len() == FINGERPRINT_LENGTH
        && content.pattern.split(|b| *b == b':').all(digits);
    if !well_formed {
        return Err(Fault::new(
            span,
            "a fingerprint is 20 pairs of hexadecimal digits with colons between them",
        ));
    }
    content.startswith = true;
    content.endswith = true;
    draft.add_aside(Buffer::TlsCertFingerprint, Test::Content(content));
    Ok(())
}

fn store(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    opt.no_value()?;
    draft.warn(
        opt.name
            .fault("certificates are not stored; the rule matches as it would without this"),
    );
    Ok(())
}

fn date(draft: &mut Draft<'_>, opt: &Opt<'_>, number: Number) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let max = number.max();
    let (min, max) = if let Some((first, last)) = value.split_once("<>") {
        (
            seconds(first)?.saturating_add(1),
            seconds(last)?.saturating_sub(1),
        )
    } else if let Some(last) = value.strip_prefix("<") {
        (0, seconds(last)?.saturating_sub(1))
    } else if let Some(first) = value.strip_prefix(">") {
        (seconds(first)?.saturating_add(1), max)
    } else {
        let exact = seconds(value)?;
        (exact, exact)
    };
    if max < min {
        return Err(value.fault("no date lies between these two"));
    }
    let negated = false;
    let condition = NumberCondition::Range(Range { min, max, negated });
    ask(draft, number, condition);
    Ok(())
}

/// Seconds since 1970 of `YEAR[-MONTH[-DAY[THOUR[:MINUTE[:SECOND]]]]]`, in UTC.
fn seconds(arg: Arg<'_>) -> Result<u64, Fault> {
    let arg = arg.trim();
    let wrong = || {
        arg.fault(format!("`{}` is no date", arg.text))
            .help("a date is written as 2026-01-31T12:00:00; parts from the end may be left out")
    };
    let (day, time) = arg
        .text
        .split_once(['T', ' '])
        .map_or((arg.text, None), |(day, time)| (day, Some(time)));
    let mut day = day.split('-');
    let year = part(day.next()).and_then(|y| y).ok_or_else(wrong)?;
    let month = part(day.next()).ok_or_else(wrong)?.unwrap_or(1);
    let date = part(day.next()).ok_or_else(wrong)?.unwrap_or(1);
    let mut time = time.map(|t| t.split(':')).into_iter().flatten();
    let mut clock = [0_i16; 3];
    for slot in &mut clock {
        *slot = part(time.next()).ok_or_else(wrong)?.unwrap_or(0);
    }
    if day.next().is_some() || time.next().is_some() {
        return Err(wrong());
    }
    let small = |n: i16| i8::try_from(n).map_err(|_| wrong());
    let [hour, minute, second] = clock;
    let date = Date::new(year, small(month)?, small(date)?).map_err(|_| wrong())?;
    let time = Time::new(small(hour)?, small(minute)?, small(second)?, 0).map_err(|_| wrong())?;
    let at = DateTime::from_parts(date, time);
    let at = Offset::UTC.to_timestamp(at).map_err(|_| wrong())?;
    u64::try_from(at.as_second()).map_err(|_| wrong())
}

/// A part of a date that is there must be a number: `None` if it is none.
fn part(text: Option<&str>) -> Option<Option<i16>> {
    match text {
        None => Some(None),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok().map(Some),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_may_leave_out_parts_from_the_end() {
        for (text, expected) in [
            ("1970", 0),
            ("1970-02", 31 * 86_400),
            ("1970-01-02", 86_400),
            ("1970-01-01T01", 3_600),
            ("1970-01-01 01:02", 3_720),
            ("2023-03-01T06:47:30", 1_677_653_250),
        ] {
            assert_eq!(seconds(Arg { text, start: 0 }).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "x",
            "1969",
            "2023-13",
            "2023-02-30",
            "2023-01-01T25",
            "2023-1-1-1",
            "2023-",
        ] {
            assert!(seconds(Arg { text, start: 0 }).is_err(), "{text}");
        }
    }
}
