//! Numbers of transactions that rules ask for: one table drives parser, help, docs and tests.

use crate::direction::Direction;
use crate::protocol::Protocol;

macro_rules! numbers {
    ($($variant:ident { $name:literal, $aliases:expr, $protocol:ident, $direction:expr, $max:expr, $values:expr, $help:literal })+) => {
        /// A number that a parser reads out of a transaction.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Number { $(#[doc = $help] $variant),+ }

        impl Number {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The keyword that asks for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Older spellings.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $aliases),+ }
            }

            /// Whose transactions have it.
            pub const fn protocol(self) -> Protocol {
                match self { $(Self::$variant => Protocol::$protocol),+ }
            }

            /// The only direction it exists in; `None`: both.
            pub const fn direction(self) -> Option<Direction> {
                match self { $(Self::$variant => $direction),+ }
            }

            /// The largest that its field can hold.
            pub const fn max(self) -> u64 {
                match self { $(Self::$variant => $max),+ }
            }

            /// What may be written instead of digits.
            pub const fn values(self) -> Values {
                match self { $(Self::$variant => $values),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

/// Words for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Digits alone.
    Plain,
    /// A word for some of the values.
    Named(&'static [(&'static str, u64)]),
    /// A word for some of the bits; a list of them, each perhaps negated.
    Flags(&'static [(&'static str, u64)]),
    /// A word for each value, which is one bit; any of a list of them, or none of them.
    AnyOf(&'static [(&'static str, u64)]),
    /// A word for what the number is of, in the bits above 32, and then a condition on the rest.
    Keyed(&'static [(&'static str, u64)]),
    /// Written in a way of its own, by a keyword of its own.
    Own,
}

const BYTE: u64 = u8::MAX as u64;
const BOOLEAN: &[(&str, u64)] = &[("true", 1), ("yes", 1), ("false", 0), ("no", 0)];
const MQTT_TYPES: &[(&str, u64)] = &[
    ("CONNECT", 1),
    ("CONNACK", 2),
    ("PUBLISH", 3),
    ("PUBACK", 4),
    ("PUBREC", 5),
    ("PUBREL", 6),
    ("PUBCOMP", 7),
    ("SUBSCRIBE", 8),
    ("SUBACK", 9),
    ("UNSUBSCRIBE", 10),
    ("UNSUBACK", 11),
    ("PINGREQ", 12),
    ("PINGRESP", 13),
    ("DISCONNECT", 14),
    ("AUTH", 15),
];
const MQTT_CONNECT_FLAGS: &[(&str, u64)] = &[
    ("username", 0x80),
    ("password", 0x40),
    ("will_retain", 0x20),
    ("will", 0x04),
    ("clean_session", 0x02),
];
const TO_SERVER: Option<Direction> = Some(Direction::ToServer);
const TO_CLIENT: Option<Direction> = Some(Direction::ToClient);
const SHORT: u64 = u16::MAX as u64;
const LONG: u64 = u32::MAX as u64;
/// Seconds since 1970 of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

const TLS_VERSIONS: Values = Values::Named(&[
    ("1.0", 0x0301),
    ("1.1", 0x0302),
    ("1.2", 0x0303),
    ("1.3", 0x0304),
]);
const SSL_VERSIONS: Values = Values::AnyOf(&[
    ("sslv2", 1),
    ("sslv3", 1 << 1),
    ("tls1.0", 1 << 2),
    ("tls1.1", 1 << 3),
    ("tls1.2", 1 << 4),
    ("tls1.3", 1 << 5),
]);
const SSL_STATES: Values = Values::AnyOf(&[
    ("client_hello", 1),
    ("server_hello", 1 << 1),
    ("client_keyx", 1 << 2),
    ("server_keyx", 1 << 3),
    ("unknown", 1 << 4),
]);

/// Of numbers with a key above them.
const KEYED: u64 = (1 << 48) - 1;

