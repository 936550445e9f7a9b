//! Request targets: their parts, and the form that rules look at.
//!
//! The path is percent-decoded once, backslashes become slashes, runs of
//! slashes become one and dot segments are resolved; query and fragment are
//! percent-decoded once. This is what Suricata's default personality does with
//! `http.uri`: `%u` escapes, invalid escapes, `+` and letter case stay.

use super::headers::copy_within;
use super::side::Side;
use super::span::Span;
use crate::reuse::List;

/// What was wrong with a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UriFaults {
    pub host_invalid: bool,
    pub port_invalid: bool,
    pub double_encoded: bool,
}

/// Which part of a target is being decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Rest,
}

impl Side {
    /// Writes the normalised target behind what the arena holds, and finds the host in it.
    pub(super) fn normalize_uri(&mut self, authority_form: bool) -> UriFaults {
        let mut faults = UriFaults::default();
        let Some(raw) = self.head.uri_raw else {
            return faults;
        };
        let bytes = raw.of(&self.arena);
        faults.double_encoded = is_double_encoded(bytes);
        let mut path = raw;
        if let Some(authority) = find_authority(bytes, authority_form) {
            let authority = offset(raw, authority);
            path = Span::new(authority.end(), raw.end());
            let (host, port) = split_authority(&self.arena, authority);
            let text = host.of(&self.arena);
            faults.host_invalid = !is_host(text);
            faults.port_invalid = !is_port(port.of(&self.arena));
            // A path where CONNECT should name a host (RFC 3986 section 3.2) names none.
            self.head.uri_host = Some(host).filter(|_| !text.starts_with(b"/"));
        }
        let start = self.arena.len();
        if authority_form {
            copy_within(&mut self.arena, raw);
        } else {
            self.write_path_and_rest(path);
        }
        self.head.uri = Some(Span::new(start, self.arena.len()));
        faults
    }

    fn write_path_and_rest(&mut self, target: Span) {
        let bytes = target.of(&self.arena);
        let split = memchr::memchr2(b'?', b'#', bytes).unwrap_or(bytes.len());
        let path = Span::new(target.start(), target.start() + split);
        let rest = Span::new(path.end(), target.end());
        let start = self.arena.len();
        if path.is_empty() {
            // RFC 9110 section 4.2.3: an absolute target without path means its root.
            self.arena.push(b'/');
        } else {
            decode(&mut self.arena, path, Part::Path);
            let written = self.arena.get_mut(start..).unwrap_or_default();
            let kept = resolve(written);
            self.arena.truncate(start + kept);
        }
        decode(&mut self.arena, rest, Part::Rest);
    }
}

/// Finds `host[:port]` (with user information) in a target: all of it in
/// authority form (RFC 9112 section 3.2.3), else what follows `scheme://`.
fn find_authority(target: &[u8], authority_form: bool) -> Option<Span> {
    if authority_form {
        return Some(Span::new(0, target.len()));
    }
    let colon = memchr::memchr(b':', target)?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    let well_formed = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !well_formed {
        return None;
    }
    let authority = rest.strip_prefix(b"://")?;
    let start = colon + 3;
    let length = authority
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#' | b'\\'))
        .unwrap_or(authority.len());
    Some(Span::new(start, start + length))
}

/// Host and port; the port is empty where there is none.
pub(super) fn split_authority(arena: &[u8], authority: Span) -> (Span, Span) {
    let bytes = authority.of(arena);
    let host_start = memchr::memrchr(b'@', bytes).map_or(0, |at| at + 1);
    let after_user = bytes.get(host_start..).unwrap_or_default();
    // A colon within brackets belongs to an IPv6 address.
    let bracket = memchr::memrchr(b']', after_user).unwrap_or(0);
    let tail = after_user.get(bracket..).unwrap_or_default();
    let colon = memchr::memrchr(b':', tail).map(|at| bracket + at);
    let host_end = colon.unwrap_or(after_user.len());
    let port_start = colon.map_or(after_user.len(), |at| at + 1);
    let base = authority.start() + host_start;
    (
        Span::new(base, base + host_end),
        Span::new(base + port_start, base + after_user.len()),
    )
}

