//! What was wrong with a session, by the names rules know (`app-layer-event:tls.NAME`).

use crate::app_layer::event::events;

events! {
    InvalidSslv2Header = "invalid_sslv2_header", "An SSLv2 hello whose parts do not fill it.";
    InvalidSslRecord = "invalid_ssl_record", "A record longer than TLS allows.";
    InvalidRecordType = "invalid_record_type", "A record of a type TLS does not have.";
    InvalidRecordVersion = "invalid_record_version", "A record whose version is not 3.x.";
    InvalidHandshakeMessage = "invalid_handshake_message", "A hello or certificate message that does not parse.";
    HandshakeInvalidLength = "handshake_invalid_length", "A handshake message beyond the limit.";
    InvalidCertificate = "invalid_certificate", "A server certificate that does not parse.";
    MultipleSniExtensions = "multiple_sni_extensions", "A server name extension twice.";
    InvalidSniType = "invalid_sni_type", "A server name that is no host name.";
    InvalidSniLength = "invalid_sni_length", "A server name extension that is empty or cut short.";
    ErrorMessageEncountered = "error_message_encountered", "A fatal alert in the clear.";
    HeartbeatMessage = "heartbeat_message", "A heartbeat.";
    OverflowHeartbeatMessage = "overflow_heartbeat_message", "A heartbeat request whose payload is longer than its record: CVE-2014-0160.";
    InvalidHeartbeatMessage = "invalid_heartbeat_message", "A heartbeat of unknown type, or without its 16 bytes of padding.";
    DataleakHeartbeatMismatch = "dataleak_heartbeat_mismatch", "A heartbeat response with more bytes than the request carried.";
}
