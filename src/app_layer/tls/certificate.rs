//! Certificates in the clear (RFC 5246 section 7.4.2), and what the first of a chain says.

use std::net::IpAddr;
use std::sync::OnceLock;

use sha1::{Digest, Sha1};
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::oid_registry;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use super::Event;
use super::read::take_u24_prefixed;
use crate::app_layer::Limits;
use crate::app_layer::text::{push_hex, push_upper_hex};

/// Names kept of a certificate (`too_many_subject_alternative_names`).
const MAX_NAMES: usize = 512;

/// The certificates of one direction.
#[derive(Debug, Default)]
pub struct Chain {
    certificates: Vec<Vec<u8>>,
    length: u32,
    /// What was wrong with it.
    pub(super) faults: Vec<Event>,
    /// Made when it is first asked for: most never are.
    fingerprint: OnceLock<String>,
    first: Option<Described>,
}

/// What a certificate says of itself.
#[derive(Debug)]
struct Described {
    subject: Option<String>,
    issuer: Option<String>,
    serial: String,
    names: Vec<Vec<u8>>,
    not_before: i64,
    not_after: i64,
}

impl Chain {
    /// Reads a whole message without its header; `None` if it does not hold what it announces.
    pub(super) fn read(
        message: &[u8],
        limits: &Limits,
        raise: &mut dyn FnMut(Event),
    ) -> Option<Self> {
        let (mut list, _) = take_u24_prefixed(message)?;
        let mut chain = Self::default();
        while !list.is_empty() {
            let (der, rest) = take_u24_prefixed(list)?;
            if chain.length == 0 {
                chain.describe_first(der, raise);
            }
            chain.length = chain.length.saturating_add(1);
            if chain.certificates.len() < limits.tls_certificates {
                chain.certificates.push(der.to_vec());
            } else {
                // What is not kept cannot be asked later.
                if chain.length == 1 {
                    chain.fingerprint = OnceLock::from(fingerprint(der));
                }
                raise(Event::HandshakeInvalidLength);
            }
            list = rest;
        }
        Some(chain)
    }

    fn describe_first(&mut self, der: &[u8], raise: &mut dyn FnMut(Event)) {
        match X509Certificate::from_der(der) {
            Ok((_, certificate)) => self.first = Some(describe(&certificate, raise)),
            Err(error) => {
                raise(Event::InvalidCertificate);
                if let Some(event) = event_of(der, &error) {
                    raise(event);
                }
            }
        }
    }

    /// Whether this is all that a message without its header says.
    pub(super) fn is_of(&self, message: &[u8]) -> bool {
        let mut kept = self.certificates.iter();
        let Some((mut list, _)) = take_u24_prefixed(message) else {
            return false;
        };
        while let Some((der, rest)) = take_u24_prefixed(list) {
            if kept.next().is_none_or(|known| known != der) {
                return false;
            }
            list = rest;
        }
        list.is_empty() && kept.next().is_none()
    }

    /// DER, its own certificate first; not more than the limit.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// How many certificates there are, kept or not.
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// Of the first certificate, such as `C=US, O=Example, CN=example.com`.
    pub fn subject(&self) -> Option<&[u8]> {
        let subject = self.first.as_ref()?.subject.as_ref()?;
        Some(subject.as_bytes())
    }

    /// Of the first certificate.
    pub fn issuer(&self) -> Option<&[u8]> {
        let issuer = self.first.as_ref()?.issuer.as_ref()?;
        Some(issuer.as_bytes())
    }

    /// Of the first certificate: upper-case hex with colons.
    pub fn serial(&self) -> Option<&[u8]> {
        self.first.as_ref().map(|d| d.serial.as_bytes())
    }

    /// SHA-1 of the first certificate: lower-case hex with colons.
    pub fn fingerprint(&self) -> Option<&[u8]> {
        let first = self.certificates.first();
        let made = match first {
            Some(der) => Some(self.fingerprint.get_or_init(|| fingerprint(der))),
            None => self.fingerprint.get(),
        };
        made.map(String::as_bytes)
    }

    /// Subject alternative names of the first certificate.
    pub fn names(&self) -> &[Vec<u8>] {
        self.first.as_ref().map_or(&[], |d| &d.names)
    }

