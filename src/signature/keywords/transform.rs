//! Transforms of sticky buffers.

use super::pcre;
use super::{Keyword, Kind, Parser};
use crate::base64::Base64Mode;
use crate::signature::ast::{Disguise, Transform};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

/// Offsets and lengths stay within this, in bytes.
const REACH: i64 = 65_535;
/// Bytes that are unpacked where the rule does not say.
const UNPACKED: u32 = 1024;
/// Most bytes that a rule may have unpacked.
const MOST_UNPACKED: i64 = 1 << 20;
/// Longest key of `xor`, in bytes.
const MAX_KEY: usize = 255;

pub(super) fn keywords() -> Vec<Keyword> {
    let plain = |name, syntax, help, transform| Keyword {
        parser: Parser::Transform(transform),
        ..Keyword::option(Kind::Transform, name, syntax, help, |_, _| Ok(()))
    };
    let with_value =
        |name, syntax, help, parse| Keyword::option(Kind::Transform, name, syntax, help, parse);
    vec![
        plain(
            "to_lowercase",
            "to_lowercase;",
            "Makes ASCII letters small.",
            Transform::ToLowercase,
        ),
        plain(
            "to_uppercase",
            "to_uppercase;",
            "Makes ASCII letters large.",
            Transform::ToUppercase,
        ),
        plain(
            "strip_whitespace",
            "strip_whitespace;",
            "Removes all white space.",
            Transform::StripWhitespace,
        ),
        plain(
            "compress_whitespace",
            "compress_whitespace;",
            "Makes each run of white space one space.",
            Transform::CompressWhitespace,
        ),
        plain(
            "url_decode",
            "url_decode;",
            "Undoes percent-encoding once, and makes `+` a space.",
            Transform::UrlDecode,
        ),
        plain(
            "dotprefix",
            "dotprefix;",
            "Puts a dot before the bytes, so that `.example.com` matches a domain and all below it.",
            Transform::DotPrefix,
        ),
        plain(
            "header_lowercase",
            "header_lowercase;",
            "Makes the names of header lines small, up to each colon.",
            Transform::HeaderLowercase,
        ),
        plain(
            "strip_pseudo_headers",
            "strip_pseudo_headers;",
            "Removes lines that begin with a colon, as HTTP/2's pseudo headers do.",
            Transform::StripPseudoHeaders,
        ),
        plain(
            "domain",
            "domain;",
            "Leaves the registrable domain of a name (public suffix and one label), nothing where it has none.",
            Transform::Domain,
        ),
        plain(
            "tld",
            "tld;",
            "Leaves the public suffix of a name, such as `co.uk`.",
            Transform::Tld,
        ),
        plain(
            "to_md5",
            "to_md5;",
            "Replaces the bytes by their MD5, 16 bytes.",
            Transform::ToMd5,
        ),
        plain(
            "to_sha1",
            "to_sha1;",
            "Replaces the bytes by their SHA-1, 20 bytes.",
            Transform::ToSha1,
        ),
        plain(
            "to_sha256",
            "to_sha256;",
            "Replaces the bytes by their SHA-256, 32 bytes.",
            Transform::ToSha256,
        ),
        plain(
            "decode_escapes",
            "decode_escapes;",
            "Undoes percent-encoding, escapes of JSON and JavaScript, character references, UTF-7, overlong UTF-8 and full-width letters, in up to five layers. Stopgap's own.",
            Transform::Reveal(Disguise::Escapes),
        ),
        plain(
            "decode_base64_runs",
            "decode_base64_runs;",
            "Puts behind the bytes what base64 within them stands for, unpacked up to 16 KiB where it is gzip or zlib; in all up to four times the bytes. Stopgap's own.",
            Transform::Reveal(Disguise::Base64Runs),
        ),
        plain(
            "resolve_lookups",
            "resolve_lookups;",
            "Resolves nested lookups of Log4j as far as their text tells what they give, 32 deep, so that what ends as a jndi lookup reads `${jndi:`. Stopgap's own.",
            Transform::Reveal(Disguise::Lookups),
        ),
        plain(
            "normalise_sql",
            "normalise_sql;",
            "SQL as its reader sees it, in small letters: comments and white space of any kind are one space, `char()` and hexadecimal text are strings, adjacent strings are one. Stopgap's own.",
            Transform::Reveal(Disguise::Sql),
        ),
        plain(
            "normalise_shell",
            "normalise_shell;",
            "A command line without quotes, backslashes and empty parameters that only break words up; `$IFS` and `{a,b}` are spaces. Stopgap's own.",
            Transform::Reveal(Disguise::Shell),
        ),
        plain(
            "flatten_xml",
            "flatten_xml;",
            "XML without comments and marks of CDATA sections, entities of the document's own replaced, three layers deep and up to 64 KiB more. Stopgap's own.",
            Transform::Reveal(Disguise::Xml),
        ),
        with_value(
            "xor",
            "xor:\"HEX\";",
            "Combines the bytes with the key by exclusive or, over and over.",
            xor,
        ),
        with_value(
            "from_base64",
            "from_base64; from_base64:[bytes NUMBER][, offset NUMBER][, mode rfc4648|rfc2045|strict];",
            "Decodes base64; what is none stays as it is. Mode rfc4648 ends at a foreign character, rfc2045 passes it over, strict takes none.",
            from_base64,
        ),
        with_value(
            "gunzip",
            "gunzip; gunzip:max-size NUMBER;",
            "Unpacks gzip, up to 1024 bytes unless said otherwise.",
            gunzip,
        ),
        with_value(
            "zlib_deflate",
            "zlib_deflate; zlib_deflate:max-size NUMBER;",
            "Unpacks zlib, up to 1024 bytes unless said otherwise.",
            zlib_deflate,
        ),
        with_value(
            "subslice",
            "subslice:OFFSET[, LENGTH][, truncate];",
            "Leaves so many bytes from there on, counted from the end where negative; nothing where not all of them are there, unless `truncate` is written.",
            subslice,
        ),
        with_value(
            "pcrexform",
            "pcrexform:\"EXPRESSION\";",
            "Leaves what the expression's first group takes; without a match all stays as it is.",
            pcrexform,
        ),
    ]
}

