//! The records of the event log, and their JSON.
//!
//! Names, nesting and order are those of Suricata's EVE format, version 7 and
//! 8, so that what reads one log reads the other. `patch`, `references` and
//! `evidence`, and `reason` in a verdict, are ours.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::app_object::AppObject;
use super::text::Text;
use crate::counters::{Counter, Snapshot};
use crate::direction::Direction;
use crate::latency::Percentiles;
use crate::time::Timestamp;
use crate::verdict::{DropReason, Mode};

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Alert(Box<AlertRecord>),
    Drop(Box<DropRecord>),
    Flow(Box<FlowRecord>),
    Stats(Box<StatsRecord>),
    Packet(Box<PacketRecord>),
    Suspension(Box<SuspensionRecord>),
}

/// A rule took more than its budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuspensionRecord {
    #[serde(skip)]
    pub envelope: Envelope,
    pub gid: u32,
    pub signature_id: u32,
    pub signature: String,
    /// Of one second of a worker.
    pub spent_us: u64,
    /// For so long it is not asked.
    pub secs: u32,
}

/// What every record about traffic begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub at: Timestamp,
    /// `None` for a packet of no flow.
    pub flow_id: Option<u64>,
    pub in_iface: Option<Text>,
    /// Outermost first; zero where absent.
    pub vlan: [u16; 3],
    /// Address and port of the packet's source; in a flow record the client's. `None`, as the
    /// two behind it, for a packet whose headers cannot be read.
    pub src: Option<(IpAddr, u16)>,
    pub dst: Option<(IpAddr, u16)>,
    /// IANA number. Ports are written for TCP, UDP and SCTP only.
    pub protocol: Option<u8>,
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
    pub tunnel: Option<Tunnel>,
    /// EVE's name of the application protocol.
    pub app_proto: Option<&'static str>,
    pub direction: Option<Direction>,
}

/// The packet that the record's packet was inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    pub src: (IpAddr, u16),
    pub dst: (IpAddr, u16),
    /// IANA number.
    pub protocol: u8,
    /// How many tunnels the inner packet is inside.
    pub depth: u8,
}

/// A signature matched.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    pub envelope: Envelope,
    pub flow: Option<FlowSoFar>,
    /// Number of the transaction in its flow.
    pub tx_id: Option<u64>,
    pub alert: Alert,
    pub verdict: Verdict,
    pub patch: Option<PatchRef>,
    pub evidence: Option<Evidence>,
    pub frame: Option<Box<FrameFacts>>,
    pub http: Option<Http>,
    pub tls: Option<Tls>,
    /// Of any other protocol.
    pub app: Option<AppObject>,
    pub variables: Variables,
    pub traffic: Traffic,
}

/// The flow of an alert, the packet in hand counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSoFar {
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    /// By direction.
    pub packets: [u64; 2],
    /// By direction.
    pub bytes: [u64; 2],
    pub start: Timestamp,
}

/// The traffic that an alert is about, as far as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Traffic {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcap_cnt: Option<u64>,
    /// `wire/pcap`, what unwrapped a packet inside a tunnel, or `stream (flow timeout)` where no
    /// packet completed the match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkt_src: Option<&'static str>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_printable: Option<Text>,
    /// 1 where the payload is the stream's, 0 where it is the packet's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<u8>,
    /// Base64, with the link header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet_info: Option<PacketInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ether: Option<Ether>,
}

/// The Ethernet header of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ether {
    pub src_mac: String,
    pub dest_mac: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PacketInfo {
    /// As capture files number them.
    pub linktype: u32,
    pub linktype_name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    pub action: AlertAction,
    pub gid: u32,
    pub signature_id: u32,
    pub rev: u32,
    pub signature: Text,
    /// The description of the rule's class; empty without one.
    pub category: Text,
    /// The rule's priority: 1 is the gravest.
    pub severity: u8,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Vec<Text>>,
    /// Where to read more; in a list of the record's own.
    #[serde(skip)]
    pub references: Vec<Text>,
    /// What `pcre` and `dataset` have found out for the alert.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, ContextValue>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ContextValue {
    Text(Text),
    Json(serde_json::Value),
}