/// RFC 9113 section 6, as Suricata writes them.
const HTTP2_FRAMES: Values = Values::Named(&[
    ("DATA", 0),
    ("HEADERS", 1),
    ("PRIORITY", 2),
    ("RSTSTREAM", 3),
    ("SETTINGS", 4),
    ("PUSHPROMISE", 5),
    ("PING", 6),
    ("GOAWAY", 7),
    ("WINDOWUPDATE", 8),
    ("CONTINUATION", 9),
]);

/// RFC 9113 section 7.
const HTTP2_ERRORS: Values = Values::Named(&[
    ("NO_ERROR", 0),
    ("PROTOCOL_ERROR", 1),
    ("INTERNAL_ERROR", 2),
    ("FLOW_CONTROL_ERROR", 3),
    ("SETTINGS_TIMEOUT", 4),
    ("STREAM_CLOSED", 5),
    ("FRAME_SIZE_ERROR", 6),
    ("REFUSED_STREAM", 7),
    ("CANCEL", 8),
    ("COMPRESSION_ERROR", 9),
    ("CONNECT_ERROR", 10),
    ("ENHANCE_YOUR_CALM", 11),
    ("INADEQUATE_SECURITY", 12),
    ("HTTP_1_1_REQUIRED", 13),
]);

/// RFC 9113 section 6.5.2.
const HTTP2_SETTINGS: Values = Values::Keyed(&[
    ("SETTINGS_HEADER_TABLE_SIZE", 1),
    ("SETTINGS_ENABLE_PUSH", 2),
    ("SETTINGS_MAX_CONCURRENT_STREAMS", 3),
    ("SETTINGS_INITIAL_WINDOW_SIZE", 4),
    ("SETTINGS_MAX_FRAME_SIZE", 5),
    ("SETTINGS_MAX_HEADER_LIST_SIZE", 6),
]);

/// RFC 6455 section 5.2 and RFC 7692 section 6.
const WEBSOCKET_FLAGS: Values = Values::Flags(&[("fin", 0x80), ("comp", 0x40)]);
const WEBSOCKET_OPCODES: Values = Values::Named(&[
    ("continuation", 0),
    ("text", 1),
    ("binary", 2),
    ("connection_close", 8),
    ("ping", 9),
    ("pong", 10),
]);
/// RFC 3416 section 3, RFC 1157 section 4.1.6.
const SNMP_PDUS: &[(&str, u64)] = &[
    ("get_request", 0),
    ("get_next_request", 1),
    ("response", 2),
    ("set_request", 3),
    ("trap_v1", 4),
    ("get_bulk_request", 5),
    ("inform_request", 6),
    ("trap_v2", 7),
    ("report", 8),
];

/// RFC 1157 section 4.1.6.
const SNMP_TRAPS: &[(&str, u64)] = &[
    ("coldstart", 0),
    ("warmstart", 1),
    ("linkdown", 2),
    ("linkup", 3),
    ("authenticationfailure", 4),
    ("egpneighborloss", 5),
    ("enterprisespecific", 6),
];

/// The registry of RFC 3961 section 8.
const KRB5_ENCRYPTIONS: &[(&str, u64)] = &[
    ("des-cbc-crc", 1),
    ("des-cbc-md4", 2),
    ("des-cbc-md5", 3),
    ("des3-cbc-md5", 5),
    ("des3-cbc-sha1", 7),
    ("des3-cbc-sha1-kd", 16),
    ("aes128-cts-hmac-sha1-96", 17),
    ("aes256-cts-hmac-sha1-96", 18),
    ("aes128-cts-hmac-sha256-128", 19),
    ("aes256-cts-hmac-sha384-192", 20),
    ("rc4-hmac", 23),
    ("rc4-hmac-exp", 24),
    ("camellia128-cts-cmac", 25),
    ("camellia256-cts-cmac", 26),
];

/// RFC 6143 section 7.1.3.
const RFB_RESULTS: &[(&str, u64)] = &[("ok", 0), ("fail", 1), ("toomany", 2), ("unknown", 3)];

/// RFC 5905 section 7.3.
const NTP_MODES: &[(&str, u64)] = &[
    ("reserved", 0),
    ("symmetric_active", 1),
    ("symmetric_passive", 2),
    ("client", 3),
    ("server", 4),
    ("broadcast", 5),
    ("control", 6),
    ("private", 7),
];

