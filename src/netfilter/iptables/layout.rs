//! Our part of the `mangle` table, as data, and the step from one to another.

use std::fmt::Write;

use super::super::plan::{Bypass, Failure, Hook, Hooks, Plan};

/// All our chains start with this.
const PREFIX: &str = "STOPGAP-";
/// An empty chain with this and a base chain's name says that the base chain came
/// into being with our rules.
const MADE: &str = "STOPGAP-MADE-";
/// The same of the `mangle` table.
const MADE_TABLE: &str = "STOPGAP-MADE-TABLE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn nft_name(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// What follows `-A CHAIN`.
    text: String,
    packets: u64,
}

/// A rule of another chain that leads to one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Jump {
    from: String,
    text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    chains: Vec<Chain>,
    jumps: Vec<Jump>,
    /// The chain of each rule that is not ours.
    foreign: Vec<String>,
}

impl Layout {
    /// `makes` as [`Self::makes`] gives it.
    pub(super) fn planned(plan: &Plan, family: Family, makes: Vec<String>) -> Self {
        let mut layout = Self::default();
        for &hook in plan.chains() {
            let name = format!("{PREFIX}{}", base_chain(hook));
            layout.jumps.push(Jump {
                from: base_chain(hook).to_owned(),
                text: format!("-j {name}"),
            });
            layout.chains.push(Chain {
                name,
                rules: uncounted(rules(plan, family, hook)),
            });
        }
        if let Some(bypass) = plan.config().bypass {
            let name = format!("{PREFIX}{BEHIND}");
            layout.jumps.push(Jump {
                from: BEHIND.to_owned(),
                text: format!("-j {name}"),
            });
            layout.chains.push(Chain {
                name,
                rules: uncounted(vec![marking(bypass)]),
            });
        }
        layout.chains.extend(makes.into_iter().map(|name| Chain {
            name,
            rules: Vec::new(),
        }));
        layout
    }

    /// Reads what `iptables-save -c -t mangle` writes.
    pub(super) fn parse(listing: &str) -> Self {
        let mut layout = Self::default();
        for line in listing.lines() {
            if let Some(chain) = line.strip_prefix(':') {
                let name = chain.split(' ').next().unwrap_or(chain);
                if name.starts_with(PREFIX) {
                    layout.chain(name);
                }
            } else if let Some((packets, chain, text)) = parse_rule(line) {
                let text = text.to_owned();
                if chain.starts_with(PREFIX) {
                    layout.chain(chain).rules.push(Rule { text, packets });
                } else if leads_to_us(&text) {
                    let from = chain.to_owned();
                    layout.jumps.push(Jump { from, text });
                } else {
                    layout.foreign.push(chain.to_owned());
                }
            }
        }
        layout
    }

    fn chain(&mut self, name: &str) -> &mut Chain {
        let at = self.chains.iter().position(|chain| chain.name == name);
        let at = at.unwrap_or_else(|| {
            self.chains.push(Chain {
                name: name.to_owned(),
                rules: Vec::new(),
            });
            self.chains.len() - 1
        });
        &mut self.chains[at]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.jumps.is_empty()
    }

    /// The chains that tell what a plan brings into being where `existing` are
    /// the table's chains; those of earlier installations stay.
    pub(super) fn makes(&self, plan: &Plan, existing: &[String]) -> Vec<String> {
        let mut makes: Vec<_> = self
            .chains
            .iter()
            .filter(|chain| chain.name.starts_with(MADE))
            .map(|chain| chain.name.clone())
            .collect();
        let bases = plan.chains().iter().map(|&hook| base_chain(hook));
        let missing = bases.filter(|base| existing.iter().all(|name| name != base));
        makes.extend(missing.map(|base| format!("{MADE}{base}")));
        if existing.is_empty() {
            makes.push(MADE_TABLE.to_owned());
        }
        makes
    }

    /// Which base chains, and whether the table, came into being with our rules.
    pub(super) fn made(&self) -> (Vec<&str>, bool) {
        let names = self.chains.iter().map(|chain| chain.name.as_str());
        let table = names.clone().any(|name| name == MADE_TABLE);
        let bases = names
            .filter(|name| *name != MADE_TABLE)
            .filter_map(|name| name.strip_prefix(MADE))
            .collect();
        (bases, table)
    }

    pub(super) fn queued_packets(&self) -> u64 {
        let rules = self.chains.iter().flat_map(|chain| &chain.rules);
        rules
            .filter(|rule| rule.text.contains("-j NFQUEUE"))
            .map(|rule| rule.packets)
            .sum()
    }