/// Texts that `pcre` has kept with the flow and with the packet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Variables {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flowvars: Vec<BTreeMap<String, Text>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pktvars: Vec<BTreeMap<String, Text>>,
}

impl Variables {
    fn is_empty(&self) -> bool {
        self.flowvars.is_empty() && self.pktvars.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertAction {
    Allowed,
    Blocked,
}

/// What was really done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub action: VerdictAction,
    /// Whom a reject answered.
    #[serde(rename = "reject-target", skip_serializing_if = "Option::is_none")]
    pub reject_target: Option<RejectedEnd>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reject: Vec<Reject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictAction {
    Accept,
    Alert,
    Pass,
    Drop,
}

/// Which way the answers of a reject went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectedEnd {
    ToServer,
    ToClient,
    Both,
}

/// How a reject answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reject {
    TcpReset,
    IcmpProhib,
}

/// The virtual patch that a signature belongs to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatchRef {
    pub id: Text,
    pub cve: Vec<Text>,
    /// The mode in force, with all ceilings.
    pub mode: Mode,
    pub pack: Text,
    pub version: Text,
}

/// The frame that a signature matched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrameFacts {
    /// Its name behind its protocol's, such as `record.hdr`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Of its unit in the flow, from 0.
    pub id: u64,
    pub direction: &'static str,
    /// In bytes, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// All of it has come.
    pub complete: bool,
    /// Base64.
    pub payload: Text,
    pub payload_printable: Text,
}

/// The bytes that a signature matched on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    pub buffer: &'static str,
    /// From the start of the stream for `payload`, else of the buffer.
    pub stream_offset: u64,
    /// Bytes of the match; `bytes` may hold fewer.
    pub length: u32,
    /// Printable ASCII, other bytes as `\xNN`.
    pub bytes: Text,
    pub hex: Text,
}

impl Evidence {
    /// Bytes that are written at most.
    const LONGEST: usize = 256;

    pub fn new(buffer: &'static str, offset: u64, length: u32, bytes: &[u8]) -> Self {
        let bytes = bytes.get(..Self::LONGEST).unwrap_or(bytes);
        Self {
            buffer,
            stream_offset: offset,
            length,
            bytes: Text::ascii(bytes),
            hex: Text::hex(bytes),
        }
    }
}

/// The HTTP transaction that an alert is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Http {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_user_agent: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_content_type: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_refer: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the response's body so far.
    pub length: u64,
}

/// The TLS handshake that an alert is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuerdn: Option<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjectaltname: Vec<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notbefore: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notafter: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ja3: Option<Ja3>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ja3s: Option<Ja3>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ja4: Option<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_alpns: Vec<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_alpns: Vec<Text>,
    /// What the client showed of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Box<Certificate>>,
}

/// The fingerprint of a hello.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ja3 {
    pub hash: Text,
    pub string: Text,
}

/// The client's own certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Certificate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuerdn: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notbefore: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notafter: Option<Text>,
}

/// A packet was dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct DropRecord {
    pub envelope: Envelope,
    pub packet: PacketFacts,
    pub reason: DropReason,
    pub verdict: Option<Verdict>,
    /// The signature and patch that refused the flow.
    pub alert: Option<Alert>,
    pub patch: Option<PatchRef>,
    pub traffic: Traffic,
}

/// Header fields of a dropped packet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PacketFacts {
    pub len: u32,
    pub tos: u8,
    pub ttl: u8,
    /// Zero for IPv6.
    pub ipid: u16,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udplen: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TcpFacts {
    pub tcpseq: u32,
    pub tcpack: u32,
    pub tcpwin: u16,
    pub syn: bool,
    pub ack: bool,
    pub psh: bool,
    pub rst: bool,
    pub urg: bool,
    pub fin: bool,
}

/// A packet that a rule has tagged.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketRecord {
    pub envelope: Envelope,
    pub traffic: Traffic,
}

