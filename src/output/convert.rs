//! From the data path's borrowed events to records that outlive the packet.

use std::collections::BTreeMap;

use super::record::{
    Alert, AlertAction, AlertRecord, DropRecord, Envelope, Evidence, FlowRecord, Http, PacketFacts,
    PatchRef, Record, Reject, RejectedEnd, TcpFacts, Tls, Verdict, VerdictAction,
};
use super::text::Text;
use crate::app_layer::{Protocol, TxRef, http1, tls};
use crate::decode::{Packet, TcpFlags, Transport, protocol};
use crate::detect::{CompiledSignature, PatchInfo};
use crate::direction::Direction;
use crate::pipeline::{AlertEvent, DropEvent, Ends, Event, FlowEvent};
use crate::time::Timestamp;
use crate::verdict::{Action, DropReason, Mode, RejectTarget};

/// An attacker's field is cut here.
const MAX_FIELD_BYTES: usize = 1024;

/// The record of an event.
pub fn record(event: &Event<'_>) -> Record {
    match event {
        Event::Alert(alert) => Record::Alert(Box::new(alert_record(alert))),
        Event::Drop(drop) => Record::Drop(Box::new(drop_record(drop))),
        Event::Flow(flow) => Record::Flow(Box::new(flow_record(flow))),
    }
}

fn alert_record(event: &AlertEvent<'_>) -> AlertRecord {
    let (http, tls) = match event.tx {
        Some(TxRef::Http1(tx)) => (Some(http_of(tx)), None),
        Some(TxRef::Tls(tx)) => (None, Some(tls_of(tx))),
        None => (None, None),
    };
    let mut envelope = envelope(event.at, event.flow_id, &event.ends);
    envelope.app_proto = app_proto(event.app);
    envelope.direction = Some(event.direction);
    AlertRecord {
        envelope,
        tx_id: event.tx.map(|tx| tx.id()),
        alert: alert_of(event.signature, event.done),
        verdict: Verdict {
            reason: event.held_back.map(|why| Text::from(why.as_str())),
            ..verdict_of(event.done, event.ends.protocol, event.direction)
        },
        patch: event
            .signature
            .patch
            .as_deref()
            .map(|patch| patch_ref(patch, event.mode.unwrap_or(patch.mode))),
        evidence: event
            .evidence
            .map(|e| Evidence::new(e.buffer.as_str(), e.offset, e.length, e.bytes())),
        http,
        tls,
    }
}

fn alert_of(compiled: &CompiledSignature, done: Action) -> Alert {
    let signature = &compiled.signature;
    let mut metadata: BTreeMap<String, Vec<Text>> = BTreeMap::new();
    for (key, value) in &signature.metadata {
        metadata
            .entry(key.clone())
            .or_default()
            .push(Text::from(value.as_str()));
    }
    Alert {
        action: if done.blocks() {
            AlertAction::Blocked
        } else {
            AlertAction::Allowed
        },
        gid: signature.id.gid,
        signature_id: signature.id.sid,
        rev: signature.rev,
        signature: Text::from(signature.message.as_str()),
        category: Text::from(signature.class.as_ref().map_or("", |c| &*c.description)),
        severity: signature.priority,
        metadata,
        references: signature
            .references
            .iter()
            .map(|r| Text::from(format!("{}:{}", r.kind, r.id).as_str()))
            .collect(),
    }
}

fn verdict_of(done: Action, ip_protocol: u8, direction: Direction) -> Verdict {
    let target = match (done, direction) {
        (Action::Reject(RejectTarget::Both), _) => Some(RejectedEnd::Both),
        (Action::Reject(RejectTarget::Source), Direction::ToServer)
        | (Action::Reject(RejectTarget::Destination), Direction::ToClient) => {
            Some(RejectedEnd::ToClient)
        }
        (Action::Reject(_), _) => Some(RejectedEnd::ToServer),
        _ => None,
    };
    Verdict {
        action: match done {
            Action::Alert => VerdictAction::Alert,
            Action::Pass => VerdictAction::Pass,
            Action::Drop | Action::Reject(_) => VerdictAction::Drop,
        },
        reject_target: target,
        // Only TCP is answered; other protocols are dropped in silence.
        reject: if target.is_some() && ip_protocol == protocol::TCP {
            vec![Reject::TcpReset]
        } else {
            Vec::new()
        },
        reason: None,
    }
}

fn patch_ref(patch: &PatchInfo, mode: Mode) -> PatchRef {
    PatchRef {
        id: Text::from(patch.id.as_str()),
        cve: patch
            .cve
            .iter()
            .map(|cve| Text::from(cve.as_str()))
            .collect(),
        mode,
        pack: Text::from(patch.pack.as_str()),
        version: Text::from(patch.pack_version.as_str()),
    }
}

