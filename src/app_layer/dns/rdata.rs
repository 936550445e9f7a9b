//! The data of records (RFC 1035 section 3.3 and its successors), for names and for records of matches.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::message::{Entry, u16_at, u32_at};
use super::name::Name;
use crate::app_layer::message::{Fact, Transaction};

/// Bytes of a record's data that are shown.
const MOST_SHOWN: usize = 512;
/// Options of one OPT record that are shown (RFC 6891 section 6.1.2).
const MOST_OPTIONS: usize = 16;

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const NULL: u16 = 10;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const DNAME: u16 = 39;
const OPT: u16 = 41;
const SSHFP: u16 = 44;

/// Where a section's records stand in a record of a match.
pub(super) struct Paths {
    pub rrname: &'static str,
    pub rrtype: &'static str,
    pub ttl: &'static str,
    rdata: &'static str,
    soa_names: [&'static str; 2],
    soa_numbers: [&'static str; 5],
    srv_numbers: [&'static str; 3],
    srv_name: &'static str,
    sshfp_numbers: [&'static str; 2],
    sshfp_fingerprint: &'static str,
    opt_code: &'static str,
    opt_data: &'static str,
    /// Answers are shown a second time, by their type.
    grouped: bool,
}

macro_rules! paths {
    ($section:literal, $grouped:literal) => {
        Paths {
            rrname: concat!($section, "[].rrname"),
            rrtype: concat!($section, "[-1].rrtype"),
            ttl: concat!($section, "[-1].ttl"),
            rdata: concat!($section, "[-1].rdata"),
            soa_names: [
                concat!($section, "[-1].soa.mname"),
                concat!($section, "[-1].soa.rname"),
            ],
            soa_numbers: [
                concat!($section, "[-1].soa.serial"),
                concat!($section, "[-1].soa.refresh"),
                concat!($section, "[-1].soa.retry"),
                concat!($section, "[-1].soa.expire"),
                concat!($section, "[-1].soa.minimum"),
            ],
            srv_numbers: [
                concat!($section, "[-1].srv.priority"),
                concat!($section, "[-1].srv.weight"),
                concat!($section, "[-1].srv.port"),
            ],
            srv_name: concat!($section, "[-1].srv.name"),
            sshfp_numbers: [
                concat!($section, "[-1].sshfp.algo"),
                concat!($section, "[-1].sshfp.type"),
            ],
            sshfp_fingerprint: concat!($section, "[-1].sshfp.fingerprint"),
            opt_code: concat!($section, "[-1].opt[].code"),
            opt_data: concat!($section, "[-1].opt[-1].data"),
            grouped: $grouped,
        }
    };
}

pub(super) const ANSWERS: Paths = paths!("answers", true);
pub(super) const AUTHORITIES: Paths = paths!("authorities", false);
pub(super) const ADDITIONALS: Paths = paths!("additionals", false);

/// Where the data of such a record, which begins at a place of the message, has its first name.
pub(super) const fn name_at(kind: u16, data: usize) -> Option<usize> {
    match kind {
        NS | CNAME | SOA | PTR | DNAME => Some(data),
        MX => Some(data + 2),
        SRV => Some(data + 6),
        _ => None,
    }
}

/// Whether `dns.response.rrname` holds the name within such a record's data.
pub(super) const fn is_response_name(kind: u16) -> bool {
    matches!(kind, NS | CNAME | SOA | PTR | MX)
}

/// Tells what a record's data says, where that can be read.
pub(super) fn tell(
    tx: &mut Transaction,
    paths: &Paths,
    entry: Entry,
    data: &[u8],
    name: &mut Name,
    message: &[u8],
) {
    match entry.kind {
        SOA => soa(tx, paths, entry, name, message).unwrap_or_default(),
        SRV => srv(tx, paths, entry, data, name, message).unwrap_or_default(),
        SSHFP => sshfp(tx, paths, data).unwrap_or_default(),
        OPT => options(tx, paths, data),
        kind => {
            if let Some(text) = text(entry, data, name, message) {
                tx.tell(paths.rdata, Fact::Text(&text));
                if let Some(grouped) = grouped(kind).filter(|_| paths.grouped) {
                    tx.tell(grouped, Fact::Text(&text));
                }
            }
        }
    }
}

const fn grouped(kind: u16) -> Option<&'static str> {
    match kind {
        A => Some("grouped.A[]"),
        NS => Some("grouped.NS[]"),
        CNAME => Some("grouped.CNAME[]"),
        NULL => Some("grouped.NULL[]"),
        PTR => Some("grouped.PTR[]"),
        MX => Some("grouped.MX[]"),
        TXT => Some("grouped.TXT[]"),
        AAAA => Some("grouped.AAAA[]"),
        _ => None,
    }
}

/// Data that is one text.
fn text(entry: Entry, data: &[u8], name: &mut Name, message: &[u8]) -> Option<Vec<u8>> {
    match entry.kind {
        A => {
            let bytes: [u8; 4] = data.try_into().ok()?;
            Some(Ipv4Addr::from(bytes).to_string().into_bytes())
        }
        AAAA => {
            let bytes: [u8; 16] = data.try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_string().into_bytes())
        }
        TXT => Some(strings(data)),
        NULL => Some(data[..data.len().min(MOST_SHOWN)].to_vec()),
        kind => {
            name.read(message, name_at(kind, entry.data.0)?)?;
            Some(name.as_bytes().to_vec())
        }
    }
}

/// The strings of a TXT record, one behind the other (RFC 1035 section 3.3.14).
fn strings(data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = data;
    while let Some((&length, behind)) = rest.split_first() {
        let length = usize::from(length).min(behind.len());
        let (string, behind) = behind.split_at(length);
        text.extend_from_slice(string);
        rest = behind;
        if text.len() >= MOST_SHOWN {
            text.truncate(MOST_SHOWN);
            break;
        }
    }
    text
}

/// RFC 1035 section 3.3.13.
fn soa(
    tx: &mut Transaction,
    paths: &Paths,
    entry: Entry,
    name: &mut Name,
    message: &[u8],
) -> Option<()> {
    let mut at = entry.data.0;
    for path in paths.soa_names {
        at = name.read(message, at)?.end;
        tx.tell(path, Fact::Text(name.as_bytes()));
    }
    for path in paths.soa_numbers {
        tx.tell(path, Fact::Number(u32_at(message, at)?.into()));
        at += 4;
    }
    Some(())
}

/// RFC 2782.
fn srv(
    tx: &mut Transaction,
    paths: &Paths,
    entry: Entry,
    data: &[u8],
    name: &mut Name,
    message: &[u8],
) -> Option<()> {
    for (path, at) in paths.srv_numbers.into_iter().zip([0, 2, 4]) {
        tx.tell(path, Fact::Number(u16_at(data, at)?.into()));
    }
    name.read(message, name_at(SRV, entry.data.0)?)?;
    tx.tell(paths.srv_name, Fact::Text(name.as_bytes()));
    Some(())
}

/// RFC 4255 section 3.1.
fn sshfp(tx: &mut Transaction, paths: &Paths, data: &[u8]) -> Option<()> {
    let (numbers, fingerprint) = data.split_at_checked(2)?;
    for (path, number) in paths.sshfp_numbers.into_iter().zip(numbers) {
        tx.tell(path, Fact::Number((*number).into()));
    }
    let bytes: Vec<String> = fingerprint[..fingerprint.len().min(MOST_SHOWN)]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    tx.tell(
        paths.sshfp_fingerprint,
        Fact::Text(bytes.join(":").as_bytes()),
    );
    Some(())
}

/// RFC 6891 section 6.1.2.
fn options(tx: &mut Transaction, paths: &Paths, data: &[u8]) {
    let mut rest = data;
    for _ in 0..MOST_OPTIONS {
        let (Some(code), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) else {
            return;
        };
        let Some(value) = rest.get(4..4 + usize::from(length)) else {
            return;
        };
        let shown = &value[..value.len().min(MOST_SHOWN)];
        let hex: String = shown.iter().map(|b| format!("{b:02x}")).collect();
        tx.tell(paths.opt_code, Fact::Number(code.into()));
        tx.tell(paths.opt_data, Fact::Text(hex.as_bytes()));
        rest = &rest[4 + value.len()..];
    }
}