/// A flow ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRecord {
    pub envelope: Envelope,
    /// By [`Direction::index`].
    pub packets: [u64; 2],
    pub bytes: [u64; 2],
    pub start: Timestamp,
    pub end: Timestamp,
    /// EVE's names: `new`, `established`, `closed`, `bypassed`.
    pub state: &'static str,
    /// Why it ended; EVE's names: `timeout`, `forced`, `shutdown`.
    pub reason: &'static str,
    pub alerted: bool,
    /// `drop` or `pass`, if the flow had such a verdict.
    pub action: Option<&'static str>,
}

/// All workers' counters at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct StatsRecord {
    pub at: Timestamp,
    /// Seconds since the start.
    pub uptime: u64,
    /// Of the ruleset in force.
    pub epoch: u64,
    pub flows_active: u64,
    pub counters: Snapshot,
    /// From the arrival of packets to their verdicts; `None` where packets come from a file.
    pub latency_us: Option<Percentiles>,
    /// Packets the kernel lost before they reached a queue.
    pub lost_before_us: u64,
    /// Packets that passed uninspected; `None` while that cannot be told.
    pub passed_unseen: Option<u64>,
}

impl Record {
    /// Appends the record as one line, its end included.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let start = out.len();
        if serde_json::to_writer(&mut *out, &self.line()).is_err() {
            // Nothing in a record fails to serialize; half a line must not stay if it ever does.
            out.truncate(start);
            return;
        }
        out.push(b'\n');
    }

    fn line(&self) -> Line<'_> {
        match self {
            Self::Alert(r) => Line {
                tx_id: r.tx_id,
                alert: Some(&r.alert),
                verdict: Some(&r.verdict),
                references: &r.alert.references,
                patch: r.patch.as_ref(),
                evidence: r.evidence.as_ref(),
                frame: r.frame.as_deref(),
                http: r.http.as_ref(),
                tls: r.tls.as_ref(),
                app: r.app.as_ref(),
                metadata: Some(&r.variables).filter(|v| !v.is_empty()),
                traffic: Some(&r.traffic),
                flow_so_far: r.flow.map(|flow| FlowSoFarLine::of(&flow, &r.envelope)),
                ..Line::of(&r.envelope, "alert")
            },
            Self::Drop(r) => Line {
                drop: Some(DropLine {
                    packet: &r.packet,
                    reason: r.reason.in_eve(),
                }),
                alert: r.alert.as_ref(),
                verdict: r.verdict.as_ref(),
                patch: r.patch.as_ref(),
                traffic: Some(&r.traffic),
                ..Line::of(&r.envelope, "drop")
            },
            Self::Flow(r) => Line {
                flow: Some(FlowLine::of(r)),
                ..Line::of(&r.envelope, "flow")
            },
            Self::Packet(r) => Line {
                traffic: Some(&r.traffic),
                ..Line::of(&r.envelope, "packet")
            },
            Self::Suspension(r) => Line {
                suspension: Some(r),
                ..Line::of(&r.envelope, "rule_suspended")
            },
            Self::Stats(r) => Line {
                stats: Some(StatsLine(r)),
                ..Line::at(r.at, "stats")
            },
        }
    }
}

/// The fields of all records, in EVE's order.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "timestamp")]
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_iface: Option<&'a Text>,
    event_type: &'static str,
    #[serde(skip_serializing_if = "Vlan::is_absent")]
    vlan: Vlan,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_ip: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_ip: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    /// 4 or 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_v: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proto: Option<Proto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<TunnelLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_proto: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Variables>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drop: Option<DropLine<'a>>,
    #[serde(rename = "rule_suspended", skip_serializing_if = "Option::is_none")]
    suspension: Option<&'a SuspensionRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'a Alert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Verdict>,
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    references: &'a [Text],
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<&'a PatchRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<&'a FrameFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<&'a Http>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a Tls>,
    #[serde(flatten)]
    app: Option<&'a AppObject>,
    #[serde(flatten)]
    traffic: Option<&'a Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<FlowLine>,
    /// Of a flow that has not ended; never beside the other.
    #[serde(rename = "flow", skip_serializing_if = "Option::is_none")]
    flow_so_far: Option<FlowSoFarLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<StatsLine<'a>>,
}