    pub(super) fn rules(&self, command: &str) -> Vec<String> {
        let jumps = self
            .jumps
            .iter()
            .map(|jump| format!("{command} -t mangle -A {} {}", jump.from, jump.text));
        let rules = self.chains.iter().flat_map(|chain| {
            let line =
                move |rule: &Rule| format!("{command} -t mangle -A {} {}", chain.name, rule.text);
            chain.rules.iter().map(line)
        });
        jumps.chain(rules).collect()
    }

    /// Rules that come behind ours and thus never see a packet that was queued.
    pub(super) fn shadowed_rules(&self, plan: &Plan, command: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        for &hook in plan.chains() {
            let chain = base_chain(hook);
            let count = self.foreign.iter().filter(|name| *name == chain).count();
            if count > 0 {
                warnings.push(format!(
                    "{command}: {count} rules in chain {chain} of table mangle come behind the queue \
                     and do not see the packets that it forwards; in POSTROUTING they would"
                ));
            }
        }
        warnings
    }

    /// One transaction that replaces the rules in which two plans' layouts differ, and leaves all
    /// counters alone. The layouts have the same chains with as many rules.
    pub(super) fn replacement(&self, by: &Self) -> String {
        let mut script = String::from("*mangle\n");
        for (chain, new) in self.chains.iter().zip(&by.chains) {
            let rules = chain.rules.iter().zip(&new.rules);
            for (number, (old, new)) in (1..).zip(rules) {
                if old.text != new.text {
                    let _ = writeln!(script, "-R {} {number} {}", chain.name, new.text);
                }
            }
        }
        script.push_str("COMMIT\n");
        script
    }

    /// One `iptables-restore --noflush` transaction from this layout to another.
    pub(super) fn transition(&self, to: &Self) -> String {
        let mut script = String::from("*mangle\n");
        for chain in &to.chains {
            // Creates the chain, or empties the one there is.
            let _ = writeln!(script, ":{} - [0:0]", chain.name);
        }
        for chain in &to.chains {
            for rule in &chain.rules {
                let _ = writeln!(script, "-A {} {}", chain.name, rule.text);
            }
        }
        for jump in &self.jumps {
            let _ = writeln!(script, "-D {} {}", jump.from, jump.text);
        }
        for jump in to.jumps.iter().rev() {
            let _ = writeln!(script, "-I {} 1 {}", jump.from, jump.text);
        }
        let stale = |chain: &&Chain| to.chains.iter().all(|kept| kept.name != chain.name);
        for chain in self.chains.iter().filter(stale) {
            let _ = writeln!(script, "-F {}", chain.name);
        }
        for chain in self.chains.iter().filter(stale) {
            let _ = writeln!(script, "-X {}", chain.name);
        }
        script.push_str("COMMIT\n");
        script
    }
}

fn uncounted(rules: Vec<String>) -> Vec<Rule> {
    let rule = |text| Rule { text, packets: 0 };
    rules.into_iter().map(rule).collect()
}

/// `[packets:bytes] -A CHAIN rest`
fn parse_rule(line: &str) -> Option<(u64, &str, &str)> {
    let (counters, rule) = line.strip_prefix('[')?.split_once("] -A ")?;
    let (packets, _bytes) = counters.split_once(':')?;
    let (chain, text) = rule.split_once(' ')?;
    Some((packets.parse().ok()?, chain, text))
}

fn leads_to_us(text: &str) -> bool {
    let mut words = text.split(' ').rev();
    let target = words.next().unwrap_or_default();
    let verb = words.next().unwrap_or_default();
    matches!(verb, "-j" | "-g") && target.starts_with(PREFIX)
}

const fn base_chain(hook: Hook) -> &'static str {
    match hook {
        Hook::Forward => "FORWARD",
        Hook::Input => "INPUT",
        Hook::Output => "OUTPUT",
    }
}

/// The base chain that packets come to behind the queue.
const BEHIND: &str = "POSTROUTING";

/// What was let through as the last that need come marks its connection.
fn marking(bypass: Bypass) -> String {
    let (mark, mask) = (bypass.mark(), bypass.mask());
    format!("-m mark --mark {mark:#x}/{mask:#x} -j CONNMARK --set-xmark {mark:#x}/{mask:#x}")
}

/// Connections of the generation in force pass; what comes of those of others says so.
fn passing(bypass: Bypass) -> [String; 2] {
    let (mark, mask) = (bypass.mark(), bypass.mask());
    let returned = bypass.returned();
    [
        format!(
            "-p tcp -m tcp --tcp-flags FIN,SYN,RST NONE -m connmark --mark {mark:#x}/{mask:#x} -j RETURN"
        ),
        format!("-m connmark ! --mark 0x0/{mask:#x} -j MARK --set-xmark {returned:#x}/{mask:#x}"),
    ]
}

