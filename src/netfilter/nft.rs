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

/// Deletes an iptables table that holds nothing but empty base chains. One
/// chain is named after the other, so that nft refuses where a rule has come in.
pub(super) fn delete_empty_table(family: &str, table: &str) -> Result<(), Error> {
    let listing = run("nft", &["list", "table", family, table], "")?;
    let Some(chains) = empty_base_chains(&listing) else {
        return Ok(());
    };
    let mut script = String::new();
    for chain in chains {
        let _ = writeln!(script, "delete chain {family} {table} {chain}");
    }
    let _ = writeln!(script, "delete table {family} {table}");
    run("nft", &["-f", "-"], &script).map(drop)
}

/// The names of the chains, if there is nothing in the table besides.
fn empty_base_chains(listing: &str) -> Option<Vec<&str>> {
    let mut chains = Vec::new();
    for line in listing.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix("chain ")
            .and_then(|l| l.strip_suffix(" {"))
        {
            chains.push(name);
            continue;
        }
        let expected = line.is_empty()
            || line == "}"
            || line.starts_with('#')
            || line.starts_with("table ")
            || (line.starts_with("type ") && line.ends_with("policy accept;"));
        if !expected {
            return None;
        }
    }
    Some(chains)
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
    fn only_a_table_without_rules_is_empty() {
        let empty = "table ip mangle {\n\tchain FORWARD {\n\
            \t\ttype filter hook forward priority mangle; policy accept;\n\t}\n}\n";
        assert_eq!(empty_base_chains(empty), Some(vec!["FORWARD"]));
        let dropping = empty.replace("policy accept", "policy drop");
        assert_eq!(empty_base_chains(&dropping), None);
        let ruled = empty.replace("\t}", "\t\tcounter accept\n\t}");
        assert_eq!(empty_base_chains(&ruled), None);
    }
}
