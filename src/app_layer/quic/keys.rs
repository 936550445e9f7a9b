//! Protection of Initial packets (RFC 9001 section 5): AES-128-GCM under keys from the client's
//! first connection ID.

use std::cell::OnceCell;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

use super::version::Salt;
use crate::direction::Direction;
use crate::reuse::List;

/// Bytes of the tag behind what it protects.
const TAG: usize = 16;
/// Where the sample begins, counted from the packet number, and its length (RFC 9001 section 5.4.2).
const SAMPLE_AT: usize = 4;
const SAMPLE: usize = 16;

/// The keys of both ends, each made when a packet of that end first comes: many a server is never
/// heard.
pub(super) struct Keys {
    salt: Salt,
    secrets: [[u8; 32]; 2],
    sides: [OnceCell<Side>; 2],
}

/// The keys of what one end sends.
pub(super) struct Side {
    pub(super) packet: Aes128Gcm,
    pub(super) iv: [u8; 12],
    pub(super) header: Aes128,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// What a packet holds once its protection is off.
#[derive(Debug)]
pub(super) struct Opened {
    pub number: u64,
    pub frames: List<u8>,
}

impl Keys {
    /// RFC 9001 section 5.2.
    pub fn initial(salt: Salt, destination: &[u8]) -> Self {
        let secret = Hkdf::<Sha256>::new(Some(salt.bytes), destination);
        let secrets = ["client in", "server in"].map(|label| {
            let mut secret_of_side = [0; 32];
            expand(&secret, label, &mut secret_of_side);
            secret_of_side
        });
        Self {
            salt,
            secrets,
            sides: Default::default(),
        }
    }

    /// Of what goes in a direction.
    pub fn of(&self, direction: Direction) -> &Side {
        let at = direction.index();
        self.sides[at].get_or_init(|| Side::new(self.salt, &self.secrets[at]))
    }
}

impl Side {
    fn new(salt: Salt, secret: &[u8; 32]) -> Self {
        let (mut key, mut iv, mut header) = ([0; 16], [0; 12], [0; 16]);
        if let Ok(secret) = Hkdf::<Sha256>::from_prk(secret) {
            expand(&secret, salt.labels.key, &mut key);
            expand(&secret, salt.labels.iv, &mut iv);
            expand(&secret, salt.labels.header, &mut header);
        }
        Self {
            packet: Aes128Gcm::new(&key.into()),
            iv,
            header: Aes128::new(&header.into()),
        }
    }

    /// Takes header protection and packet protection off; `None` where the packet is not of these
    /// keys. `largest`: the largest packet number so far.
    pub fn open(&self, packet: &[u8], number_at: usize, largest: Option<u64>) -> Option<Opened> {
        let sample_at = number_at.checked_add(SAMPLE_AT)?;
        let sample = packet.get(sample_at..sample_at.checked_add(SAMPLE)?)?;
        let mask = self.mask(sample)?;
        let first = packet.first()? ^ (mask[0] & 0x0f);
        let number_bytes = usize::from(first & 3) + 1;
        let body_at = number_at.checked_add(number_bytes)?;
        let mut header = List::from(packet.get(..body_at)?);
        *header.first_mut()? = first;
        let mut truncated = 0;
        for (byte, mask) in header.get_mut(number_at..)?.iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
            truncated = truncated << 8 | u64::from(*byte);
        }
        let number = whole_number(truncated, number_bytes, largest);
        let (body, tag) = packet.get(body_at..)?.split_last_chunk::<TAG>()?;
        let mut frames = List::from(body);
        self.packet
            .decrypt_inout_detached(
                &self.nonce(number),
                &header,
                (&mut frames[..]).into(),
                &Tag::from(*tag),
            )
            .ok()?;
        Some(Opened { number, frames })
    }

    /// RFC 9001 section 5.4.3.
    pub(super) fn mask(&self, sample: &[u8]) -> Option<[u8; SAMPLE]> {
        let mut block = <[u8; SAMPLE]>::try_from(sample).ok()?.into();
        self.header.encrypt_block(&mut block);
        Some(block.into())
    }

    /// RFC 9001 section 5.3.
    pub(super) fn nonce(&self, number: u64) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = self.iv;
        let (_, low) = nonce.split_at_mut(4);
        for (byte, part) in low.iter_mut().zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        nonce.into()
    }
}

/// HKDF-Expand-Label (RFC 8446 section 7.1) without a context.
fn expand(secret: &Hkdf<Sha256>, label: &str, out: &mut [u8]) {
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    let label_length = u8::try_from("tls13 ".len() + label.len()).unwrap_or(u8::MAX);
    let info = [
        &length[..],
        &[label_length],
        b"tls13 ",
        label.as_bytes(),
        &[0],
    ];
    // Fails for more than 255 hashes of output only.
    let _ = secret.expand_multi_info(&info, out);
}

/// A packet number from its low bytes (RFC 9000 appendix A.3).
fn whole_number(truncated: u64, bytes: usize, largest: Option<u64>) -> u64 {
    let expected = largest.map_or(0, |n| n.saturating_add(1));
    let window = 1u64 << (8 * bytes);
    let candidate = expected & !(window - 1) | truncated;
    if candidate.saturating_add(window / 2) <= expected && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > expected.saturating_add(window / 2) && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::super::version::{Family, Version};
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    fn keys(version: Version, destination: &str) -> Keys {
        let Family::Protected(salt) = version.family() else {
            panic!("protected");
        };
        Keys::initial(salt, &hex(destination))
    }

    #[test]
    fn keys_are_those_of_the_standards() {
        // RFC 9001 appendix A.1 and RFC 9369 appendix A.1.
        let first = keys(Version::V1, "8394c8f03e515708");
        assert_eq!(
            first.of(Direction::ToServer).iv[..],
            hex("fa044b2f42a3fd3b46fb255c")
        );
        assert_eq!(
            first.of(Direction::ToClient).iv[..],
            hex("0ac1493ca1905853b0bba03e")
        );
        let second = keys(Version::V2, "8394c8f03e515708");
        assert_eq!(
            second.of(Direction::ToServer).iv[..],
            hex("91f73e2351d8fa91660e909f")
        );
    }

    #[test]
    fn the_standards_server_packet_opens() {
        // RFC 9001 appendix A.3.
        let packet = hex(concat!(
            "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a",
            "5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3",
            "dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84",
            "022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4",
            "2158407dd074ee"
        ));
        let keys = keys(Version::V1, "8394c8f03e515708");
        let opened = keys
            .of(Direction::ToClient)
            .open(&packet, 18, None)
            .unwrap();
        assert_eq!(opened.number, 1);
        assert_eq!(opened.frames[..5], [0x02, 0, 0, 0, 0]);
        assert_eq!(opened.frames[5..9], [0x06, 0, 0x40, 0x5a]);
        assert!(
            keys.of(Direction::ToServer)
                .open(&packet, 18, None)
                .is_none()
        );
        let mut forged = packet;
        *forged.last_mut().unwrap() ^= 1;
        assert!(
            keys.of(Direction::ToClient)
                .open(&forged, 18, None)
                .is_none()
        );
    }

    #[test]
    fn packet_numbers_are_completed() {
        // RFC 9000 appendix A.3.
        assert_eq!(whole_number(0x9b32, 2, Some(0xa82f_30ea)), 0xa82f_9b32);
        assert_eq!(whole_number(0, 1, None), 0);
        assert_eq!(whole_number(0, 1, Some(255)), 256);
        assert_eq!(whole_number(255, 1, Some(256)), 255);
    }
}
