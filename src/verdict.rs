//! What signatures ask for, what the engine does, and why.

use std::fmt;
use std::str::FromStr;

/// What a signature asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    Alert,
    Pass,
    Drop,
    /// Drop, and answer with RST or ICMP.
    Reject(RejectTarget),
    /// Of a firewall's rule: let through what is not let through by default.
    Accept,
}

/// Which end of the flow a reject answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectTarget {
    Source,
    Destination,
    Both,
}

impl Action {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Reject(RejectTarget::Source) => "reject",
            Self::Reject(RejectTarget::Destination) => "rejectdst",
            Self::Reject(RejectTarget::Both) => "rejectboth",
            Self::Accept => "accept",
        }
    }

    /// Whether traffic is stopped when this action is carried out.
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Drop | Self::Reject(_))
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        Ok(match s {
            "alert" => Self::Alert,
            "pass" => Self::Pass,
            "drop" => Self::Drop,
            "reject" | "rejectsrc" => Self::Reject(RejectTarget::Source),
            "rejectdst" => Self::Reject(RejectTarget::Destination),
            "rejectboth" => Self::Reject(RejectTarget::Both),
            "accept" => Self::Accept,
            _ => return Err(()),
        })
    }
}

/// In which order the actions of several matching signatures are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionOrder([ActionKind; 4]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    Pass,
    Drop,
    Reject,
    Alert,
}

impl Default for ActionOrder {
    fn default() -> Self {
        Self([
            ActionKind::Pass,
            ActionKind::Drop,
            ActionKind::Reject,
            ActionKind::Alert,
        ])
    }
}

impl ActionOrder {
    /// Lower comes first. A firewall's rules are asked before all others, in an order of their own.
    pub fn rank(&self, action: Action) -> u8 {
        let kind = match action {
            Action::Accept => return 0,
            Action::Pass => ActionKind::Pass,
            Action::Drop => ActionKind::Drop,
            Action::Reject(_) => ActionKind::Reject,
            Action::Alert => ActionKind::Alert,
        };
        self.0.iter().position(|&k| k == kind).unwrap_or(3) as u8
    }
}

impl FromStr for ActionOrder {
    type Err = String;

    /// A comma-separated list of all four kinds, for example `pass,drop,reject,alert`.
    fn from_str(s: &str) -> Result<Self, String> {
        let mut order = Vec::with_capacity(4);
        for word in s.split(',') {
            let kind = match word.trim() {
                "pass" => ActionKind::Pass,
                "drop" => ActionKind::Drop,
                "reject" => ActionKind::Reject,
                "alert" => ActionKind::Alert,
                other => return Err(format!("`{other}` is not one of pass, drop, reject, alert")),
            };
            if order.contains(&kind) {
                return Err(format!("`{}` stands twice", word.trim()));
            }
            order.push(kind);
        }
        let order = order
            .try_into()
            .map_err(|_| "all four of pass, drop, reject, alert are needed".to_owned())?;
        Ok(Self(order))
    }
}

/// How far a verdict reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Packet,
    Flow,
}

