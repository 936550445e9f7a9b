//! What a call or a reply does, whatever its version.

use crate::reuse::List;

/// Names a file for as long as its server likes; in version 4 perhaps a name instead.
pub(super) type Handle = List<u8>;

/// In the order in which they happen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed<'a> {
    /// An operation of version 4.
    Operation(u32),
    /// A call is about this name.
    Names(&'a [u8]),
    Renames(&'a [u8], &'a [u8]),
    /// The reply will tell something.
    Expects(Expectation),
    /// A reply gives a name's handle.
    Gives(Handle, List<u8>),
    Writes(Contents<'a>),
    Reads(Contents<'a>),
    /// Nothing more is written or read for now.
    Closes(Handle),
    Status(u32),
}

/// Bytes of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents<'a> {
    pub handle: Handle,
    pub offset: u64,
    /// What is there of them.
    pub bytes: &'a [u8],
    /// How many they are.
    pub length: u64,
    pub is_end: bool,
}

/// What is remembered for a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// Place of the operation in a call of version 4; 0 in older ones.
    pub at: usize,
    pub what: Expected,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The handle of this name.
    HandleOf(List<u8>),
    /// What is read of this file from an offset on.
    Contents(Handle, u64),
}

impl Expectation {
    pub(super) fn held_bytes(&self) -> usize {
        let (Expected::HandleOf(bytes) | Expected::Contents(bytes, _)) = &self.what;
        size_of::<Self>() + bytes.capacity()
    }
}

impl Deed<'_> {
    /// The reply gives the handle of a name.
    pub(super) fn expects_handle(name: &[u8]) -> Self {
        Self::Expects(Expectation {
            at: 0,
            what: Expected::HandleOf(name.into()),
        })
    }

    /// The reply gives what is read.
    pub(super) fn expects_contents(handle: &[u8], offset: u64) -> Self {
        Self::Expects(Expectation {
            at: 0,
            what: Expected::Contents(handle.into(), offset),
        })
    }
}

/// The name that a reply of version 2 or 3 gives the handle of.
pub(super) fn expected_name(expectations: &[Expectation]) -> Option<&List<u8>> {
    expectations.iter().find_map(|e| match &e.what {
        Expected::HandleOf(name) => Some(name),
        Expected::Contents(..) => None,
    })
}

/// The file, and the offset in it, that a reply holds bytes of; of a call that was not understood, a file without a name.
pub(super) fn expected_contents(expectations: &[Expectation], at: usize) -> (Handle, u64) {
    let known = expectations.iter().find_map(|e| match &e.what {
        Expected::Contents(handle, offset) if e.at == at => Some((handle.clone(), *offset)),
        _ => None,
    });
    known.unwrap_or_default()
}
