//! Where evasions are tried: client - gateway - hop - far. The lab's server namespace is the hop, a plain
//! router, so that packets can die behind Stopgap; the receivers live in the far one. Crafted ends hang
//! on links of their own on both sides of the gateway, each with a pool of addresses that no kernel owns.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use super::super::netns::{
    Family, Lab, RAW_CLIENT_MAC, RAW_GATEWAY_MAC, RAW_INTERFACE, ip_batch, mac_text,
};
use super::super::process::command_in;
use super::super::tap::PacketSocket;
use super::super::{Fallible, wait_for};

/// The far end of the hop's raw link, which no interface has, and the gateway's end of it.
const RAW_SERVER_MAC: [u8; 6] = [0x02, 0x53, 0x47, 0, 0, 4];
const RAW_SERVER_GATEWAY_MAC: [u8; 6] = [0x02, 0x53, 0x47, 0, 0, 3];
const RAW_SERVER_INTERFACE: &str = "raw2";

/// The link between hop and far takes no larger packet; all others take 1500 bytes.
pub const FAR_MTU: usize = 1400;
/// A packet with this DSCP is lost on the hop: behind Stopgap, before the receiver.
pub const LOST_DSCP: u8 = 0x3e;

/// Whether the gateway's kernel puts fragments together before Stopgap sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Connection tracking is on: it does.
    Conntrack,
    /// Nothing tracks: fragments come as they are.
    None,
}

impl Tracking {
    pub const BOTH: [Self; 2] = [Self::Conntrack, Self::None];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Conntrack => "conntrack",
            Self::None => "notrack",
        }
    }
}

/// On which side of Stopgap the crafted end of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

pub struct Place {
    pub lab: Lab,
}

impl Place {
    pub fn new(tracking: Tracking) -> Fallible<Self> {
        let place = Self { lab: Lab::new()? };
        place.extend()?;
        if tracking == Tracking::Conntrack {
            // Any rule that asks for a state turns connection tracking on in the namespace.
            place.nft(
                &place.lab.gateway(),
                "table inet evade { chain track { type filter hook prerouting priority 0; \
                 ct state invalid counter; }; }",
            )?;
        }
        place.nft(
            &place.lab.server(),
            &format!(
                "table inet evade {{ chain lose {{ type filter hook forward priority 0; \
                 ip dscp {LOST_DSCP} drop; ip6 dscp {LOST_DSCP} drop; }}; }}"
            ),
        )?;
        place.wait_until_connected()?;
        Ok(place)
    }