/// RFC 6895 section 2.2.
const DNS_OPCODES: &[(&str, u64)] = &[
    ("query", 0),
    ("iquery", 1),
    ("status", 2),
    ("notify", 4),
    ("update", 5),
    ("dso", 6),
];

/// RFC 6895 section 2.3.
const DNS_RCODES: &[(&str, u64)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("BADVERS", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];

/// The IANA registry that RFC 6895 section 3.1 set up.
const DNS_TYPES: &[(&str, u64)] = &[
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAPPTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("A6", 38),
    ("DNAME", 39),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
];

/// IEEE 1815 clause 4.4.
const DNP3_FUNCTIONS: &[(&str, u64)] = &[
    ("confirm", 0),
    ("read", 1),
    ("write", 2),
    ("select", 3),
    ("operate", 4),
    ("direct_operate", 5),
    ("direct_operate_nr", 6),
    ("immed_freeze", 7),
    ("immed_freeze_nr", 8),
    ("freeze_clear", 9),
    ("freeze_clear_nr", 10),
    ("freeze_at_time", 11),
    ("freeze_at_time_nr", 12),
    ("cold_restart", 13),
    ("warm_restart", 14),
    ("initialize_data", 15),
    ("initialize_appl", 16),
    ("start_appl", 17),
    ("stop_appl", 18),
    ("save_config", 19),
    ("enable_unsolicited", 20),
    ("disable_unsolicited", 21),
    ("assign_class", 22),
    ("delay_measure", 23),
    ("record_current_time", 24),
    ("open_file", 25),
    ("close_file", 26),
    ("delete_file", 27),
    ("get_file_info", 28),
    ("authenticate_file", 29),
    ("abort_file", 30),
    ("activate_config", 31),
    ("authenticate_req", 32),
    ("authenticate_err", 33),
    ("response", 129),
    ("unsolicited_response", 130),
    ("authenticate_resp", 131),
];

/// IEEE 1815 clause 4.5, the first octet above the second.
const DNP3_INDICATIONS: &[(&str, u64)] = &[
    ("all_stations", 1 << 8),
    ("class_1_events", 1 << 9),
    ("class_2_events", 1 << 10),
    ("class_3_events", 1 << 11),
    ("need_time", 1 << 12),
    ("local_control", 1 << 13),
    ("device_trouble", 1 << 14),
    ("device_restart", 1 << 15),
    ("no_func_code_support", 1),
    ("object_unknown", 1 << 1),
    ("parameter_error", 1 << 2),
    ("event_buffer_overflow", 1 << 3),
    ("already_executing", 1 << 4),
    ("config_corrupt", 1 << 5),
    ("reserved_2", 1 << 6),
    ("reserved_1", 1 << 7),
];

/// RFC 4511 section 4.2 onwards: the tags of the operations.
const LDAP_OPERATIONS: &[(&str, u64)] = &[
    ("bind_request", 0),
    ("bind_response", 1),
    ("unbind_request", 2),
    ("search_request", 3),
    ("search_result_entry", 4),
    ("search_result_done", 5),
    ("modify_request", 6),
    ("modify_response", 7),
    ("add_request", 8),
    ("add_response", 9),
    ("del_request", 10),
    ("del_response", 11),
    ("mod_dn_request", 12),
    ("mod_dn_response", 13),
    ("compare_request", 14),
    ("compare_response", 15),
    ("abandon_request", 16),
    ("search_result_reference", 19),
    ("extended_request", 23),
    ("extended_response", 24),
    ("intermediate_response", 25),
];

/// The registry of RFC 4520 section 3.8, as rules name its codes, and those of clients' libraries.
const LDAP_RESULTS: &[(&str, u64)] = &[
    ("success", 0),
    ("operations_error", 1),
    ("protocol_error", 2),
    ("time_limit_exceeded", 3),
    ("size_limit_exceeded", 4),
    ("compare_false", 5),
    ("compare_true", 6),
    ("auth_method_not_supported", 7),
    ("stronger_auth_required", 8),
    ("referral", 10),
    ("admin_limit_exceeded", 11),
    ("unavailable_critical_extension", 12),
    ("confidentiality_required", 13),
    ("sasl_bind_in_progress", 14),
    ("no_such_attribute", 16),
    ("undefined_attribute_type", 17),
    ("inappropriate_matching", 18),
    ("constraint_violation", 19),
    ("attribute_or_value_exists", 20),
    ("invalid_attribute_syntax", 21),
    ("no_such_object", 32),
    ("alias_problem", 33),
    ("invalid_dns_syntax", 34),
    ("invalid_dn_syntax", 34),
    ("is_leaf", 35),
    ("alias_dereferencing_problem", 36),
    ("inappropriate_authentication", 48),
    ("invalid_credentials", 49),
    ("insufficient_access_rights", 50),
    ("busy", 51),
    ("unavailable", 52),
    ("unwilling_to_perform", 53),
    ("loop_detect", 54),
    ("sort_control_missing", 60),
    ("offset_range_error", 61),
    ("naming_violation", 64),
    ("object_class_violation", 65),
    ("not_allowed_on_non_leaf", 66),
    ("not_allowed_on_rdn", 67),
    ("entry_already_exists", 68),
    ("object_class_mods_prohibited", 69),
    ("results_too_large", 70),
    ("affects_multiple_dsas", 71),
    ("control_error", 76),
    ("other", 80),
    ("server_down", 81),
    ("local_error", 82),
    ("encoding_error", 83),
    ("decoding_error", 84),
    ("timeout", 85),
    ("auth_unknown", 86),
    ("filter_error", 87),
    ("user_canceled", 88),
    ("param_error", 89),
    ("no_memory", 90),
    ("connect_error", 91),
    ("not_supported", 92),
    ("control_not_found", 93),
    ("no_results_returned", 94),
    ("more_results_to_return", 95),
    ("client_loop", 96),
    ("referral_limit_exceeded", 97),
    ("invalid_response", 100),
    ("ambiguous_response", 101),
    ("tls_not_supported", 112),
    ("intermediate_response", 113),
    ("unknown_type", 114),
    ("canceled", 118),
    ("no_such_operation", 119),
    ("too_late", 120),
    ("cannot_cancel", 121),
    ("assertion_failed", 122),
    ("authorization_denied", 123),
    ("e_sync_refresh_required", 4096),
    ("no_operation", 16_654),
];

// Keyword, aliases, protocol, direction, largest value, words for values, help.
numbers! {
    DnsOpcode { "dns.opcode", &[], Dns, None, 15, Values::Named(DNS_OPCODES), "What a DNS message is for." }
    DnsRcode { "dns.rcode", &[], Dns, None, 4095, Values::Named(DNS_RCODES), "What a DNS response says of its request; with EDNS, twelve bits." }
    SnmpVersion { "snmp.version", &[], Snmp, None, LONG, Values::Plain, "Version of an SNMP message: 1, 2 or 3." }
    SnmpPduType { "snmp.pdu_type", &[], Snmp, None, 8, Values::Named(SNMP_PDUS), "What an SNMP message asks for or tells." }
    SnmpTrapType { "snmp.trap_type", &[], Snmp, None, LONG, Values::Named(SNMP_TRAPS), "Kind of a trap of SNMP version 1." }
    DhcpLeaseTime { "dhcp.leasetime", &[], Dhcp, None, LONG, Values::Plain, "Seconds of a DHCP lease." }
    DhcpRenewalTime { "dhcp.renewal_time", &[], Dhcp, None, LONG, Values::Plain, "Seconds until a DHCP lease is to be renewed." }
    DhcpRebindingTime { "dhcp.rebinding_time", &[], Dhcp, None, LONG, Values::Plain, "Seconds until a DHCP lease is asked for anywhere." }
    Krb5MessageType { "krb5_msg_type", &["krb5.msg_type"], Krb5, None, BYTE, Values::Plain, "Kind of a Kerberos message, such as 10 for AS-REQ." }
    Krb5ErrorCode { "krb5_err_code", &["krb5.err_code"], Krb5, None, LONG, Values::Plain, "Code of a KRB-ERROR." }
    Krb5TicketEncryption { "krb5.ticket_encryption", &[], Krb5, None, LONG, Values::Named(KRB5_ENCRYPTIONS), "How a ticket in a Kerberos message is encrypted." }
    IkeExchangeType { "ike.exchtype", &[], Ike, None, BYTE, Values::Plain, "Exchange that an IKE message belongs to." }
    IkeKeyExchangeLength { "ike.key_exchange_payload_length", &[], Ike, None, LONG, Values::Plain, "Bytes of the public value of an IKE key exchange." }
    IkeNonceLength { "ike.nonce_payload_length", &[], Ike, None, LONG, Values::Plain, "Bytes of the nonce of an IKE message." }
    IkeEncryption { "alg_enc", &[], Ike, TO_CLIENT, LONG, Values::Own, "Encryption that an IKE version 1 server chose." }
    IkeHash { "alg_hash", &[], Ike, TO_CLIENT, LONG, Values::Own, "Hash that an IKE version 1 server chose." }
    IkeAuthentication { "alg_auth", &[], Ike, TO_CLIENT, LONG, Values::Own, "Authentication that an IKE version 1 server chose." }
    IkeGroup { "alg_dh", &[], Ike, TO_CLIENT, LONG, Values::Own, "Diffie-Hellman group that an IKE version 1 server chose." }
    IkePrf { "alg_prf", &[], Ike, TO_CLIENT, LONG, Values::Own, "Pseudorandom function that an IKE version 1 server chose." }
    IkeGroupType { "sa_group_type", &[], Ike, TO_CLIENT, LONG, Values::Own, "Kind of group that an IKE version 1 server chose." }
    IkeLifeType { "sa_life_type", &[], Ike, TO_CLIENT, LONG, Values::Own, "Unit of the life time that an IKE version 1 server chose." }
    IkeLifeDuration { "sa_life_duration", &[], Ike, TO_CLIENT, LONG, Values::Own, "Life time that an IKE version 1 server chose." }
    IkeKeyLength { "sa_key_length", &[], Ike, TO_CLIENT, LONG, Values::Own, "Bits of the key that an IKE version 1 server chose." }
    IkeFieldSize { "sa_field_size", &[], Ike, TO_CLIENT, LONG, Values::Own, "Bits of a field element that an IKE version 1 server chose." }
    LdapRequestOperation { "ldap.request.operation", &[], Ldap, TO_SERVER, BYTE, Values::Named(LDAP_OPERATIONS), "What an LDAP request is for." }
    LdapResponsesOperation { "ldap.responses.operation", &[], Ldap, TO_CLIENT, BYTE, Values::Named(LDAP_OPERATIONS), "What the LDAP responses to a request are." }
    LdapResponsesResultCode { "ldap.responses.result_code", &[], Ldap, TO_CLIENT, LONG, Values::Named(LDAP_RESULTS), "Result codes of the LDAP responses to a request." }
    LdapResponsesCount { "ldap.responses.count", &[], Ldap, None, LONG, Values::Plain, "LDAP responses to a request, once the last one has come." }
    RfbSecurityType { "rfb.sectype", &[], Rfb, None, LONG, Values::Plain, "Way of authentication that an RFB handshake uses." }
    RfbSecurityResult { "rfb.secresult", &[], Rfb, TO_CLIENT, LONG, Values::Named(RFB_RESULTS), "Result of authentication in an RFB handshake." }
    NtpMode { "ntp.mode", &[], Ntp, None, 7, Values::Named(NTP_MODES), "Mode of an NTP packet." }
    NtpStratum { "ntp.stratum", &[], Ntp, None, BYTE, Values::Plain, "Stratum of an NTP packet." }
    NtpVersion { "ntp.version", &[], Ntp, None, 7, Values::Plain, "Version of an NTP packet." }
    DnsType { "dns.rrtype", &[], Dns, None, SHORT, Values::Named(DNS_TYPES), "Types in the question and answer sections of a DNS message." }
    SmbVersion { "smb.version", &[], Smb, None, 2, Values::Plain, "Version of a request: 1, or 2 for all later ones." }
    FtpMode { "ftp.mode", &[], Ftp, None, 2, Values::Named(&[("active", 1), ("passive", 2)]), "Who opens the connection for a file, as PORT and EPRT or PASV and EPSV ask for it." }
    FtpDynamicPort { "ftp.dynamic_port", &[], Ftp, None, 65_535, Values::Plain, "Port of the connection for a file." }
    FtpPortAddress { "ftpbounce", &[], Ftp, Some(Direction::ToServer), LONG, Values::Own, "IPv4 address that the client tells the server to connect to." }
    FtpReplyReceived { "ftp.reply_received", &[], Ftp, TO_CLIENT, 1, Values::Named(&[("yes", 1), ("on", 1), ("no", 0), ("off", 0)]), "Whether a command was answered; `no` is known when the connection ends." }
    FtpDataCommand { "ftpdata_command", &["ftpdata.command"], FtpData, None, 7, Values::Named(&[("retr", 1), ("stor", 2), ("appe", 3), ("stou", 4), ("list", 5), ("nlst", 6), ("mlsd", 7)]), "Command that the connection carries the file of." }
    Http2FrameType { "http2.frametype", &[], Http2, None, BYTE, HTTP2_FRAMES, "Types of the frames." }
    Http2ErrorCode { "http2.errorcode", &[], Http2, None, LONG, HTTP2_ERRORS, "Error code of RST_STREAM or GOAWAY." }
    Http2Priority { "http2.priority", &[], Http2, None, BYTE, Values::Plain, "Weight of PRIORITY or HEADERS, as sent." }
    Http2Window { "http2.window", &[], Http2, None, LONG, Values::Plain, "Increment of WINDOW_UPDATE." }
    Http2SizeUpdate { "http2.size_update", &[], Http2, None, LONG, Values::Plain, "Size of the dynamic table that a header block sets." }
    Http2Settings { "http2.settings", &[], Http2, None, KEYED, HTTP2_SETTINGS, "A setting and its value." }
    WebSocketFlags { "websocket.flags", &[], WebSocket, None, BYTE, WEBSOCKET_FLAGS, "Upper four bits of a frame's first byte." }
    WebSocketMask { "websocket.mask", &[], WebSocket, None, LONG, Values::Plain, "Masking key of a frame." }
    WebSocketOpcode { "websocket.opcode", &[], WebSocket, None, 15, WEBSOCKET_OPCODES, "Opcode of a frame." }
    TlsChainLength { "tls.cert_chain_len", &[], Tls, None, LONG, Values::Plain, "Certificates in an end's chain." }
    TlsVersion { "tls.version", &[], Tls, None, SHORT, TLS_VERSIONS, "Version that the server chose, or that the client wants most." }
    SslVersion { "ssl_version", &[], Tls, None, SHORT, SSL_VERSIONS, "Version that the server chose, or that the client wants most." }
    SslState { "ssl_state", &[], Tls, None, SHORT, SSL_STATES, "Handshake messages that came from this end, each by itself." }
    TlsCertNotBefore { "tls_cert_notbefore", &[], Tls, None, LAST_DATE, Values::Own, "First second in which an end's own certificate is valid." }
    TlsCertNotAfter { "tls_cert_notafter", &[], Tls, None, LAST_DATE, Values::Own, "Last second in which an end's own certificate is valid." }
    DcerpcOperation { "dcerpc.opnum", &["dce_opnum"], Dcerpc, None, SHORT, Values::Own, "Operation that a DCE/RPC request calls." }
    Dnp3Function { "dnp3_func", &[], Dnp3, None, BYTE, Values::Named(DNP3_FUNCTIONS), "Function of a message." }
    Dnp3Indications { "dnp3_ind", &[], Dnp3, None, SHORT, Values::AnyOf(DNP3_INDICATIONS), "Internal indications of a response; one of those named is enough." }
    Dnp3Object { "dnp3_obj", &[], Dnp3, None, SHORT, Values::Own, "Group and variation of each object header of a message." }
    NfsVersion { "nfs.version", &["nfs_version"], Nfs, TO_SERVER, LONG, Values::Plain, "Version of an NFS call." }
    NfsProcedure { "nfs_procedure", &[], Nfs, TO_SERVER, LONG, Values::Own, "Procedure of an NFS call; of version 4, each of its operations." }
    MqttType { "mqtt.type", &[], Mqtt, None, 15, Values::Named(MQTT_TYPES), "Type of a message." }
    MqttFlags { "mqtt.flags", &[], Mqtt, None, BYTE, Values::Flags(&[("dup", 8), ("retain", 1)]), "Flags of a message's fixed header." }
    MqttQos { "mqtt.qos", &[], Mqtt, None, 3, Values::Plain, "Quality of service of a message." }
    MqttReasonCode { "mqtt.reason_code", &["mqtt.connack.return_code"], Mqtt, None, BYTE, Values::Plain, "Return or reason code of an answer." }
    MqttVersion { "mqtt.protocol_version", &[], Mqtt, None, BYTE, Values::Plain, "Version in CONNECT: 3, 4 for 3.1.1, 5." }
    MqttConnectFlags { "mqtt.connect.flags", &[], Mqtt, None, BYTE, Values::Flags(MQTT_CONNECT_FLAGS), "Flags of CONNECT." }
    MqttSessionPresent { "mqtt.connack.session_present", &[], Mqtt, None, 1, Values::Named(BOOLEAN), "Whether CONNACK says that there is a session." }
}

/// Which of several numbers a test is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// One of them, whichever.
    #[default]
    Any,
    /// All that are there, and at least one.
    All,
    /// So many stand before it.
    Front(usize),
    /// So many stand behind it.
    Back(usize),
}