fn http_of(tx: &http1::Transaction) -> Http {
    let value = |bytes: Option<&[u8]>| bytes.map(|bytes| Text::from_bytes(bytes, MAX_FIELD_BYTES));
    let header = |dir, name: &str| value(tx.header_value(dir, name.as_bytes()));
    Http {
        hostname: value(tx.host_raw()),
        url: value(tx.uri_raw()),
        http_user_agent: header(Direction::ToServer, "User-Agent"),
        http_content_type: header(Direction::ToClient, "Content-Type"),
        http_refer: header(Direction::ToServer, "Referer"),
        http_method: value(tx.method()),
        protocol: value(tx.protocol(Direction::ToServer)),
        status: tx
            .status_code()
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| code.parse().ok()),
        length: tx.body(Direction::ToClient).len() as u64,
    }
}

fn tls_of(tx: &tls::Transaction) -> Tls {
    let value = |bytes: Option<&[u8]>| bytes.map(|bytes| Text::from_bytes(bytes, MAX_FIELD_BYTES));
    Tls {
        subject: value(tx.subject()),
        issuerdn: value(tx.issuer()),
        serial: value(tx.serial()),
        sni: value(tx.sni()),
        version: tx
            .version()
            .map(|v| Text::from(format!("TLS {}", v.as_str()).as_str())),
    }
}

fn drop_record(event: &DropEvent<'_>) -> DropRecord {
    let unread = Ends {
        src: (std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
        dst: (std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
        protocol: 0,
        vlan: [0, 0],
    };
    let ends = event.ends.unwrap_or(unread);
    let mut envelope = envelope(event.at, event.flow_id, &ends);
    envelope.direction = event.direction;
    let by_rule = event.reason == DropReason::Rules;
    let signature = event.signature.filter(|_| by_rule);
    let direction = event.direction.unwrap_or(Direction::ToServer);
    DropRecord {
        envelope,
        packet: event.packet.map(packet_facts).unwrap_or_default(),
        reason: event.reason,
        verdict: signature.map(|s| verdict_of(s.action(), ends.protocol, direction)),
        alert: signature.map(|s| alert_of(s, s.action())),
        patch: signature
            .and_then(|s| s.patch.as_deref())
            .map(|patch| patch_ref(patch, patch.mode)),
    }
}

fn packet_facts(packet: &Packet<'_>) -> PacketFacts {
    let mut facts = PacketFacts {
        len: u32::try_from(packet.datagram.len()).unwrap_or(u32::MAX),
        tos: packet.ip.tos(),
        ttl: packet.ip.ttl,
        ipid: packet.ip.id(),
        ..PacketFacts::default()
    };
    match &packet.transport {
        Transport::Tcp(tcp) => {
            let flags = tcp.flags();
            facts.tcp = Some(TcpFacts {
                tcpseq: tcp.seq(),
                tcpack: tcp.ack(),
                tcpwin: tcp.window(),
                syn: flags.has(TcpFlags::SYN),
                ack: flags.has(TcpFlags::ACK),
                psh: flags.has(TcpFlags::PSH),
                rst: flags.has(TcpFlags::RST),
                urg: flags.has(TcpFlags::URG),
                fin: flags.has(TcpFlags::FIN),
            });
        }
        Transport::Udp(_) => {
            facts.udplen = u16::try_from(packet.payload.len() + 8).ok();
        }
        _ => {}
    }
    facts
}

fn flow_record(event: &FlowEvent) -> FlowRecord {
    let ends = Ends {
        src: event.client,
        dst: event.server,
        protocol: event.protocol,
        vlan: event.vlan,
    };
    let mut envelope = envelope(event.at, Some(event.flow_id), &ends);
    envelope.app_proto = app_proto(event.app);
    FlowRecord {
        envelope,
        packets: event.packets,
        bytes: event.bytes,
        start: event.first_seen,
        end: event.last_seen,
        state: if event.established {
            "established"
        } else {
            "new"
        },
        reason: event.reason.as_str(),
        alerted: event.alerted,
        action: event.refused.then_some("drop"),
    }
}

fn envelope(at: Timestamp, flow_id: Option<u64>, ends: &Ends) -> Envelope {
    Envelope {
        at,
        flow_id,
        in_iface: None,
        vlan: ends.vlan,
        src: ends.src,
        dst: ends.dst,
        protocol: ends.protocol,
        icmp: None,
        app_proto: None,
        direction: None,
    }
}

fn app_proto(app: Protocol) -> Option<&'static str> {
    (app != Protocol::Undetermined).then(|| app.as_str())
}
