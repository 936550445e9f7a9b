//! Files: older words for their names, and what asks for a file at all.

use super::content::pattern;
use super::{Keyword, Kind};
use crate::buffer::Buffer;
use crate::signature::ast::{IsDataAt, Test, Value};
use crate::signature::draft::Draft;
use crate::signature::lex::{Fault, Opt};

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
    ]
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
