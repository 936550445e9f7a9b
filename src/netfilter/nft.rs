//! Rules in a table of our own, with nft's `queue` statement.

use std::fmt::Write;

use super::error::Error;
use super::plan::{Bypass, Failure, Hook, Hooks, Plan};
use super::tool::run;
use super::{Backend, Installed};

const TABLE: &str = "inet stopgap";

/// One transaction that replaces the table, there or not.
pub(super) fn render(plan: &Plan) -> String {
    let mut script = format!("table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
    if let Some(bypass) = plan.config().bypass {
        let (passing, marking) = (passing(bypass), marking(bypass));
        let _ = write!(
            script,
            "\tchain {PASSING} {{\n\t\t{}\n\t\t{}\n\t}}\n\
             \tchain {MARKING} {{\n\t\t{marking}\n\t}}\n\
             \tchain postrouting {{\n\
             \t\ttype filter hook postrouting priority -150; policy accept;\n\
             \t\tjump {MARKING}\n\t}}\n",
            passing[0], passing[1]
        );
    }
    for &hook in plan.chains() {
        let name = match hook {
            Hook::Forward => "forward",
            Hook::Input => "input",
            Hook::Output => "output",
        };
        let _ = writeln!(
            script,
            "\tchain {name} {{\n\t\ttype filter hook {name} priority -150; policy accept;"
        );
        for rule in rules(plan, hook) {
            let _ = writeln!(script, "\t\t{rule}");
        }
        script.push_str("\t}\n");
    }
    script.push_str("}\n");
    script
}

/// Chains that are replaced by themselves when connections are called back.
const PASSING: &str = "bypassed";
const MARKING: &str = "bypass";

/// Connections of the generation in force pass; what comes of those of others says so.
fn passing(bypass: Bypass) -> [String; 2] {
    let (mark, mask) = (bypass.mark(), bypass.mask());
    let (others, returned) = (!mask, bypass.returned());
    [
        format!("tcp flags & (fin | syn | rst) == 0 ct mark and {mask:#x} == {mark:#x} accept"),
        format!(
            "ct mark and {mask:#x} != 0 meta mark set meta mark and {others:#x} or {returned:#x}"
        ),
    ]
}

/// What was let through as the last that need come marks its connection.
fn marking(bypass: Bypass) -> String {
    let (mark, mask, others) = (bypass.mark(), bypass.mask(), !bypass.mask());
    format!("meta mark and {mask:#x} == {mark:#x} ct mark set ct mark and {others:#x} or {mark:#x}")
}

/// One transaction that puts another generation of connections in force.
fn render_replacement(bypass: Bypass) -> String {
    let mut script = format!("flush chain {TABLE} {PASSING}\nflush chain {TABLE} {MARKING}\n");
    for rule in passing(bypass) {
        let _ = writeln!(script, "add rule {TABLE} {PASSING} {rule}");
    }
    let _ = writeln!(script, "add rule {TABLE} {MARKING} {}", marking(bypass));
    script
}

pub(super) fn replace(plan: &Plan) -> Result<(), Error> {
    match plan.config().bypass {
        Some(bypass) => run("nft", &["-f", "-"], &render_replacement(bypass)).map(drop),
        None => Ok(()),
    }
}

/// `accept` ends this chain only: chains of other tables still see the packet.
fn rules(plan: &Plan, hook: Hook) -> Vec<String> {
    let config = plan.config();
    let mut rules = vec![format!(
        "meta mark and {:#x} == {:#x} accept",
        config.mask, config.mark
    )];
    if config.bypass.is_some() {
        rules.push(format!("jump {PASSING}"));
    }
    if let Hooks::Host { .. } = config.hooks {
        let (interface, port) = match hook {
            Hook::Output => ("oifname", "sport"),
            _ => ("iifname", "dport"),
        };
        rules.push(format!("{interface} \"lo\" accept"));
        // Router and neighbour solicitation, advertisement, redirect (RFC 4861 section 4).
        rules.push("icmpv6 type 133-137 accept".to_owned());
        let ports: Vec<_> = plan
            .management_ports()
            .iter()
            .map(|port| port.to_string())
            .collect();
        if !ports.is_empty() {
            rules.push(format!("tcp {port} {{ {} }} accept", ports.join(", ")));
        }
    }
    let queue = queue_statement(plan);
    if config.interfaces.is_empty() {
        rules.push(queue);
        return rules;
    }
    let names = format!("{{ \"{}\" }}", config.interfaces.join("\", \""));
    if hook.has_incoming() {
        rules.push(format!("iifname {names} {queue}"));
    }
    if hook.has_outgoing() {
        rules.push(format!("oifname {names} {queue}"));
    }
    rules
}

/// Without `fanout`: that chooses by CPU, and a flow's two directions may come in on two.
fn queue_statement(plan: &Plan) -> String {
    let (first, last) = plan.queue_ends();
    let numbers = if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    };
    let bypass = match plan.config().failure {
        Failure::Closed => "",
        Failure::Open => " bypass",
    };
    format!("counter queue num {numbers}{bypass}")
}

