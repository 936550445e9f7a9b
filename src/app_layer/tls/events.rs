//! What was wrong with a session, by the names rules know (`app-layer-event:tls.NAME`).

use crate::app_layer::event::events;

events! {
    InvalidSslv2Header = "invalid_sslv2_header", "An SSLv2 hello whose parts do not fill it.";
    InvalidTlsHeader = "invalid_tls_header", "A record of a type that may not be empty, and is.";
    InvalidSslRecord = "invalid_ssl_record", "A record longer than TLS allows.";
    InvalidRecordLength = "invalid_record_length", "A record longer than TLS allows.";
    InvalidRecordType = "invalid_record_type", "A record of a type TLS does not have.";
    InvalidRecordVersion = "invalid_record_version", "A record whose version is not 3.x.";
    TooManyRecordsInPacket = "too_many_records_in_packet", "A handshake message in more than 30 records.";
    InvalidHandshakeMessage = "invalid_handshake_message", "A hello or certificate message that does not parse, or a message of a type that TLS does not have.";
    HandshakeInvalidLength = "handshake_invalid_length", "A handshake message, or a list within it, beyond the limit.";
    InvalidAlertMessage = "invalid_alert_message", "An alert in the clear of less than two bytes.";
    InvalidCertificate = "invalid_certificate", "A first certificate that does not parse.";
    CertificateInvalidLength = "certificate_invalid_length", "A certificate that is shorter than it says.";
    CertificateInvalidVersion = "certificate_invalid_version", "A certificate without a version that is known.";
    CertificateInvalidSerial = "certificate_invalid_serial", "A certificate whose serial number does not parse.";
    CertificateInvalidAlgorithmIdentifier = "certificate_invalid_algorithmidentifier", "A certificate whose algorithm does not parse.";
    CertificateInvalidX509Name = "certificate_invalid_x509name", "A certificate whose subject or issuer does not parse.";
    CertificateInvalidDate = "certificate_invalid_date", "A certificate whose dates do not parse.";
    CertificateInvalidExtensions = "certificate_invalid_extensions", "A certificate whose extensions do not parse.";
    CertificateInvalidDer = "certificate_invalid_der", "A certificate that is not DER.";
    CertificateInvalidSubject = "certificate_invalid_subject", "A certificate whose subject holds text that is none; it has no `tls.cert_subject`.";
    CertificateInvalidIssuer = "certificate_invalid_issuer", "A certificate whose issuer holds text that is none; it has no `tls.cert_issuer`.";
    CertificateInvalidValidity = "certificate_invalid_validity", "A certificate whose last day is before its first.";
    TooManySubjectAlternativeNames = "too_many_subject_alternative_names", "A certificate for more names than are kept.";
    MultipleSniExtensions = "multiple_sni_extensions", "A server name extension twice.";
    InvalidSniType = "invalid_sni_type", "A server name that is no host name.";
    InvalidSniLength = "invalid_sni_length", "A server name extension that is empty or cut short.";
    ErrorMessageEncountered = "error_message_encountered", "A fatal alert in the clear.";
    HeartbeatMessage = "heartbeat_message", "A heartbeat.";
    OverflowHeartbeatMessage = "overflow_heartbeat_message", "A heartbeat request whose payload is longer than its record: CVE-2014-0160.";
    InvalidHeartbeatMessage = "invalid_heartbeat_message", "A heartbeat of unknown type, or without its 16 bytes of padding.";
    DataleakHeartbeatMismatch = "dataleak_heartbeat_mismatch", "A heartbeat response with more bytes than the request carried.";
}
