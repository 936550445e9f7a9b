//! The ways to find out which rules to try, by name.

use super::Kind;

/// One of them. Rules match the same with each; they differ in speed and memory alone.
#[derive(Debug)]
pub struct Variant {
    pub name: &'static str,
    /// `None`: no rule is left out for what a buffer holds.
    pub kind: Option<Kind>,
    pub what: &'static str,
}

/// All of them, the usual one first.
pub const VARIANTS: [Variant; 6] = [
    Variant {
        name: "auto",
        kind: Some(Kind::Auto),
        what: "what is best for the number and length of the patterns",
    },
    Variant {
        name: "naive",
        kind: Some(Kind::Naive),
        what: "one pattern after the other",
    },
    Variant {
        name: "aho-corasick",
        kind: Some(Kind::AhoCorasick),
        what: "one automaton of all patterns",
    },
    Variant {
        name: "q-gram",
        kind: Some(Kind::QGram),
        what: "rare grams of the patterns in a bitmap",
    },
    Variant {
        name: "q-gram-portable",
        kind: Some(Kind::QGramPortable),
        what: "the same without instructions that not every processor has",
    },
    Variant {
        name: "none",
        kind: None,
        what: "no patterns: every rule is tried on all that its ports and its protocol let it see",
    },
];

impl Variant {
    pub fn named(name: &str) -> Option<&'static Self> {
        VARIANTS.iter().find(|variant| variant.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_of_one_variant_and_the_first_is_the_default() {
        assert_eq!(VARIANTS[0].kind, Some(Kind::default()));
        for variant in &VARIANTS {
            let named = Variant::named(variant.name).map(|v| v.kind);
            assert_eq!(named, Some(variant.kind));
            let same = VARIANTS.iter().filter(|v| v.kind == variant.kind);
            assert_eq!(same.count(), 1, "{}", variant.name);
        }
    }
}
