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
    /// Connections that are left to the kernel, if any may be.
    pub bypass: Option<Bypass>,
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
            bypass: None,
            interfaces: Vec::new(),
        }
    }
}

/// How connections are marked that need not come to us.
///
/// A connection's mark holds a generation. Rules let the connections of the generation in force
/// pass beside the queue; to put another in force calls all of them back at once. Segments that
/// open or end a connection come to us all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bypass {
    mask: u32,
    generation: u32,
}

impl Bypass {
    /// The first generation. The mask is one run of bits, at least two.
    pub fn new(mask: u32) -> Option<Self> {
        let bits = mask >> mask.trailing_zeros().min(31);
        let is_run = bits & bits.wrapping_add(1) == 0;
        (is_run && bits >= 3).then_some(Self {
            mask,
            generation: 1,
        })
    }

    /// `None`: the mask has no room for it.
    pub fn of_generation(self, generation: u32) -> Option<Self> {
        let usable = generation > 0 && generation < self.of_nobody().generation;
        usable.then_some(Self { generation, ..self })
    }

    /// That of no connection: with it, all come to us.
    #[must_use]
    pub const fn of_nobody(self) -> Self {
        Self {
            generation: (self.mask >> self.mask.trailing_zeros()) - 1,
            ..self
        }
    }

    pub const fn is_of_nobody(self) -> bool {
        self.generation == self.of_nobody().generation
    }

    pub const fn generation(self) -> u32 {
        self.generation
    }

    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// Of connections that do not come to us, and of the packets that say so.
    pub const fn mark(self) -> u32 {
        self.generation << self.mask.trailing_zeros()
    }

    /// Of packets that come to us from connections that once did not. No generation has it.
    pub const fn returned(self) -> u32 {
        self.mask
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
    /// Bits for connections that the mark of our own packets has too.
    SharedBits(u32),
    /// INPUT and OUTPUT have no place behind the queue where connections could be marked.
    BypassOnHost,
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
            Self::SharedBits(bits) => write!(
                f,
                "the bits {bits:#x} cannot mark both our own packets and connections left to the kernel"
            ),
            Self::BypassOnHost => {
                f.write_str("connections can be left to the kernel on a gateway only")
            }
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
        if let Some(bypass) = config.bypass {
            let shared = bypass.mask & mask;
            if shared != 0 {
                return Err(InvalidPlan::SharedBits(shared));
            }
            if config.hooks != Hooks::Gateway {
                return Err(InvalidPlan::BypassOnHost);
            }
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

    /// The same, but for the connections that are left to the kernel.
    #[must_use]
    pub fn with_bypass(&self, bypass: Bypass) -> Self {
        Self(PlanConfig {
            bypass: Some(bypass),
            ..self.0.clone()
        })
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
    fn connections_are_marked_by_bits_of_their_own() {
        for bad in [0, 1, 0x10, 0x8000_0000, 0x50, 0x0ff0_0001] {
            assert_eq!(Bypass::new(bad), None, "{bad:#x}");
        }
        let bypass = Bypass::new(0x00f0_0000).unwrap();
        assert_eq!(bypass.mark(), 0x0010_0000);
        assert_eq!(bypass.of_generation(13).unwrap().mark(), 0x00d0_0000);
        assert_eq!(bypass.of_generation(14), None, "it is nobody's");
        assert_eq!(bypass.of_generation(15), None, "it says what came back");
        assert!(bypass.of_nobody().is_of_nobody() && !bypass.is_of_nobody());
        assert_eq!(bypass.of_generation(0), None);
        assert!(Bypass::new(u32::MAX).is_some() && Bypass::new(0xc000_0000).is_some());
        let with = |mask| check(|c| c.bypass = Bypass::new(mask));
        assert!(with(0x0fff).is_ok());
        assert_eq!(with(0x000f_0000), Err(InvalidPlan::SharedBits(0x000f_0000)));
        let on_host = check(|c| {
            c.bypass = Bypass::new(0xff);
            c.hooks = Hooks::Host {
                management_ports: vec![],
            };
        });
        assert_eq!(on_host, Err(InvalidPlan::BypassOnHost));
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
