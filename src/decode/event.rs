//! What is odd about a packet's headers, by the names of Suricata's `decode-event`.

macro_rules! decode_events {
    ($($variant:ident = $name:literal, $help:literal;)+) => {
        /// One oddity. A packet with one may be sound all the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DecodeEvent { $(#[doc = $help] $variant),+ }

        impl DecodeEvent {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in rules.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

decode_events! {
    Ipv4TooSmall = "ipv4.pkt_too_small", "Fewer bytes than an IPv4 header has.";
    Ipv4HeaderLength = "ipv4.hlen_too_small", "The IPv4 header says it is shorter than 20 bytes.";
    Ipv4TotalLength = "ipv4.iplen_smaller_than_hlen", "The total length is shorter than the header.";
    Ipv4Truncated = "ipv4.trunc_pkt", "The total length is longer than the frame.";
    Ipv4OptionInvalid = "ipv4.opt_invalid", "An option that no receiver takes: a source route.";
    Ipv4OptionLength = "ipv4.opt_invalid_len", "An option's length does not fit its kind or the header.";
    Ipv4OptionMalformed = "ipv4.opt_malformed", "An option that points to where it has no room.";
    Ipv4OptionEndMissing = "ipv4.opt_eol_required", "The last byte begins an option that has no length; an end of list should stand there.";
    Ipv4OptionDuplicate = "ipv4.opt_duplicate", "An option stands twice.";
    Ipv4OptionUnknown = "ipv4.opt_unknown", "An option of an unknown kind.";
    Ipv4WrongVersion = "ipv4.wrong_ip_version", "What is said to be IPv4 has another version.";
    Ipv4WithIcmpv6 = "ipv4.icmpv6", "ICMPv6 over IPv4.";
    Ipv4FragmentOverlap = "ipv4.frag_overlap", "A fragment that covers part of another, or says otherwise than it.";
    Ipv4FragmentTooLarge = "ipv4.frag_pkt_too_large", "A fragment that ends beyond 65,535 bytes.";
    Icmpv4TooSmall = "icmpv4.pkt_too_small", "Fewer than 8 bytes of ICMP.";
    Icmpv4UnknownType = "icmpv4.unknown_type", "An ICMP type that is not assigned.";
    Icmpv4UnknownCode = "icmpv4.unknown_code", "An ICMP code that its type does not have.";
    Icmpv4EmbeddedTruncated = "icmpv4.ipv4_trunc_pkt", "The packet an ICMP error speaks of is cut short.";
    Icmpv4EmbeddedVersion = "icmpv4.ipv4_unknown_ver", "The packet an ICMP error speaks of is no IPv4.";
    Icmpv6TooSmall = "icmpv6.pkt_too_small", "Fewer than 8 bytes of ICMPv6.";
    Icmpv6UnknownType = "icmpv6.unknown_type", "An ICMPv6 type that is reserved.";
    Icmpv6UnknownCode = "icmpv6.unknown_code", "An ICMPv6 code that its type does not have.";
    Icmpv6EmbeddedTruncated = "icmpv6.ipv6_trunc_pkt", "The packet an ICMPv6 error speaks of is cut short.";
    Icmpv6EmbeddedVersion = "icmpv6.ipv6_unknown_version", "The packet an ICMPv6 error speaks of is no IPv6.";
    Icmpv6MldHopLimit = "icmpv6.mld_message_with_invalid_hl", "A multicast listener message whose hop limit is not 1.";
    Icmpv6UnassignedType = "icmpv6.unassigned_type", "An ICMPv6 type that is not assigned.";
    Icmpv6ExperimentalType = "icmpv6.experimentation_type", "An ICMPv6 type for private experiments.";
    Ipv6TooSmall = "ipv6.pkt_too_small", "Fewer bytes than an IPv6 header has.";
    Ipv6Truncated = "ipv6.trunc_pkt", "The payload length is longer than the frame.";
    Ipv6ExtensionTruncated = "ipv6.trunc_exthdr", "An extension header is cut short, or nothing comes behind it.";
    Ipv6DuplicateFragment = "ipv6.exthdr_dupl_fh", "A second fragment header.";
    Ipv6UselessFragment = "ipv6.exthdr_useless_fh", "A fragment header on a whole datagram.";
    Ipv6DuplicateRouting = "ipv6.exthdr_dupl_rh", "A second routing header.";
    Ipv6DuplicateHopByHop = "ipv6.exthdr_dupl_hh", "A hop-by-hop header that is not the first.";
    Ipv6DuplicateDestination = "ipv6.exthdr_dupl_dh", "A third destination options header.";
    Ipv6DuplicateAuthentication = "ipv6.exthdr_dupl_ah", "A second authentication header.";
    Ipv6OptionLength = "ipv6.exthdr_invalid_optlen", "An option's length does not fit its kind or its header.";
    Ipv6WrongVersion = "ipv6.wrong_ip_version", "What is said to be IPv6 has another version.";
    Ipv6AuthenticationReserved = "ipv6.exthdr_ah_res_not_null", "Reserved bits of an authentication header are set.";
    Ipv6HopByHopUnknown = "ipv6.hopopts_unknown_opt", "A hop-by-hop option of an unknown kind.";
    Ipv6HopByHopPadding = "ipv6.hopopts_only_padding", "A hop-by-hop header with nothing but padding.";
    Ipv6DestinationUnknown = "ipv6.dstopts_unknown_opt", "A destination option of an unknown kind.";
    Ipv6DestinationPadding = "ipv6.dstopts_only_padding", "A destination options header with nothing but padding.";
    Ipv6RoutingType0 = "ipv6.rh_type_0", "A routing header of type 0.";
    Ipv6ZeroPadding = "ipv6.zero_len_padn", "A PadN option that pads nothing.";
    Ipv6FragmentReserved = "ipv6.fh_non_zero_reserved_field", "The reserved byte of a fragment header is set.";
    Ipv6DataAfterNone = "ipv6.data_after_none_header", "Bytes behind \"no next header\".";
    Ipv6UnknownNext = "ipv6.unknown_next_header", "An upper-layer protocol that is not known.";
    Ipv6WithIcmpv4 = "ipv6.icmpv4", "ICMP of IPv4 over IPv6.";
    Ipv6FragmentOverlap = "ipv6.frag_overlap", "A fragment that covers part of another, or says otherwise than it.";
    Ipv6FragmentTooLarge = "ipv6.frag_pkt_too_large", "A fragment that ends beyond 65,535 bytes.";
    Ipv6FragmentLength = "ipv6.frag_invalid_length", "A fragment that is not the last, and no multiple of 8 bytes long.";
    Ipv4InIpv6TooSmall = "ipv6.ipv4_in_ipv6_too_small", "Fewer bytes than an IPv4 header has, inside IPv6.";
    Ipv4InIpv6Version = "ipv6.ipv4_in_ipv6_wrong_version", "What is said to be IPv4 inside IPv6 has another version.";
    Ipv6InIpv6TooSmall = "ipv6.ipv6_in_ipv6_too_small", "Fewer bytes than an IPv6 header has, inside IPv6.";
    Ipv6InIpv6Version = "ipv6.ipv6_in_ipv6_wrong_version", "What is said to be IPv6 inside IPv6 has another version.";
    TcpTooSmall = "tcp.pkt_too_small", "Fewer bytes than a TCP header has.";
    TcpHeaderLength = "tcp.hlen_too_small", "The TCP header says it is shorter than 20 bytes.";
    TcpOptionsLength = "tcp.invalid_optlen", "The TCP header is longer than the segment.";
    TcpOptionLength = "tcp.opt_invalid_len", "An option's length does not fit its kind or the header.";
    TcpOptionDuplicate = "tcp.opt_duplicate", "An option stands twice.";
    UdpTooSmall = "udp.pkt_too_small", "Fewer bytes than the UDP header has or says.";
    UdpLengthDiffers = "udp.hlen_invalid", "The UDP length is shorter than what the datagram holds.";
    UdpLengthInvalid = "udp.len_invalid", "The UDP length is shorter than the UDP header.";
    EthernetTooSmall = "ethernet.pkt_too_small", "Fewer bytes than an Ethernet header has.";
    SllTooSmall = "sll.pkt_too_small", "Fewer bytes than a Linux cooked header has.";
    Sll2TooSmall = "sll2.pkt_too_small", "Fewer bytes than a Linux cooked header, version 2, has.";
    NullTooSmall = "ltnull.pkt_too_small", "Fewer bytes than a loopback header has.";
    NullUnsupported = "ltnull.unsupported_type", "An address family of a loopback header that is not IP.";
    HdlcTooSmall = "chdlc.pkt_too_small", "Fewer bytes than a Cisco HDLC header has.";
    PppTooSmall = "ppp.pkt_too_small", "Fewer bytes than a PPP header has.";
    PppIpv4TooSmall = "ppp.ip4_pkt_too_small", "Fewer bytes than an IPv4 header has, in PPP.";
    PppIpv6TooSmall = "ppp.ip6_pkt_too_small", "Fewer bytes than an IPv6 header has, in PPP.";
    PppUnsupported = "ppp.unsup_proto", "A protocol in PPP that is not IP.";
    VlanTooSmall = "vlan.header_too_small", "A VLAN tag is cut short.";
    VlanUnknownType = "vlan.unknown_type", "What a VLAN tag leads to is no known protocol.";
    VlanTooMany = "vlan.too_many_layers", "More VLAN tags than are read.";
    RawVersion = "ipraw.invalid_ip_version", "A datagram that is neither IPv4 nor IPv6.";
    GreTooSmall = "gre.pkt_too_small", "A GRE header is cut short.";
    GreVersion = "gre.wrong_version", "A GRE version above 1.";
    Gre0Recursion = "gre.version0_recur", "Recursion control in GRE version 0.";
    Gre0Flags = "gre.version0_flags", "Reserved flags in GRE version 0.";
    Gre0Routing = "gre.version0_malformed_sre_hdr", "Source routing in GRE version 0, which no receiver of today reads.";
    Gre1Checksum = "gre.version1_chksum", "A checksum in GRE version 1.";
    Gre1Routing = "gre.version1_route", "Source routing in GRE version 1.";
    Gre1StrictRoute = "gre.version1_ssr", "A strict source route in GRE version 1.";
    Gre1Recursion = "gre.version1_recur", "Recursion control in GRE version 1.";
    Gre1Flags = "gre.version1_flags", "Reserved flags in GRE version 1.";
    Gre1NoKey = "gre.version1_no_key", "GRE version 1 without its key.";
    Gre1Protocol = "gre.version1_wrong_protocol", "GRE version 1 around something else than PPP.";
    VxlanPayload = "vxlan.unknown_payload_type", "A VXLAN packet around something else than IP, ARP or VLAN.";
    GenevePayload = "geneve.unknown_payload_type", "A Geneve packet around something else than Ethernet or IP.";
    ErspanTooSmall = "erspan.header_too_small", "An ERSPAN header is cut short.";
    ErspanVersion = "erspan.unsupported_version", "An ERSPAN version that is not known.";
    TooManyLayers = "too_many_layers", "Tunnels nested deeper than `tunnel_depth`.";
}

/// Suricata's other names. This decoder has no way to raise them, so a rule with one is refused
/// rather than never matched.
const NEVER_RAISED: &[&str] = &[
    "arp.invalid_hardware_size",
    "arp.invalid_pkt",
    "arp.invalid_protocol_size",
    "arp.pkt_too_small",
    "arp.unsupported_hardware",
    "arp.unsupported_opcode",
    "arp.unsupported_pkt",
    "arp.unsupported_protocol",
    "dce.pkt_too_small",
    "erspan.too_many_vlan_layers",
    "esp.pkt_too_small",
    "ethernet.unknown_ethertype",
    "gre.version0_hdr_too_big",
    "gre.version1_hdr_too_big",
    "gre.version1_malformed_sre_hdr",
    "ieee8021ah.header_too_small",
    "ipv4.frag_ignored",
    "ipv4.opt_pad_required",
    "ipv6.exthdr_dupl_eh",
    "ipv6.frag_ignored",
    "mpls.bad_label_implicit_null",
    "mpls.bad_label_reserved",
    "mpls.bad_label_router_alert",
    "mpls.header_too_small",
    "mpls.pkt_too_small",
    "mpls.unknown_payload_type",
    "nsh.bad_header_length",
    "nsh.header_too_small",
    "nsh.reserved_type",
    "nsh.unknown_payload",
    "nsh.unsupported_type",
    "nsh.unsupported_version",
    "ppp.vju_pkt_too_small",
    "ppp.wrong_type",
    "pppoe.malformed_tags",
    "pppoe.pkt_too_small",
    "pppoe.wrong_code",
    "sctp.pkt_too_small",
    "udp.hlen_too_small",
    "vntag.header_too_small",
    "vntag.unknown_type",
];

impl DecodeEvent {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.as_str() == name)
    }

    /// Whether Suricata has an event of this name that is not raised here.
    pub fn is_never_raised(name: &str) -> bool {
        NEVER_RAISED.contains(&name)
    }

    const fn bit(self) -> u128 {
        1 << (self as u8)
    }
}

/// A set of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeEvents(u128);

const _: () = assert!(DecodeEvent::ALL.len() <= 128, "the set has 128 bits");

impl DecodeEvents {
    pub const NONE: Self = Self(0);

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn has(self, event: DecodeEvent) -> bool {
        self.0 & event.bit() != 0
    }

    /// Whether all of `others` are in this set.
    pub const fn has_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    pub const fn add(&mut self, event: DecodeEvent) {
        self.0 |= event.bit();
    }
}

impl FromIterator<DecodeEvent> for DecodeEvents {
    fn from_iter<I: IntoIterator<Item = DecodeEvent>>(events: I) -> Self {
        let mut set = Self::NONE;
        for event in events {
            set.add(event);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_is_raised_or_not_and_stands_once() {
        let raised: HashSet<_> = DecodeEvent::ALL.iter().map(|e| e.as_str()).collect();
        let never: HashSet<_> = NEVER_RAISED.iter().copied().collect();
        assert_eq!(raised.len(), DecodeEvent::ALL.len());
        assert_eq!(never.len(), NEVER_RAISED.len());
        assert!(raised.is_disjoint(&never));
        for &event in DecodeEvent::ALL {
            assert_eq!(DecodeEvent::from_name(event.as_str()), Some(event));
        }
    }

    #[test]
    fn a_set_holds_what_was_added() {
        let mut set = DecodeEvents::NONE;
        assert!(set.is_empty() && set.has_all(DecodeEvents::NONE));
        set.add(DecodeEvent::TooManyLayers);
        assert!(set.has(DecodeEvent::TooManyLayers) && !set.has(DecodeEvent::Ipv4TooSmall));
        let both = [DecodeEvent::TooManyLayers, DecodeEvent::Ipv4TooSmall];
        assert!(!set.has_all(both.into_iter().collect()));
    }
}
