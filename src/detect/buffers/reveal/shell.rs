//! A command line as a shell reads it: without the quotes and empty expansions that only break words up.

use super::Marks;

const MARKS: Marks = Marks::of(b"$'\"\\`{,}+\t");

pub(super) fn normalise(bytes: &mut Vec<u8>, out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    let mut braces = 0_u32;
    while at < bytes.len() {
        let plain = MARKS.before_next(bytes, at);
        out.extend_from_slice(&bytes[at..at + plain]);
        at += plain;
        let Some(&b) = bytes.get(at) else {
            break;
        };
        let rest = bytes.get(at..).unwrap_or_default();
        at += match rest {
            // POSIX.1-2024, volume 3, section 2.5.3: fields are split at IFS, which is white space.
            [b'$', b'I', b'F', b'S', ..] => {
                out.push(b' ');
                // `$IFS$9` is written so that a letter may follow.
                4 + if rest.get(4) == Some(&b'$') {
                    empty(rest.get(4..))
                } else {
                    0
                }
            }
            [b'$', b'{', b'I', b'F', b'S', tail @ ..] => {
                out.push(b' ');
                5 + tail
                    .iter()
                    .position(|&b| b == b'}')
                    .map_or(0, |end| end + 1)
            }
            [b'$', ..] if empty(Some(rest)) > 0 => empty(Some(rest)),
            [b'\'' | b'"' | b'\\', ..] => 1,
            [b'`', b'`', ..] => 2,
            [b'$', b'(', b')', ..] => 3,
            // `{cat,/etc/passwd}` is two words.
            [b'{', ..]
                if !out
                    .last()
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'$') =>
            {
                braces += 1;
                1
            }
            [b',', ..] if braces > 0 => {
                out.push(b' ');
                1
            }
            [b'}', ..] if braces > 0 => {
                braces -= 1;
                1
            }
            [b'+' | b'\t', ..] => {
                out.push(b' ');
                1
            }
            _ => {
                out.push(b);
                1
            }
        };
    }
    std::mem::swap(bytes, out);
}

/// Length of a parameter that is empty where nobody set it: `$@`, `$*`, `$1`, `${@}` and the like.
fn empty(text: Option<&[u8]>) -> usize {
    match text.unwrap_or_default() {
        [b'$', b'@' | b'*' | b'1'..=b'9', ..] => 2,
        [b'$', b'{', b'@' | b'*' | b'1'..=b'9', b'}', ..] => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use crate::signature::ast::Disguise::Shell;

    #[test]
    fn words_are_put_together_again() {
        for (text, expected) in [
            ("c'a't /etc/passwd", "cat /etc/passwd"),
            ("c\"a\"t$IFS/etc", "cat /etc"),
            ("cat${IFS}/etc", "cat /etc"),
            ("cat${IFS:0:1}/etc", "cat /etc"),
            ("cat$IFS$9/etc", "cat /etc"),
            ("c\\at ca$@t w``ho$()ami", "cat cat whoami"),
            (";{cat,/etc/passwd}", ";cat /etc/passwd"),
            ("a{b,c}", "a{b,c}"),
        ] {
            let bytes = run(Shell, text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{text}");
        }
    }
}