fn rules(plan: &Plan, family: Family, hook: Hook) -> Vec<String> {
    let config = plan.config();
    let mut rules = vec![format!(
        "-m mark --mark {:#x}/{:#x} -j RETURN",
        config.mark, config.mask
    )];
    rules.extend(config.bypass.into_iter().flat_map(passing));
    if let Hooks::Host { .. } = config.hooks {
        let (interface, port) = match hook {
            Hook::Output => ("-o", "--sport"),
            _ => ("-i", "--dport"),
        };
        rules.push(format!("{interface} lo -j RETURN"));
        if family == Family::V6 {
            // Router and neighbour solicitation, advertisement, redirect (RFC 4861 section 4).
            rules.extend(
                (133..=137)
                    .map(|kind| format!("-p icmpv6 -m icmp6 --icmpv6-type {kind} -j RETURN")),
            );
        }
        for number in plan.management_ports() {
            rules.push(format!("-p tcp -m tcp {port} {number} -j RETURN"));
        }
    }
    let queue = queue_target(plan);
    if config.interfaces.is_empty() {
        rules.push(queue);
        return rules;
    }
    for name in &config.interfaces {
        if hook.has_incoming() {
            rules.push(format!("-i {name} {queue}"));
        }
        if hook.has_outgoing() {
            rules.push(format!("-o {name} {queue}"));
        }
    }
    rules
}

/// Without `--queue-cpu-fanout`: that chooses by CPU, and a flow's two
/// directions may come in on two.
fn queue_target(plan: &Plan) -> String {
    let numbers = match plan.queue_ends() {
        (first, last) if first == last => format!("--queue-num {first}"),
        (first, last) => format!("--queue-balance {first}:{last}"),
    };
    let bypass = match plan.config().failure {
        Failure::Closed => "",
        Failure::Open => " --queue-bypass",
    };
    format!("-j NFQUEUE {numbers}{bypass}")
}

#[cfg(test)]
mod tests {
    use super::super::super::plan::PlanConfig;
    use super::*;

    fn plan(change: impl FnOnce(&mut PlanConfig)) -> Plan {
        let mut config = PlanConfig::default();
        change(&mut config);
        Plan::new(config).unwrap()
    }

    #[test]
    fn a_first_installation() {
        let planned = Layout::planned(&plan(|c| c.queues = 4..8), Family::V4, vec![]);
        assert_eq!(
            Layout::default().transition(&planned),
            "*mangle\n\
             :STOPGAP-FORWARD - [0:0]\n\
             -A STOPGAP-FORWARD -m mark --mark 0x53470000/0xffff0000 -j RETURN\n\
             -A STOPGAP-FORWARD -j NFQUEUE --queue-balance 4:7\n\
             -I FORWARD 1 -j STOPGAP-FORWARD\n\
             COMMIT\n"
        );
    }

    const LISTING: &str = "# Generated\n*mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [3:4]\n\
        :STOPGAP-FORWARD - [0:0]\n:STOPGAP-MADE-FORWARD - [0:0]\n\
        [7:70] -A FORWARD -j STOPGAP-FORWARD\n\
        [1:10] -A FORWARD -p tcp -j TCPMSS --clamp-mss-to-pmtu\n\
        [2:20] -A STOPGAP-FORWARD -m mark --mark 0x1/0x1 -j RETURN\n\
        [5:50] -A STOPGAP-FORWARD -i a -j NFQUEUE --queue-num 3\n\
        [4:40] -A STOPGAP-FORWARD -o a -j NFQUEUE --queue-num 3\nCOMMIT\n";

    #[test]
    fn a_listing_is_read_whole() {
        let layout = Layout::parse(LISTING);
        assert_eq!(layout.queued_packets(), 9);
        assert_eq!(layout.made(), (vec!["FORWARD"], false));
        assert_eq!(layout.rules("iptables").len(), 4);
        assert_eq!(layout.shadowed_rules(&plan(|_| ()), "iptables").len(), 1);
        let host = plan(|c| {
            c.hooks = Hooks::Host {
                management_ports: vec![],
            }
        });
        assert!(layout.shadowed_rules(&host, "iptables").is_empty());
    }

