//! Numbers in packet headers that rules ask about: one table drives the parser, help, docs and tests.

macro_rules! header_numbers {
    ($($variant:ident { $name:literal, $aliases:expr, $max:expr, $help:literal })+) => {
        /// A number in a packet's headers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum HeaderNumber { $(#[doc = $help] $variant),+ }

        impl HeaderNumber {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The keyword that asks for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $aliases),+ }
            }

            /// The largest that its field can hold.
            pub const fn max(self) -> u64 {
                match self { $(Self::$variant => $max),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

const BYTE: u64 = u8::MAX as u64;
const SHORT: u64 = u16::MAX as u64;
const LONG: u64 = u32::MAX as u64;

header_numbers! {
    Ttl { "ttl", &[], BYTE, "Time to live of IPv4, hop limit of IPv6." }
    Tos { "tos", &[], BYTE, "Type of service of IPv4, traffic class of IPv6." }
    IpId { "id", &[], SHORT, "Identification of IPv4." }
    IpProtocol { "ip_proto", &[], BYTE, "Protocol of the IP payload, behind all extension headers." }
    FragmentOffset { "fragoffset", &[], 8191, "Offset of an IP fragment, in units of eight bytes." }
    TcpSequence { "seq", &["tcp.seq"], LONG, "TCP sequence number." }
    TcpAck { "ack", &["tcp.ack"], LONG, "TCP acknowledgement number." }
    TcpWindow { "window", &["tcp.window"], SHORT, "TCP window, not scaled." }
    TcpMss { "tcp.mss", &[], SHORT, "Maximum segment size, where the TCP option is there." }
    TcpWindowScale { "tcp.wscale", &[], BYTE, "Shift of the TCP window, where the TCP option is there." }
    VlanLayers { "vlan.layers", &[], 3, "VLAN tags of the packet; three at most are read." }
    IcmpType { "itype", &[], BYTE, "ICMP type." }
    IcmpCode { "icode", &[], BYTE, "ICMP code." }
    IcmpId { "icmp_id", &[], SHORT, "Identifier of an ICMP query or its answer." }
    IcmpSequence { "icmp_seq", &[], SHORT, "Sequence number of an ICMP query or its answer." }
    Icmp6Mtu { "icmpv6.mtu", &[], LONG, "MTU in an ICMPv6 packet too big message." }
}