impl<'a> Line<'a> {
    fn at(timestamp: Timestamp, event_type: &'static str) -> Self {
        Self {
            timestamp,
            flow_id: None,
            in_iface: None,
            event_type,
            vlan: Vlan([0; 3]),
            src_ip: None,
            src_port: None,
            dest_ip: None,
            dest_port: None,
            ip_v: None,
            proto: None,
            icmp_type: None,
            icmp_code: None,
            tunnel: None,
            app_proto: None,
            direction: None,
            tx_id: None,
            metadata: None,
            drop: None,
            suspension: None,
            alert: None,
            verdict: None,
            references: &[],
            patch: None,
            evidence: None,
            frame: None,
            http: None,
            tls: None,
            app: None,
            traffic: None,
            flow: None,
            flow_so_far: None,
            stats: None,
        }
    }

    fn of(envelope: &'a Envelope, event_type: &'static str) -> Self {
        let proto = envelope.protocol.map(Proto);
        let port = |end: Option<(IpAddr, u16)>| {
            let (_, port) = end.filter(|_| proto.as_ref().is_some_and(Proto::has_ports))?;
            Some(port)
        };
        Self {
            flow_id: envelope.flow_id,
            in_iface: envelope.in_iface.as_ref(),
            vlan: Vlan(envelope.vlan),
            src_ip: envelope.src.map(|(ip, _)| Address(ip)),
            src_port: port(envelope.src),
            dest_ip: envelope.dst.map(|(ip, _)| Address(ip)),
            dest_port: port(envelope.dst),
            ip_v: envelope.src.map(|(ip, _)| if ip.is_ipv4() { 4 } else { 6 }),
            proto,
            icmp_type: envelope.icmp.map(|(kind, _)| kind),
            icmp_code: envelope.icmp.map(|(_, code)| code),
            tunnel: envelope.tunnel.as_ref().map(TunnelLine::of),
            app_proto: envelope.app_proto,
            direction: envelope.direction.map(Direction::as_str),
            ..Self::at(envelope.at, event_type)
        }
    }
}

#[derive(Serialize)]
struct TunnelLine {
    src_ip: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    dest_ip: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    proto: Proto,
    depth: u8,
}

impl TunnelLine {
    fn of(tunnel: &Tunnel) -> Self {
        let proto = Proto(tunnel.protocol);
        let port = |port| proto.has_ports().then_some(port);
        Self {
            src_ip: Address(tunnel.src.0),
            src_port: port(tunnel.src.1),
            dest_ip: Address(tunnel.dst.0),
            dest_port: port(tunnel.dst.1),
            depth: tunnel.depth,
            proto,
        }
    }
}

#[derive(Serialize)]
struct DropLine<'a> {
    #[serde(flatten)]
    packet: &'a PacketFacts,
    reason: &'static str,
}

#[derive(Serialize)]
struct FlowSoFarLine {
    pkts_toserver: u64,
    pkts_toclient: u64,
    bytes_toserver: u64,
    bytes_toclient: u64,
    #[serde(serialize_with = "timestamp")]
    start: Timestamp,
    src_ip: Address,
    dest_ip: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
}

impl FlowSoFarLine {
    fn of(flow: &FlowSoFar, envelope: &Envelope) -> Self {
        let has_ports = envelope.protocol.is_some_and(|p| Proto(p).has_ports());
        let port = |(_, port): (IpAddr, u16)| has_ports.then_some(port);
        Self {
            pkts_toserver: flow.packets[0],
            pkts_toclient: flow.packets[1],
            bytes_toserver: flow.bytes[0],
            bytes_toclient: flow.bytes[1],
            start: flow.start,
            src_ip: Address(flow.client.0),
            dest_ip: Address(flow.server.0),
            src_port: port(flow.client),
            dest_port: port(flow.server),
        }
    }
}

#[derive(Serialize)]
struct FlowLine {
    pkts_toserver: u64,
    pkts_toclient: u64,
    bytes_toserver: u64,
    bytes_toclient: u64,
    #[serde(serialize_with = "timestamp")]
    start: Timestamp,
    #[serde(serialize_with = "timestamp")]
    end: Timestamp,
    /// Seconds.
    age: u64,
    state: &'static str,
    reason: &'static str,
    alerted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
}

