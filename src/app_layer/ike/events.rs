//! What was wrong with a message, by the names rules know (`app-layer-event:ike.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A message whose payloads cannot be read.";
    NoEncryption = "no_encryption", "A proposal without encryption.";
    WeakCryptoEnc = "weak_crypto_enc", "A proposal with DES, 3DES or other old ciphers (RFC 8247 section 2.1).";
    WeakCryptoPrf = "weak_crypto_prf", "A proposal with a pseudorandom function of MD5 or SHA-1.";
    WeakCryptoDh = "weak_crypto_dh", "A proposal with a Diffie-Hellman group of too few bits (RFC 8247 section 2.4).";
    WeakCryptoAuth = "weak_crypto_auth", "A proposal with integrity by MD5, SHA-1 or DES.";
    WeakCryptoNoDh = "weak_crypto_no_dh", "A proposal without Diffie-Hellman.";
    WeakCryptoNoAuth = "weak_crypto_no_auth", "A proposal without integrity.";
    InvalidProposal = "invalid_proposal", "A proposal that cannot be read.";
    UnknownProposal = "unknown_proposal", "A proposal with a kind of transform that nothing defines.";
    MultipleServerProposal = "multiple_server_proposal", "More than one proposal in an answer (RFC 7296 section 2.7).";
    PayloadExtraData = "payload_extra_data", "Bytes behind the last payload.";
}
