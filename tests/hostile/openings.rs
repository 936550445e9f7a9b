//! Protocols of lines and of messages that say how long they are: greetings, commands and messages
//! that never end, and more of them than anyone would answer.

use stopgap::app_layer::Protocol;

use super::run::Run;

const ENDLESS: usize = 8 << 20;
const MANY: usize = 100_000;

/// What both ends say, and what it has to be taken for.
struct Case {
    name: &'static str,
    protocol: Protocol,
    port: u16,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
}

fn case(
    name: &'static str,
    protocol: Protocol,
    port: u16,
    to_server: impl Into<Vec<u8>>,
    to_client: impl Into<Vec<u8>>,
) -> Case {
    Case {
        name,
        protocol,
        port,
        to_server: to_server.into(),
        to_client: to_client.into(),
    }
}

impl Case {
    /// The flow is what it seems, and costs no more than the bounds.
    fn is_bounded(&self) -> Run {
        let mut run = Run::on_port(self.port);
        run.exchange(&self.to_server, &self.to_client);
        run.holds(self.name);
        assert_eq!(run.app.protocol(), self.protocol, "{}", self.name);
        assert!(run.cost.alerts.is_empty(), "{}: {:?}", self.name, run.cost);
        run
    }

    /// What was not kept is told besides.
    fn is_cut(&self) {
        let cost = self.is_bounded().cost;
        assert!(
            cost.failed || cost.beyond > 0 || !cost.events.is_empty(),
            "{}: nothing tells of it: {cost:?}",
            self.name
        );
    }
}

/// `start` and then the same byte without end.
fn endless(start: &[u8]) -> Vec<u8> {
    [start, &vec![b'a'; ENDLESS]].concat()
}

fn many(start: &[u8], line: &[u8]) -> Vec<u8> {
    [start, &line.repeat(MANY)].concat()
}

/// What precedes an endless field of a message that says how long it is.
fn smb_frame(length: u32) -> Vec<u8> {
    let mut start = length.to_be_bytes().to_vec();
    start.extend_from_slice(b"\xffSMB\x72\0\0\0\0\x18\x01\x20");
    start
}

fn ssh_packet(length: u32) -> Vec<u8> {
    [&b"SSH-2.0-a\r\n"[..], &length.to_be_bytes(), &[4, 20]].concat()
}

/// RFC 8446 section 5.1: a handshake message over any number of records.
fn tls_record(handshake: &[u8]) -> Vec<u8> {
    let length = (handshake.len() as u16).to_be_bytes();
    [&[22, 3, 1, length[0], length[1]], handshake].concat()
}

/// The beginning of a hello of 16 MB.
const LONG_HELLO: [u8; 6] = [1, 0xff, 0xff, 0xff, 3, 3];

/// IEEE 1815 clause 8: the first of several segments.
const DNP3_FIRST_SEGMENT: &[u8] =
    b"\x05\x64\x0f\xc4\x0a\x00\x01\x00\xc2\x9c\x40\x61\x61\x61\x61\x61\x61\x61\x61\x61\x4f\xe9";

/// RFC 1813 section 3.3.3, in a record (RFC 5531 section 11).
const NFS_LOOKUP: &[u8] = b"\x80\x00\x008\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x03\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04dirh\x00\x00\x00\x04name";
/// A write, likewise.
const NFS_CALL_OF_16_MB: &[u8] = b"\x80\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x03\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05fileh\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00\x02\x00\xff\xff\x00";

fn dns_query(id: u16) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    query.extend_from_slice(b"\x01a\x04test\0\0\x01\0\x01");
    [&(query.len() as u16).to_be_bytes()[..], &query].concat()
}