fn xor(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let text = opt.value()?.unquoted()?;
    let digits: Option<Vec<u8>> = text
        .text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits.ok_or_else(|| text.fault("the key is written in hexadecimal digits"))?;
    if digits.is_empty() || digits.len() % 2 != 0 || digits.len() > 2 * MAX_KEY {
        return Err(text.fault(format!(
            "the key has 1 to {MAX_KEY} bytes of two digits each"
        )));
    }
    let key = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    draft.add_transform(opt, Transform::Xor(key))
}

/// The words of an option, each perhaps with a value behind a space.
fn words<'a>(
    opt: &Opt<'a>,
) -> Result<impl Iterator<Item = (Arg<'a>, Option<Arg<'a>>)> + use<'a>, Fault> {
    let value = opt.value.map(|v| v.unquoted()).transpose()?;
    Ok(value.into_iter().flat_map(|value| {
        value.split(',').map(|word| match word.split_once(" ") {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        })
    }))
}

fn from_base64(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (mut bytes, mut offset, mut mode) = (None, 0, Base64Mode::default());
    for (name, value) in words(opt)? {
        let value = value.ok_or_else(|| name.fault("expected a word and its value"))?;
        match name.text {
            "bytes" => bytes = u32::try_from(value.integer_in(1..=REACH)?).ok(),
            "offset" => offset = u32::try_from(value.integer_in(0..=REACH)?).unwrap_or(0),
            "mode" => {
                mode = match value.text {
                    "rfc4648" => Base64Mode::Rfc4648,
                    "rfc2045" => Base64Mode::Rfc2045,
                    "strict" => Base64Mode::Strict,
                    _ => return Err(value.fault("expected rfc4648, rfc2045 or strict")),
                };
            }
            _ => return Err(name.fault("expected bytes, offset or mode")),
        }
    }
    let transform = Transform::FromBase64 {
        bytes,
        offset,
        mode,
    };
    draft.add_transform(opt, transform)
}

fn most_unpacked(opt: &Opt<'_>) -> Result<u32, Fault> {
    let mut most = UNPACKED;
    for (name, value) in words(opt)? {
        match (name.text, value) {
            ("max-size", Some(value)) => {
                most = u32::try_from(value.integer_in(1..=MOST_UNPACKED)?).unwrap_or(UNPACKED);
            }
            _ => return Err(name.fault("expected `max-size` and a number")),
        }
    }
    Ok(most)
}

fn gunzip(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let most = most_unpacked(opt)?;
    draft.add_transform(opt, Transform::Gunzip(most))
}

fn zlib_deflate(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let most = most_unpacked(opt)?;
    draft.add_transform(opt, Transform::ZlibDeflate(most))
}

fn subslice(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let mut words = value.split(',').peekable();
    let number = |word: Arg<'_>| {
        let number = word.integer_in(-REACH..=REACH)?;
        i32::try_from(number).map_err(|_| word.fault("too large"))
    };
    let offset = words.next().map_or(Ok(0), number)?;
    let length = words
        .next_if(|word| word.text != "truncate")
        .map(number)
        .transpose()?;
    let truncate = words.next_if(|word| word.text == "truncate").is_some();
    if let Some(extra) = words.next() {
        return Err(extra.fault("expected an offset, a length and `truncate`"));
    }
    let transform = Transform::Subslice {
        offset,
        length,
        truncate,
    };
    draft.add_transform(opt, transform)
}

fn pcrexform(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let text = opt.value()?.quoted()?;
    let pcre = pcre::capturing(text, draft.surroundings.readings)?;
    draft.add_transform(opt, Transform::Capture(pcre))
}