/// How far a virtual patch may go. A ceiling: the mildest of several holds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not inspected for at all.
    Off,
    /// Log what would have been done.
    Detect,
    /// Prevent for a slice of the flows, detect on the others.
    Canary,
    Prevent,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Detect => "detect",
            Self::Canary => "canary",
            Self::Prevent => "prevent",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Ok(match s {
            "off" => Self::Off,
            "detect" => Self::Detect,
            "canary" => Self::Canary,
            "prevent" => Self::Prevent,
            _ => return Err(format!("`{s}` is not one of off, detect, canary, prevent")),
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens where the engine cannot decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionPolicy {
    Drop,
    Pass,
    Reject,
}

impl ExceptionPolicy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Pass => "pass",
            Self::Reject => "reject",
        }
    }
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// Why a packet was not forwarded. Each has a counter and a log string.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[$doc])* $variant),+
        }

        impl DropReason {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub const COUNT: usize = Self::ALL.len();

            /// The name in logs and counters.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

drop_reasons! {
    /// A signature asked for it.
    Rules = "rules",
    /// The flow was refused earlier.
    FlowDrop = "flow_drop",
    // firewall
    /// A firewall's rule asked for it.
    FirewallRules = "firewall_rules",
    /// A firewall refused the flow earlier.
    FirewallFlowDrop = "firewall_flow_drop",
    /// A firewall's rule asked for it before the packet's flow was looked up.
    FirewallPreFlow = "firewall_pre_flow_hook",
    /// A firewall's rule asked for it before the packet's stream was told of it.
    FirewallPreStream = "firewall_pre_stream_hook",
    /// No rule of a firewall accepts the packet.
    FirewallPacketPolicy = "firewall_default_packet_policy",
    /// No rule of a firewall accepts what the application layer says.
    FirewallAppPolicy = "firewall_default_app_policy",
    // decode
    DecodeTruncated = "decode_truncated",
    DecodeIpHeader = "decode_ip_header",
    DecodeIpChecksum = "decode_ip_checksum",
    DecodeIpOptions = "decode_ip_options",
    DecodeExtensionHeaders = "decode_extension_headers",
    DecodeL4Header = "decode_l4_header",
    DecodeL4Checksum = "decode_l4_checksum",
    /// A header between a tunnel's outer packet and its inner one.
    DecodeTunnel = "decode_tunnel",
    /// Tunnels nested deeper than is looked into.
    TunnelDepth = "tunnel_depth",
    /// A packet in a tunnel whose hop limit cannot be raised without breaking the outer checksum.
    TunnelRewrite = "tunnel_rewrite",
    // defrag
    /// A fragment that covers part of another, or says otherwise than it.
    DefragOverlap = "defrag_overlap",
    /// Lengths and offsets that no datagram is cut into.
    DefragMalformed = "defrag_malformed",
    /// IPv6 headers that go on behind the first fragment.
    DefragHeaderChain = "defrag_header_chain",
    /// A copy of a fragment that is held: it alone is dropped.
    DefragDuplicate = "defrag_duplicate",
    /// More fragments than one datagram may have.
    DefragFragments = "defrag_fragments",
    /// A datagram gave way to another.
    DefragMemory = "defrag_memory",
    /// A datagram that was not whole in time, or at the end.
    DefragTimeout = "defrag_timeout",
    /// A fragment inside a datagram that came in fragments itself.
    DefragNested = "defrag_nested",
    // flow
    FlowTableFull = "flow_table_full",
    // stream
    StreamMidstream = "stream_midstream",
    StreamInvalidFlags = "stream_invalid_flags",
    StreamNoAck = "stream_no_ack",
    StreamOutOfWindow = "stream_out_of_window",
    /// Just beside the first byte, before the server has said that it has a connection: a SYN cookie
    /// would let the stream begin there.
    StreamCookieStart = "stream_cookie_start",
    StreamInvalidAck = "stream_invalid_ack",
    /// Older than what the receiver remembers (RFC 7323 section 5).
    StreamOldTimestamp = "stream_old_timestamp",
    /// A signature (RFC 2385) where there is to be none, or none where there is to be one.
    StreamUnexpectedMd5 = "stream_unexpected_md5",
    /// It would not reach its receiver.
    StreamLowTtl = "stream_low_ttl",
    /// Data in a SYN that cannot be followed, or is not wanted.
    StreamHandshakeData = "stream_handshake_data",
    /// The other direction of the connection does not pass here.
    StreamAsymmetric = "stream_asymmetric",
    StreamBadReset = "stream_bad_reset",
    StreamRetransmitDiffers = "stream_retransmit_differs",
    StreamUrgent = "stream_urgent",
    StreamReassemblyMemory = "stream_reassembly_memory",
    StreamAfterClose = "stream_after_close",
    AppLayerError = "app_layer_error",
    /// Parsers and detection state hold all the memory they may.
    AppLayerMemory = "app_layer_memory",
    /// What a rule wanted to keep found no room.
    KeptFull = "kept_full",
    /// Rules could not decide within their limits, were suspended, or took too long for the flow.
    TimeBudget = "time_budget",
    /// The worker panicked on this packet.
    InternalError = "internal_error",
}

impl DropReason {
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Why the later packets of a flow are dropped that was refused for this reason.
    pub const fn of_later_packets(self) -> Self {
        match self {
            Self::FirewallRules | Self::FirewallPacketPolicy | Self::FirewallAppPolicy => {
                Self::FirewallFlowDrop
            }
            _ => Self::FlowDrop,
        }
    }

    /// As EVE's `drop.reason` has it: Suricata's words for what only its firewall mode has too.
    pub const fn in_eve(self) -> &'static str {
        match self {
            Self::FirewallRules => "firewall rules",
            Self::FirewallFlowDrop => "firewall flow drop",
            Self::FirewallPreFlow => "firewall pre flow hook",
            Self::FirewallPreStream => "firewall pre stream hook",
            Self::FirewallPacketPolicy => "firewall default packet policy",
            Self::FirewallAppPolicy => "firewall default app policy",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Changes to a TCP packet at equal length. None touches its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Where the IP header begins in what was given to be judged.
    pub ip_at: u16,
    pub ttl: Option<u8>,
    /// The flag and its pointer.
    pub clear_urgent: bool,
    pub clear_reserved: bool,
    /// Options that are not read become no-operations.
    pub blank_options: bool,
}

impl Edit {
    /// Wherever it would be applied, it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self
            == Self {
                ip_at: self.ip_at,
                ..Self::default()
            }
    }
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Forward,
    /// Forward it with these changes.
    Rewrite(Edit),
    Drop(DropReason),
    /// Off the path: a fragment whose datagram is not whole yet, or that was sent on with its
    /// datagram by other means.
    Held,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_reason_names_are_unique() {
        let names: std::collections::HashSet<_> =
            DropReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), DropReason::COUNT);
    }

    #[test]
    fn the_mildest_mode_is_the_smallest() {
        assert_eq!(Mode::Detect.min(Mode::Prevent), Mode::Detect);
        assert_eq!(Mode::Off.min(Mode::Detect), Mode::Off);
    }

    #[test]
    fn action_order_needs_all_four() {
        assert!("pass,drop".parse::<ActionOrder>().is_err());
        assert!("pass,drop,drop,alert".parse::<ActionOrder>().is_err());
        let order: ActionOrder = "alert,reject,drop,pass".parse().unwrap();
        assert!(order.rank(Action::Alert) < order.rank(Action::Pass));
    }
}