    /// First and last second in which the first certificate is valid, since 1970.
    pub fn validity(&self) -> Option<(i64, i64)> {
        self.first.as_ref().map(|d| (d.not_before, d.not_after))
    }

    pub(super) fn held_bytes(&self) -> usize {
        let lists = self.certificates.iter().chain(self.names());
        let texts = self.first.as_ref();
        let texts = texts.map_or(0, |d| {
            let names = [&d.subject, &d.issuer].map(|n| n.as_ref().map_or(0, String::capacity));
            names.iter().sum::<usize>() + d.serial.capacity()
        });
        lists
            .map(|bytes| size_of::<Vec<u8>>() + bytes.capacity())
            .sum::<usize>()
            + texts
            + self.fingerprint.get().map_or(0, String::capacity)
    }
}

fn describe(certificate: &X509Certificate<'_>, raise: &mut dyn FnMut(Event)) -> Described {
    let validity = certificate.validity();
    let mut names = Vec::new();
    match certificate.subject_alternative_name() {
        Ok(Some(extension)) => {
            let all = extension.value.general_names.iter().filter_map(name_bytes);
            names.extend(all.take(MAX_NAMES));
            if extension.value.general_names.len() > MAX_NAMES {
                raise(Event::TooManySubjectAlternativeNames);
            }
        }
        Ok(None) => {}
        Err(_) => raise(Event::CertificateInvalidExtensions),
    }
    let (not_before, not_after) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    // RFC 5280 section 4.1.2.5.
    if not_after < not_before {
        raise(Event::CertificateInvalidValidity);
    }
    let mut text = |name: &X509Name<'_>, otherwise| {
        let text = name.to_string_with_registry(oid_registry()).ok();
        if text.is_none() {
            raise(otherwise);
        }
        text
    };
    Described {
        subject: text(certificate.subject(), Event::CertificateInvalidSubject),
        issuer: text(certificate.issuer(), Event::CertificateInvalidIssuer),
        serial: hex_with_colons(certificate.raw_serial(), true),
        names,
        not_before,
        not_after,
    }
}

/// Mail, host, URI and address (RFC 5280 section 4.2.1.6); also where they are no text.
fn name_bytes(name: &GeneralName<'_>) -> Option<Vec<u8>> {
    match name {
        GeneralName::RFC822Name(text) | GeneralName::DNSName(text) | GeneralName::URI(text) => {
            Some(text.as_bytes().to_vec())
        }
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| v6())
                .ok()
                .map(|a| a.to_string().into_bytes())
        }
        GeneralName::Invalid(tag, bytes) if matches!(tag.0, 1 | 2 | 6) => Some(bytes.to_vec()),
        _ => None,
    }
}

/// What is wrong with a certificate that does not parse, as far as there is a name for it.
fn event_of(der: &[u8], error: &x509_parser::nom::Err<X509Error>) -> Option<Event> {
    use x509_parser::nom::Err::{Error, Failure, Incomplete};
    if let Some(event) = outer_fault(der) {
        return Some(event);
    }
    let error = match error {
        Incomplete(_) => return Some(Event::CertificateInvalidLength),
        Error(error) | Failure(error) => error,
    };
    Some(match error {
        X509Error::Der(_) => Event::CertificateInvalidDer,
        X509Error::InvalidVersion => Event::CertificateInvalidVersion,
        X509Error::InvalidSerial => Event::CertificateInvalidSerial,
        X509Error::InvalidAlgorithmIdentifier => Event::CertificateInvalidAlgorithmIdentifier,
        X509Error::InvalidX509Name => Event::CertificateInvalidX509Name,
        X509Error::InvalidDate => Event::CertificateInvalidDate,
        X509Error::InvalidExtensions | X509Error::DuplicateExtensions => {
            Event::CertificateInvalidExtensions
        }
        _ => return None,
    })
}

/// A certificate is one sequence (X.690 sections 8.1.3 and 8.9) that fills its bytes.
fn outer_fault(der: &[u8]) -> Option<Event> {
    let rest = match der {
        [0x30, rest @ ..] => rest,
        [_, ..] => return Some(Event::CertificateInvalidDer),
        [] => return Some(Event::CertificateInvalidLength),
    };
    let Some((&first, rest)) = rest.split_first() else {
        return Some(Event::CertificateInvalidLength);
    };
    let length_bytes = usize::from(first & 0x7f);
    let (length, content) = if first & 0x80 == 0 {
        (length_bytes, rest)
    } else {
        let Some((bytes, content)) = rest.split_at_checked(length_bytes) else {
            return Some(Event::CertificateInvalidLength);
        };
        let fold = |n: usize, b: &u8| n.saturating_mul(256).saturating_add(usize::from(*b));
        (bytes.iter().fold(0, fold), content)
    };
    (length > content.len()).then_some(Event::CertificateInvalidLength)
}

