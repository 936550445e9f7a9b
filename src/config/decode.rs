//! `[decode]`: which tunnels are looked into, and how deep.

use serde::Deserialize;

use super::field::within;

/// Ports that one kind of tunnel may have.
const MAX_PORTS: usize = 16;

/// `[decode]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Decode {
    /// Kinds of tunnels whose inner packets are inspected.
    pub tunnels: Vec<Tunnel>,
    /// Tunnels inside each other that are looked into.
    #[serde(deserialize_with = "within::<_, _, 1, 16>")]
    pub tunnel_depth: u8,
    /// UDP destination ports.
    pub vxlan_ports: Vec<u16>,
    pub geneve_ports: Vec<u16>,
    /// UDP ports of either end.
    pub teredo_ports: Vec<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Tunnel {
    Vxlan,
    Geneve,
    Gre,
    Erspan,
    Ipip,
    #[serde(rename = "6in4")]
    SixInFour,
    #[serde(rename = "4in6")]
    FourInSix,
    #[serde(rename = "6in6")]
    SixInSix,
    Teredo,
}

impl Default for Decode {
    fn default() -> Self {
        Self {
            tunnels: vec![
                Tunnel::Vxlan,
                Tunnel::Geneve,
                Tunnel::Gre,
                Tunnel::Erspan,
                Tunnel::Ipip,
                Tunnel::SixInFour,
                Tunnel::FourInSix,
                Tunnel::SixInSix,
                Tunnel::Teredo,
            ],
            tunnel_depth: 4,
            vxlan_ports: vec![4789],
            geneve_ports: vec![6081],
            teredo_ports: vec![3544],
        }
    }
}

impl Decode {
    /// The key to blame, and why.
    pub(super) fn contradiction(&self) -> Option<(&'static str, String)> {
        let ports = [
            ("vxlan_ports", &self.vxlan_ports),
            ("geneve_ports", &self.geneve_ports),
            ("teredo_ports", &self.teredo_ports),
        ];
        for (n, (key, listed)) in ports.iter().enumerate() {
            if listed.len() > MAX_PORTS {
                return Some((key, format!("more than {MAX_PORTS} ports")));
            }
            if listed.contains(&0) {
                return Some((key, "0 is no port".to_owned()));
            }
            let mut before = ports[..n].iter();
            let twice = before.find_map(|(other, theirs)| {
                let port = listed.iter().find(|&port| theirs.contains(port))?;
                Some(format!("port {port} stands in `{other}` too"))
            });
            if let Some(message) = twice {
                return Some((key, message));
            }
        }
        None
    }
}
