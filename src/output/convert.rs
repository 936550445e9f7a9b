//! What a worker emits, as records that outlive the packet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::app_object::AppObject;
use super::record::{
    Alert, AlertAction, AlertRecord, Certificate, ContextValue, DropRecord, Envelope, Ether,
    Evidence, FlowRecord, FlowSoFar, FrameFacts, Http, Ja3, PacketFacts, PacketInfo, PacketRecord,
    PatchRef, Record, Reject, RejectedEnd, SuspensionRecord, TcpFacts, Tls, Traffic, Tunnel,
    Variables, Verdict, VerdictAction,
};
use super::text::Text;
use crate::app_layer::{self, Protocol, TxRef, Unit, http1, tls};
use crate::decode::{LinkType, Packet, TcpFlags, TcpHeader, Transport, protocol};
use crate::detect::{self, CaptureScope, Captured, CapturedValue, CompiledSignature};
use crate::direction::Direction;
use crate::pipeline::{
    AlertEvent, DropEvent, Ends, Event, FlowEvent, Frame, Outer, Shown, SuspendedEvent, TaggedEvent,
};
use crate::verdict::{Action, Mode, RejectTarget};

/// Bytes of one field of a protocol that are written at most.
const LONGEST_FIELD: usize = 4096;
/// Bytes of a frame that are written at most.
const LONGEST_FRAME: usize = 4096;

impl From<Event<'_>> for Record {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Alert(alert) => Self::Alert(Box::new((&alert).into())),
            Event::Drop(drop) => Self::Drop(Box::new((&drop).into())),
            Event::Flow(flow) => Self::Flow(Box::new((&flow).into())),
            Event::Tagged(packet) => Self::Packet(Box::new((&packet).into())),
            Event::Suspended(rule) => Self::Suspension(Box::new((&rule).into())),
        }
    }
}

impl From<&AlertEvent<'_>> for AlertRecord {
    fn from(event: &AlertEvent<'_>) -> Self {
        let signature = event.signature;
        Self {
            envelope: Envelope {
                flow_id: event.flow_id,
                app_proto: app_proto(event.app),
                direction: Some(event.direction),
                ..envelope(event.at, event.ends.as_ref())
            },
            flow: event.flow.map(|flow| FlowSoFar {
                client: flow.client,
                server: flow.server,
                packets: flow.counts.packets,
                bytes: flow.counts.bytes,
                start: flow.counts.first_seen,
            }),
            tx_id: event.tx.map(|tx| tx.id()),
            alert: Alert {
                context: context(event.captured),
                ..alert(signature, event.done)
            },
            verdict: verdict(event),
            patch: patch(signature, event.mode),
            evidence: event.evidence.map(evidence),
            frame: event.frame.map(|(unit, f)| Box::new(frame(unit, f))),
            http: match event.tx {
                Some(TxRef::Http1(tx)) => Some(http(tx)),
                Some(TxRef::Http2(tx)) if !tx.is_single() => Some(http(tx.http())),
                _ => None,
            },
            tls: match event.tx {
                Some(TxRef::Tls(tx)) => Some(tls(tx)),
                _ => None,
            },
            app: match event.tx {
                Some(TxRef::Message(tx)) => AppObject::of(tx),
                _ => None,
            },
            variables: variables(event.captured),
            traffic: traffic(&event.shown, event.ends.as_ref()),
        }
    }
}

impl From<&TaggedEvent<'_>> for PacketRecord {
    fn from(event: &TaggedEvent<'_>) -> Self {
        Self {
            envelope: Envelope {
                flow_id: Some(event.flow_id),
                direction: Some(event.direction),
                ..envelope(event.at, Some(&event.ends))
            },
            traffic: traffic(
                &Shown {
                    packet_number: event.packet_number,
                    packet: Some(event.frame),
                    ..Shown::default()
                },
                Some(&event.ends),
            ),
        }
    }
}

impl From<&SuspendedEvent<'_>> for SuspensionRecord {
    fn from(event: &SuspendedEvent<'_>) -> Self {
        let signature = &event.signature.signature;
        Self {
            envelope: Envelope {
                flow_id: Some(event.flow_id),
                direction: Some(event.direction),
                ..envelope(event.at, Some(&event.ends))
            },
            gid: signature.id.gid,
            signature_id: signature.id.sid,
            signature: signature.message.to_string(),
            spent_us: event.spent_us,
            secs: event.secs,
        }
    }
}

