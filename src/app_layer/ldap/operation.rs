//! What messages are for.

use crate::direction::Direction;

/// An operation, by its application tag (RFC 4511 section 4.2 onwards).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Operation {
    BindRequest = 0,
    BindResponse = 1,
    UnbindRequest = 2,
    SearchRequest = 3,
    SearchResultEntry = 4,
    SearchResultDone = 5,
    ModifyRequest = 6,
    ModifyResponse = 7,
    AddRequest = 8,
    AddResponse = 9,
    DelRequest = 10,
    DelResponse = 11,
    ModDnRequest = 12,
    ModDnResponse = 13,
    CompareRequest = 14,
    CompareResponse = 15,
    AbandonRequest = 16,
    SearchResultReference = 19,
    ExtendedRequest = 23,
    ExtendedResponse = 24,
    IntermediateResponse = 25,
}

impl Operation {
    const ALL: [Self; 21] = [
        Self::BindRequest,
        Self::BindResponse,
        Self::UnbindRequest,
        Self::SearchRequest,
        Self::SearchResultEntry,
        Self::SearchResultDone,
        Self::ModifyRequest,
        Self::ModifyResponse,
        Self::AddRequest,
        Self::AddResponse,
        Self::DelRequest,
        Self::DelResponse,
        Self::ModDnRequest,
        Self::ModDnResponse,
        Self::CompareRequest,
        Self::CompareResponse,
        Self::AbandonRequest,
        Self::SearchResultReference,
        Self::ExtendedRequest,
        Self::ExtendedResponse,
        Self::IntermediateResponse,
    ];

    pub fn of(tag: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|op| *op as u32 == tag)
    }

    /// Of the byte that such an element begins with: application class, and primitive where the
    /// operation is no sequence.
    pub fn of_first_byte(byte: u8) -> Option<Self> {
        let operation = Self::of(u32::from(byte & 0x1f))?;
        (byte & 0xe0 == if operation.is_primitive() { 0x40 } else { 0x60 }).then_some(operation)
    }

    const fn is_primitive(self) -> bool {
        matches!(
            self,
            Self::UnbindRequest | Self::DelRequest | Self::AbandonRequest
        )
    }

    /// The direction it goes in.
    pub const fn direction(self) -> Direction {
        match self {
            Self::BindRequest
            | Self::UnbindRequest
            | Self::SearchRequest
            | Self::ModifyRequest
            | Self::AddRequest
            | Self::DelRequest
            | Self::ModDnRequest
            | Self::CompareRequest
            | Self::AbandonRequest
            | Self::ExtendedRequest => Direction::ToServer,
            _ => Direction::ToClient,
        }
    }

    /// A request that a response follows.
    pub const fn is_answered(self) -> bool {
        !matches!(self, Self::UnbindRequest | Self::AbandonRequest)
    }

    /// A response that others follow.
    pub const fn goes_on(self) -> bool {
        matches!(
            self,
            Self::SearchResultEntry | Self::SearchResultReference | Self::IntermediateResponse
        )
    }
}
