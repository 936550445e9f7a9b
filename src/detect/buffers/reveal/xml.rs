//! XML as its reader sees it: sections and comments are gone, entities of the document's own are replaced.

use std::ops::Range;

/// How much longer than the text its entities may make it.
pub(super) const MOST_GROWTH: usize = 64 * 1024;
/// Entities that are remembered.
const MOST_ENTITIES: usize = 64;
/// Entities within entities that are followed.
const MOST_LAYERS: usize = 3;

#[derive(Clone)]
struct Entity {
    name: Range<usize>,
    value: Range<usize>,
}

pub(super) fn flatten(bytes: &mut Vec<u8>, out: &mut Vec<u8>) {
    // All that is undone begins so.
    if memchr::memmem::find(bytes, b"<!").is_none() {
        return;
    }
    strip_markup(bytes, out);
    std::mem::swap(bytes, out);
    let most = bytes.len().saturating_add(MOST_GROWTH);
    for _ in 0..MOST_LAYERS {
        let entities = entities(bytes);
        if entities.is_empty() || !expand(bytes, out, &entities, most) {
            return;
        }
        std::mem::swap(bytes, out);
    }
}

/// Without comments and without the marks of CDATA sections (XML, sections 2.5 and 2.7).
fn strip_markup(bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    let mut sections = 0_u32;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let mark = match sections {
            0 => memchr::memchr(b'<', rest),
            _ => memchr::memchr2(b'<', b']', rest),
        };
        let (plain, rest) = rest.split_at(mark.unwrap_or(rest.len()));
        out.extend_from_slice(plain);
        at += plain.len();
        if rest.starts_with(b"<![CDATA[") {
            sections += 1;
            at += 9;
        } else if sections > 0 && rest.starts_with(b"]]>") {
            sections -= 1;
            at += 3;
        } else if rest.starts_with(b"<!--") {
            at += memchr::memmem::find(rest, b"-->").map_or(4, |end| end + 3);
        } else {
            out.extend(rest.first());
            at += 1;
        }
    }
}

/// `<!ENTITY name "value">` (XML, section 4.2).
fn entities(bytes: &[u8]) -> Vec<Entity> {
    const DECLARATION: &[u8] = b"<!ENTITY";
    let mut found = Vec::new();
    let mut from = 0;
    while found.len() < MOST_ENTITIES
        && let Some(at) = bytes
            .get(from..)
            .and_then(|b| memchr::memmem::find(b, DECLARATION))
    {
        from += at + DECLARATION.len();
        found.extend(entity(bytes, from));
    }
    found
}

fn entity(bytes: &[u8], from: usize) -> Option<Entity> {
    let skip = |from: usize| {
        let blank = |b: &&u8| b.is_ascii_whitespace() || **b == b'%';
        from + bytes
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(blank)
            .count()
    };
    let start = skip(from);
    let name = bytes
        .get(start..)?
        .iter()
        .take_while(|b| !b.is_ascii_whitespace());
    let end = start + name.count();
    let quote_at = skip(end);
    let quote = *bytes.get(quote_at).filter(|b| matches!(b, b'"' | b'\''))?;
    let length = memchr::memchr(quote, bytes.get(quote_at + 1..)?)?;
    (end > start).then_some(Entity {
        name: start..end,
        value: quote_at + 1..quote_at + 1 + length,
    })
}

/// Whether anything was replaced.
fn expand(bytes: &[u8], out: &mut Vec<u8>, entities: &[Entity], most: usize) -> bool {
    out.clear();
    let mut replaced = false;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let mark = memchr::memchr2(b'&', b'%', rest);
        let (plain, rest) = rest.split_at(mark.unwrap_or(rest.len()));
        out.extend_from_slice(plain);
        at += plain.len();
        match reference(bytes, at, entities) {
            Some((value, length)) if out.len() + value.len() + (bytes.len() - at) <= most => {
                out.extend_from_slice(value);
                at += length;
                replaced = true;
            }
            _ => {
                out.extend(rest.first());
                at += 1;
            }
        }
    }
    replaced
}

/// What stands at `at` for an entity, and how long it is written.
fn reference<'a>(bytes: &'a [u8], at: usize, entities: &[Entity]) -> Option<(&'a [u8], usize)> {
    let rest = bytes.get(at + 1..)?;
    entities.iter().find_map(|entity| {
        let name = bytes.get(entity.name.clone())?;
        let there = rest.starts_with(name) && rest.get(name.len()) == Some(&b';');
        there.then_some((bytes.get(entity.value.clone())?, name.len() + 2))
    })
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::MOST_GROWTH;
    use crate::signature::ast::Disguise::Xml;

    #[test]
    fn pieces_are_put_together() {
        for (text, expected) in [
            ("no markup & more", "no markup & more"),
            ("<a>${jn<![CDATA[di]]>:x}</a>", "<a>${jndi:x}</a>"),
            ("<a>un<!-- x -->ion</a>", "<a>union</a>"),
            ("<a>]]> <!-- open", "<a>]]>  open"),
        ] {
            let bytes = run(Xml, text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{text}");
        }
        let document =
            r#"<!DOCTYPE a [<!ENTITY b "jn"><!ENTITY c "&b;di">]><a>${&c;:x}&other;</a>"#;
        let bytes = run(Xml, document.as_bytes());
        assert!(String::from_utf8_lossy(&bytes).ends_with("<a>${jndi:x}&other;</a>"));
    }

    #[test]
    fn entities_of_entities_do_not_make_it_grow_without_bound() {
        let mut document = String::from("<!DOCTYPE a [<!ENTITY e0 \"aaaaaaaaaaaaaaaa\">");
        for n in 1..20 {
            document += &format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(20));
        }
        document += "]><a>&e19;&e1;</a>";
        let bytes = run(Xml, document.as_bytes());
        assert!(bytes.len() <= document.len() + MOST_GROWTH);
    }
}
