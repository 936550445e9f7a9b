//! Which packets are to come to us, as data.

use std::fmt;
use std::ops::Range;

/// Longest list of ports or interfaces; each costs a rule that packets walk past.
const MAX_LIST: usize = 64;
/// IFNAMSIZ less the terminating NUL.
const MAX_INTERFACE_NAME: usize = 15;

/// Which hooks packets are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// FORWARD: what is routed through this machine.
    Gateway,
    /// INPUT and OUTPUT: this machine's own traffic, without loopback, IPv6
    /// neighbour discovery and TCP connections to the management ports.
    Host { management_ports: Vec<u16> },
}

/// What becomes of packets when nobody reads the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// They are dropped.
    Closed,
    /// They pass.
    Open,
}

/// What [`Plan::new`] checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanConfig {
    /// NFQUEUE numbers.
    pub queues: Range<u16>,
    pub hooks: Hooks,
    pub failure: Failure,
    /// Carried by packets that skip the queue: those we inject.
    pub mark: u32,
    /// Which bits of a packet's mark are ours.
    pub mask: u32,
    /// Only packets that come in or go out by one of these; empty: all.
    pub interfaces: Vec<String>,
}

impl Default for PlanConfig {
    fn default() -> Self {
        Self {
            queues: 0..1,
            hooks: Hooks::Gateway,
            failure: Failure::Closed,
            mark: 0x5347_0000,
            mask: 0xffff_0000,
            interfaces: Vec::new(),
        }
    }
}

/// A plan that can be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(PlanConfig);

/// Why a plan cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidPlan {
    NoQueue,
    /// Zero, or bits outside the mask.
    Mark {
        mark: u32,
        mask: u32,
    },
    PortZero,
    TooMany(&'static str),
    InterfaceName(String),
}

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueue => f.write_str("the range of queues is empty"),
            Self::Mark { mark, mask } => write!(
                f,
                "the mark {mark:#x} must not be zero and have no bit outside its mask {mask:#x}"
            ),
            Self::PortZero => f.write_str("0 is no management port"),
            Self::TooMany(what) => write!(f, "more than {MAX_LIST} {what}"),
            Self::InterfaceName(name) => write!(
                f,
                "`{}` is no interface name: 1 to {MAX_INTERFACE_NAME} letters, digits and any of . _ - @ :, a letter or digit first",
                name.escape_default()
            ),
        }
    }
}

impl std::error::Error for InvalidPlan {}

impl Plan {
    /// # Errors
    /// See [`InvalidPlan`].
    pub fn new(config: PlanConfig) -> Result<Self, InvalidPlan> {
        let (mark, mask) = (config.mark, config.mask);
        if config.queues.is_empty() {
            return Err(InvalidPlan::NoQueue);
        }
        if mark == 0 || mark & !mask != 0 {
            return Err(InvalidPlan::Mark { mark, mask });
        }
        if let Hooks::Host { management_ports } = &config.hooks {
            if management_ports.contains(&0) {
                return Err(InvalidPlan::PortZero);
            }
            if management_ports.len() > MAX_LIST {
                return Err(InvalidPlan::TooMany("management ports"));
            }
        }
        if config.interfaces.len() > MAX_LIST {
            return Err(InvalidPlan::TooMany("interfaces"));
        }
        if let Some(name) = config.interfaces.iter().find(|n| !is_interface_name(n)) {
            return Err(InvalidPlan::InterfaceName(name.clone()));
        }
        Ok(Self(config))
    }

    pub fn config(&self) -> &PlanConfig {
        &self.0
    }

    /// First and last queue.
    pub(super) fn queue_ends(&self) -> (u16, u16) {
        let Range { start, end } = self.0.queues;
        (start, end.saturating_sub(1).max(start))
    }

    pub(super) fn chains(&self) -> &'static [Hook] {
        match self.0.hooks {
            Hooks::Gateway => &[Hook::Forward],
            Hooks::Host { .. } => &[Hook::Input, Hook::Output],
        }
    }

    pub(super) fn management_ports(&self) -> &[u16] {
        match &self.0.hooks {
            Hooks::Gateway => &[],
            Hooks::Host { management_ports } => management_ports,
        }
    }
}

/// A hook that can have rules of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Forward,
    Input,
    Output,
}

impl Hook {
    pub(super) fn has_incoming(self) -> bool {
        self != Self::Output
    }

    pub(super) fn has_outgoing(self) -> bool {
        self != Self::Input
    }
}

/// Stricter than the kernel's rule, so that a name is one plain word to every tool.
fn is_interface_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@:".contains(c);
    name.len() <= MAX_INTERFACE_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut PlanConfig)) -> Result<Plan, InvalidPlan> {
        let mut config = PlanConfig::default();
        change(&mut config);
        Plan::new(config)
    }

    #[test]
    fn the_defaults_make_a_plan() {
        assert!(check(|_| ()).is_ok());
    }

    #[test]
    fn what_no_tool_could_take_is_refused() {
        assert_eq!(check(|c| c.queues = 3..3), Err(InvalidPlan::NoQueue));
        assert!(check(|c| c.mark = 0).is_err());
        assert!(check(|c| (c.mark, c.mask) = (3, 1)).is_err());
        let ports =
            |management_ports| move |c: &mut PlanConfig| c.hooks = Hooks::Host { management_ports };
        assert_eq!(check(ports(vec![22, 0])), Err(InvalidPlan::PortZero));
        assert!(check(ports(vec![1; 65])).is_err());
        assert!(check(ports(vec![1; 64])).is_ok());
    }

    #[test]
    fn an_interface_name_is_one_plain_word() {
        let named = |name: &str| check(|c| c.interfaces = vec![name.to_owned()]).is_ok();
        for good in ["eth0", "br-lan", "eth0.100", "veth1@if2"] {
            assert!(named(good), "{good}");
        }
        for bad in [
            "",
            "eth+",
            "a b",
            "-j",
            "!eth0",
            "\"",
            "x\ny",
            "sixteen-letters-",
            "ä",
        ] {
            assert!(!named(bad), "{bad:?}");
        }
    }
}
