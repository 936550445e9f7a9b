//! Initial packets as an end would send them: for whoever plays one, in tests and fuzzing.

use aes_gcm::aead::AeadInOut;

use super::keys::Keys;
use super::version::{Family, Version};
use crate::direction::Direction;

/// One packet to be made.
#[derive(Clone, Debug)]
pub struct Initial<'a> {
    /// One whose packets are protected.
    pub version: u32,
    pub direction: Direction,
    /// What the client called the server first: the keys come from it.
    pub original: &'a [u8],
    pub destination: &'a [u8],
    pub source: &'a [u8],
    pub number: u8,
    pub frames: &'a [u8],
}

impl Initial<'_> {
    /// The packet under its protection; `None` if it cannot be made.
    pub fn seal(&self) -> Option<Vec<u8>> {
        let version = Version(self.version);
        let Family::Protected(salt) = version.family() else {
            return None;
        };
        let keys = Keys::initial(salt, self.original);
        let side = keys.of(self.direction);
        let mut packet = vec![if version == Version::V2 { 0xd0 } else { 0xc0 }];
        packet.extend(version.0.to_be_bytes());
        for id in [self.destination, self.source] {
            packet.push(u8::try_from(id.len()).ok()?);
            packet.extend_from_slice(id);
        }
        // No token.
        packet.push(0);
        let mut body = self.frames.to_vec();
        // Enough for the sample that hides the packet number (RFC 9001 section 5.4.2).
        body.resize(body.len().max(3), 0);
        let length = u16::try_from(1 + body.len() + 16).ok()?;
        packet.extend(two_byte_number(length)?);
        let number_at = packet.len();
        packet.push(self.number);
        let nonce = side.nonce(u64::from(self.number));
        let sealed = body.as_mut_slice().into();
        let tag = side
            .packet
            .encrypt_inout_detached(&nonce, &packet, sealed)
            .ok()?;
        packet.extend(body);
        packet.extend(tag);
        let mask = side.mask(packet.get(number_at + 4..number_at + 20)?)?;
        *packet.first_mut()? ^= mask[0] & 0x0f;
        *packet.get_mut(number_at)? ^= mask[1];
        Some(packet)
    }
}

/// A CRYPTO frame (RFC 9000 section 19.6); `None` if it is longer than can be said.
pub fn crypto_frame(offset: u16, data: &[u8]) -> Option<Vec<u8>> {
    let length = two_byte_number(u16::try_from(data.len()).ok()?)?;
    Some([&[6][..], &two_byte_number(offset)?, &length, data].concat())
}

/// RFC 9000 section 16.
fn two_byte_number(n: u16) -> Option<[u8; 2]> {
    (n < 1 << 14).then(|| (n | 1 << 14).to_be_bytes())
}