pub(super) fn install(plan: &Plan) -> Result<(), Error> {
    run("nft", &["-f", "-"], &render(plan)).map(drop)
}

pub(super) fn remove() -> Result<bool, Error> {
    if list()?.is_none() {
        return Ok(false);
    }
    // The first line makes it no error when someone else was faster.
    let script = format!("table {TABLE}\ndelete table {TABLE}\n");
    run("nft", &["-f", "-"], &script)?;
    Ok(true)
}

pub(super) fn status() -> Result<Option<Installed>, Error> {
    Ok(list()?.map(|listing| parse(&listing)))
}

fn list() -> Result<Option<String>, Error> {
    match run("nft", &["list", "table", "inet", "stopgap"], "") {
        Ok(listing) => Ok(Some(listing)),
        Err(Error::Missing(_)) => Ok(None),
        Err(Error::Refused { message, .. }) if message.contains("No such file or directory") => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn parse(listing: &str) -> Installed {
    let rules: Vec<_> = listing
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with(" accept") || line.contains("queue"))
        .map(str::to_owned)
        .collect();
    let queued_packets = rules.iter().filter_map(|rule| packets(rule)).sum();
    Installed {
        backend: Backend::Nft,
        ipv4: true,
        ipv6: true,
        rules,
        queued_packets,
    }
}

/// The counter of a rule that queues.
fn packets(rule: &str) -> Option<u64> {
    let (_, counter) = rule.split_once("counter packets ")?;
    let (number, rest) = counter.split_once(' ')?;
    rest.contains("queue").then(|| number.parse().ok())?
}

/// A chain of an iptables table, as nft lists it.
#[derive(Debug, PartialEq, Eq)]
struct TableChain<'a> {
    name: &'a str,
    /// No rule, and a policy that accepts.
    idle: bool,
}

/// The chains of an iptables table: `None` without nft, empty without the table.
pub(super) fn iptables_chains(family: &str) -> Result<Option<Vec<String>>, Error> {
    let Some(listing) = list_mangle(family)? else {
        return Ok(None);
    };
    let chains = chains(&listing);
    Ok(Some(chains.iter().map(|c| c.name.to_owned()).collect()))
}

/// Deletes these base chains of an iptables table where they are idle, and the
/// table where nothing else is in it.
///
/// nft deletes a chain together with its rules, so one that comes in between the
/// look and the deletion, some milliseconds, is lost with a chain that was ours.
pub(super) fn delete_idle(family: &str, names: &[&str], with_table: bool) -> Result<(), Error> {
    let Some(listing) = list_mangle(family)? else {
        return Ok(());
    };
    let script = deletion(family, &chains(&listing), names, with_table);
    match run("nft", &["-f", "-"], &script) {
        // Somebody refers to the chain by now: it is theirs.
        Err(Error::Refused { .. }) => Ok(()),
        result => result.map(drop),
    }
}

