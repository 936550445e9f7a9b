//! The sticky buffers: one table drives the parser, help, docs and tests.

use crate::direction::Direction;
use crate::protocol::Protocol;

macro_rules! buffers {
    (@owner Raw) => { Owner::Raw };
    (@owner Packet) => { Owner::Packet };
    (@owner File) => { Owner::File };
    (@owner Hello) => { Owner::Hello };
    (@owner FrameHttp1) => { Owner::Frame(Protocol::Http1) };
    (@owner FrameHttp2) => { Owner::Frame(Protocol::Http2) };
    (@owner FrameSip) => { Owner::Frame(Protocol::Sip) };
    (@owner FrameSmb) => { Owner::Frame(Protocol::Smb) };
    (@owner FrameSsh) => { Owner::Frame(Protocol::Ssh) };
    (@owner FrameTls) => { Owner::Frame(Protocol::Tls) };
    (@owner FrameWebSocket) => { Owner::Frame(Protocol::WebSocket) };
    (@owner $protocol:ident) => { Owner::App(Protocol::$protocol) };
    ($($variant:ident { $name:literal, $aliases:expr, $direction:expr, $owner:ident, $help:literal })+) => {
        /// The bytes that following keywords inspect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Buffer { $(#[doc = $help] $variant),+ }

        impl Buffer {
    /// Whether it is known of the flow, whatever of it is in hand.
    pub const fn is_address(self) -> bool {
        matches!(self, Self::IpSource | Self::IpDestination)
    }

            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub const COUNT: usize = Self::ALL.len();

            /// The name in rules and in EVE's `evidence.buffer`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Older spellings that set the same sticky buffer.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $aliases),+ }
            }

            /// The only direction the buffer exists in; `None`: both.
            pub const fn direction(self) -> Option<Direction> {
                match self { $(Self::$variant => $direction),+ }
            }

            pub const fn owner(self) -> Owner {
                match self { $(Self::$variant => buffers!(@owner $owner)),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

/// Whose bytes a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Packet payload and reassembled stream.
    Raw,
    /// Headers of a single packet.
    Packet,
    /// Transactions of a protocol.
    App(Protocol),
    /// Bodies of any protocol that carries files.
    File,
    /// TLS hellos, also inside QUIC.
    Hello,
    /// What a protocol is written in on the wire.
    Frame(Protocol),
}

const TO_SERVER: Option<Direction> = Some(Direction::ToServer);
const TO_CLIENT: Option<Direction> = Some(Direction::ToClient);

buffers! {
    Payload { "payload", &["pkt_data"], None, Raw, "Payload of the packet or reassembled bytes of the stream; the default." }
    Base64Data { "base64_data", &[], None, Raw, "What `base64_decode` has decoded." }
    IpSource { "ip.src", &[], None, Packet, "Source address: 4 or 16 bytes." }
    IpDestination { "ip.dst", &[], None, Packet, "Destination address: 4 or 16 bytes." }
    Ipv4Header { "ipv4.hdr", &[], None, Packet, "IPv4 header with its options." }
    Ipv6Header { "ipv6.hdr", &[], None, Packet, "IPv6 header with its extension headers." }
    TcpHeader { "tcp.hdr", &[], None, Packet, "TCP header with its options." }
    UdpHeader { "udp.hdr", &[], None, Packet, "UDP header." }
    Icmp4Header { "icmpv4.hdr", &[], None, Packet, "First eight bytes of an ICMP message." }
    Icmp6Header { "icmpv6.hdr", &[], None, Packet, "First eight bytes of an ICMPv6 message." }
    HttpMethod { "http.method", &[], TO_SERVER, Http, "Request method as sent." }
    HttpUri { "http.uri", &[], TO_SERVER, Http, "Request target, percent-decoded once, path normalised." }
    HttpUriRaw { "http.uri.raw", &[], TO_SERVER, Http, "Request target as sent." }
    HttpProtocol { "http.protocol", &["http_protocol"], None, Http, "Protocol of the first line, such as HTTP/1.1." }
    HttpRequestLine { "http.request_line", &["http_request_line"], TO_SERVER, Http, "First line of the request, without its line end." }
    HttpResponseLine { "http.response_line", &["http_response_line"], TO_CLIENT, Http, "First line of the response, without its line end." }
    HttpHeader { "http.header", &[], None, Http, "Headers normalised: `Name: value` and CRLF each, repeated names joined; no cookies." }
    HttpHeaderRaw { "http.header.raw", &[], None, Http, "Headers as sent, with cookies." }
    HttpHeaderNames { "http.header_names", &["http_header_names"], None, Http, "Names only: CRLF, then each with CRLF, then CRLF." }
    HttpStart { "http.start", &["http_start"], None, Http, "First line and header names, each with CRLF, then CRLF." }
    HttpRequestHeader { "http.request_header", &[], TO_SERVER, Http, "Each header of a request: `Name: value`." }
    HttpResponseHeader { "http.response_header", &[], TO_CLIENT, Http, "Each header of a response: `Name: value`." }
    HttpCookie { "http.cookie", &[], None, Http, "Value of Cookie or Set-Cookie." }
    HttpHost { "http.host", &[], TO_SERVER, Http, "Host in lower case, without its port." }
    HttpHostRaw { "http.host.raw", &[], TO_SERVER, Http, "Host as sent." }
    HttpUserAgent { "http.user_agent", &[], TO_SERVER, Http, "Value of User-Agent." }
    HttpReferer { "http.referer", &["http_referer"], TO_SERVER, Http, "Value of Referer." }
    HttpAccept { "http.accept", &["http_accept"], TO_SERVER, Http, "Value of Accept." }
    HttpAcceptEncoding { "http.accept_enc", &["http_accept_enc"], TO_SERVER, Http, "Value of Accept-Encoding." }
    HttpAcceptLanguage { "http.accept_lang", &["http_accept_lang"], TO_SERVER, Http, "Value of Accept-Language." }
    HttpConnection { "http.connection", &["http_connection"], None, Http, "Value of Connection." }
    HttpContentLength { "http.content_len", &["http_content_len"], None, Http, "Value of Content-Length as sent." }
    HttpContentType { "http.content_type", &["http_content_type"], None, Http, "Value of Content-Type." }
    HttpLocation { "http.location", &[], TO_CLIENT, Http, "Value of Location." }
    HttpServer { "http.server", &[], TO_CLIENT, Http, "Value of Server." }
    HttpRequestBody { "http.request_body", &[], TO_SERVER, Http, "Request body, chunking and compression undone." }
    HttpResponseBody { "http.response_body", &[], TO_CLIENT, Http, "Response body, chunking and compression undone." }
    HttpStatusCode { "http.stat_code", &[], TO_CLIENT, Http, "Three-digit status." }
    HttpStatusMessage { "http.stat_msg", &[], TO_CLIENT, Http, "Reason phrase." }
    Http2HeaderName { "http2.header_name", &[], None, Http2, "Name of each header field, `:method` and its like among them." }
    Http2Header { "http2.header", &[], None, Http2, "Each header field: `name: value`, the colons within both doubled." }
    WebSocketPayload { "websocket.payload", &[], None, WebSocket, "Payload of a frame, unmasked; of a message's last frame, the whole message, decompressed." }
    FileName { "file.name", &[], None, File, "Name of each transferred file; for HTTP of Content-Disposition, else the target's path." }
    FileData { "file.data", &["file_data"], None, File, "Contents of transferred files; for HTTP the body." }
    TlsSni { "tls.sni", &["tls_sni"], TO_SERVER, Tls, "Each server name of the ClientHello, as sent; there should be one." }
    TlsCertSubject { "tls.cert_subject", &["tls_cert_subject"], None, Tls, "Subject of an end's own certificate, such as C=US, O=Example, CN=example.com." }
    TlsCertIssuer { "tls.cert_issuer", &["tls_cert_issuer"], None, Tls, "Issuer of an end's own certificate." }
    TlsCertSerial { "tls.cert_serial", &["tls_cert_serial"], None, Tls, "Serial number of an end's own certificate, hex with colons; contents match in either case." }
    TlsCertFingerprint { "tls.cert_fingerprint", &["tls_cert_fingerprint"], None, Tls, "SHA-1 of an end's own certificate, hex with colons; contents match in either case." }
    TlsSubjectAltName { "tls.subjectaltname", &[], TO_CLIENT, Tls, "Each subject alternative name of the server's own certificate: host, mail, URI, address." }
    TlsCerts { "tls.certs", &[], None, Tls, "Each certificate of an end's chain, DER." }
    TlsAlpn { "tls.alpn", &[], None, Hello, "Each protocol that the client offers, or the one that the server chose." }
    TlsRandom { "tls.random", &[], None, Tls, "Random of the hello: 32 bytes." }
    Ja3Hash { "ja3.hash", &["ja3_hash"], TO_SERVER, Hello, "JA3 of the ClientHello, hex; contents match in either case." }
    Ja3String { "ja3.string", &["ja3_string"], TO_SERVER, Hello, "What the JA3 is the hash of: version, ciphers, extensions, groups, point formats." }
    Ja3sHash { "ja3s.hash", &[], TO_CLIENT, Hello, "JA3S of the ServerHello, hex; contents match in either case." }
    Ja3sString { "ja3s.string", &[], TO_CLIENT, Hello, "What the JA3S is the hash of: version, cipher, extensions." }
    Ja4Hash { "ja4.hash", &["ja4_hash"], TO_SERVER, Hello, "JA4 of the ClientHello, such as t13d1516h2_8daaf6152771_e5627efa2ab1." }
    TlsRandomTime { "tls.random_time", &[], None, Tls, "First four bytes of the hello's random." }
    TlsRandomBytes { "tls.random_bytes", &[], None, Tls, "The hello's random less its first four bytes." }
    QuicVersion { "quic.version", &[], None, Quic, "Version of a long header: four bytes." }
    QuicSni { "quic.sni", &[], TO_SERVER, Quic, "Each server name of the hello, as sent; there should be one." }
    QuicUserAgent { "quic.ua", &[], TO_SERVER, Quic, "User agent of a hello of Google's QUIC." }
    QuicCyuHash { "quic.cyu.hash", &[], TO_SERVER, Quic, "CYU of a hello of Google's QUIC, hex; contents match in either case." }
    QuicCyuString { "quic.cyu.string", &[], TO_SERVER, Quic, "What the CYU is the hash of: version, tags." }
    SipMethod { "sip.method", &[], None, Sip, "Method of a SIP request." }
    SipUri { "sip.uri", &[], None, Sip, "URI of a SIP request." }
    SipRequestLine { "sip.request_line", &[], None, Sip, "First line of a SIP request, without its line end." }
    SipStatusCode { "sip.stat_code", &[], None, Sip, "Three-digit status of a SIP response." }
    SipStatusMessage { "sip.stat_msg", &[], None, Sip, "Reason phrase of a SIP response." }
    SipResponseLine { "sip.response_line", &[], None, Sip, "First line of a SIP response, without its line end." }
    SipProtocol { "sip.protocol", &[], None, Sip, "Protocol of a SIP message's first line, such as SIP/2.0." }
    SipFrom { "sip.from", &[], None, Sip, "Each value of From, also under its compact name." }
    SipTo { "sip.to", &[], None, Sip, "Each value of To, also under its compact name." }
    SipVia { "sip.via", &[], None, Sip, "Each value of Via, also under its compact name." }
    SipUserAgent { "sip.user_agent", &[], None, Sip, "Each value of User-Agent." }
    SipContentType { "sip.content_type", &[], None, Sip, "Each value of Content-Type, also under its compact name." }
    SipContentLength { "sip.content_length", &[], None, Sip, "Each value of Content-Length, also under its compact name." }
    DnsQuery { "dns.query", &["dns_query"], TO_SERVER, Dns, "Each name that a DNS request asks for, with dots, as sent." }
    DnsQueriesName { "dns.queries.rrname", &["dns.query.name"], None, Dns, "Each name in the question section of a DNS request or response." }
    DnsAnswersName { "dns.answers.rrname", &["dns.answer.name"], None, Dns, "Each name in the answer section of a DNS message." }
    DnsAuthoritiesName { "dns.authorities.rrname", &[], None, Dns, "Each name in the authority section of a DNS message." }
    DnsAdditionalsName { "dns.additionals.rrname", &[], None, Dns, "Each name in the additional section of a DNS message." }
    DnsResponseName { "dns.response.rrname", &[], TO_CLIENT, Dns, "Each name of a DNS response: of all sections, and in the data of CNAME, MX, NS, PTR and SOA." }
    DcerpcInterface { "dcerpc.iface", &[], None, Dcerpc, "Interface that a DCE/RPC call is for: its UUID, then its major version in two bytes." }
    DcerpcStub { "dcerpc.stub_data", &["dce_stub_data"], None, Dcerpc, "Arguments of a DCE/RPC call, or what it gives back, put together from its fragments." }
    FtpCommand { "ftp.command", &[], TO_SERVER, Ftp, "Name of a command, in capital letters." }
    FtpCommandData { "ftp.command_data", &[], TO_SERVER, Ftp, "What stands behind a command's name." }
    FtpReply { "ftp.reply", &[], TO_CLIENT, Ftp, "Each line of the replies to a command, without its code." }
    FtpCompletionCode { "ftp.completion_code", &[], TO_CLIENT, Ftp, "Each code of the replies to a command: three digits." }
    SshProto { "ssh.proto", &["ssh_proto"], None, Ssh, "Version of the protocol in a banner, such as 2.0." }
    SshSoftware { "ssh.software", &["ssh_software"], None, Ssh, "Software in a banner, up to its first space." }
    SshHassh { "ssh.hassh", &[], TO_SERVER, Ssh, "HASSH of a client: the MD5 of the algorithms that it offers, in hexadecimal." }
    SshHasshString { "ssh.hassh.string", &[], TO_SERVER, Ssh, "Algorithms that a client offers: key exchange, encryption, MAC and compression, between semicolons." }
    SshHasshServer { "ssh.hassh.server", &[], TO_CLIENT, Ssh, "HASSH of a server: the MD5 of the algorithms that it offers, in hexadecimal." }
    SshHasshServerString { "ssh.hassh.server.string", &[], TO_CLIENT, Ssh, "Algorithms that a server offers: key exchange, encryption, MAC and compression, between semicolons." }
    SmbNamedPipe { "smb.named_pipe", &[], None, Smb, "Share that a client asks for, where it holds pipes: it ends in IPC$." }
    SmbShare { "smb.share", &[], None, Smb, "Share that a client asks for, where it holds files." }
    SmbNtlmUser { "smb.ntlmssp_user", &[], TO_SERVER, Smb, "User that logs on by NTLM." }
    SmbNtlmDomain { "smb.ntlmssp_domain", &[], TO_SERVER, Smb, "Domain of the user that logs on by NTLM." }
    SmtpHelo { "smtp.helo", &[], TO_SERVER, Smtp, "Name that the client gives itself in HELO or EHLO." }
    SmtpMailFrom { "smtp.mail_from", &[], TO_SERVER, Smtp, "Address behind MAIL FROM, as written." }
    SmtpRcptTo { "smtp.rcpt_to", &[], TO_SERVER, Smtp, "Each address behind RCPT TO, as written." }
    EmailFrom { "email.from", &[], TO_SERVER, Smtp, "Value of a mail's From." }
    EmailTo { "email.to", &[], TO_SERVER, Smtp, "Value of a mail's To." }
    EmailCc { "email.cc", &[], TO_SERVER, Smtp, "Value of a mail's Cc." }
    EmailSubject { "email.subject", &[], TO_SERVER, Smtp, "Value of a mail's Subject." }
    EmailDate { "email.date", &[], TO_SERVER, Smtp, "Value of a mail's Date." }
    EmailMessageId { "email.message_id", &[], TO_SERVER, Smtp, "Value of a mail's Message-ID." }
    EmailMailer { "email.x_mailer", &[], TO_SERVER, Smtp, "Value of a mail's X-Mailer." }
    EmailUrl { "email.url", &[], TO_SERVER, Smtp, "Each web address in a mail's text, without its scheme." }
    EmailReceived { "email.received", &[], TO_SERVER, Smtp, "Each value of a mail's Received." }
    MqttProtocolString { "mqtt.connect.protocol_string", &[], None, Mqtt, "Name of the protocol in CONNECT, such as MQTT." }
    MqttClientId { "mqtt.connect.clientid", &[], None, Mqtt, "Client identifier of CONNECT." }
    MqttUsername { "mqtt.connect.username", &[], None, Mqtt, "User name of CONNECT." }
    MqttPassword { "mqtt.connect.password", &[], None, Mqtt, "Password of CONNECT." }
    MqttWillTopic { "mqtt.connect.willtopic", &[], None, Mqtt, "Topic of the will in CONNECT." }
    MqttWillMessage { "mqtt.connect.willmessage", &[], None, Mqtt, "Message of the will in CONNECT." }
    MqttPublishTopic { "mqtt.publish.topic", &[], None, Mqtt, "Topic of PUBLISH." }
    MqttPublishMessage { "mqtt.publish.message", &[], None, Mqtt, "Message of PUBLISH." }
    MqttSubscribeTopic { "mqtt.subscribe.topic", &[], None, Mqtt, "Each topic of SUBSCRIBE." }
    MqttUnsubscribeTopic { "mqtt.unsubscribe.topic", &[], None, Mqtt, "Each topic of UNSUBSCRIBE." }
    Dnp3Data { "dnp3.data", &["dnp3_data"], None, Dnp3, "Message of the application layer, put together from its frames, without their checksums." }
    SnmpCommunity { "snmp.community", &[], None, Snmp, "Community of an SNMP message of version 1 or 2c." }
    SnmpUser { "snmp.usm", &[], None, Snmp, "User name of an SNMP message of version 3." }
    Krb5ClientName { "krb5.cname", &["krb5_cname"], None, Krb5, "Each part of the client's name in a Kerberos message." }
    Krb5ServerName { "krb5.sname", &["krb5_sname"], None, Krb5, "Each part of the server's name in a Kerberos message." }
    IkeInitiatorSpi { "ike.init_spi", &[], TO_SERVER, Ike, "SPI of the initiator: 16 hexadecimal digits." }
    IkeResponderSpi { "ike.resp_spi", &[], TO_CLIENT, Ike, "SPI of the responder: 16 hexadecimal digits." }
    IkeVendor { "ike.vendor", &[], TO_SERVER, Ike, "Each vendor ID of an IKE message, in hexadecimal digits." }
    IkeKeyExchange { "ike.key_exchange_payload", &[], None, Ike, "Public value of an IKE key exchange." }
    IkeNonce { "ike.nonce_payload", &[], None, Ike, "Nonce of an IKE message." }
    LdapRequestDn { "ldap.request.dn", &[], TO_SERVER, Ldap, "Distinguished name that an LDAP request is about." }
    LdapResponsesDn { "ldap.responses.dn", &[], TO_CLIENT, Ldap, "Distinguished name of each LDAP response; empty where it has none." }
    LdapResponsesMessage { "ldap.responses.message", &[], TO_CLIENT, Ldap, "Diagnostic message of each LDAP response; empty where it has none." }
    LdapRequestAttributeType { "ldap.request.attribute_type", &[], TO_SERVER, Ldap, "Each attribute that an LDAP request names." }
    LdapResponsesAttributeType { "ldap.responses.attribute_type", &[], TO_CLIENT, Ldap, "Each attribute of the entries in LDAP responses." }
    PgsqlQuery { "pgsql.query", &[], TO_SERVER, Pgsql, "Text of a PostgreSQL query, or of a statement that is prepared." }
    RfbName { "rfb.name", &[], TO_CLIENT, Rfb, "Name of an RFB server's desktop." }
    NtpReferenceId { "ntp.reference_id", &[], None, Ntp, "Reference identifier of an NTP packet: four bytes." }
    FrameHttp1Request { "frame:http1.request", &[], TO_SERVER, FrameHttp1, "A request as sent, from its first line to the end of its body." }
    FrameHttp1Response { "frame:http1.response", &[], TO_CLIENT, FrameHttp1, "A response as sent, from its first line to the end of its body." }
    FrameHttp2Pdu { "frame:http2.pdu", &[], None, FrameHttp2, "A frame of HTTP/2, its head included." }
    FrameHttp2Head { "frame:http2.hdr", &[], None, FrameHttp2, "The nine bytes that a frame of HTTP/2 begins with." }
    FrameHttp2Data { "frame:http2.data", &[], None, FrameHttp2, "A frame of HTTP/2 without its head." }
    FrameSipPdu { "frame:sip.pdu", &[], None, FrameSip, "A SIP message." }
    FrameSipRequestLine { "frame:sip.request.line", &[], None, FrameSip, "First line of a SIP request, with its line end." }
    FrameSipRequestHeaders { "frame:sip.request.headers", &[], None, FrameSip, "Headers of a SIP request, without the empty line." }
    FrameSipRequestBody { "frame:sip.request.body", &[], None, FrameSip, "Body of a SIP request." }
    FrameSipResponseLine { "frame:sip.response.line", &[], None, FrameSip, "First line of a SIP response, with its line end." }
    FrameSipResponseHeaders { "frame:sip.response.headers", &[], None, FrameSip, "Headers of a SIP response, without the empty line." }
    FrameSipResponseBody { "frame:sip.response.body", &[], None, FrameSip, "Body of a SIP response." }
    FrameNbssPdu { "frame:smb.nbss.pdu", &[], None, FrameSmb, "A message of the NetBIOS session, its head included." }
    FrameNbssHead { "frame:smb.nbss.hdr", &[], None, FrameSmb, "The four bytes that a message of the NetBIOS session begins with." }
    FrameNbssData { "frame:smb.nbss.data", &[], None, FrameSmb, "A message of the NetBIOS session without its head." }
    FrameSmb1Pdu { "frame:smb.smb1.pdu", &[], None, FrameSmb, "A message of SMB 1." }
    FrameSmb1Head { "frame:smb.smb1.hdr", &[], None, FrameSmb, "Header of a message of SMB 1: 32 bytes." }
    FrameSmb1Data { "frame:smb.smb1.data", &[], None, FrameSmb, "A message of SMB 1 without its header." }
    FrameSmb2Pdu { "frame:smb.smb2.pdu", &[], None, FrameSmb, "Each message of SMB 2." }
    FrameSmb2Head { "frame:smb.smb2.hdr", &[], None, FrameSmb, "Header of each message of SMB 2: 64 bytes." }
    FrameSmb2Data { "frame:smb.smb2.data", &[], None, FrameSmb, "Each message of SMB 2 without its header." }
    FrameSmb3Pdu { "frame:smb.smb3.pdu", &[], None, FrameSmb, "An encrypted message of SMB 3." }
    FrameSmb3Head { "frame:smb.smb3.hdr", &[], None, FrameSmb, "Header of an encrypted message of SMB 3: 52 bytes." }
    FrameSmb3Data { "frame:smb.smb3.data", &[], None, FrameSmb, "An encrypted message of SMB 3 without its header." }
    FrameSshPdu { "frame:ssh.record.pdu", &[], None, FrameSsh, "A packet of SSH that is not encrypted." }
    FrameSshHead { "frame:ssh.record.hdr", &[], None, FrameSsh, "Length, length of the padding and number of a packet: six bytes." }
    FrameSshData { "frame:ssh.record.data", &[], None, FrameSsh, "A packet of SSH behind its number." }
    FrameTlsPdu { "frame:tls.pdu", &[], None, FrameTls, "A TLS record, its head included." }
    FrameTlsHead { "frame:tls.hdr", &[], None, FrameTls, "The five bytes that a TLS record begins with." }
    FrameTlsData { "frame:tls.data", &[], None, FrameTls, "A TLS record without its head, encrypted or not." }
    FrameWebSocketPdu { "frame:websocket.pdu", &[], None, FrameWebSocket, "A WebSocket frame, its head included." }
    FrameWebSocketHeader { "frame:websocket.header", &[], None, FrameWebSocket, "Head of a WebSocket frame, with its mask." }
    FrameWebSocketData { "frame:websocket.data", &[], None, FrameWebSocket, "Payload of a WebSocket frame, masked as it came." }
}

impl Owner {
    /// Whether transactions of `protocol` have such a buffer.
    pub const fn has(self, protocol: Protocol) -> bool {
        match self {
            Self::Raw | Self::Packet => false,
            Self::App(owner) | Self::Frame(owner) => owner.covers(protocol),
            Self::File => carries_files(protocol),
            Self::Hello => matches!(protocol, Protocol::Tls | Protocol::Quic),
        }
    }
}

/// Protocols whose transactions carry files.
const fn carries_files(protocol: Protocol) -> bool {
    Protocol::Http.covers(protocol)
        || matches!(
            protocol,
            Protocol::Smtp | Protocol::FtpData | Protocol::Smb | Protocol::Nfs
        )
}

impl Buffer {
    /// Whether there may be several; a rule's tests must all match on one of them.
    pub const fn has_instances(self) -> bool {
        matches!(
            self,
            Self::TlsSni
                | Self::QuicSni
                | Self::TlsCerts
                | Self::TlsAlpn
                | Self::TlsSubjectAltName
                | Self::TlsRandom
                | Self::TlsRandomTime
                | Self::TlsRandomBytes
                | Self::MqttSubscribeTopic
                | Self::MqttUnsubscribeTopic
                | Self::Http2HeaderName
                | Self::Http2Header
                | Self::SipFrom
                | Self::SipTo
                | Self::SipVia
                | Self::SipUserAgent
                | Self::SipContentType
                | Self::SipContentLength
                | Self::HttpRequestHeader
                | Self::HttpResponseHeader
                | Self::FileName
                | Self::DnsQuery
                | Self::DnsQueriesName
                | Self::DnsAnswersName
                | Self::DnsAuthoritiesName
                | Self::DnsAdditionalsName
                | Self::DnsResponseName
                | Self::Krb5ClientName
                | Self::Krb5ServerName
                | Self::IkeVendor
                | Self::SmtpRcptTo
                | Self::FtpReply
                | Self::FtpCompletionCode
                | Self::EmailUrl
                | Self::EmailReceived
                | Self::LdapResponsesDn
                | Self::LdapResponsesMessage
                | Self::LdapRequestAttributeType
                | Self::LdapResponsesAttributeType
        )
    }

    /// Whether `frame` names it.
    pub const fn is_frame(self) -> bool {
        matches!(self.owner(), Owner::Frame(_))
    }

    /// The name that `frame` has for it, behind its protocol's; `None`: it is no frame.
    pub fn frame_name(self) -> Option<&'static str> {
        let (_, name) = self.as_str().strip_prefix("frame:")?.split_once('.')?;
        Some(name)
    }

    /// Hexadecimal digits, which rules may write in either case.
    pub const fn is_hexadecimal(self) -> bool {
        matches!(
            self,
            Self::TlsCertSerial
                | Self::TlsCertFingerprint
                | Self::Ja3Hash
                | Self::Ja3sHash
                | Self::QuicCyuHash
        )
    }

    /// Looks a sticky buffer up by its name or an older spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|b| b.as_str() == name || b.aliases().contains(&name))
    }
}
