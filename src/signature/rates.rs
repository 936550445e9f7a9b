//! The file of thresholds: how often rules alert, by their numbers, apart from the rules.

use std::sync::Arc;

use super::ast::{Addresses, SignatureId, Threshold, ThresholdKind, Track};
use super::diagnostic::{Diagnostic, Severity};
use super::keywords::rate;
use super::lex::{Arg, Fault, logical_rules};
use super::network::Resolver;
use super::vars::Variables;
use crate::verdict::Action;

/// Which rules a line is about; zero: whatever the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Selector {
    gid: u32,
    sid: u32,
}

impl Selector {
    const fn takes(self, id: SignatureId) -> bool {
        (self.gid == 0 || self.gid == id.gid) && (self.sid == 0 || self.sid == id.sid)
    }
}

/// `suppress`: matches that make no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// `None`: whoever it is.
    pub whose: Option<(SuppressedEnd, Arc<Addresses>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuppressedEnd {
    Source,
    Destination,
    Either,
}

/// `rate_filter`: another action for a while, once there are too many matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateFilter {
    pub track: Track,
    pub count: u32,
    pub seconds: u32,
    /// Seconds that the other action lasts; zero: until the engine ends.
    pub timeout: u32,
    pub action: Action,
}

/// What a file of thresholds says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    thresholds: Vec<(Selector, Threshold)>,
    suppressions: Vec<(Selector, Suppression)>,
    filters: Vec<(Selector, RateFilter)>,
}

impl Rates {
    /// Reads the text of a file; `name` is what diagnostics call it.
    ///
    /// # Errors
    /// Each line at fault.
    pub fn parse(name: &str, text: &str, variables: &Variables) -> Result<Self, Vec<Diagnostic>> {
        let mut rates = Self::default();
        let mut faults = Vec::new();
        let mut resolver = Resolver::new(variables);
        let file: Arc<str> = name.into();
        for line in logical_rules(text) {
            let whole = Arg {
                text: &line.text,
                start: 0,
            };
            if let Err(fault) = rates.line(whole.trim(), &mut resolver) {
                let span = line.physical_span(fault.span);
                faults.push(
                    Diagnostic::new(
                        Severity::Error,
                        &file,
                        text,
                        span.start..span.end,
                        fault.message,
                    )
                    .with_help(fault.help),
                );
            }
        }
        if faults.is_empty() {
            Ok(rates)
        } else {
            Err(faults)
        }
    }

    /// Of the first line about the rule.
    pub fn threshold(&self, id: SignatureId) -> Option<Threshold> {
        let found = self.thresholds.iter().find(|(s, _)| s.takes(id))?;
        Some(found.1)
    }

    pub fn filter(&self, id: SignatureId) -> Option<RateFilter> {
        let found = self.filters.iter().find(|(s, _)| s.takes(id))?;
        Some(found.1)
    }

    pub fn suppressions(&self, id: SignatureId) -> impl Iterator<Item = &Suppression> {
        let of_rule = self.suppressions.iter().filter(move |(s, _)| s.takes(id));
        of_rule.map(|(_, s)| s)
    }

    fn line(&mut self, line: Arg<'_>, resolver: &mut Resolver<'_>) -> Result<(), Fault> {
        let (word, rest) = match line.text.find(char::is_whitespace) {
            Some(at) => (line.slice(0, at), line.slice(at, line.text.len()).trim()),
            None => (line, line.slice(line.text.len(), line.text.len())),
        };
        let mut words = Words::of(rest)?;
        let selector = Selector {
            gid: words.number("gen_id", line)?,
            sid: words.number("sig_id", line)?,
        };
        match word.text {
            "threshold" | "event_filter" => {
                let kind = rate::threshold_kind(words.needed("type", line)?)?;
                if kind == ThresholdKind::Backoff {
                    return Err(word.fault("`backoff` stands in rules only"));
                }
                let threshold = Threshold {
                    kind,
                    track: rate::threshold_track(words.needed("track", line)?)?,
                    count: rate::at_least_one(words.needed("count", line)?)?,
                    seconds: rate::at_least_one(words.needed("seconds", line)?)?,
                    multiplier: 0,
                };
                self.thresholds.push((selector, threshold));
            }
            "suppress" => {
                let whose = match (words.take("track"), words.take("ip")) {
                    (None, None) => None,
                    (Some(track), Some(addresses)) => {
                        let end = match track.text {
                            "by_src" => SuppressedEnd::Source,
                            "by_dst" => SuppressedEnd::Destination,
                            "by_either" => SuppressedEnd::Either,
                            _ => return Err(track.fault("expected by_src, by_dst or by_either")),
                        };
                        Some((end, resolver.addresses(addresses)?))
                    }
                    (Some(lone), None) | (None, Some(lone)) => {
                        return Err(lone.fault("`track` and `ip` go together"));
                    }
                };
                self.suppressions.push((selector, Suppression { whose }));
            }
            "rate_filter" => {
                let action = words.needed("new_action", line)?;
                let filter = RateFilter {
                    track: rate::threshold_track(words.needed("track", line)?)?,
                    count: rate::at_least_one(words.needed("count", line)?)?,
                    seconds: rate::at_least_one(words.needed("seconds", line)?)?,
                    timeout: words.needed("timeout", line)?.u32()?,
                    action: action
                        .text
                        .parse()
                        .map_err(|()| action.fault("expected alert, drop, reject or pass"))?,
                };
                self.filters.push((selector, filter));
            }
            _ => return Err(word.fault("expected threshold, suppress or rate_filter")),
        }
        words.nothing_left()
    }
}

