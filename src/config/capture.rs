//! `[capture]`, `[netfilter]` and `[bypass]`: how packets come in, and which need not.

use serde::Deserialize;

use super::field::within;

/// `[capture]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    pub backend: Backend,
    /// The number of the first queue; the others follow.
    pub first_queue: u16,
    /// Queues, and so workers: each has a thread of its own. 0: one for each processor.
    #[serde(deserialize_with = "within::<_, _, 0, 256>")]
    pub queues: u16,
    /// Whether the kernel forwards, uninspected, what a full queue cannot take. Otherwise it drops.
    pub fail_open: bool,
    /// Bytes of packets that the kernel keeps for each queue until they are read.
    #[serde(deserialize_with = "within::<_, _, 65_536, 1_073_741_824>")]
    pub receive_buffer_bytes: usize,
    /// Packets in each queue, those under inspection included.
    #[serde(deserialize_with = "within::<_, _, 64, 1_048_576>")]
    pub queue_length: u32,
    /// Take packets of up to 64 KiB which the kernel cuts up later. Faster by several times.
    pub gso: bool,
}

/// Where packets come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The kernel's netfilter queues.
    #[default]
    Nfqueue,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            backend: Backend::Nfqueue,
            first_queue: 0,
            queues: 0,
            fail_open: false,
            receive_buffer_bytes: 16 << 20,
            queue_length: 16_384,
            gso: true,
        }
    }
}

impl Capture {
    pub(super) fn contradiction(&self) -> Option<String> {
        let last = u32::from(self.first_queue) + u32::from(self.queues.max(1)) - 1;
        (last > u32::from(u16::MAX)).then(|| {
            format!(
                "the last queue would have the number {last}, and {} is the largest",
                u16::MAX
            )
        })
    }
}

/// `[netfilter]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Netfilter {
    /// Whether the daemon installs the kernel rules itself.
    pub manage: bool,
    pub mode: Placement,
    pub failure: FailureMode,
    /// In host mode: local TCP ports that are never queued, so that a mistake locks nobody out.
    pub management_ports: Vec<u16>,
    /// The packet mark of what the daemon sends itself, which skips the queue.
    #[serde(deserialize_with = "within::<_, _, 1, 0xffff_ffff>")]
    pub mark: u32,
    /// The bits of a packet's mark that are ours.
    #[serde(deserialize_with = "within::<_, _, 1, 0xffff_ffff>")]
    pub mask: u32,
}

/// Whose traffic is inspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// What this machine forwards.
    #[default]
    Gateway,
    /// What this machine sends and receives itself.
    Host,
}

/// What happens to traffic while no daemon runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum FailureMode {
    /// It is dropped.
    #[default]
    Closed,
    /// It is forwarded uninspected.
    Open,
}

impl Default for Netfilter {
    fn default() -> Self {
        Self {
            manage: true,
            mode: Placement::Gateway,
            failure: FailureMode::Closed,
            management_ports: vec![22],
            mark: 0x4000_0000,
            mask: 0x4000_0000,
        }
    }
}

impl Netfilter {
    pub(super) fn contradiction(&self) -> Option<String> {
        let stray = self.mark & !self.mask;
        (stray != 0).then(|| {
            format!(
                "the mark has bits ({stray:#x}) outside of the mask {:#x}",
                self.mask
            )
        })
    }
}

/// `[bypass]`: connections that no rule can concern any more are left to the kernel.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Bypass {
    pub enabled: bool,
    /// The bits of connections' and packets' marks that say so: one run of them. Each reload needs
    /// another number in it.
    #[serde(deserialize_with = "within::<_, _, 1, 0xffff_ffff>")]
    pub mask: u32,
}

impl Default for Bypass {
    fn default() -> Self {
        Self {
            enabled: false,
            mask: 0x0fff_0000,
        }
    }
}

impl Bypass {
    /// The key to blame, and why.
    pub(super) fn contradiction(&self, netfilter: &Netfilter) -> Option<(&'static str, String)> {
        if !self.enabled {
            return None;
        }
        let bits = self.mask >> self.mask.trailing_zeros();
        if bits & bits.wrapping_add(1) != 0 || bits < 3 {
            return Some((
                "mask",
                format!("{:#x} is not one run of at least two bits", self.mask),
            ));
        }
        let shared = self.mask & netfilter.mask;
        if shared != 0 {
            return Some((
                "mask",
                format!("`[netfilter] mask` has the bits {shared:#x} too"),
            ));
        }
        let without = if !netfilter.manage {
            "needs kernel rules that the daemon manages (`[netfilter] manage`)"
        } else if netfilter.mode == Placement::Host {
            "is for gateways: `[netfilter] mode` is \"host\""
        } else {
            return None;
        };
        Some((
            "enabled",
            format!("leaving connections to the kernel {without}"),
        ))
    }
}
