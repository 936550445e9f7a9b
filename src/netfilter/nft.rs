//! Rules in a table of our own, with nft's `queue` statement.

use std::fmt::Write;

use super::error::Error;
use super::plan::{Failure, Hook, Hooks, Plan};
use super::tool::run;
use super::{Backend, Installed};

const TABLE: &str = "inet stopgap";

/// One transaction that replaces the table, there or not.
pub(super) fn render(plan: &Plan) -> String {
    let mut script = format!("table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
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

/// `accept` ends this chain only: chains of other tables still see the packet.
fn rules(plan: &Plan, hook: Hook) -> Vec<String> {
    let config = plan.config();
    let mut rules = vec![format!(
        "meta mark and {:#x} == {:#x} accept",
        config.mask, config.mark
    )];
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