impl FlowLine {
    fn of(record: &FlowRecord) -> Self {
        let [pkts_toserver, pkts_toclient] = record.packets;
        let [bytes_toserver, bytes_toclient] = record.bytes;
        Self {
            pkts_toserver,
            pkts_toclient,
            bytes_toserver,
            bytes_toclient,
            start: record.start,
            end: record.end,
            age: record.end.since(record.start).as_secs(),
            state: record.state,
            reason: record.reason,
            alerted: record.alerted,
            action: record.action,
        }
    }
}

struct StatsLine<'a>(&'a StatsRecord);

impl Serialize for StatsLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("uptime", &record.uptime)?;
        map.serialize_entry("ruleset_epoch", &record.epoch)?;
        for &counter in Counter::ALL {
            map.serialize_entry(counter.as_str(), &record.counters.get(counter))?;
        }
        map.serialize_entry("in_hand", &record.counters.in_hand())?;
        map.serialize_entry("dropped_packets", &Drops(&record.counters))?;
        map.serialize_entry("lost_before_us", &record.lost_before_us)?;
        if let Some(unseen) = record.passed_unseen {
            map.serialize_entry("passed_unseen", &unseen)?;
        }
        map.serialize_entry("flows_active", &record.flows_active)?;
        if let Some(latency) = &record.latency_us {
            map.serialize_entry("latency_us", latency)?;
        }
        map.end()
    }
}

struct Drops<'a>(&'a Snapshot);

impl Serialize for Drops<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reasons = DropReason::ALL;
        serializer.collect_map(reasons.iter().map(|&r| (r.as_str(), self.0.dropped(r))))
    }
}

struct Vlan([u16; 3]);

impl Vlan {
    const fn is_absent(&self) -> bool {
        matches!(self.0, [0, 0, 0])
    }
}

impl Serialize for Vlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(None)?;
        for id in self.0.iter().filter(|&&id| id != 0) {
            all.serialize_element(id)?;
        }
        all.end()
    }
}

/// An IANA protocol number, written as EVE does.
struct Address(IpAddr);

/// As EVE has it: all eight groups of an IPv6 address, with their zeros.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            IpAddr::V4(ip) => serializer.collect_str(&ip),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h] = ip.segments();
                serializer.collect_str(&format_args!(
                    "{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{g:04x}:{h:04x}"
                ))
            }
        }
    }
}

struct Proto(u8);

impl Proto {
    const fn has_ports(&self) -> bool {
        matches!(self.0, 6 | 17 | 132)
    }
}

impl Serialize for Proto {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            1 => serializer.serialize_str("ICMP"),
            4 => serializer.serialize_str("IP-in-IP"),
            6 => serializer.serialize_str("TCP"),
            17 => serializer.serialize_str("UDP"),
            41 => serializer.serialize_str("IPv6"),
            47 => serializer.serialize_str("GRE"),
            58 => serializer.serialize_str("IPv6-ICMP"),
            132 => serializer.serialize_str("SCTP"),
            other => serializer.collect_str(&format_args!("{other:03}")),
        }
    }
}

/// UTC with microseconds, as `2026-01-02T03:04:05.123456+0000`.
fn timestamp<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let time = i64::try_from(at.as_micros())
        .ok()
        .and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    let utc = jiff::tz::Offset::UTC.to_datetime(time);
    // Each record has two or three of these: by hand, they cost a tenth.
    let mut text = *b"0000-00-00T00:00:00.000000+0000";
    for (end, width, number) in [
        (4, 4, i32::from(utc.year())),
        (7, 2, utc.month().into()),
        (10, 2, utc.day().into()),
        (13, 2, utc.hour().into()),
        (16, 2, utc.minute().into()),
        (19, 2, utc.second().into()),
        (26, 6, utc.subsec_nanosecond() / 1000),
    ] {
        let mut rest = number.unsigned_abs();
        for digit in text[end - width..end].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    serializer.serialize_str(str::from_utf8(&text).unwrap_or_default())
}

#[cfg(test)]
mod tests;
