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

/// Bytes that a transform does something about. Between two of them it has nothing to do, and most
/// texts have few.
struct Marks([bool; 256]);

impl Marks {
    const fn of(bytes: &[u8]) -> Self {
        let mut marks = [false; 256];
        let mut at = 0;
        while at < bytes.len() {
            marks[bytes[at] as usize] = true;
            at += 1;
        }
        Self(marks)
    }

    const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }

    /// How many bytes stand before the first mark at `from` or behind it.
    fn before_next(&self, bytes: &[u8], from: usize) -> usize {
        let rest = bytes.get(from..).unwrap_or_default();
        // Eight at once, without a branch for each.
        let eights = rest.chunks_exact(8);
        let plain = |eight: &&[u8]| !eight.iter().fold(false, |any, &b| any | self.has(b));
        let passed = 8 * eights.take_while(plain).count();
        let behind = rest.get(passed..).unwrap_or_default();
        let next = behind.iter().position(|&b| self.has(b));
        passed + next.unwrap_or(behind.len())
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

    #[test]
    fn bytes_before_a_mark_are_counted() {
        let marks = Marks::of(b"%\xff");
        for (text, from, expected) in [
            (&b"ab%c\xff"[..], 0, 2),
            (b"ab%c\xff", 2, 0),
            (b"ab%c\xff", 3, 1),
            (b"abc", 1, 2),
            (b"0123456789%", 0, 10),
            (b"01234567%", 0, 8),
            (b"0123456789abcdef", 0, 16),
            (b"abc", 9, 0),
        ] {
            assert_eq!(marks.before_next(text, from), expected);
        }
    }

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
