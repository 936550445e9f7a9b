//! Rules in chains of our own that the `mangle` table jumps to.

mod layout;

use std::fs;
use std::path::Path;

use super::error::Error;
use super::plan::Plan;
use super::tool::run;
use super::{Backend, Installed, nft};
use layout::{Family, Layout};

/// What stands behind an iptables command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Legacy,
    /// Tables that nft sees, too.
    Nft,
}

/// One pair of iptables and ip6tables commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Iptables {
    kind: Kind,
    ipv4: &'static str,
    ipv6: &'static str,
}

impl Iptables {
    /// The commands there are, one for each kind, the system's default first.
    pub(super) fn variants() -> Vec<Self> {
        let mut variants: Vec<Self> = Vec::new();
        for (ipv4, ipv6) in [
            ("iptables", "ip6tables"),
            ("iptables-nft", "ip6tables-nft"),
            ("iptables-legacy", "ip6tables-legacy"),
        ] {
            let Ok(version) = run(ipv4, &["--version"], "") else {
                continue;
            };
            let kind = if version.contains("nf_tables") {
                Kind::Nft
            } else {
                Kind::Legacy
            };
            if variants.iter().all(|known| known.kind != kind) {
                variants.push(Self { kind, ipv4, ipv6 });
            }
        }
        variants
    }

    pub(super) fn backend(&self) -> Backend {
        Backend::Iptables(self.ipv4)
    }

    fn command(&self, family: Family) -> &'static str {
        match family {
            Family::V4 => self.ipv4,
            Family::V6 => self.ipv6,
        }
    }

    /// Whether IPv6 rules are in force, too, and what to warn of.
    pub(super) fn install(&self, plan: &Plan) -> Result<(bool, Vec<String>), Error> {
        let before = self.current(Family::V4)?;
        let planned = Layout::planned(plan, Family::V4, self.makes(plan, Family::V4, &before)?);
        self.restore(Family::V4, &before.transition(&planned))?;
        let mut warnings = before.shadowed_rules(plan, self.ipv4);
        let ipv6 = kernel_has_ipv6();
        if ipv6 {
            match self.install_ipv6(plan) {
                Ok(more) => warnings.extend(more),
                Err(cause) => return Err(self.roll_back(&planned, &before, cause)),
            }
        }
        Ok((ipv6, warnings))
    }

    /// Puts the rules of a plan in force in place of those of another, which differs from it in the
    /// generation of connections only.
    pub(super) fn replace(&self, before: &Plan, plan: &Plan) -> Result<(), Error> {
        let families = [Family::V4, Family::V6].into_iter();
        for family in families.take(if kernel_has_ipv6() { 2 } else { 1 }) {
            let of = |plan| Layout::planned(plan, family, Vec::new());
            self.restore(family, &of(before).replacement(&of(plan)))?;
        }
        Ok(())
    }

    fn install_ipv6(&self, plan: &Plan) -> Result<Vec<String>, Error> {
        let before = self.current(Family::V6)?;
        let planned = Layout::planned(plan, Family::V6, self.makes(plan, Family::V6, &before)?);
        self.restore(Family::V6, &before.transition(&planned))?;
        Ok(before.shadowed_rules(plan, self.ipv6))
    }

    fn roll_back(&self, planned: &Layout, before: &Layout, cause: Error) -> Error {
        let restored = self
            .restore(Family::V4, &planned.transition(before))
            .and_then(|()| self.tidy(Family::V4, planned, before));
        match restored {
            Ok(()) => cause,
            Err(rollback) => Error::NotRolledBack {
                cause: Box::new(cause),
                rollback: Box::new(rollback),
            },
        }
    }

    pub(super) fn remove(&self) -> Result<bool, Error> {
        let mut removed = false;
        for family in [Family::V4, Family::V6] {
            let before = self.current(family)?;
            if !before.is_empty() {
                let nothing = Layout::default();
                self.restore(family, &before.transition(&nothing))?;
                self.tidy(family, &before, &nothing)?;
                removed = true;
            }
        }
        Ok(removed)
    }

    pub(super) fn status(&self) -> Result<Option<Installed>, Error> {
        let v4 = self.current(Family::V4)?;
        let v6 = self.current(Family::V6)?;
        if v4.is_empty() && v6.is_empty() {
            return Ok(None);
        }
        Ok(Some(Installed {
            backend: self.backend(),
            ipv4: !v4.is_empty(),
            ipv6: !v6.is_empty(),
            queued_packets: v4.queued_packets() + v6.queued_packets(),
            rules: [v4.rules(self.ipv4), v6.rules(self.ipv6)].concat(),
        }))
    }

    fn current(&self, family: Family) -> Result<Layout, Error> {
        // Asking the legacy tool loads a table that is not there: look first.
        if self.kind == Kind::Legacy && !legacy_table_loaded(family) {
            return Ok(Layout::default());
        }
        match self.save(family) {
            Ok(listing) => Ok(Layout::parse(&listing)),
            Err(Error::Missing(_)) => Ok(Layout::default()),
            Err(error) => Err(error),
        }
    }

    /// What comes into being by our rules, now or at an earlier installation: nft
    /// has a table and base chains only once they are used. Without `nft` nobody can tell.
    fn makes(&self, plan: &Plan, family: Family, before: &Layout) -> Result<Vec<String>, Error> {
        if self.kind == Kind::Legacy {
            return Ok(Vec::new());
        }
        let Some(chains) = nft::iptables_chains(family.nft_name())? else {
            return Ok(Vec::new());
        };
        Ok(before.makes(plan, &chains))
    }

    /// Removes the table and base chains that our rules brought into being, if
    /// nobody uses them. A legacy table cannot be unloaded; without `nft` they stay.
    fn tidy(&self, family: Family, before: &Layout, after: &Layout) -> Result<(), Error> {
        if !after.is_empty() {
            return Ok(());
        }
        let (chains, table) = before.made();
        if chains.is_empty() {
            return Ok(());
        }
        nft::delete_idle(family.nft_name(), &chains, table)
    }

    fn save(&self, family: Family) -> Result<String, Error> {
        let command = format!("{}-save", self.command(family));
        run(&command, &["-c", "-t", "mangle"], "")
    }

    fn restore(&self, family: Family, script: &str) -> Result<(), Error> {
        let command = format!("{}-restore", self.command(family));
        run(&command, &["--noflush", "--wait", "5"], script).map(drop)
    }
}

fn kernel_has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

fn legacy_table_loaded(family: Family) -> bool {
    let list = match family {
        Family::V4 => "/proc/thread-self/net/ip_tables_names",
        Family::V6 => "/proc/thread-self/net/ip6_tables_names",
    };
    fs::read_to_string(list).is_ok_and(|names| names.lines().any(|name| name == "mangle"))
}
