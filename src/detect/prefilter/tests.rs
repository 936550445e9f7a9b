use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 4] = [
    Kind::Auto,
    Kind::AhoCorasick,
    Kind::QGram,
    Kind::QGramPortable,
];

/// What is found. Fails where a pattern is reported twice, or where it is not.
fn found(patterns: &[Pattern], matcher: &Matcher, haystack: &[u8], from: usize) -> BTreeSet<u32> {
    found_with(patterns, matcher, haystack, from, &mut Scratch::new())
}

fn found_with(
    patterns: &[Pattern],
    matcher: &Matcher,
    haystack: &[u8],
    from: usize,
    scratch: &mut Scratch,
) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    matcher.scan(haystack, from, scratch, &mut |id, end| {
        let pattern = &patterns[id.index()];
        assert!(end > from);
        assert!(pattern.matches(&haystack[end - pattern.bytes.len()..end]));
        assert!(all.insert(id.0), "{id:?} was reported twice");
    });
    all
}

fn pattern(bytes: &[u8], nocase: bool) -> Pattern {
    Pattern {
        bytes: bytes.to_vec(),
        nocase,
    }
}

#[test]
fn no_pattern_finds_nothing() {
    for kind in KINDS {
        let matcher = Matcher::build(&[], kind);
        assert!(found(&[], &matcher, b"abc", 0).is_empty());
        assert_eq!((matcher.longest(), matcher.len()), (0, 0));
    }
}

#[test]
fn an_empty_pattern_is_never_found_and_keeps_its_number() {
    let patterns = [pattern(b"", false), pattern(b"/etc/passwd", false)];
    for kind in KINDS {
        let matcher = Matcher::build(&patterns, kind);
        let found = found(&patterns, &matcher, b"GET /etc/passwd", 0);
        assert_eq!(found, BTreeSet::from([1]));
    }
}

#[test]
fn case_counts_where_the_pattern_says_so() {
    let patterns = [pattern(b"Jndi:", false), pattern(b"Jndi:", true)];
    for kind in KINDS {
        let matcher = Matcher::build(&patterns, kind);
        assert_eq!(
            found(&patterns, &matcher, b"${jNDI:ldap", 0).len(),
            1,
            "{kind:?}"
        );
        assert_eq!(
            found(&patterns, &matcher, b"${Jndi:ldap", 0).len(),
            2,
            "{kind:?}"
        );
    }
}

#[test]
fn bytes_that_differ_from_letters_by_the_case_bit_are_other_bytes() {
    // `@` and `` ` ``, `[` and `{`, NUL and space fold together without being letters.
    let patterns = [
        pattern(b"@[\\]^_", true),
        pattern(b"a@@@@b", true),
        pattern(b"\0\0\0\0", true),
    ];
    for kind in KINDS {
        let matcher = Matcher::build(&patterns, kind);
        assert!(found(&patterns, &matcher, b"`{|}~\x7f a````b     ", 0).is_empty());
        assert_eq!(
            found(&patterns, &matcher, b"..@[\\]^_..A@@@@B..\0\0\0\0", 0).len(),
            3
        );
    }
}

#[test]
fn only_ends_after_from_count() {
    let patterns = [pattern(b"abcdef", false), pattern(b"f", false)];
    for kind in KINDS {
        let matcher = Matcher::build(&patterns, kind);
        assert_eq!(
            found(&patterns, &matcher, b"abcdefgh", 5).len(),
            2,
            "{kind:?}"
        );
        assert!(
            found(&patterns, &matcher, b"abcdefgh", 6).is_empty(),
            "{kind:?}"
        );
        assert!(
            found(&patterns, &matcher, b"abcdefgh", 99).is_empty(),
            "{kind:?}"
        );
    }
}

/// Small alphabets, so that patterns occur, overlap and nearly occur.
fn text(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(b"abAB@\0\x20`".as_slice());
    prop::collection::vec(byte, 1..=longest)
}

fn patterns(most: usize) -> impl Strategy<Value = Vec<Pattern>> {
    let one = (text(12), any::<bool>()).prop_map(|(bytes, nocase)| Pattern { bytes, nocase });
    prop::collection::vec(one, 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_kind_finds_what_naive_finds(
        patterns in patterns(80),
        haystack in text(300),
        from in 0usize..300,
    ) {
        let naive = found(&patterns, &Matcher::build(&patterns, Kind::Naive), &haystack, from);
        for kind in KINDS {
            let found = found(&patterns, &Matcher::build(&patterns, kind), &haystack, from);
            prop_assert_eq!(&found, &naive, "{:?}", kind);
        }
    }

    #[test]
    fn two_pieces_find_what_one_scan_finds(
        patterns in patterns(30),
        haystack in text(200),
        cut in 0usize..200,
    ) {
        let cut = cut.min(haystack.len());
        for kind in KINDS {
            let matcher = Matcher::build(&patterns, kind);
            let mut scratch = Scratch::new();
            let whole = found_with(&patterns, &matcher, &haystack, 0, &mut scratch);
            let mut pieces = found_with(&patterns, &matcher, &haystack[..cut], 0, &mut scratch);
            let kept = cut.saturating_sub(matcher.longest().saturating_sub(1));
            pieces.extend(found_with(&patterns, &matcher, &haystack[kept..], cut - kept, &mut scratch));
            prop_assert_eq!(&whole, &pieces, "{:?}", kind);
        }
    }
}