    #[test]
    fn a_replacement_takes_the_old_away_in_the_same_transaction() {
        let host = plan(|c| {
            c.hooks = Hooks::Host {
                management_ports: vec![22],
            }
        });
        let planned = Layout::planned(&host, Family::V6, vec![]);
        let script = Layout::parse(LISTING).transition(&planned);
        for line in [
            ":STOPGAP-INPUT - [0:0]",
            "-A STOPGAP-INPUT -i lo -j RETURN",
            "-A STOPGAP-INPUT -p icmpv6 -m icmp6 --icmpv6-type 137 -j RETURN",
            "-A STOPGAP-INPUT -p tcp -m tcp --dport 22 -j RETURN",
            "-A STOPGAP-OUTPUT -p tcp -m tcp --sport 22 -j RETURN",
            "-D FORWARD -j STOPGAP-FORWARD",
            "-I INPUT 1 -j STOPGAP-INPUT",
            "-F STOPGAP-FORWARD",
            "-X STOPGAP-FORWARD",
            "-X STOPGAP-MADE-FORWARD",
        ] {
            assert!(script.lines().any(|l| l == line), "{line}\n{script}");
        }
        assert_eq!(script.matches("COMMIT").count(), 1);
    }

    #[test]
    fn what_our_rules_bring_into_being_is_remembered() {
        let makes = Layout::default().makes(&plan(|_| ()), &[]);
        assert_eq!(makes, ["STOPGAP-MADE-FORWARD", "STOPGAP-MADE-TABLE"]);
        let host = plan(|c| {
            c.hooks = Hooks::Host {
                management_ports: vec![],
            }
        });
        let existing = ["FORWARD".to_owned(), "INPUT".to_owned()];
        let makes = Layout::parse(LISTING).makes(&host, &existing);
        assert_eq!(makes, ["STOPGAP-MADE-FORWARD", "STOPGAP-MADE-OUTPUT"]);
        let layout = Layout::planned(&host, Family::V4, makes);
        assert_eq!(layout.made(), (vec!["FORWARD", "OUTPUT"], false));
    }

    #[test]
    fn going_back_restores_the_rules_as_they_were() {
        let before = Layout::parse(LISTING);
        let planned = Layout::planned(&plan(|_| ()), Family::V4, vec![]);
        let script = planned.transition(&before);
        assert!(script.contains("-A STOPGAP-FORWARD -i a -j NFQUEUE --queue-num 3\n"));
        assert!(script.contains("-I FORWARD 1 -j STOPGAP-FORWARD\n"));
    }

    #[test]
    fn another_generation_replaces_two_rules() {
        let bypass = Bypass::new(0xff0).unwrap();
        let of = |bypass| Layout::planned(&plan(|c| c.bypass = bypass), Family::V4, vec![]);
        let first = of(Some(bypass));
        assert_eq!(
            Layout::default().transition(&first),
            "*mangle\n\
             :STOPGAP-FORWARD - [0:0]\n\
             :STOPGAP-POSTROUTING - [0:0]\n\
             -A STOPGAP-FORWARD -m mark --mark 0x53470000/0xffff0000 -j RETURN\n\
             -A STOPGAP-FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST NONE -m connmark --mark 0x10/0xff0 -j RETURN\n\
             -A STOPGAP-FORWARD -m connmark ! --mark 0x0/0xff0 -j MARK --set-xmark 0xff0/0xff0\n\
             -A STOPGAP-FORWARD -j NFQUEUE --queue-num 0\n\
             -A STOPGAP-POSTROUTING -m mark --mark 0x10/0xff0 -j CONNMARK --set-xmark 0x10/0xff0\n\
             -I POSTROUTING 1 -j STOPGAP-POSTROUTING\n\
             -I FORWARD 1 -j STOPGAP-FORWARD\n\
             COMMIT\n"
        );
        assert_eq!(
            first.replacement(&of(bypass.of_generation(2))),
            "*mangle\n\
             -R STOPGAP-FORWARD 2 -p tcp -m tcp --tcp-flags FIN,SYN,RST NONE -m connmark --mark 0x20/0xff0 -j RETURN\n\
             -R STOPGAP-POSTROUTING 1 -m mark --mark 0x20/0xff0 -j CONNMARK --set-xmark 0x20/0xff0\n\
             COMMIT\n"
        );
    }

    #[test]
    fn interfaces_are_named_in_both_ways() {
        let named = plan(|c| {
            c.interfaces = vec!["eth0".to_owned()];
            c.failure = Failure::Open;
        });
        let rules = rules(&named, Family::V4, Hook::Forward);
        assert_eq!(
            rules[1..],
            [
                "-i eth0 -j NFQUEUE --queue-num 0 --queue-bypass",
                "-o eth0 -j NFQUEUE --queue-num 0 --queue-bypass",
            ]
        );
    }
}