fn fingerprint(der: &[u8]) -> String {
    hex_with_colons(&Sha1::digest(der), false)
}

fn hex_with_colons(bytes: &[u8], upper: bool) -> String {
    let mut text = String::with_capacity(3 * bytes.len());
    for byte in bytes {
        if !text.is_empty() {
            text.push(':');
        }
        match upper {
            true => push_upper_hex(&mut text, *byte),
            false => push_hex(&mut text, *byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_ends_too_early_is_told_from_one_that_is_none() {
        let (length, der) = (
            Some(Event::CertificateInvalidLength),
            Some(Event::CertificateInvalidDer),
        );
        for (bytes, expected) in [
            (&[][..], length),
            (&[0x30], length),
            (&[0x30, 0x82, 1], length),
            (&[0x30, 0x82, 1, 0, 5, 0], length),
            (&[0x30, 3, 5, 0], length),
            (&[0x31, 2, 5, 0], der),
            (&[0x30, 2, 5, 0], None),
        ] {
            assert_eq!(outer_fault(bytes), expected, "{bytes:?}");
        }
    }

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], &content].concat()
    }

    /// Of a common name (2.5.4.3), in UTF-8 if it is text.
    fn name(value: &[u8]) -> Vec<u8> {
        let attribute = der(0x30, &[&[6, 3, 85, 4, 3], &der(12, &[value])]);
        der(0x30, &[&der(0x31, &[&attribute])])
    }

    fn certificate(issuer: &[u8], subject: &[u8], days: [&[u8; 6]; 2]) -> Vec<u8> {
        let algorithm = der(0x30, &[&[6, 3, 42, 3, 4], &[5, 0]]);
        let bits = der(3, &[&[0, 1]]);
        let day = |day: &[u8; 6]| der(0x17, &[day, b"000000Z"]);
        let validity = der(0x30, &[&day(days[0]), &day(days[1])]);
        let key = der(0x30, &[&algorithm, &bits]);
        let parts: [&[u8]; 7] = [
            &[0xa0, 3, 2, 1, 2],
            &[2, 1, 5],
            &algorithm,
            &name(issuer),
            &validity,
            &name(subject),
            &key,
        ];
        der(0x30, &[&der(0x30, &parts), &algorithm, &bits])
    }

    #[test]
    fn what_a_certificate_says_and_does_not_mean_is_an_event() {
        let (first, last) = (b"200101", b"210101");
        for (certificate, expected, subject) in [
            (
                certificate(b"a", b"b", [first, last]),
                &[][..],
                Some(&b"CN=b"[..]),
            ),
            (
                certificate(b"a", b"\xff", [first, last]),
                &[Event::CertificateInvalidSubject],
                None,
            ),
            (
                certificate(b"\xff", b"b", [first, first]),
                &[Event::CertificateInvalidIssuer],
                Some(b"CN=b"),
            ),
            (
                certificate(b"a", b"b", [last, first]),
                &[Event::CertificateInvalidValidity],
                Some(b"CN=b"),
            ),
        ] {
            let (mut chain, mut events) = (Chain::default(), Vec::new());
            chain.describe_first(&certificate, &mut |event| events.push(event));
            assert_eq!((&events[..], chain.subject()), (expected, subject));
            assert_eq!(chain.serial(), Some(&b"05"[..]));
        }
    }

    #[test]
    fn names_are_bytes_whatever_they_hold() {
        let bytes = |name: GeneralName<'_>| name_bytes(&name).unwrap();
        assert_eq!(bytes(GeneralName::DNSName("a.example")), b"a.example");
        assert_eq!(bytes(GeneralName::IPAddress(&[192, 0, 2, 1])), b"192.0.2.1");
        let odd = GeneralName::Invalid(x509_parser::asn1_rs::Tag(2), b"\xff");
        assert_eq!(bytes(odd), b"\xff");
    }
}
