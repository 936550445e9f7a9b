//! One message (RFC 2131 section 2) and its options (RFC 2132).

use std::net::Ipv4Addr;

use super::Event;
use crate::app_layer::message::{Bytes, Fact, Transaction};
use crate::app_layer::{self, Limits};
use crate::direction::Direction;
use crate::number::Number;

/// The header, and the cookie that begins the options.
pub(super) const FIXED_BYTES: usize = 240;
pub(super) const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// The server's name, the file's name and the cookie.
const SKIPPED_BYTES: usize = 64 + 128 + 4;

/// Options of one message that are read.
const MOST_OPTIONS: usize = 256;

const PAD: u8 = 0;
const SUBNET_MASK: u8 = 1;
const ROUTERS: u8 = 3;
const DNS_SERVERS: u8 = 6;
const HOST_NAME: u8 = 12;
const REQUESTED_IP: u8 = 50;
const LEASE_TIME: u8 = 51;
const MESSAGE_TYPE: u8 = 53;
const PARAMETERS: u8 = 55;
const RENEWAL_TIME: u8 = 58;
const REBINDING_TIME: u8 = 59;
const VENDOR_CLASS: u8 = 60;
const CLIENT_ID: u8 = 61;
const END: u8 = 255;

/// RFC 2132 section 9.6, and RFC 4388.
const TYPES: [&str; 14] = [
    "",
    "discover",
    "offer",
    "request",
    "decline",
    "ack",
    "nak",
    "release",
    "inform",
    "",
    "lease_query",
    "lease_unassigned",
    "lease_unknown",
    "lease_active",
];

/// Puts one message into a transaction.
pub(in crate::app_layer) fn read(
    tx: &mut Transaction,
    direction: Direction,
    message: &[u8],
    _: &Limits,
) {
    let mut bytes = Bytes(message);
    let event = match header(tx, &mut bytes) {
        Some(()) => options(tx, direction, bytes).err(),
        None => Some(Event::MalformedOptions),
    };
    if let Some(event) = event {
        tx.raise(direction, app_layer::Event::Dhcp(event));
    }
}

fn header(tx: &mut Transaction, bytes: &mut Bytes<'_>) -> Option<()> {
    let kind: &[u8] = if bytes.u8()? == 1 {
        b"request"
    } else {
        b"reply"
    };
    bytes.u8()?;
    let hardware_bytes = usize::from(bytes.u8()?);
    bytes.u8()?;
    let id = bytes.u32()?;
    bytes.u32()?;
    tx.tell("type", Fact::Text(kind));
    tx.tell("id", Fact::Number(id.into()));
    for path in ["client_ip", "assigned_ip", "next_server_ip", "relay_ip"] {
        let address = Ipv4Addr::from(bytes.u32()?).to_string();
        tx.tell(path, Fact::Text(address.as_bytes()));
    }
    let hardware = bytes.take(16)?;
    let mac = hex(&hardware[..hardware_bytes.min(hardware.len())]);
    tx.tell("client_mac", Fact::Text(mac.as_bytes()));
    bytes.take(SKIPPED_BYTES)?;
    Some(())
}

fn options(tx: &mut Transaction, direction: Direction, mut bytes: Bytes<'_>) -> Result<(), Event> {
    for _ in 0..MOST_OPTIONS {
        match bytes.u8() {
            Some(PAD) => {}
            Some(END) => return Ok(()),
            Some(code) => {
                let length = bytes.u8().ok_or(Event::TruncatedOptions)?;
                let value = bytes.take(length.into()).ok_or(Event::TruncatedOptions)?;
                option(tx, direction, code, value).ok_or(Event::MalformedOptions)?;
            }
            None => return Err(Event::TruncatedOptions),
        }
    }
    Ok(())
}

/// `None`: its length is not one that its kind has.
fn option(tx: &mut Transaction, direction: Direction, code: u8, value: &[u8]) -> Option<()> {
    let mut bytes = Bytes(value);
    match code {
        MESSAGE_TYPE => {
            let kind = TYPES.get(usize::from(bytes.u8()?));
            if let Some(kind) = kind.filter(|k| !k.is_empty()) {
                tx.tell("dhcp_type", Fact::Text(kind.as_bytes()));
            }
        }
        LEASE_TIME => seconds(
            tx,
            direction,
            Number::DhcpLeaseTime,
            "lease_time",
            bytes.u32()?,
        ),
        RENEWAL_TIME => seconds(
            tx,
            direction,
            Number::DhcpRenewalTime,
            "renewal_time",
            bytes.u32()?,
        ),
        REBINDING_TIME => {
            seconds(
                tx,
                direction,
                Number::DhcpRebindingTime,
                "rebinding_time",
                bytes.u32()?,
            );
        }
        SUBNET_MASK => address(tx, "subnet_mask", bytes.u32()?),
        REQUESTED_IP => address(tx, "requested_ip", bytes.u32()?),
        ROUTERS => addresses(tx, "routers[]", bytes)?,
        DNS_SERVERS => addresses(tx, "dns_servers[]", bytes)?,
        HOST_NAME => tx.tell("hostname", Fact::Text(value)),
        VENDOR_CLASS => tx.tell("vendor_class_identifier", Fact::Text(value)),
        // The first byte is the kind of hardware (RFC 2132 section 9.14).
        CLIENT_ID => {
            let id = hex(value.get(1..)?);
            tx.tell("client_id", Fact::Text(id.as_bytes()));
        }
        PARAMETERS => {
            for parameter in value {
                if let Some(name) = parameter_name(*parameter) {
                    tx.tell("params[]", Fact::Text(name.as_bytes()));
                }
            }
        }
        _ => {}
    }
    Some(())
}

fn seconds(
    tx: &mut Transaction,
    direction: Direction,
    number: Number,
    path: &'static str,
    value: u32,
) {
    tx.put_number(number, direction, value.into());
    tx.tell(path, Fact::Number(value.into()));
}

fn address(tx: &mut Transaction, path: &'static str, value: u32) {
    let address = Ipv4Addr::from(value).to_string();
    tx.tell(path, Fact::Text(address.as_bytes()));
}

fn addresses(tx: &mut Transaction, path: &'static str, mut bytes: Bytes<'_>) -> Option<()> {
    while !bytes.is_empty() {
        address(tx, path, bytes.u32()?);
    }
    Some(())
}

const fn parameter_name(code: u8) -> Option<&'static str> {
    match code {
        SUBNET_MASK => Some("subnet_mask"),
        ROUTERS => Some("router"),
        DNS_SERVERS => Some("dns_server"),
        HOST_NAME => Some("hostname"),
        15 => Some("domain"),
        35 => Some("arp_timeout"),
        42 => Some("ntp_server"),
        66 => Some("tftp_server_name"),
        67 => Some("bootfile_name"),
        150 => Some("tftp_server_address"),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    bytes.join(":")
}