fn deletion(family: &str, chains: &[TableChain<'_>], names: &[&str], with_table: bool) -> String {
    let goes = |chain: &&TableChain<'_>| chain.idle && names.contains(&chain.name);
    let mut script = String::new();
    for chain in chains.iter().filter(goes) {
        let _ = writeln!(script, "delete chain {family} mangle {}", chain.name);
    }
    if with_table && !chains.is_empty() && chains.iter().all(|chain| goes(&chain)) {
        let _ = writeln!(script, "delete table {family} mangle");
    }
    script
}

fn list_mangle(family: &str) -> Result<Option<String>, Error> {
    match run("nft", &["list", "table", family, "mangle"], "") {
        Ok(listing) => Ok(Some(listing)),
        Err(Error::Missing(_)) => Ok(None),
        Err(Error::Refused { message, .. }) if message.contains("No such file or directory") => {
            Ok(Some(String::new()))
        }
        Err(error) => Err(error),
    }
}

fn chains(listing: &str) -> Vec<TableChain<'_>> {
    let mut chains: Vec<TableChain<'_>> = Vec::new();
    for line in listing.lines().map(str::trim) {
        let name = line.strip_prefix("chain ");
        if let Some(name) = name.and_then(|name| name.strip_suffix(" {")) {
            chains.push(TableChain { name, idle: true });
            continue;
        }
        let says_nothing = line.is_empty()
            || line == "}"
            || line.starts_with('#')
            || (line.starts_with("type ") && line.ends_with("policy accept;"));
        if let Some(chain) = chains.last_mut()
            && !says_nothing
        {
            chain.idle = false;
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::super::plan::PlanConfig;
    use super::*;

    #[test]
    fn a_gateway_queues_all_that_is_forwarded() {
        let plan = Plan::new(PlanConfig {
            queues: 2..6,
            ..PlanConfig::default()
        })
        .unwrap();
        assert_eq!(
            render(&plan),
            "table inet stopgap\n\
             delete table inet stopgap\n\
             table inet stopgap {\n\
             \tchain forward {\n\
             \t\ttype filter hook forward priority -150; policy accept;\n\
             \t\tmeta mark and 0xffff0000 == 0x53470000 accept\n\
             \t\tcounter queue num 2-5\n\
             \t}\n\
             }\n"
        );
    }

    #[test]
    fn another_generation_replaces_two_chains() {
        let bypass = Bypass::new(0xff0).unwrap();
        let plan = Plan::new(PlanConfig {
            bypass: Some(bypass),
            ..PlanConfig::default()
        })
        .unwrap();
        let script = render(&plan);
        for line in [
            "jump bypassed",
            "jump bypass",
            "type filter hook postrouting priority -150; policy accept;",
            "tcp flags & (fin | syn | rst) == 0 ct mark and 0xff0 == 0x10 accept",
            "ct mark and 0xff0 != 0 meta mark set meta mark and 0xfffff00f or 0xff0",
            "meta mark and 0xff0 == 0x10 ct mark set ct mark and 0xfffff00f or 0x10",
        ] {
            assert!(script.lines().any(|l| l.trim() == line), "{line}\n{script}");
        }
        assert_eq!(
            render_replacement(bypass.of_generation(2).unwrap()),
            "flush chain inet stopgap bypassed\n\
             flush chain inet stopgap bypass\n\
             add rule inet stopgap bypassed tcp flags & (fin | syn | rst) == 0 ct mark and 0xff0 == 0x20 accept\n\
             add rule inet stopgap bypassed ct mark and 0xff0 != 0 meta mark set meta mark and 0xfffff00f or 0xff0\n\
             add rule inet stopgap bypass meta mark and 0xff0 == 0x20 ct mark set ct mark and 0xfffff00f or 0x20\n"
        );
    }

    #[test]
    fn a_host_keeps_its_management_and_its_neighbours() {
        let plan = Plan::new(PlanConfig {
            hooks: Hooks::Host {
                management_ports: vec![22, 8443],
            },
            failure: Failure::Open,
            interfaces: vec!["eth0".to_owned(), "eth1".to_owned()],
            ..PlanConfig::default()
        })
        .unwrap();
        let script = render(&plan);
        let (input, output) = script.split_once("chain output").unwrap();
        for rule in [
            "iifname \"lo\" accept",
            "icmpv6 type 133-137 accept",
            "tcp dport { 22, 8443 } accept",
            "iifname { \"eth0\", \"eth1\" } counter queue num 0 bypass",
        ] {
            assert!(input.contains(rule), "{rule}\n{script}");
        }
        for rule in [
            "oifname \"lo\" accept",
            "tcp sport { 22, 8443 } accept",
            "oifname { \"eth0\", \"eth1\" } counter queue num 0 bypass",
        ] {
            assert!(output.contains(rule), "{rule}\n{script}");
        }
        assert!(!input.contains("oifname") && !output.contains("iifname"));
    }

    #[test]
    fn counters_of_queue_rules_add_up() {
        let listing = "table inet stopgap {\n\tchain forward {\n\
            \t\ttype filter hook forward priority mangle; policy accept;\n\
            \t\tmeta mark & 0xffff0000 == 0x53470000 accept\n\
            \t\tiifname \"a\" counter packets 12 bytes 900 queue to 0\n\
            \t\toifname \"a\" counter packets 30 bytes 900 queue flags bypass to 0-3\n\t}\n}\n";
        let installed = parse(listing);
        assert_eq!(installed.queued_packets, 42);
        assert_eq!(installed.rules.len(), 3);
    }

    #[test]
    fn only_idle_chains_of_ours_are_deleted() {
        let listing = "table ip mangle {\n\tchain FORWARD {\n\
            \t\ttype filter hook forward priority mangle; policy accept;\n\t}\n\n\
            \tchain INPUT {\n\t\ttype filter hook input priority mangle; policy accept;\n\t}\n}\n";
        let delete = |listing: &str, names: &[&str]| deletion("ip", &chains(listing), names, true);
        assert_eq!(
            delete(listing, &["FORWARD", "INPUT"]),
            "delete chain ip mangle FORWARD\ndelete chain ip mangle INPUT\ndelete table ip mangle\n"
        );
        let one = "delete chain ip mangle FORWARD\n";
        assert_eq!(delete(listing, &["FORWARD"]), one);
        let dropping = listing.replace(
            "input priority mangle; policy accept",
            "input priority mangle; policy drop",
        );
        assert_eq!(delete(&dropping, &["FORWARD", "INPUT"]), one);
        let ruled = listing.replace("accept;\n\t}\n}", "accept;\n\t\tcounter\n\t}\n}");
        assert_eq!(delete(&ruled, &["FORWARD", "INPUT"]), one);
        assert_eq!(delete("", &["FORWARD"]), "");
    }
}
