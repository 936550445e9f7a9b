//! What names a flow, the same from both ends.

use std::net::IpAddr;

use crate::decode::Packet;

/// Both ends, the lower one first, with protocol, VLAN and tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    /// The tunnel that the packets came out of; zero: none.
    tunnel: u64,
    vlan: [u16; 3],
    protocol: u8,
}

impl FlowKey {
    pub fn of(packet: &Packet<'_>) -> Self {
        let (src_port, dst_port) = packet.ports();
        let (src, dst) = ((packet.src(), src_port), (packet.dst(), dst_port));
        Self {
            tunnel: packet.tunnel,
            ..Self::new(src, dst, packet.ip.protocol, packet.vlan)
        }
    }

    pub fn new(a: (IpAddr, u16), b: (IpAddr, u16), protocol: u8, vlan: [u16; 3]) -> Self {
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        Self {
            low,
            high,
            tunnel: 0,
            vlan,
            protocol,
        }
    }

    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    pub const fn vlan(&self) -> [u16; 3] {
        self.vlan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_key() {
        let a = ("192.0.2.1".parse().unwrap(), 5);
        let b = ("192.0.2.1".parse().unwrap(), 4);
        let key = FlowKey::new(a, b, 6, [0; 3]);
        assert_eq!(key, FlowKey::new(b, a, 6, [0; 3]));
        assert_ne!(key, FlowKey::new(b, a, 17, [0; 3]));
        assert_ne!(key, FlowKey::new(b, a, 6, [1, 0, 0]));
    }
}
