//! What is made unambiguous on the way: one table of rules, and what each profile does with them.
//!
//! What the invariant needs is not in this table: what differs from a forwarded copy, and what a
//! receiver ignores, is dropped in every profile.

use crate::counters::Counter;
use crate::verdict::DropReason;

/// What is done with a segment that a rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    Forward,
    /// Forwarded after a change at equal length.
    Edit,
    Drop,
}

impl Treatment {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Edit => "edit",
            Self::Drop => "drop",
        }
    }
}

macro_rules! rules {
    ($($variant:ident = $name:literal, $counter:ident, $reason:ident,
        [$strict:ident, $normal:ident, $off:ident], $source:literal, $what:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Rule { $(#[doc = $what] $variant),+ }

        impl Rule {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub const COUNT: usize = Self::ALL.len();

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Counts the segments that were edited or dropped.
            pub const fn counter(self) -> Counter {
                match self { $(Self::$variant => Counter::$counter),+ }
            }

            pub const fn drop_reason(self) -> DropReason {
                match self { $(Self::$variant => DropReason::$reason),+ }
            }

            /// Where it is written what receivers make of it.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$variant => $source),+ }
            }

            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what),+ }
            }

            /// In `strict`, `normal` and `off`.
            const fn treatments(self) -> [Treatment; 3] {
                match self {
                    $(Self::$variant => [Treatment::$strict, Treatment::$normal, Treatment::$off]),+
                }
            }
        }
    };
}

rules! {
    Urgent = "urgent", NormalisedUrgent, StreamUrgent, [Drop, Edit, Drop],
        "RFC 6093 sections 3 and 6", "Urgent data, which leaves the stream at some receivers; edited, it stays in it.";
    UrgentPointer = "urgent_pointer", NormalisedUrgentPointer, StreamUrgent, [Edit, Forward, Forward],
        "RFC 9293 section 3.1", "An urgent pointer without its flag; edited to zero.";
    ReservedBits = "reserved_bits", NormalisedReservedBits, StreamInvalidFlags, [Edit, Forward, Forward],
        "RFC 9293 section 3.1", "Reserved bits of the header; edited to zero.";
    UnknownOptions = "unknown_options", NormalisedOptions, StreamInvalidFlags, [Edit, Forward, Forward],
        "RFC 9293 section 3.2", "Options that are malformed or not read here; edited to no-operations.";
    LowTtl = "low_ttl", NormalisedTtl, StreamLowTtl, [Edit, Edit, Forward],
        "RFC 791 section 3.2", "A TTL below that of the handshake; raised to it.";
    DyingTtl = "dying_ttl", NormalisedDyingTtl, StreamLowTtl, [Drop, Drop, Forward],
        "RFC 791 section 3.2", "A TTL below that of the handshake, and of at most 10, until the same segment came three times so.";
    SynData = "syn_data", NormalisedSynData, StreamHandshakeData, [Drop, Forward, Forward],
        "RFC 7413 section 2", "Data in a SYN or SYN-ACK; inspected where it is let through.";
    ResetData = "reset_data", NormalisedResetData, StreamBadReset, [Drop, Forward, Forward],
        "RFC 9293 section 3.5.3", "A reset with data.";
    MissingTimestamp = "missing_timestamp", NormalisedMissingTimestamp, StreamOldTimestamp, [Drop, Forward, Forward],
        "RFC 7323 section 3.2", "No timestamp where both ends agreed to send them.";
    SplitHandshake = "split_handshake", NormalisedSplitHandshake, StreamInvalidFlags, [Drop, Forward, Forward],
        "RFC 9293 section 3.5", "A SYN from the server: a split handshake or a simultaneous open.";
}

/// A profile: the treatment of every rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normaliser([Treatment; Rule::COUNT]);

impl Normaliser {
    pub const STRICT: Self = Self::column(0);
    pub const NORMAL: Self = Self::column(1);
    pub const OFF: Self = Self::column(2);

    const fn column(at: usize) -> Self {
        let mut treatments = [Treatment::Forward; Rule::COUNT];
        let mut n = 0;
        while n < Rule::COUNT {
            treatments[n] = Rule::ALL[n].treatments()[at];
            n += 1;
        }
        Self(treatments)
    }

    pub fn treatment(&self, rule: Rule) -> Treatment {
        self.0[rule as usize]
    }
}

impl Default for Normaliser {
    fn default() -> Self {
        Self::NORMAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/normaliser.md`.
    fn document() -> String {
        let mut text = String::from(
            "# The normaliser\n\n\
             `[normalise] profile` in the configuration chooses a column. `edit` changes the packet at equal\n\
             length and forwards it; `drop` drops that segment alone. What a receiver ignores, and what differs\n\
             from a copy that was forwarded, is dropped in every profile.\n\n\
             | rule | what | strict | normal | off | counter | drop reason | source |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        for rule in Rule::ALL {
            let [strict, normal, off] = rule.treatments().map(Treatment::as_str);
            text.push_str(&format!(
                "| `{}` | {} | {strict} | {normal} | {off} | `{}` | `{}` | {} |\n",
                rule.as_str(),
                rule.what(),
                rule.counter().as_str(),
                rule.drop_reason(),
                rule.source(),
            ));
        }
        text
    }

    #[test]
    fn the_document_is_the_table() {
        let written = include_str!("../../docs/normaliser.md");
        assert!(
            written == document(),
            "docs/normaliser.md should be:\n{}",
            document()
        );
    }

    #[test]
    fn urgent_data_never_passes_as_it_is() {
        for profile in [Normaliser::STRICT, Normaliser::NORMAL, Normaliser::OFF] {
            assert_ne!(profile.treatment(Rule::Urgent), Treatment::Forward);
        }
    }
}