#[test]
fn greetings_and_first_lines_that_never_end_are_cut() {
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for case in [
        case(
            "SSH: a server's version",
            Protocol::Ssh,
            22,
            b"",
            endless(b"SSH-2.0-"),
        ),
        case(
            "SSH: a client's version",
            Protocol::Ssh,
            22,
            endless(b"SSH-2.0-"),
            b"",
        ),
        case(
            "SMTP: a greeting",
            Protocol::Smtp,
            25,
            b"",
            endless(b"220 a.test ESMTP "),
        ),
        case(
            "SMTP: a client's name",
            Protocol::Smtp,
            25,
            endless(b"EHLO "),
            b"220 a.test ESMTP\r\n",
        ),
        case(
            "FTP: a greeting",
            Protocol::Ftp,
            21,
            b"",
            endless(b"220 FTP "),
        ),
        case(
            "FTP: a user",
            Protocol::Ftp,
            21,
            endless(b"USER "),
            b"220 FTP\r\n",
        ),
        case(
            "HTTP/1: a reason",
            Protocol::Http1,
            80,
            get,
            endless(b"HTTP/1.1 200 "),
        ),
        case(
            "SIP: a header",
            Protocol::Sip,
            5060,
            endless(b"INVITE sip:a SIP/2.0\r\nVia: "),
            b"",
        ),
    ] {
        case.is_cut();
    }
}

#[test]
fn greetings_of_lines_without_end_are_bounded() {
    for case in [
        case(
            "SMTP: lines of a greeting",
            Protocol::Smtp,
            25,
            b"",
            many(b"220-a.test ESMTP\r\n", b"220-a\r\n"),
        ),
        case(
            "SMTP: lines of a reply",
            Protocol::Smtp,
            25,
            b"EHLO a\r\n",
            many(b"220 a.test ESMTP\r\n", b"250-a\r\n"),
        ),
        case(
            "SMTP: commands nobody answers",
            Protocol::Smtp,
            25,
            many(b"EHLO a\r\n", b"NOOP\r\n"),
            b"220 a.test ESMTP\r\n",
        ),
        case(
            "SMTP: recipients",
            Protocol::Smtp,
            25,
            many(
                b"EHLO a\r\nMAIL FROM:<a@a.test>\r\n",
                b"RCPT TO:<b@b.test>\r\n",
            ),
            b"220 a.test ESMTP\r\n",
        ),
        case(
            "FTP: lines of a greeting",
            Protocol::Ftp,
            21,
            b"",
            many(b"220-FTP\r\n", b"220-a\r\n"),
        ),
        case(
            "FTP: commands nobody answers",
            Protocol::Ftp,
            21,
            many(b"USER a\r\n", b"NOOP\r\n"),
            b"220 FTP\r\n",
        ),
        case(
            "SIP: headers",
            Protocol::Sip,
            5060,
            many(b"INVITE sip:a SIP/2.0\r\n", b"Via: a\r\n"),
            b"",
        ),
        case(
            "DNP3: messages that never end",
            Protocol::Dnp3,
            20000,
            DNP3_FIRST_SEGMENT.repeat(MANY),
            b"",
        ),
        case(
            "NFS: calls nobody answers",
            Protocol::Nfs,
            2049,
            NFS_LOOKUP.repeat(MANY),
            b"",
        ),
        case(
            "DNS: queries nobody answers",
            Protocol::Dns,
            53,
            many(&dns_query(0), &dns_query(1)),
            b"",
        ),
        case(
            "DNS: answers to nobody",
            Protocol::Dns,
            53,
            dns_query(0),
            many(&dns_query(0), &dns_query(1)),
        ),
    ] {
        case.is_bounded();
    }
}