impl From<&DropEvent<'_>> for DropRecord {
    fn from(event: &DropEvent<'_>) -> Self {
        Self {
            envelope: Envelope {
                flow_id: event.flow_id,
                direction: event.direction,
                ..envelope(event.at, event.ends.as_ref())
            },
            packet: event.packet.map(packet).unwrap_or_default(),
            reason: event.reason,
            verdict: Some(Verdict {
                action: VerdictAction::Drop,
                reject_target: None,
                reject: Vec::new(),
                reason: Some(event.reason.as_str().into()),
            }),
            alert: event.signature.map(|s| alert(s, s.action())),
            patch: event
                .signature
                .and_then(|s| patch(s, s.patch.as_ref().map(|p| p.mode))),
            traffic: Traffic {
                pcap_cnt: event.packet_number,
                ..Traffic::default()
            },
        }
    }
}

impl From<&FlowEvent> for FlowRecord {
    fn from(event: &FlowEvent) -> Self {
        let ends = Ends {
            src: event.client,
            dst: event.server,
            protocol: event.protocol,
            vlan: event.vlan,
            icmp: None,
            tunnel: None,
        };
        Self {
            envelope: Envelope {
                flow_id: Some(event.flow_id),
                app_proto: app_proto(event.app),
                ..envelope(event.at, Some(&ends))
            },
            packets: event.packets,
            bytes: event.bytes,
            start: event.first_seen,
            end: event.last_seen,
            state: if event.bypassed {
                "bypassed"
            } else if event.established {
                "established"
            } else {
                "new"
            },
            reason: event.reason.as_str(),
            alerted: event.alerted,
            action: event.refused.then_some("drop"),
        }
    }
}

fn envelope(at: crate::time::Timestamp, ends: Option<&Ends>) -> Envelope {
    Envelope {
        at,
        flow_id: None,
        in_iface: None,
        vlan: ends.map_or([0; 3], |e| e.vlan),
        src: ends.map(|e| e.src),
        dst: ends.map(|e| e.dst),
        protocol: ends.map(|e| e.protocol),
        icmp: ends.and_then(|e| e.icmp),
        tunnel: ends.and_then(|e| e.tunnel).map(tunnel),
        app_proto: None,
        direction: None,
    }
}

const fn tunnel(outer: Outer) -> Tunnel {
    Tunnel {
        src: outer.src,
        dst: outer.dst,
        protocol: outer.protocol,
        depth: outer.depth,
    }
}

const fn app_proto(app: Protocol) -> Option<&'static str> {
    match app {
        Protocol::Undetermined => None,
        known => Some(known.as_str()),
    }
}

fn alert(signature: &CompiledSignature, done: Action) -> Alert {
    let id = signature.id();
    let signature = &signature.signature;
    let mut metadata: BTreeMap<String, Vec<Text>> = BTreeMap::new();
    for (key, value) in signature.metadata.pairs() {
        let values = metadata.entry(key.to_owned()).or_default();
        values.push(value.into());
    }
    Alert {
        action: if done.blocks() {
            AlertAction::Blocked
        } else {
            AlertAction::Allowed
        },
        gid: id.gid,
        signature_id: id.sid,
        rev: signature.rev,
        signature: (&*signature.message).into(),
        category: match &signature.class {
            Some(class) => class.description.as_str().into(),
            None => Text::default(),
        },
        severity: signature.priority,
        metadata,
        references: signature
            .references
            .iter()
            .map(|reference| (&**reference).into())
            .collect(),
        context: BTreeMap::new(),
    }
}

fn context(captured: &[Captured]) -> BTreeMap<String, ContextValue> {
    let of_alert = captured.iter().filter(|c| c.scope == CaptureScope::Alert);
    let value = |value: &CapturedValue| match value {
        CapturedValue::Text(text) => ContextValue::Text(field(text)),
        CapturedValue::Json(json) => serde_json::from_str(json)
            .map_or_else(|_| ContextValue::Text((&**json).into()), ContextValue::Json),
    };
    of_alert
        .map(|c| (c.name.to_string(), value(&c.value)))
        .collect()
}

fn variables(captured: &[Captured]) -> Variables {
    let of = |scope| {
        let texts = captured.iter().filter(move |c| c.scope == scope);
        let pair = |c: &Captured| match &c.value {
            CapturedValue::Text(text) => Some(BTreeMap::from([(c.name.to_string(), field(text))])),
            CapturedValue::Json(_) => None,
        };
        texts.filter_map(pair).collect()
    };
    Variables {
        flowvars: of(CaptureScope::Flow),
        pktvars: of(CaptureScope::Packet),
    }
}

