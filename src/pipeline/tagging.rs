//! `tag`: packets that are logged after a match, of a flow or of a host.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::signature::ast::{Tag, TagOf, TagUntil};
use crate::time::Timestamp;

/// Hosts that one worker logs the packets of at once.
const MAX_HOSTS: usize = 1024;
/// Tags on one flow or host at once.
const MAX_TAGS: usize = 4;
/// Seconds after which a tag that counts packets or bytes ends anyhow.
const LONGEST_SECS: u64 = 3600;

/// A tag that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    until: TagUntil,
    since: Timestamp,
    packets: u32,
    bytes: u64,
}

impl Tagged {
    const fn new(until: TagUntil, since: Timestamp) -> Self {
        Self {
            until,
            since,
            packets: 0,
            bytes: 0,
        }
    }

    /// Whether one more packet is of it.
    fn takes(&mut self, now: Timestamp, bytes: u64) -> bool {
        let age = now.since(self.since).as_secs();
        let takes = match self.until {
            TagUntil::Packets(n) => self.packets < n && age < LONGEST_SECS,
            TagUntil::Bytes(n) => self.bytes < u64::from(n) && age < LONGEST_SECS,
            TagUntil::Seconds(n) => age < u64::from(n),
        };
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        takes
    }
}

/// The tags of one host.
type Tags = Vec<Tagged>;

/// Those of a flow. Most have none.
pub(super) type FlowTags = Option<Box<Tags>>;

/// Whether a packet is of one of the tags; those that are over go.
fn take(tags: &mut Tags, now: Timestamp, bytes: u64) -> bool {
    tags.retain_mut(|tag| tag.takes(now, bytes));
    !tags.is_empty()
}

/// The hosts whose packets are logged.
#[derive(Debug, Default)]
pub(super) struct TaggedHosts(HashMap<IpAddr, Tags, ahash::RandomState>);

impl TaggedHosts {
    /// Begins a tag on a flow or on a host. What finds no room is left out.
    pub fn begin(&mut self, tag: Tag, ends: (IpAddr, IpAddr), flow: &mut FlowTags, now: Timestamp) {
        let host = match tag.of {
            TagOf::Flow => None,
            TagOf::Source => Some(ends.0),
            TagOf::Destination => Some(ends.1),
        };
        let tags = match host {
            None => flow.get_or_insert_default(),
            Some(host) => {
                if self.0.len() >= MAX_HOSTS && !self.0.contains_key(&host) {
                    self.0.retain(|_, tags| take(&mut tags.clone(), now, 0));
                    if self.0.len() >= MAX_HOSTS {
                        return;
                    }
                }
                self.0.entry(host).or_default()
            }
        };
        if tags.len() < MAX_TAGS {
            tags.push(Tagged::new(tag.until, now));
        }
    }

    pub fn has_hosts(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether the packet is to be logged.
    pub fn takes(
        &mut self,
        ends: (IpAddr, IpAddr),
        flow: &mut FlowTags,
        now: Timestamp,
        bytes: u64,
    ) -> bool {
        let mut taken = flow
            .as_deref_mut()
            .is_some_and(|tags| take(tags, now, bytes));
        if self.0.is_empty() {
            return taken;
        }
        for host in [ends.0, ends.1] {
            if let Some(tags) = self.0.get_mut(&host) {
                taken |= take(tags, now, bytes);
                if tags.is_empty() {
                    self.0.remove(&host);
                }
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::ZERO;

    fn ends(n: u32) -> (IpAddr, IpAddr) {
        (IpAddr::V4(n.into()), IpAddr::V4(0xffff_ffff_u32.into()))
    }

    #[test]
    fn a_tag_ends_with_its_packets_bytes_or_seconds() {
        for (until, taken) in [
            (TagUntil::Packets(2), 2),
            (TagUntil::Bytes(250), 3),
            (TagUntil::Seconds(4), 4),
        ] {
            let (mut hosts, mut flow) = (TaggedHosts::default(), None);
            let tag = Tag {
                of: TagOf::Flow,
                until,
            };
            hosts.begin(tag, ends(1), &mut flow, NOW);
            let packets = (0..10).filter(|&second| {
                hosts.takes(ends(1), &mut flow, Timestamp::from_secs(second), 100)
            });
            assert_eq!(packets.count(), taken, "{until:?}");
        }
    }

    #[test]
    fn hosts_are_bounded_and_let_go() {
        let (mut hosts, mut flow) = (TaggedHosts::default(), None);
        let tag = Tag {
            of: TagOf::Source,
            until: TagUntil::Packets(1),
        };
        for n in 0..5000 {
            hosts.begin(tag, ends(n), &mut flow, NOW);
        }
        assert!(hosts.0.len() <= MAX_HOSTS && flow.is_none());
        assert!(hosts.takes(ends(7), &mut flow, NOW, 1));
        assert!(!hosts.takes(ends(7), &mut flow, NOW, 1));
        assert!(!hosts.0.contains_key(&ends(7).0));
    }
}
