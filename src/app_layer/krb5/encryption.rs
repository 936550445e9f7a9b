//! Kinds of encryption (RFC 3961 section 8 and its registry).

/// Number, name, and whether nothing should use it any more (RFC 6649, RFC 8429).
const KINDS: &[(u64, &str, bool)] = &[
    (0, "NULL", true),
    (1, "DES_CBC_CRC", true),
    (2, "DES_CBC_MD4", true),
    (3, "DES_CBC_MD5", true),
    (5, "DES3_CBC_MD5", true),
    (7, "DES3_CBC_SHA1", true),
    (16, "DES3_CBC_SHA1_KD", true),
    (17, "AES128_CTS_HMAC_SHA1_96", false),
    (18, "AES256_CTS_HMAC_SHA1_96", false),
    (19, "AES128_CTS_HMAC_SHA256_128", false),
    (20, "AES256_CTS_HMAC_SHA384_192", false),
    (23, "RC4_HMAC", true),
    (24, "RC4_HMAC_EXP", true),
    (25, "CAMELLIA128_CTS_CMAC", false),
    (26, "CAMELLIA256_CTS_CMAC", false),
];

pub(super) fn name(kind: u64) -> Option<&'static str> {
    KINDS
        .iter()
        .find(|(k, ..)| *k == kind)
        .map(|(_, name, _)| *name)
}

pub(super) fn is_weak(kind: u64) -> bool {
    KINDS.iter().any(|(k, _, weak)| *k == kind && *weak)
}
