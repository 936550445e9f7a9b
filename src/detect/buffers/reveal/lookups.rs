//! Log4j's lookups (`${NAME:KEY}`), resolved from the inside out as far as their text tells what they
//! give. What is a `jndi` lookup in the end reads `${jndi:` afterwards.

/// Lookups within lookups that are followed; a deeper opening is text.
const MOST_DEPTH: usize = 32;

pub(super) fn resolve(bytes: &mut Vec<u8>, out: &mut Vec<u8>) {
    if memchr::memmem::find(bytes, b"${").is_none() {
        return;
    }
    out.clear();
    let mut open = [0; MOST_DEPTH];
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let mark = memchr::memchr2(b'$', b'}', rest);
        let (plain, rest) = rest.split_at(mark.unwrap_or(rest.len()));
        out.extend_from_slice(plain);
        at += plain.len();
        let Some(&b) = rest.first() else {
            break;
        };
        at += 1;
        match b {
            b'$' if bytes.get(at) == Some(&b'{') && depth < MOST_DEPTH => {
                // A doubled sign keeps a lookup as text, until the one around it is resolved.
                let around = depth.checked_sub(1).map_or(usize::MAX, |d| open[d] + 2);
                while out.len() > around && out.last() == Some(&b'$') {
                    out.pop();
                }
                open[depth] = out.len();
                depth += 1;
                at += 1;
                out.extend_from_slice(b"${");
            }
            b'}' if depth > 0 => {
                depth -= 1;
                close(out, open[depth], depth > 0);
            }
            b => out.push(b),
        }
    }
    // The innermost that nobody closed may still name what it looks up.
    while depth > 0 {
        depth -= 1;
        name_jndi(out, open[depth]);
    }
    std::mem::swap(bytes, out);
}

/// The lookup that begins at `start` of `out` ends here.
fn close(out: &mut Vec<u8>, start: usize, nested: bool) {
    if name_jndi(out, start) {
        out.push(b'}');
        return;
    }
    let inner = start + 2;
    let text = out.get(inner..).unwrap_or_default();
    let colon = text.iter().position(|&b| b == b':').unwrap_or(text.len());
    let name = text.get(..colon).unwrap_or_default().trim_ascii();
    let key = inner + colon + 1;
    let default = text
        .windows(2)
        .position(|w| w == b":-")
        .map(|at| inner + at + 2);
    // Quotes are what keeps a date's letters from being a pattern.
    let (kept, quoted) = if name.eq_ignore_ascii_case(b"lower") {
        shift(out.get_mut(key..), u8::to_ascii_lowercase);
        (Some(key), false)
    } else if name.eq_ignore_ascii_case(b"upper") {
        shift(out.get_mut(key..), u8::to_ascii_uppercase);
        (Some(key), false)
    } else if name.eq_ignore_ascii_case(b"date") {
        (Some(key), true)
    } else {
        (default, false)
    };
    match kept.filter(|from| *from <= out.len()) {
        Some(from) => {
            let mut to = start;
            for at in from..out.len() {
                if !(quoted && out[at] == b'\'') {
                    out[to] = out[at];
                    to += 1;
                }
            }
            out.truncate(to);
        }
        // What is set where Log4j runs is not known here; within another lookup it may give nothing.
        None if nested => out.truncate(start),
        None => out.push(b'}'),
    }
}

fn shift(text: Option<&mut [u8]>, case: fn(&u8) -> u8) {
    for b in text.unwrap_or_default() {
        *b = case(b);
    }
}

/// Rewrites the lookup's name where it is `jndi`, in any case, within blanks, with a dotless or
/// dotted I (U+0131, U+0130), which is I or i once its case is changed.
fn name_jndi(out: &mut Vec<u8>, start: usize) -> bool {
    let inner = start + 2;
    let text = out.get(inner..).unwrap_or_default();
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let word = text.get(blanks..).unwrap_or_default();
    let i_length = match word {
        [b'j' | b'J', b'n' | b'N', b'd' | b'D', b'i' | b'I', ..] => 1,
        [b'j' | b'J', b'n' | b'N', b'd' | b'D', 0xc4, 0xb0 | 0xb1, ..] => 2,
        _ => return false,
    };
    let behind = word.get(3 + i_length..).unwrap_or_default();
    let gap = behind
        .iter()
        .take_while(|b| b.is_ascii_whitespace())
        .count();
    if behind.get(gap) != Some(&b':') {
        return false;
    }
    let length = blanks + 3 + i_length + gap;
    out.splice(inner..inner + length, *b"jndi");
    true
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use crate::signature::ast::Disguise::Lookups;

    #[test]
    fn lookups_give_what_log4j_makes_of_them() {
        for (text, expected) in [
            ("no lookup } here", "no lookup } here"),
            ("${jndi:ldap://x}", "${jndi:ldap://x}"),
            ("${${lower:J}ndi:ldap://x}", "${jndi:ldap://x}"),
            ("${${upper:j}${upper:n}di:x}", "${jndi:x}"),
            ("${${::-j}${::-n}${::-d}${::-i}:x}", "${jndi:x}"),
            ("${${env:NaN:-j}ndi${env:NaN:-:}x}", "${jndi:x}"),
            ("${${date:'j'}ndi:x}", "${jndi:x}"),
            ("${j${k8s:k5:-nd}i:x}", "${jndi:x}"),
            ("${${lower:${upper:${lower:j}}}ndi:x}", "${jndi:x}"),
            ("${${sys:nothing}jndi:x}", "${jndi:x}"),
            ("$${jndi:x}", "$${jndi:x}"),
            ("${${::-${::-$${::-j}}}ndi:x}", "${jndi:x}"),
            ("${ JnDi\t:x}", "${jndi:x}"),
            ("${jnd\u{131}:x}", "${jndi:x}"),
            ("${jnd${upper:\u{131}}:x}", "${jndi:x}"),
            ("${jndi:ldap:${:-//}x}", "${jndi:ldap://x}"),
            ("${${::-j}ndi:never closed", "${jndi:never closed"),
            ("${env:HOME} ${a}", "${env:HOME} ${a}"),
            ("${:-x}", "x"),
            ("${lower", "${lower"),
            ("${lower}", "${lower}"),
        ] {
            let bytes = run(Lookups, text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let text = "${".repeat(1000) + "jndi:x" + &"}".repeat(1000);
        assert!(run(Lookups, text.as_bytes()).len() <= text.len() + 8);
    }
}