impl Place {
    /// Whether it is known before all numbers have come.
    pub const fn is_known_early(self) -> bool {
        matches!(self, Self::Any | Self::Front(_))
    }

    /// Whether the numbers at this place will do. `None` stands where one has no number.
    pub fn holds(
        self,
        mut numbers: impl DoubleEndedIterator<Item = Option<u64>>,
        will_do: impl Fn(u64) -> bool,
    ) -> bool {
        match self {
            Self::Any => numbers.flatten().any(will_do),
            Self::All => {
                let mut there = numbers.flatten().peekable();
                there.peek().is_some() && there.all(will_do)
            }
            Self::Front(before) => numbers.nth(before).flatten().is_some_and(will_do),
            Self::Back(behind) => numbers.nth_back(behind).flatten().is_some_and(will_do),
        }
    }
}

impl Number {
    /// Whether a rule may say which of several it is about.
    pub const fn has_places(self) -> bool {
        matches!(
            self,
            Self::LdapResponsesOperation | Self::LdapResponsesResultCode
        )
    }

    /// The word for a value, where it has one.
    pub fn word(self, value: u64) -> Option<&'static str> {
        match self.values() {
            Values::Named(words) => words.iter().find(|(_, v)| *v == value).map(|(w, _)| *w),
            Values::Plain
            | Values::Flags(_)
            | Values::AnyOf(_)
            | Values::Keyed(_)
            | Values::Own => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_both_ends() {
        for (place, wanted, expected) in [
            (Place::Any, 7, true),
            (Place::Any, 9, false),
            (Place::All, 5, false),
            (Place::Front(0), 5, true),
            (Place::Front(1), 5, false),
            (Place::Front(3), 5, false),
            (Place::Back(0), 7, true),
            (Place::Back(2), 5, true),
            (Place::Back(3), 5, false),
        ] {
            let numbers = [Some(5), None, Some(7)];
            let holds = place.holds(numbers.into_iter(), |n| n == wanted);
            assert_eq!(holds, expected, "{place:?} {wanted}");
        }
        let all = |numbers: &[Option<u64>]| Place::All.holds(numbers.iter().copied(), |n| n == 5);
        assert!(all(&[Some(5), None, Some(5)]));
        assert!(!all(&[None]) && !all(&[]));
    }
}
