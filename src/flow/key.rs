//! What names a flow, the same from both ends.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::decode::Packet;

/// Both ends, the lower one first, with protocol, VLAN and tunnel; in words, since each packet is
/// looked up by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    low: Address,
    high: Address,
    /// The tunnel that the packets came out of; zero: none.
    tunnel: u64,
    /// Of the lower end and of the higher one.
    ports: [u16; 2],
    vlan: [u16; 3],
    protocol: u8,
    is_v6: bool,
}

/// The upper and the lower half; of IPv4 the upper one is zero.
type Address = [u64; 2];

const fn words(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(v4) => [0, v4.to_bits() as u64],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [(bits >> 64) as u64, bits as u64]
        }
    }
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
        let (a, b, is_v6) = (
            (words(a.0), a.1),
            (words(b.0), b.1),
            a.0.is_ipv6() || b.0.is_ipv6(),
        );
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        Self {
            low: low.0,
            high: high.0,
            tunnel: 0,
            ports: [low.1, high.1],
            vlan,
            protocol,
            is_v6,
        }
    }

    /// The lower end and the higher one.
    pub fn ends(&self) -> [(IpAddr, u16); 2] {
        let of = |[upper, lower]: Address| match self.is_v6 {
            true => IpAddr::from((u128::from(upper) << 64 | u128::from(lower)).to_be_bytes()),
            false => IpAddr::from((lower as u32).to_be_bytes()),
        };
        let [low, high] = self.ports;
        [(of(self.low), low), (of(self.high), high)]
    }

    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    pub const fn vlan(&self) -> [u16; 3] {
        self.vlan
    }
}

impl Hash for FlowKey {
    /// In as few words as the key has that are not usually zero.
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.is_v6 {
            for word in [self.low, self.high].as_flattened() {
                state.write_u64(*word);
            }
        } else {
            state.write_u64(self.low[1] << 32 | self.high[1]);
        }
        let (low, high) = (u64::from(self.ports[0]), u64::from(self.ports[1]));
        let kind = u64::from(self.protocol) << 1 | u64::from(self.is_v6);
        state.write_u64(kind << 32 | low << 16 | high);
        if self.tunnel != 0 || self.vlan != [0; 3] {
            let [a, b, c] = self.vlan.map(u64::from);
            state.write_u64(self.tunnel);
            state.write_u64(a << 32 | b << 16 | c);
        }
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

    #[test]
    fn an_ipv4_address_is_not_the_ipv6_one_of_the_same_number() {
        let v4 = |n| (IpAddr::from([0, 0, 0, n]), 5);
        let v6 = |n| (IpAddr::from([0, 0, 0, 0, 0, 0, 0, n]), 5);
        let key = FlowKey::new(v4(1), v4(2), 6, [0; 3]);
        assert_ne!(key, FlowKey::new(v6(1), v6(2), 6, [0; 3]));
    }

    #[test]
    fn the_ends_are_those_it_was_made_of() {
        for (a, b) in [
            ("192.0.2.1", "198.51.100.255"),
            ("2001:db8::1", "2001:db8::2:1"),
        ] {
            let (a, b) = ((a.parse().unwrap(), 5), (b.parse().unwrap(), 4));
            for (one, other) in [(a, b), (b, a)] {
                assert_eq!(FlowKey::new(one, other, 6, [0; 3]).ends(), [a, b]);
            }
        }
    }

    #[test]
    fn all_that_tells_flows_apart_is_in_the_hash() {
        let a = ("192.0.2.1".parse().unwrap(), 5);
        let b = ("192.0.2.2".parse().unwrap(), 6);
        let c = ("2001:db8::1".parse().unwrap(), 5);
        let d = ("2001:db8::2".parse().unwrap(), 5);
        let e = ("2001:db9::2".parse().unwrap(), 5);
        let key = FlowKey::new(a, b, 6, [0; 3]);
        let keys = [
            key,
            FlowKey::new((a.0, 6), (b.0, 5), 6, [0; 3]),
            FlowKey::new(a, b, 17, [0; 3]),
            FlowKey::new(a, b, 6, [1, 0, 0]),
            FlowKey::new(a, b, 6, [0, 1, 0]),
            FlowKey { tunnel: 1, ..key },
            FlowKey::new(c, d, 6, [0; 3]),
            FlowKey::new(c, e, 6, [0; 3]),
        ];
        let hasher = ahash::RandomState::new();
        let hashes: std::collections::HashSet<u64> =
            keys.iter().map(|key| hasher.hash_one(key)).collect();
        assert_eq!(hashes.len(), keys.len());
    }
}