    pub fn receiver_address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(10, 83, 5, 2).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x83, 5, 0, 0, 0, 0, 2).into(),
        }
    }

    /// Whom the crafted end of a run talks to.
    pub fn peer_address(&self, side: Side, family: Family) -> IpAddr {
        match side {
            Side::Client => self.receiver_address(family),
            Side::Server => self.lab.client_address(family),
        }
    }

    /// An address for one run alone, so that no run can disturb another.
    pub fn crafted_address(side: Side, family: Family, run: u16) -> IpAddr {
        let net = match side {
            Side::Client => 84,
            Side::Server => 85,
        };
        let [high, low] = run.to_be_bytes();
        match family {
            Family::V4 => Ipv4Addr::new(10, net, high, low).into(),
            Family::V6 => {
                let net = if net == 84 { 0x84 } else { 0x85 };
                Ipv6Addr::new(0xfd00, net, 0, 0, 0, 0, 0, run).into()
            }
        }
    }

    /// The ends of a tunnel around packets from a crafted address.
    pub fn tunnel_ends(inner: IpAddr) -> (IpAddr, IpAddr) {
        let [high, low] = match inner {
            IpAddr::V4(a) => [a.octets()[2], a.octets()[3]],
            IpAddr::V6(a) => [a.octets()[14], a.octets()[15]],
        };
        (
            Ipv4Addr::new(10, 84, high, low).into(),
            Ipv4Addr::new(10, 83, 5, 2).into(),
        )
    }

    /// Source and destination of a frame from the crafted end.
    pub const fn macs(side: Side) -> ([u8; 6], [u8; 6]) {
        match side {
            Side::Client => (RAW_CLIENT_MAC, RAW_GATEWAY_MAC),
            Side::Server => (RAW_SERVER_MAC, RAW_SERVER_GATEWAY_MAC),
        }
    }

    pub fn raw_socket(&self, side: Side) -> Fallible<PacketSocket> {
        let (namespace, interface) = match side {
            Side::Client => (self.lab.client(), RAW_INTERFACE),
            Side::Server => (self.lab.server(), RAW_SERVER_INTERFACE),
        };
        Ok(self
            .lab
            .inside(&namespace, || PacketSocket::open(interface))??)
    }

    fn extend(&self) -> Fallible<()> {
        let lab = &self.lab;
        let (gateway, hop, far) = (lab.gateway(), lab.server(), lab.far());
        ip_batch(None, &format!("netns add {far}\n"))?;
        lab.inside(&far, || {
            fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
        })??;
        ip_batch(
            None,
            &format!(
                "link add f0 netns {far} type veth peer name s1 netns {hop}\n\
                 link add {RAW_SERVER_INTERFACE} netns {hop} type veth peer name raw3 netns {gateway}\n"
            ),
        )?;
        ip_batch(
            Some(&far),
            &format!(
                "link set lo up\nlink set f0 mtu {FAR_MTU}\n\
                 address add 10.83.5.2/24 dev f0\naddress add fd00:83:5::2/64 dev f0 nodad\n\
                 link set f0 up\nroute add default via 10.83.5.1\nroute add ::/0 via fd00:83:5::1\n"
            ),
        )?;
        ip_batch(
            Some(&hop),
            &format!(
                "link set s1 mtu {FAR_MTU}\n\
                 address add 10.83.5.1/24 dev s1\naddress add fd00:83:5::1/64 dev s1 nodad\n\
                 link set s1 up\nlink set {RAW_SERVER_INTERFACE} up\n"
            ),
        )?;
        ip_batch(
            Some(&gateway),
            &format!(
                "address add 10.83.4.1/24 dev raw3\naddress add fd00:83:4::1/64 dev raw3 nodad\n\
                 link set raw3 address {}\nlink set raw3 up\n\
                 neighbour add 10.83.4.2 lladdr {server} dev raw3 nud permanent\n\
                 neighbour add fd00:83:4::2 lladdr {server} dev raw3 nud permanent\n\
                 route add 10.83.5.0/24 via 10.83.2.2\nroute add fd00:83:5::/64 via fd00:83:2::2\n\
                 route add 10.84.0.0/16 via 10.83.3.2 dev raw0\n\
                 route add fd00:84::/32 via fd00:83:3::2 dev raw0\n\
                 route add 10.85.0.0/16 via 10.83.4.2 dev raw3\n\
                 route add fd00:85::/32 via fd00:83:4::2 dev raw3\n",
                mac_text(RAW_SERVER_GATEWAY_MAC),
                server = mac_text(RAW_SERVER_MAC),
            ),
        )?;
        let frag_memory = (256u32 << 20).to_string();
        lab.inside(&hop, || -> std::io::Result<()> {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        })??;
        lab.inside(&far, || -> std::io::Result<()> {
            // As the catalogue's receiver: data in a SYN is taken without a cookie where a listener asks for it.
            fs::write("/proc/sys/net/ipv4/tcp_fastopen", "515")?;
            fs::write("/proc/sys/net/core/somaxconn", "65535")?;
            fs::write("/proc/sys/net/ipv4/tcp_max_syn_backlog", "65535")?;
            fs::write("/proc/sys/net/ipv4/ipfrag_high_thresh", &frag_memory)?;
            fs::write("/proc/sys/net/ipv6/ip6frag_high_thresh", &frag_memory)
        })??;
        Ok(())
    }

    /// Fragment queues of thousands of runs at once must not push each other out of the kernel's memory.
    pub fn widen_tracker(&self) -> Fallible<()> {
        let frag_memory = (256u32 << 20).to_string();
        self.lab.inside(&self.lab.gateway(), || {
            for name in [
                "net/ipv4/ipfrag_high_thresh",
                "net/netfilter/nf_conntrack_frag6_high_thresh",
            ] {
                // The second exists with connection tracking only.
                let _ = fs::write(format!("/proc/sys/{name}"), &frag_memory);
            }
        })
    }

    fn nft(&self, namespace: &str, script: &str) -> Fallible<()> {
        let mut child = command_in(namespace, "nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(script.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("nft: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(())
    }

    /// As the lab's own: the far end refuses what it has no program for, then the whole path stands.
    fn wait_until_connected(&self) -> Fallible<()> {
        for family in Family::BOTH {
            let nobody = SocketAddr::new(self.receiver_address(family), 1);
            self.lab
                .inside(&self.lab.client(), || {
                    wait_for(Duration::from_secs(5), || {
                        TcpStream::connect_timeout(&nobody, Duration::from_millis(50))
                            .is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
                            .then_some(())
                    })
                })?
                .ok_or_else(|| format!("{nobody} is out of reach"))?;
        }
        Ok(())
    }
}
