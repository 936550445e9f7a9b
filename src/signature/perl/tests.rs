use super::*;
use proptest::prelude::*;

const PLAIN: Flags = Flags {
    multi_line: false,
    extended: false,
    anchored: false,
    dollar_end_only: false,
};

fn rewritten(pattern: &str) -> Result<String, Refusal> {
    to_regex(pattern, PLAIN)
}

fn regex(pattern: &str, flags: Flags) -> regex::bytes::Regex {
    let text = to_regex(pattern, flags).unwrap_or_else(|r| panic!("{pattern}: {r:?}"));
    let lines = if flags.multi_line { "(?m)" } else { "" };
    regex::bytes::Regex::new(&format!("(?-u){lines}{text}")).unwrap()
}

#[test]
fn what_reads_differently_is_rewritten() {
    for (pattern, expected) in [
        ("abc", "abc"),
        ("a.c", "a.c"),
        (r"\x2", r"\x02"),
        (r"\x2\x60", r"\x02\x60"),
        (r"\x{41}", "A"),
        (r"\101", ""),
        (r"\012", r"\x0A"),
        (r"\0", r"\x00"),
        (r"\cM", r"\x0D"),
        (r"\<b\>", "<b>"),
        (r"\h", r"[\t \xA0]"),
        (r"\v", r"[\n\x0B\f\r\x85]"),
        (r"\N+", r"[^\n]+"),
        (r"a$", r"a(?:\n?\z)"),
        (r"a\Z", r"a(?:\n?\z)"),
        (r"(?:a$|b$)", r"(?:a(?:\n?\z)|b(?:\n?\z))"),
        (r"a{2,}b", "a{2,}b"),
        (r"a{b}", r"a\x7Bb\x7D"),
        (r"[\d-]", r"[\d\x2D]"),
        (r"[a-c&&b]", r"[a-c\x26\x26b]"),
        (r"[[ab]", r"[\x5Bab]"),
        (r"[]a]", r"[\x5Da]"),
        (r"[^]a]", r"[^\x5Da]"),
        (r"[\b\1]", r"[\x08\x01]"),
        (r"[[:word:]-]", r"[[:word:]\x2D]"),
        ("\u{e9}+", r"\xC3\xA9+"),
        ("(?i)a", "(?i)a"),
        ("(?i:a)b", "(?i:a)b"),
        ("(?<n>a)", "(?P<n>a)"),
        ("a#b", r"a\x23b"),
    ] {
        if expected.is_empty() {
            assert_eq!(rewritten(pattern), Err(Refusal::BackReference), "{pattern}");
        } else {
            assert_eq!(rewritten(pattern).as_deref(), Ok(expected), "{pattern}");
        }
    }
}

#[test]
fn what_cannot_be_rewritten_is_refused() {
    for (pattern, reason) in [
        ("a(?=b)", Refusal::LookAround),
        ("(?<!a)b", Refusal::LookAround),
        (r"(a)\1", Refusal::BackReference),
        (r"(?P<n>a)(?P=n)", Refusal::BackReference),
        (r"\k<n>", Refusal::BackReference),
        ("a++", Refusal::Possessive),
        ("a{2}+", Refusal::Possessive),
        ("a**", Refusal::Quantifier),
        ("*a", Refusal::Quantifier),
        ("^*", Refusal::Quantifier),
        ("a{,3}", Refusal::Quantifier),
        ("a{ 1, 3 }", Refusal::Quantifier),
        ("(?>a)", Refusal::InlineFlags),
        ("(?|a)", Refusal::InlineFlags),
        ("(?m)a", Refusal::InlineFlags),
        ("a(?i)b", Refusal::InlineFlags),
        ("(*UTF)a", Refusal::Group),
        ("(?'n'a)", Refusal::InlineFlags),
        (r"\Qa\E", Refusal::Escape),
        (r"\R", Refusal::Escape),
        (r"\K", Refusal::Escape),
        (r"\G", Refusal::Escape),
        (r"\pL", Refusal::Escape),
        (r"\x{100}", Refusal::Escape),
        (r"\400", Refusal::BackReference),
        (r"\b{start}", Refusal::Escape),
        (r"[\d-z]", Refusal::Class),
        (r"[z-a]", Refusal::Class),
        (r"[[:nope:]]", Refusal::Class),
        (r"a$b", Refusal::Anchor),
        (r"(a$)*", Refusal::Quantifier),
        (r"(?:$|a)b", Refusal::Anchor),
        ("(a", Refusal::Unfinished),
        ("a)", Refusal::Unfinished),
        ("[a", Refusal::Unfinished),
        ("a\\", Refusal::Unfinished),
    ] {
        assert_eq!(rewritten(pattern), Err(reason), "{pattern}");
    }
    let extended = Flags {
        extended: true,
        ..PLAIN
    };
    assert_eq!(to_regex("a", extended), Err(Refusal::Extended));
    let lines = Flags {
        multi_line: true,
        ..PLAIN
    };
    assert_eq!(to_regex("a^b", lines), Err(Refusal::Anchor));
    let deep = format!("{}a{}", "(".repeat(200), ")".repeat(200));
    assert_eq!(rewritten(&deep), Err(Refusal::Nested));
}