fn verdict(event: &AlertEvent<'_>) -> Verdict {
    // Only TCP is answered, and not through a tunnel.
    let answered = |ends: &Ends| ends.protocol == protocol::TCP && ends.tunnel.is_none();
    let target = match event.outcome {
        Action::Reject(target) if event.ends.as_ref().is_some_and(answered) => Some(target),
        _ => None,
    };
    Verdict {
        action: match event.outcome {
            Action::Accept => VerdictAction::Accept,
            Action::Alert => VerdictAction::Alert,
            Action::Pass => VerdictAction::Pass,
            Action::Drop | Action::Reject(_) => VerdictAction::Drop,
        },
        reject_target: target.map(|t| rejected_end(t, event.direction)),
        reject: target.map(|_| Reject::TcpReset).into_iter().collect(),
        reason: event.held_back.map(|why| why.as_str().into()),
    }
}

/// A packet to the server comes from the client: its source is answered towards the client.
const fn rejected_end(target: RejectTarget, direction: Direction) -> RejectedEnd {
    match (target, direction) {
        (RejectTarget::Both, _) => RejectedEnd::Both,
        (RejectTarget::Source, Direction::ToServer)
        | (RejectTarget::Destination, Direction::ToClient) => RejectedEnd::ToClient,
        (RejectTarget::Source, Direction::ToClient)
        | (RejectTarget::Destination, Direction::ToServer) => RejectedEnd::ToServer,
    }
}

fn patch(signature: &CompiledSignature, mode: Option<Mode>) -> Option<PatchRef> {
    let patch = signature.patch.as_deref()?;
    Some(PatchRef {
        id: patch.id.as_str().into(),
        cve: patch.cve.iter().map(|id| id.as_str().into()).collect(),
        mode: mode.unwrap_or(patch.mode),
        pack: patch.pack.as_str().into(),
        version: patch.pack_version.as_str().into(),
    })
}

fn evidence(evidence: &detect::Evidence) -> Evidence {
    Evidence::new(
        evidence.buffer.as_str(),
        evidence.offset,
        evidence.length,
        evidence.bytes(),
    )
}

fn traffic(shown: &Shown<'_>, ends: Option<&Ends>) -> Traffic {
    Traffic {
        pcap_cnt: shown.packet_number,
        pkt_src: Some(if shown.at_flow_end {
            "stream (flow timeout)"
        } else {
            unwrapped_by(ends.and_then(|e| e.tunnel))
        }),
        payload: shown.payload.map(Text::base64),
        payload_printable: shown.payload.map(Text::printable),
        stream: shown.payload.map(|_| u8::from(shown.of_stream)),
        packet: shown
            .packet
            .map(|frame| Text::base64(&[frame.header, frame.datagram].concat())),
        packet_info: shown.packet.map(|frame| PacketInfo {
            linktype: frame.link.to_pcap(),
            linktype_name: frame.link.as_str(),
        }),
        ether: shown.packet.and_then(ether),
    }
}

/// Where a packet came from: the wire, or the packet around it.
const fn unwrapped_by(outer: Option<Outer>) -> &'static str {
    match outer {
        None => "wire/pcap",
        Some(outer) => match (outer.protocol, outer.src.0) {
            (protocol::IPV4 | protocol::IPV6, IpAddr::V4(_)) => "ipv4 tunnel",
            (protocol::IPV4 | protocol::IPV6, IpAddr::V6(_)) => "ipv6 tunnel",
            (protocol::GRE, _) => "gre tunnel",
            _ => "tunnel",
        },
    }
}

fn ether(frame: Frame<'_>) -> Option<Ether> {
    if frame.link != LinkType::Ethernet {
        return None;
    }
    let header = if frame.header.is_empty() {
        frame.datagram
    } else {
        frame.header
    };
    let mac = |at: usize| -> Option<String> {
        let bytes: Vec<_> = header
            .get(at..at + 6)?
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Some(bytes.join(":"))
    };
    Some(Ether {
        src_mac: mac(6)?,
        dest_mac: mac(0)?,
    })
}

fn frame(unit: &Unit, frame: &app_layer::Frame) -> FrameFacts {
    let (bytes, _) = unit.view(frame);
    let shown = bytes.get(..LONGEST_FRAME).unwrap_or(bytes);
    let (length, complete) = unit.extent(frame);
    FrameFacts {
        kind: frame.buffer.frame_name().unwrap_or_default(),
        id: unit.id() - app_layer::FIRST_UNIT,
        direction: match unit.direction() {
            Direction::ToServer => "toserver",
            Direction::ToClient => "toclient",
        },
        length,
        complete,
        payload: Text::base64(shown),
        payload_printable: Text::printable(shown),
    }
}

