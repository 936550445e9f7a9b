//! A multi-pattern matcher with the rules behind each of its patterns.

use std::collections::HashMap;

use crate::detect::prefilter::{Kind, Matcher, Pattern, Scratch};

/// Tells which rules' fast patterns occur in a buffer.
#[derive(Debug)]
pub(crate) struct Screen {
    matcher: Matcher,
    /// Rules of pattern `p`: `rules[starts[p]..starts[p + 1]]`.
    rules: Box<[u32]>,
    starts: Box<[u32]>,
}

impl Screen {
    /// `None` without patterns. Rules with the same pattern share it.
    pub(crate) fn build<'a>(
        wanted: impl Iterator<Item = (&'a Pattern, u32)>,
        kind: Kind,
    ) -> Option<Self> {
        let mut ids: HashMap<&Pattern, usize, ahash::RandomState> = HashMap::default();
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut rules_of: Vec<Vec<u32>> = Vec::new();
        for (pattern, rule) in wanted {
            let id = *ids.entry(pattern).or_insert_with(|| {
                patterns.push(pattern.clone());
                rules_of.push(Vec::new());
                patterns.len() - 1
            });
            rules_of[id].push(rule);
        }
        if patterns.is_empty() {
            return None;
        }
        let mut starts = Vec::with_capacity(patterns.len() + 1);
        let mut rules = Vec::new();
        for of_one in &rules_of {
            starts.push(rules.len() as u32);
            rules.extend_from_slice(of_one);
        }
        starts.push(rules.len() as u32);
        Some(Self {
            matcher: Matcher::build(&patterns, kind),
            rules: rules.into(),
            starts: starts.into(),
        })
    }

    /// Adds to `found` the rules whose pattern ends behind `from`; one may be added twice.
    pub(crate) fn scan(
        &self,
        bytes: &[u8],
        from: usize,
        scratch: &mut Scratch,
        found: &mut Vec<u32>,
    ) {
        // Of what was scanned before, only what a pattern could still reach back into matters.
        let context = from.saturating_sub(self.matcher.longest().saturating_sub(1));
        self.matcher.scan(
            &bytes[context..],
            from - context,
            scratch,
            &mut |pattern, _| {
                let at = pattern.index();
                let (start, end) = (self.starts[at] as usize, self.starts[at + 1] as usize);
                found.extend_from_slice(&self.rules[start..end]);
            },
        );
    }

    pub(crate) fn patterns(&self) -> usize {
        self.matcher.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.matcher.memory_bytes() + (self.rules.len() + self.starts.len()) * size_of::<u32>()
    }
}