/// `key value` pairs with commas between them; commas in brackets part nothing.
struct Words<'a>(Vec<(Arg<'a>, Arg<'a>)>);

impl<'a> Words<'a> {
    fn of(text: Arg<'a>) -> Result<Self, Fault> {
        let mut found = Vec::new();
        let (mut depth, mut from) = (0_usize, 0);
        let ends = text.text.char_indices().chain([(text.text.len(), ',')]);
        for (at, c) in ends {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                ',' if depth == 0 || at == text.text.len() => {
                    let part = text.slice(from, at).trim();
                    from = at + 1;
                    let end = part.text.find(char::is_whitespace);
                    let Some(end) = end else {
                        return Err(part.fault("expected a word and its value"));
                    };
                    let value = part.slice(end, part.text.len()).trim();
                    found.push((part.slice(0, end), value));
                }
                _ => {}
            }
        }
        Ok(Self(found))
    }

    fn take(&mut self, key: &str) -> Option<Arg<'a>> {
        let at = self.0.iter().position(|(k, _)| k.text == key)?;
        Some(self.0.remove(at).1)
    }

    fn needed(&mut self, key: &str, line: Arg<'_>) -> Result<Arg<'a>, Fault> {
        self.take(key)
            .ok_or_else(|| line.fault(format!("`{key}` is missing")))
    }

    fn number(&mut self, key: &str, line: Arg<'_>) -> Result<u32, Fault> {
        self.needed(key, line)?.u32()
    }

    fn nothing_left(&self) -> Result<(), Fault> {
        match self.0.first() {
            Some((key, _)) => Err(key.fault(format!("`{}` does not belong here", key.text))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Rates, Vec<Diagnostic>> {
        Rates::parse("threshold.config", text, &Variables::default())
    }

    const ONE: SignatureId = SignatureId { gid: 1, sid: 1 };
    const TWO: SignatureId = SignatureId { gid: 1, sid: 2 };

    #[test]
    fn lines_are_about_rules_by_their_numbers() {
        let rates = parse(
            "# a comment\n\
             threshold gen_id 1, sig_id 1, type limit, track by_src, count 3, seconds 60\n\
             suppress gen_id 1, sig_id 2, track by_either, ip [10.0.0.0/8, !10.0.0.1]\n\
             suppress gen_id 0, sig_id 0, track by_src, ip $HOME_NET\n\
             rate_filter gen_id 1, sig_id 2, track by_rule, count 5, seconds 6, \\\n\
               new_action drop, timeout 7\n",
        )
        .unwrap();
        assert_eq!(rates.threshold(ONE).unwrap().count, 3);
        assert_eq!(rates.threshold(TWO), None);
        assert_eq!(rates.suppressions(ONE).count(), 1);
        assert_eq!(rates.suppressions(TWO).count(), 2);
        let filter = rates.filter(TWO).unwrap();
        assert_eq!((filter.action, filter.timeout), (Action::Drop, 7));
        assert_eq!(rates.filter(ONE), None);
    }

    #[test]
    fn lines_at_fault_are_named_at_their_place() {
        for (line, column) in [
            ("treshold gen_id 1, sig_id 1", 1),
            ("threshold gen_id 1", 1),
            ("threshold gen_id x, sig_id 1", 18),
            ("suppress gen_id 1, sig_id 1, track by_src", 36),
            ("suppress gen_id 1, sig_id 1, track by_me, ip any", 36),
            ("suppress gen_id 1, sig_id 1, count 7", 30),
            (
                "threshold gen_id 1, sig_id 1, type backoff, track by_flow",
                1,
            ),
        ] {
            let faults = parse(&format!("\n{line}\n")).unwrap_err();
            assert_eq!((faults[0].line, faults[0].column), (2, column), "{line}");
        }
    }
}
