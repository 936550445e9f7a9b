//! Files: older words for their names, and what asks for a file at all.

use sha2::{Digest, Sha256};

use super::content::pattern;
use super::{Keyword, Kind};
use crate::buffer::Buffer;
use crate::signature::ast::{
    DatasetTest, IsDataAt, SetCommand, SetDefinition, Test, Transform, Value,
};
use crate::signature::draft::Draft;
use crate::signature::lex::{Fault, Opt};
use crate::signature::set::{SetFormat, SetKind};

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, syntax, help, parse| Keyword::option(Kind::Payload, name, syntax, help, parse);
    vec![
        k(
            "filename",
            "filename:[!]\"TEXT\";",
            "Text within the name of a transferred file, in any case.",
            filename,
        ),
        k(
            "fileext",
            "fileext:[!]\"TEXT\";",
            "Extension of the name of a transferred file, in any case, without its dot.",
            fileext,
        ),
        k(
            "filestore",
            "filestore[:DIRECTION,SCOPE];",
            "There is a file; nothing is stored, with a warning.",
            filestore,
        ),
        k(
            "filemd5",
            "filemd5:FILE;",
            "MD5 of a transferred file, in a list beside the rules: a hash a line, in hexadecimal.",
            filemd5,
        ),
        k(
            "filesha1",
            "filesha1:FILE;",
            "SHA-1 of a transferred file, in a list beside the rules: a hash a line, in hexadecimal.",
            filesha1,
        ),
        k(
            "filesha256",
            "filesha256:FILE;",
            "SHA-256 of a transferred file, in a list beside the rules: a hash a line, in hexadecimal.",
            filesha256,
        ),
    ]
}

fn filemd5(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    hashed(draft, opt, SetKind::Md5, Transform::ToMd5)
}

fn filesha1(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    hashed(draft, opt, SetKind::Sha1, Transform::ToSha1)
}

fn filesha256(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    hashed(draft, opt, SetKind::Sha256, Transform::ToSha256)
}

/// The same as the hash of `file.data` in a data set that the list is loaded into.
fn hashed(
    draft: &mut Draft<'_>,
    opt: &Opt<'_>,
    kind: SetKind,
    transform: Transform,
) -> Result<(), Fault> {
    let file = opt.value()?.unquoted()?.trim();
    if file.text.starts_with('!') {
        return Err(file
            .fault("what is in no list cannot be told of files that are kept in part")
            .help("list what is to be stopped"));
    }
    let content = draft
        .surroundings
        .load(file.text, kind, &SetFormat::Lines)
        .map_err(|why| file.fault(format!("{}: {why}", file.text)))?;
    // By what it holds, so that lists of one name in two packs are two. Sets that rules name have no
    // space in their names.
    let mut digest = Sha256::new();
    for (value, _) in &content.entries {
        digest.update(value);
    }
    let mut name = format!("{} ", opt.name.text);
    for byte in digest.finalize() {
        name.push_str(&format!("{byte:02x}"));
    }
    let set = SetDefinition {
        name,
        kind,
        memory_bytes: content.bytes(),
        content: Some(content),
        kept_in: None,
    };
    let test = Test::Dataset(DatasetTest {
        set,
        command: SetCommand::IsSet,
        context: None,
    });
    draft.add_aside_transformed(Buffer::FileData, vec![transform], test);
    Ok(())
}

fn filename(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (mut content, _) = pattern(opt)?;
    content.nocase = true;
    draft.add_aside(Buffer::FileName, Test::Content(content));
    Ok(())
}

fn fileext(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (mut content, _) = pattern(opt)?;
    content.nocase = true;
    content.endswith = true;
    content.pattern.insert(0, b'.');
    draft.add_aside(Buffer::FileName, Test::Content(content));
    Ok(())
}

/// An inline gateway keeps no files; the rule still asks for one.
fn filestore(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    const DIRECTIONS: &[&str] = &["request", "to_server", "response", "to_client", "both"];
    const SCOPES: &[&str] = &["file", "tx", "ssn", "flow"];
    if let Ok(value) = opt.value() {
        for (part, words) in value.split(',').zip([DIRECTIONS, SCOPES]) {
            let part = part.trim();
            if !words.contains(&part.text) {
                return Err(part.fault(format!("expected one of {}", words.join(", "))));
            }
        }
    }
    draft.warn(
        opt.name
            .fault("files are not stored; the rule matches as it would without this"),
    );
    let first_byte = IsDataAt {
        position: Value::Const(0),
        negated: false,
        relative: false,
    };
    draft.add_aside(Buffer::FileData, Test::IsDataAt(first_byte));
    Ok(())
}