/// No port, or one up to 65535.
pub(super) fn is_port(port: &[u8]) -> bool {
    port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0_u32, |n, b| n * 10 + u32::from(b - b'0')) <= 65_535
}

/// Bytes that a host name or an address may have; not empty.
pub(super) fn is_host(host: &[u8]) -> bool {
    let address = host.first() == Some(&b'[') && host.last() == Some(&b']');
    !host.is_empty()
        && host.iter().all(|&b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'.' | b'-' | b'_')
                || (address && matches!(b, b':' | b'[' | b']' | b'%'))
        })
}

fn offset(base: Span, within: Span) -> Span {
    Span::new(base.start() + within.start(), base.start() + within.end())
}

fn is_double_encoded(target: &[u8]) -> bool {
    memchr::memmem::find_iter(target, b"%25").any(|at| {
        let digits = target.get(at + 3..at + 5).unwrap_or_default();
        digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
    })
}

/// Appends a range of the arena to the arena, percent-decoded once.
fn decode(arena: &mut List<u8>, source: Span, part: Part) {
    let mut at = source.start();
    while at < source.end() {
        let rest = arena.get(at..source.end()).unwrap_or_default();
        let next = match part {
            Part::Path => memchr::memchr2(b'%', b'\\', rest),
            Part::Rest => memchr::memchr(b'%', rest),
        };
        let plain = next.unwrap_or(rest.len());
        copy_within(arena, Span::new(at, at + plain));
        at += plain;
        let (byte, used) = match arena.get(at..source.end()) {
            Some(&[b'%', high, low, ..]) => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => ((high << 4) | low, 3),
                _ => (b'%', 1),
            },
            Some(&[byte, ..]) => (byte, 1),
            _ => break,
        };
        arena.push(match byte {
            b'\\' if part == Part::Path => b'/',
            other => other,
        });
        at += used;
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Joins runs of slashes and resolves dot segments (RFC 3986 section 5.2.4) in
/// place; returns the length of what is left. Each byte is written and taken
/// back at most once.
fn resolve(path: &mut [u8]) -> usize {
    let rooted = path.first() == Some(&b'/');
    let mut write = 0;
    let mut read = 0;
    while read < path.len() {
        let rest = path.get(read..).unwrap_or_default();
        if rest.first() == Some(&b'/') {
            read += 1;
            let doubled = write > 0 && path.get(write - 1) == Some(&b'/');
            if !doubled && (write > 0 || rooted) {
                put(path, &mut write, b'/');
            }
            continue;
        }
        let length = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        match rest.get(..length) {
            Some(b".") => {}
            Some(b"..") => write = parent(path.get(..write).unwrap_or_default(), rooted),
            _ => {
                path.copy_within(read..read + length, write);
                write += length;
            }
        }
        read += length;
    }
    write
}

fn put(path: &mut [u8], at: &mut usize, byte: u8) {
    if let Some(slot) = path.get_mut(*at) {
        *slot = byte;
        *at += 1;
    }
}

/// How much of a path ending in a slash is left without its last segment.
fn parent(path: &[u8], rooted: bool) -> usize {
    let without_slash = path.strip_suffix(b"/").unwrap_or(path);
    memchr::memrchr(b'/', without_slash).map_or(usize::from(rooted), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(target: &[u8], authority_form: bool) -> (Side, UriFaults) {
        let mut side = Side::default();
        side.arena.extend_from_slice(target);
        side.head.uri_raw = Some(Span::new(0, target.len()));
        let faults = side.normalize_uri(authority_form);
        (side, faults)
    }

    fn normalized(target: &str) -> String {
        let (side, _) = parse(target.as_bytes(), false);
        String::from_utf8_lossy(side.head.uri.unwrap().of(&side.arena)).into_owned()
    }

    #[test]
    fn targets_are_normalised() {
        for (raw, expected) in [
            ("/", "/"),
            ("", "/"),
            ("*", "*"),
            ("/%65vil", "/evil"),
            ("/%2565vil", "/%65vil"),
            ("/%u0065vil", "/%u0065vil"),
            ("/%zz%4", "/%zz%4"),
            ("//a///b", "/a/b"),
            ("/./a/./b/.", "/a/b/"),
            ("/a/../evil", "/evil"),
            ("/a/b/../../..", "/"),
            ("/../../images.gif", "/images.gif"),
            ("/%2e%2e/images.gif", "/images.gif"),
            ("/%5c../images.gif", "/images.gif"),
            ("/a\\..\\images.gif", "/images.gif"),
            ("/a%2Fb", "/a/b"),
            ("/cgi-bin/.%2e/.%2e/bin/sh", "/bin/sh"),
            ("/a..b/...", "/a..b/..."),
            ("/p?q=%2e%2e/..//x+y\\z", "/p?q=../..//x+y\\z"),
            ("/p#f%41", "/p#fA"),
            ("/p?a?b#c", "/p?a?b#c"),
            ("http://h/evil", "/evil"),
            ("HtTp://u:p@h:80/evil/../x?y", "/x?y"),
            ("http://h", "/"),
            ("http://h?x", "/?x"),
            ("/r?u=http://x/y", "/r?u=http://x/y"),
            ("a/../b", "b"),
            ("/x%00y", "/x\0y"),
        ] {
            assert_eq!(normalized(raw), expected, "{raw}");
        }
    }

    #[test]
    fn the_host_of_a_target_is_found() {
        for (target, authority_form, host, good) in [
            ("http://Ex.com/a", false, Some("Ex.com"), true),
            ("http://u@ex.com:8080/a", false, Some("ex.com"), true),
            ("http://[::1]:80/", false, Some("[::1]"), true),
            ("http://a b/", false, Some("a b"), false),
            ("ex.com:443", true, Some("ex.com"), true),
            ("/", true, None, false),
            ("/a:b//c", false, None, true),
        ] {
            let (side, faults) = parse(target.as_bytes(), authority_form);
            let found = side
                .head
                .uri_host
                .map(|h| String::from_utf8_lossy(h.of(&side.arena)).into_owned());
            assert_eq!(found.as_deref(), host, "{target}");
            assert_eq!(!faults.host_invalid, good, "{target}");
        }
    }

    #[test]
    fn ports_are_numbers_up_to_65535() {
        for (port, good) in [
            ("", true),
            ("0", true),
            ("65535", true),
            ("65536", false),
            ("8o", false),
        ] {
            assert_eq!(is_port(port.as_bytes()), good, "{port}");
        }
    }

    #[test]
    fn encoding_twice_is_noticed() {
        assert!(parse(b"/%2565", false).1.double_encoded);
        assert!(!parse(b"/%25zz%25", false).1.double_encoded);
    }

    proptest! {
        #[test]
        fn a_path_never_grows_and_never_climbs(target in proptest::collection::vec(
            prop_oneof![Just(b'/'), Just(b'.'), Just(b'\\'), Just(b'%'), Just(b'2'), Just(b'e'), any::<u8>()], 0..80)) {
            let mut rooted = vec![b'/'];
            rooted.extend_from_slice(&target);
            let (side, _) = parse(&rooted, false);
            let uri = side.head.uri.unwrap().of(&side.arena).to_vec();
            prop_assert!(uri.len() <= rooted.len());
            prop_assert!(uri.starts_with(b"/"));
            let path = uri.split(|b| matches!(b, b'?' | b'#')).next().unwrap();
            // What was encoded may hold `?`; up to the first one the path is resolved.
            prop_assert!(!path.windows(2).any(|w| w == b"//"));
            prop_assert!(!path.windows(4).any(|w| w == b"/../"));
        }
    }
}
