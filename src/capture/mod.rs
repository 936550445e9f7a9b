//! Packets in, verdicts out.

pub mod inject;
pub mod nfqueue;
pub mod pcap;
pub mod reset;
