//! `[defrag]`, `[flow]`, `[stream]` and `[normalise]`: how much state is kept, for how long, and
//! how strictly.

use serde::Deserialize;

use super::field::within;

/// `[defrag]`: IP fragments that the kernel did not put together before us.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Defrag {
    /// Of each worker, for incomplete datagrams.
    #[serde(deserialize_with = "within::<_, _, 1_048_576, 1_099_511_627_776>")]
    pub memory_bytes: usize,
    /// Incomplete datagrams that each worker keeps at once.
    #[serde(deserialize_with = "within::<_, _, 16, 1_048_576>")]
    pub max_datagrams: usize,
    /// Fragments of one datagram.
    #[serde(deserialize_with = "within::<_, _, 8, 8_192>")]
    pub max_fragments: usize,
    /// Seconds from its first fragment on in which a datagram must be whole. Linux waits 30 for IPv4.
    #[serde(deserialize_with = "within::<_, _, 1, 30>")]
    pub timeout_secs: u64,
}

impl Default for Defrag {
    fn default() -> Self {
        Self {
            memory_bytes: 16 << 20,
            max_datagrams: 8_192,
            max_fragments: 1_024,
            timeout_secs: 30,
        }
    }
}

/// `[flow]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Flow {
    /// Flows that each worker keeps at once.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub max_flows: usize,
    /// Percent of `max_flows` from which on TCP before its handshake, closed TCP and datagrams time
    /// out sooner: the fuller the table, the sooner. 100: never.
    #[serde(deserialize_with = "within::<_, _, 10, 100>")]
    pub pressure_percent: u8,
    /// Seconds without a packet after which a flow ends: TCP before its handshake is complete.
    #[serde(deserialize_with = "within::<_, _, 1, 604_800>")]
    pub tcp_new_secs: u64,
    /// TCP with its handshake.
    #[serde(deserialize_with = "within::<_, _, 1, 604_800>")]
    pub tcp_established_secs: u64,
    /// TCP after a close from both ends.
    #[serde(deserialize_with = "within::<_, _, 1, 604_800>")]
    pub tcp_closed_secs: u64,
    /// Any flow that was refused: for so long its packets are dropped without another look.
    #[serde(deserialize_with = "within::<_, _, 1, 604_800>")]
    pub refused_secs: u64,
    /// UDP, ICMP and any other protocol but TCP, once both ends have spoken.
    #[serde(deserialize_with = "within::<_, _, 1, 604_800>")]
    pub datagram_secs: u64,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            max_flows: 262_144,
            pressure_percent: 70,
            tcp_new_secs: 30,
            tcp_established_secs: 3_600,
            tcp_closed_secs: 10,
            refused_secs: 600,
            datagram_secs: 60,
        }
    }
}

/// `[stream]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// Bytes of each direction that raw payload signatures see; the count begins anew with each
    /// transaction of a protocol that is parsed.
    #[serde(deserialize_with = "within::<_, _, 1_024, 1_099_511_627_776>")]
    pub depth_bytes: u64,
    /// Bytes that came before their turn, for each direction of a flow.
    #[serde(deserialize_with = "within::<_, _, 65_536, 1_073_741_824>")]
    pub out_of_order_bytes: usize,
    /// Forwarded bytes kept until acknowledged, for each direction of a flow.
    #[serde(deserialize_with = "within::<_, _, 65_536, 1_073_741_824>")]
    pub retained_bytes: usize,
    /// Bytes of all flows of a worker together.
    #[serde(deserialize_with = "within::<_, _, 1_048_576, 1_099_511_627_776>")]
    pub pool_bytes: usize,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            depth_bytes: 1 << 20,
            out_of_order_bytes: 1 << 20,
            retained_bytes: 4 << 20,
            pool_bytes: 256 << 20,
        }
    }
}

/// `[normalise]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Normalise {
    pub profile: Profile,
}

/// How much is made unambiguous on the way to the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    Strict,
    #[default]
    Normal,
    Off,
}

impl Stream {
    pub(super) fn contradiction(&self) -> Option<String> {
        let most = self.out_of_order_bytes.max(self.retained_bytes);
        (most > self.pool_bytes).then(|| {
            format!(
                "one direction of a flow may keep {most} bytes, which is more than the {} of `pool_bytes`",
                self.pool_bytes
            )
        })
    }
}
