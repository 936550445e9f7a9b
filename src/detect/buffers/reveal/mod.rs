//! Transforms that undo what hides a text from a filter and not from the program that it is meant
//! for. Each is one pass, or a few, over the bytes; what comes out is bounded by what went in.

mod base64_runs;
mod escapes;
mod lookups;
mod shell;
mod sql;
mod xml;

use crate::signature::ast::Disguise;

/// Undoes one kind of disguise; `spare` is room to work in.
pub(super) fn reveal(disguise: Disguise, bytes: &mut Vec<u8>, spare: &mut Vec<u8>) {
    match disguise {
        Disguise::Escapes => escapes::decode(bytes),
        Disguise::Base64Runs => base64_runs::decode(bytes, spare),
        Disguise::Lookups => lookups::resolve(bytes, spare),
        Disguise::Sql => sql::normalise(bytes, spare),
        Disguise::Shell => shell::normalise(bytes, spare),
        Disguise::Xml => xml::flatten(bytes, spare),
    }
}

#[cfg(test)]
fn run(disguise: Disguise, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    reveal(disguise, &mut bytes, &mut vec![7; 3]);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Made of what the transforms look for, so that random bytes reach their inner parts.
        #[test]
        fn no_bytes_make_them_panic_or_grow_beyond_their_bound(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "${", "}", ":", ":-", "lower:", "jndi:", "%25", "%", "u00", "\\u0024", "\\", "&#x", "36", ";", "&amp",
                "/*", "*/", "/*!50", "'", "\"", "||", "char(", "chr(", "65", ",", ")", "0x4142", "--", " ", "$IFS", "${IFS}",
                "$@", "<![CDATA[", "]]>", "<!--", "-->", "<!ENTITY a \"", "<!ENTITY b '&a;&a;'>", "\">", "&a;", "&b;",
                "QUJDREVGR0hJSktMTU5P", "=", "\n", "+ADw-", "H4sI", "\u{131}", "\u{ff0e}", "a",
            ]), 0..60),
        ) {
            let text: Vec<u8> = words.concat().into();
            for disguise in Disguise::ALL {
                let bytes = run(disguise, &text);
                prop_assert!(bytes.len() <= 8 * text.len() + xml::MOST_GROWTH, "{disguise:?}");
            }
        }
    }
}