fn http(tx: &http1::Transaction) -> Http {
    let request = |name: &[u8]| tx.header_value(Direction::ToServer, name).map(field);
    let status = tx.status_code().and_then(|s| std::str::from_utf8(s).ok());
    Http {
        hostname: tx.host().map(field),
        url: tx.uri_raw().map(field),
        http_user_agent: request(b"user-agent"),
        http_content_type: tx
            .header_value(Direction::ToClient, b"content-type")
            .map(field),
        http_refer: request(b"referer"),
        http_method: tx.method().map(field),
        protocol: tx.protocol(Direction::ToServer).map(field),
        status: status.and_then(|s| s.parse().ok()),
        length: tx.body_wire_bytes(Direction::ToClient),
    }
}

fn tls(tx: &tls::Transaction) -> Tls {
    let chain = tx.chain(Direction::ToClient);
    let server = chain.map(certificate).unwrap_or_default();
    Tls {
        subject: server.subject,
        issuerdn: server.issuerdn,
        subjectaltname: chain.map_or_else(Vec::new, |chain| fields_of(chain.names())),
        serial: server.serial,
        fingerprint: server.fingerprint,
        sni: tx.sni().map(field),
        version: tx.version_in_force().map(|v| eve_version(v).into()),
        notbefore: server.notbefore,
        notafter: server.notafter,
        ja3: ja3(tx, Direction::ToServer),
        ja3s: ja3(tx, Direction::ToClient),
        ja4: tx.ja4().map(Text::from),
        client_alpns: fields_of(tx.alpn(Direction::ToServer)),
        server_alpns: fields_of(tx.alpn(Direction::ToClient)),
        client: tx
            .chain(Direction::ToServer)
            .map(|chain| Box::new(certificate(chain))),
    }
}

fn fields_of(list: &[impl AsRef<[u8]>]) -> Vec<Text> {
    list.iter().map(|bytes| field(bytes.as_ref())).collect()
}

fn certificate(chain: &tls::Chain) -> Certificate {
    let (notbefore, notafter) = chain.validity().unzip();
    let date = |second: Option<i64>| second.and_then(date).map(|text| text.as_str().into());
    Certificate {
        subject: chain.subject().map(field),
        issuerdn: chain.issuer().map(field),
        serial: chain.serial().map(field),
        fingerprint: chain.fingerprint().map(field),
        notbefore: date(notbefore),
        notafter: date(notafter),
    }
}

/// A date of a certificate, such as `2023-03-01T06:47:30`.
fn date(second: i64) -> Option<String> {
    let at = jiff::Timestamp::from_second(second).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

fn ja3(tx: &tls::Transaction, direction: Direction) -> Option<Ja3> {
    Some(Ja3 {
        hash: tx.ja3_hash(direction)?.into(),
        string: field(tx.ja3(direction)?.as_bytes()),
    })
}

/// As EVE's `tls.version`.
const fn eve_version(version: tls::Version) -> &'static str {
    match version.number() {
        0x0301 => "TLSv1",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        _ => version.as_str(),
    }
}

fn field(bytes: &[u8]) -> Text {
    Text::from_bytes(bytes, LONGEST_FIELD)
}

fn packet(packet: &Packet<'_>) -> PacketFacts {
    PacketFacts {
        len: u32::try_from(packet.datagram.len()).unwrap_or(u32::MAX),
        tos: packet.ip.tos(),
        ttl: packet.ip.ttl,
        ipid: packet.ip.id(),
        tcp: match &packet.transport {
            Transport::Tcp(tcp) => Some(tcp_facts(tcp)),
            _ => None,
        },
        udplen: match &packet.transport {
            Transport::Udp(_) => u16::try_from(packet.payload.len() + 8).ok(),
            _ => None,
        },
    }
}

fn tcp_facts(tcp: &TcpHeader<'_>) -> TcpFacts {
    let flags = tcp.flags();
    TcpFacts {
        tcpseq: tcp.seq(),
        tcpack: tcp.ack(),
        tcpwin: tcp.window(),
        syn: flags.has(TcpFlags::SYN),
        ack: flags.has(TcpFlags::ACK),
        psh: flags.has(TcpFlags::PSH),
        rst: flags.has(TcpFlags::RST),
        urg: flags.has(TcpFlags::URG),
        fin: flags.has(TcpFlags::FIN),
    }
}