#[test]
fn messages_that_say_to_be_huge_are_cut() {
    let one_by_one: Vec<u8> = LONG_HELLO
        .iter()
        .chain(&[7; 60_000])
        .flat_map(|&b| tls_record(&[b]))
        .collect();
    let whole_records = [
        tls_record(&[&LONG_HELLO[..], &[7; 16_000]].concat()),
        tls_record(&[7; 16_000]).repeat(500),
    ]
    .concat();
    for case in [
        case(
            "TLS: a hello of 16 MB",
            Protocol::Tls,
            443,
            whole_records,
            b"",
        ),
        case(
            "TLS: a hello in records of a byte",
            Protocol::Tls,
            443,
            one_by_one,
            b"",
        ),
        case(
            "SMB: a message of 16 MB",
            Protocol::Smb,
            445,
            endless(&smb_frame(0xff_ffff)),
            b"",
        ),
        case(
            "NFS: a call of 16 MB",
            Protocol::Nfs,
            2049,
            endless(NFS_CALL_OF_16_MB),
            b"",
        ),
        case(
            "SSH: a key exchange of 2 GB",
            Protocol::Ssh,
            22,
            endless(&ssh_packet(0x7fff_ffff)),
            b"",
        ),
        case(
            "MQTT: a client of 256 MB",
            Protocol::Mqtt,
            1883,
            endless(b"\x10\xff\xff\xff\x7f\x00\x04MQTT\x04\x02\x00\x3c\xff\xff"),
            b"",
        ),
        case(
            "LDAP: an entry of 4 GB",
            Protocol::Ldap,
            389,
            b"",
            endless(b"\x30\x84\xff\xff\xff\xff\x02\x01\x01\x64\x84\xff\xff\xff\xf0\x04\x84\xff\xff\xff\xe0"),
        ),
        case(
            "PostgreSQL: a query of 4 GB",
            Protocol::Pgsql,
            5432,
            endless(b"\0\0\0\x12\0\x03\0\0user\0joe\0\0Q\xff\xff\xff\xff"),
            b"",
        ),
        case(
            "RFB: a reason of 4 GB",
            Protocol::Rfb,
            5900,
            b"RFB 003.003\n",
            endless(b"RFB 003.003\n\0\0\0\0\xff\xff\xff\xff"),
        ),
    ] {
        case.is_cut();
    }
}

/// An entry of a directory, with as many attributes.
fn ldap_entry(attributes: usize) -> Vec<u8> {
    let attributes = b"\x30\x04\x04\x00\x31\x00".repeat(attributes);
    let length = |n: usize| u32::try_from(n).unwrap().to_be_bytes();
    let list = [&b"\x30\x84"[..], &length(attributes.len()), &attributes].concat();
    let entry = [
        &b"\x64\x84"[..],
        &length(list.len() + 2),
        b"\x04\x00",
        &list,
    ]
    .concat();
    let rest = [&b"\x02\x01\x01"[..], &entry].concat();
    [&b"\x30\x84"[..], &length(rest.len()), &rest].concat()
}

#[test]
fn directories_without_end_are_bounded() {
    let server = |answers| {
        case(
            "LDAP: answers nobody wanted",
            Protocol::Ldap,
            389,
            b"",
            answers,
        )
    };
    for case in [
        server(many(b"", &ldap_entry(0))),
        server(ldap_entry(100).repeat(1000)),
        server(ldap_entry(10_000).repeat(10)),
        case(
            "LDAP: requests nobody answers",
            Protocol::Ldap,
            389,
            many(
                b"",
                b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00",
            ),
            b"",
        ),
    ] {
        case.is_bounded();
    }
}

#[test]
fn queries_without_end_are_bounded() {
    let startup = b"\0\0\0\x12\0\x03\0\0user\0joe\0\0";
    case(
        "PostgreSQL: queries nobody answers",
        Protocol::Pgsql,
        5432,
        many(startup, b"Q\0\0\0\x06a\0"),
        b"",
    )
    .is_cut();
    case(
        "PostgreSQL: an answer without end",
        Protocol::Pgsql,
        5432,
        [&startup[..], b"Q\0\0\0\x06a\0"].concat(),
        many(b"", b"C\0\0\0\x05\0D\0\0\0\x04"),
    )
    .is_bounded();
}

#[test]
fn what_begins_like_nothing_is_not_kept() {
    for (name, to_server, to_client) in [
        ("bytes of no protocol", endless(b""), endless(b"")),
        (
            "lines of no protocol",
            many(b"", b"a\r\n"),
            many(b"", b"b\r\n"),
        ),
    ] {
        let mut run = Run::on_port(9);
        run.exchange(&to_server, &to_client);
        run.holds(name);
        assert_eq!(run.app.protocol(), Protocol::Unknown, "{name}");
        assert_eq!(run.app.held_bytes(), 0, "{name}");
    }
}