#[test]
fn a_dollar_takes_a_last_line_feed_unless_told_not_to() {
    assert!(regex("a$", PLAIN).is_match(b"a\n"));
    assert!(!regex("a$", PLAIN).is_match(b"a\n\n"));
    let very_end = Flags {
        dollar_end_only: true,
        ..PLAIN
    };
    assert!(!regex("a$", very_end).is_match(b"a\n"));
    assert!(!regex("a$b", very_end).is_match(b"a"));
}

#[test]
fn dollars_become_the_very_end_outside_of_classes() {
    assert_eq!(
        dollars_at_the_very_end(r"a$|[$]\$[^]$]b$"),
        r"a\z|[$]\$[^]$]b\z"
    );
}

/// Pieces that, strung together, make mostly valid expressions.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab\n.]",
        Just("\\n".to_owned()),
        Just("\\s".to_owned()),
        Just("\\S".to_owned()),
        Just("\\w".to_owned()),
        Just("\\W".to_owned()),
        Just("\\h".to_owned()),
        Just("\\v".to_owned()),
        Just("\\V".to_owned()),
        Just("\\b".to_owned()),
        Just("\\x61".to_owned()),
        Just("\\xe9".to_owned()),
        Just("^".to_owned()),
        Just("$".to_owned()),
        Just("\\Z".to_owned()),
        Just("|".to_owned()),
        Just("a*".to_owned()),
        Just("b+?".to_owned()),
        Just(".{1,2}".to_owned()),
        Just("(?:a|b)?".to_owned()),
        Just("(a|)".to_owned()),
        Just("(?:a$|b)".to_owned()),
        Just("(?:^a|b)".to_owned()),
        Just("[^a]".to_owned()),
        Just("[\\s-]".to_owned()),
        Just("[a-c]".to_owned()),
        Just("[^\\x00-\\x20]".to_owned()),
        Just("(?i:A)".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// The heart of the matter: what is rewritten matches what PCRE2 matches.
    #[test]
    fn both_engines_agree(
        parts in proptest::collection::vec(piece(), 1..6),
        subject in proptest::collection::vec(
            prop_oneof![Just(b'a'), Just(b'b'), Just(b'\n'), Just(b'A'), Just(b' '), Just(b'\r'), Just(0xe9), Just(0x0b), Just(0x85)],
            0..6,
        ),
        multi_line: bool,
        dollar_end_only: bool,
        anchored: bool,
    ) {
        let pattern = parts.concat();
        let text = format!("t (pcre:\"/{pattern}/{}{}{}\";)",
            if multi_line { "m" } else { "" },
            if dollar_end_only { "E" } else { "" },
            if anchored { "A" } else { "" });
        let Some(ours) = crate::signature::keywords::pcre::tests::read(&text) else {
            return Ok(());
        };
        if ours.needs_pcre2 {
            return Ok(());
        }
        let fast = regex::bytes::RegexBuilder::new(&ours.pattern).unicode(false).build().unwrap();
        let mut slow = String::new();
        if multi_line { slow.push_str("(?m)"); }
        if anchored { slow.push_str("\\G"); }
        let body = if dollar_end_only && !multi_line { dollars_at_the_very_end(&pattern) } else { pattern.clone() };
        slow.push_str(&format!("(?:{body})"));
        let slow = pcre2::bytes::Regex::new(&slow).unwrap();
        let expected = slow.find(&subject).unwrap().map(|m| m.start());
        // Where the automaton fails, its text must still mean the same to the other engine.
        let same = pcre2::bytes::Regex::new(&ours.pattern).unwrap();
        prop_assert_eq!(same.find(&subject).unwrap().map(|m| m.start()), expected, "{}", ours.pattern);
        prop_assert_eq!(fast.find(&subject).map(|m| m.start()), expected, "{} on {:?}", ours.pattern, subject);
    }

    #[test]
    fn any_text_is_rewritten_or_refused(pattern in "[a-c()\\[\\]{}?*+|^$.\\\\:<>=!0-9,x\u{e9}-]{0,30}") {
        if let Ok(text) = rewritten(&pattern) {
            // It may still be refused by the crate, which then leaves it to PCRE2.
            let _ = regex::bytes::Regex::new(&format!("(?-u){text}"));
        }
    }
}
