//! ClientHello and ServerHello (RFC 8446 section 4.1, RFC 5246 section 7.4.1), read in place.

use super::read::{take_u8_prefixed, take_u16_prefixed, u16s};
use super::transaction::Version;
use crate::direction::Direction;

/// IANA TLS ExtensionType values.
pub(in crate::app_layer) mod extension {
    pub const SERVER_NAME: u16 = 0;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const EC_POINT_FORMATS: u16 = 11;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const ALPN: u16 = 16;
    pub const SUPPORTED_VERSIONS: u16 = 43;
}

/// A hello without its header of type and length.
#[derive(Clone, Copy, Debug)]
pub(in crate::app_layer) struct Hello<'a> {
    /// Who says it: to the server is a ClientHello.
    pub direction: Direction,
    /// As its first field says; [`Self::best_version`] asks the extension too.
    pub version: Version,
    pub random: &'a [u8; 32],
    ciphers: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> Hello<'a> {
    /// `None` if it does not hold all of its fields.
    pub fn parse(direction: Direction, message: &'a [u8]) -> Option<Self> {
        let (version, rest) = message.split_first_chunk::<2>()?;
        let version = Version(u16::from_be_bytes(*version));
        let (random, mut rest) = rest.split_first_chunk::<32>()?;
        // The ServerHello of TLS 1.3 up to draft 21 has no session, and no compression.
        let bare = direction == Direction::ToClient
            && (version == Version::TLS13 || matches!(version.0, 0x7f01..0x7f16));
        if !bare {
            (_, rest) = take_u8_prefixed(rest)?;
        }
        let (ciphers, rest) = match direction {
            Direction::ToServer => take_u16_prefixed(rest)?,
            Direction::ToClient => rest.split_at_checked(2)?,
        };
        let rest = match direction {
            Direction::ToServer => take_u8_prefixed(rest)?.1,
            Direction::ToClient if bare => rest,
            Direction::ToClient => rest.split_first()?.1,
        };
        // Extensions may be left out (RFC 5246 section 7.4.1.2).
        let extensions = match rest {
            [] => rest,
            _ => take_u16_prefixed(rest)?.0,
        };
        Some(Self {
            direction,
            version,
            random,
            ciphers,
            extensions,
        })
    }

    /// What the client offers, most wanted first; the one that the server chose.
    pub fn ciphers(&self) -> impl Iterator<Item = u16> {
        u16s(self.ciphers)
    }

    /// Type and data of each, up to one that is cut short.
    pub fn extensions(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.extensions;
        std::iter::from_fn(move || {
            let (kind, data, behind) = take_extension(rest)?;
            rest = behind;
            Some((kind, data))
        })
    }

    /// Whether no extension is cut short.
    pub fn is_whole(&self) -> bool {
        let taken: usize = self.extensions().map(|(_, data)| data.len() + 4).sum();
        taken == self.extensions.len()
    }

    /// Of the client its first known choice, of the server what is in force
    /// (RFC 8446 section 4.2.1).
    pub fn best_version(&self) -> Version {
        self.supported_versions()
            .find(|v| v.is_known())
            .unwrap_or(self.version)
    }

    pub fn supported_versions(&self) -> impl Iterator<Item = Version> {
        let direction = self.direction;
        self.data_of(extension::SUPPORTED_VERSIONS)
            .flat_map(move |data| {
                let list = match direction {
                    Direction::ToServer => take_u8_prefixed(data).map_or(&[][..], |(list, _)| list),
                    Direction::ToClient => data,
                };
                u16s(list)
            })
            .map(Version)
    }

    /// Application protocols (RFC 7301 section 3.1), up to a name that is cut short.
    pub fn alpn(&self) -> impl Iterator<Item = &'a [u8]> {
        self.data_of(extension::ALPN).flat_map(|data| {
            let mut rest = take_u16_prefixed(data).map_or(&[][..], |(list, _)| list);
            std::iter::from_fn(move || {
                let (name, behind) = take_u8_prefixed(rest)?;
                rest = behind;
                Some(name)
            })
        })
    }

    /// The data of each extension of a type: there should be one.
    pub fn data_of(&self, kind: u16) -> impl Iterator<Item = &'a [u8]> {
        self.extensions()
            .filter(move |(k, _)| *k == kind)
            .map(|(_, data)| data)
    }
}

/// What is wrong with a server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app_layer) enum BadName {
    Length,
    Type,
}

/// RFC 6066 section 3: a list of names, of which only host names (0) exist.
pub(in crate::app_layer) fn server_name(data: &[u8]) -> Result<&[u8], BadName> {
    let (list, _) = take_u16_prefixed(data).ok_or(BadName::Length)?;
    let (kind, name) = list.split_first().ok_or(BadName::Length)?;
    if *kind != 0 {
        return Err(BadName::Type);
    }
    match take_u16_prefixed(name) {
        Some((name, _)) if !name.is_empty() => Ok(name),
        _ => Err(BadName::Length),
    }
}

fn take_extension(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first_chunk::<2>()?;
    let (data, rest) = take_u16_prefixed(rest)?;
    Some((u16::from_be_bytes(*kind), data, rest))
}
