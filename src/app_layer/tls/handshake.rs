//! Handshake messages in the clear: hellos and the server's certificates.

use tls_parser::{parse_tls_handshake_client_hello, parse_tls_handshake_server_hello};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Event;
use super::transaction::{Transaction, Version, progress};
use crate::app_layer::Limits;
use crate::direction::Direction;

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const CERTIFICATE: u8 = 11;

// IANA TLS ExtensionType values.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// Protocols kept of a client's ALPN list.
const MAX_ALPN: usize = 16;

impl Transaction {
    /// Reads one whole message without its header of type and length.
    pub(super) fn handshake(
        &mut self,
        direction: Direction,
        kind: u8,
        message: &[u8],
        limits: &Limits,
    ) {
        let well_formed = match (kind, direction) {
            (CLIENT_HELLO, Direction::ToServer) => self.client_hello(message),
            (SERVER_HELLO, Direction::ToClient) => self.server_hello(message),
            (CERTIFICATE, Direction::ToClient) => self.certificates(message, limits),
            _ => Some(()),
        };
        if well_formed.is_none() {
            self.raise(direction, Event::InvalidHandshakeMessage);
        }
    }

    fn client_hello(&mut self, message: &[u8]) -> Option<()> {
        let direction = Direction::ToServer;
        let (_, hello) = parse_tls_handshake_client_hello(message).ok()?;
        self.randoms[direction.index()] = hello.random.first_chunk().copied();
        if self.version.is_none() {
            self.version = Some(Version(hello.version.0));
        }
        let mut names = 0;
        // The last hello counts: a second one answers a HelloRetryRequest.
        self.alpn.clear();
        let whole = for_each_extension(hello.ext.unwrap_or_default(), |kind, data| match kind {
            SERVER_NAME => {
                names += 1;
                self.server_name(data);
            }
            ALPN => self.alpn = protocol_names(data),
            _ => {}
        });
        if names > 1 {
            self.raise(direction, Event::MultipleSniExtensions);
        }
        self.advance(direction, progress::HELLO);
        whole
    }

    /// RFC 6066 section 3: a list of names, of which only host names (0) exist.
    fn server_name(&mut self, data: &[u8]) {
        let direction = Direction::ToServer;
        let entry = take_u16_prefixed(data).and_then(|(list, _)| list.split_first());
        let Some((kind, name)) = entry else {
            return self.raise(direction, Event::InvalidSniLength);
        };
        if *kind != 0 {
            return self.raise(direction, Event::InvalidSniType);
        }
        match take_u16_prefixed(name) {
            Some((name, _)) if !name.is_empty() => self.sni = Some(name.to_vec()),
            _ => self.raise(direction, Event::InvalidSniLength),
        }
    }

    fn server_hello(&mut self, message: &[u8]) -> Option<()> {
        let (_, hello) = parse_tls_handshake_server_hello(message).ok()?;
        self.randoms[Direction::ToClient.index()] = hello.random.first_chunk().copied();
        self.version = Some(Version(hello.version.0));
        let whole = for_each_extension(hello.ext.unwrap_or_default(), |kind, data| {
            // RFC 8446 section 4.2.1: here is the version in force from 1.3 on.
            if let (SUPPORTED_VERSIONS, &[high, low]) = (kind, data) {
                self.version = Some(Version(u16::from_be_bytes([high, low])));
            }
        });
        self.advance(Direction::ToClient, progress::HELLO);
        whole
    }

    /// RFC 5246 section 7.4.2.
    fn certificates(&mut self, message: &[u8], limits: &Limits) -> Option<()> {
        let (mut list, _) = take_u24_prefixed(message)?;
        self.certs.clear();
        while !list.is_empty() && self.certs.len() < limits.tls_certificates {
            let (der, rest) = take_u24_prefixed(list)?;
            self.certs.push(der.to_vec());
            list = rest;
        }
        let first = self.certs.first().map(Vec::as_slice).map(describe);
        match first {
            Some(Some(described)) => {
                self.subject = Some(described.subject);
                self.issuer = Some(described.issuer);
                self.serial = Some(described.serial);
            }
            Some(None) => self.raise(Direction::ToClient, Event::InvalidCertificate),
            None => {}
        }
        self.advance(Direction::ToClient, progress::CERTIFICATE);
        Some(())
    }
}

struct Described {
    subject: String,
    issuer: String,
    serial: String,
}

fn describe(der: &[u8]) -> Option<Described> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let serial: Vec<String> = certificate
        .raw_serial()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    Some(Described {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: serial.join(":"),
    })
}

/// Calls back with type and data of each; `None` if the last one is cut short.
fn for_each_extension(mut bytes: &[u8], mut take: impl FnMut(u16, &[u8])) -> Option<()> {
    while !bytes.is_empty() {
        let (kind, rest) = bytes.split_first_chunk::<2>()?;
        let (data, rest) = take_u16_prefixed(rest)?;
        take(u16::from_be_bytes(*kind), data);
        bytes = rest;
    }
    Some(())
}

/// RFC 7301 section 3.1.
fn protocol_names(data: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let (mut list, _) = take_u16_prefixed(data).unwrap_or_default();
    while let Some((&length, rest)) = list.split_first() {
        let Some((name, rest)) = rest.split_at_checked(usize::from(length)) else {
            break;
        };
        if names.len() == MAX_ALPN {
            break;
        }
        names.push(name.to_vec());
        list = rest;
    }
    names
}

fn take_u16_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn take_u24_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[a, b, c], rest) = bytes.split_first_chunk::<3>()?;
    let length = u32::from_be_bytes([0, a, b, c]);
    rest.split_at_checked(usize::try_from(length).ok()?)
}
