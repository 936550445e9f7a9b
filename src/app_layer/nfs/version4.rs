//! Calls and replies of version 4: many operations in one (RFC 7530 section 15.2).

use super::deed::{Contents, Deed, Expectation, Expected, Handle, expected_contents};
use super::operations::{self as op, LONGEST_NAME, LONGEST_PATH, STATE};
use super::xdr;
use crate::app_layer::message::Bytes;

const LONGEST_HANDLE: u32 = 128;
const LONGEST_TAG: u32 = 1024;
/// Operations of one call that are read.
const MOST_OPERATIONS: usize = 128;
pub(super) const COMPOUND: u32 = 1;
pub(super) const PROCEDURES: &[&str] = &["NULL", "COMPOUND"];

/// What the operations of a call work on (section 14.2).
#[derive(Clone, Debug, Default)]
struct Current {
    /// A handle, or the name that stands for one that only the reply will tell.
    file: Handle,
    is_name: bool,
}

impl Current {
    fn handle(bytes: &[u8]) -> Self {
        Self {
            file: bytes.into(),
            is_name: false,
        }
    }

    fn name(bytes: &[u8]) -> Self {
        Self {
            file: bytes.into(),
            is_name: true,
        }
    }
}

/// `None`: it is not made as its operations demand.
pub(super) fn call<'a>(
    procedure: u32,
    mut arguments: Bytes<'a>,
    deeds: &mut dyn FnMut(Deed<'a>),
) -> Option<()> {
    if procedure != COMPOUND {
        return Some(());
    }
    let bytes = &mut arguments;
    xdr::opaque(bytes, LONGEST_TAG)?;
    // The minor version.
    bytes.u32()?;
    let count = usize::try_from(bytes.u32()?).ok()?;
    let mut current = Current::default();
    let mut saved = Current::default();
    for at in 0..count.min(MOST_OPERATIONS) {
        let operation = bytes.u32()?;
        deeds(Deed::Operation(operation));
        match operation {
            op::SAVEFH => saved = current.clone(),
            op::RESTOREFH => current = saved.clone(),
            op::PUTROOTFH | op::PUTPUBFH | op::LOOKUPP => current = Current::default(),
            op::PUTFH => current = Current::handle(xdr::opaque(bytes, LONGEST_HANDLE)?),
            op::LOOKUP => {
                let name = xdr::opaque(bytes, LONGEST_NAME)?;
                deeds(Deed::Names(name));
                current = Current::name(name);
            }
            op::CREATE => {
                let name = created(bytes)?;
                deeds(Deed::Names(name));
                current = Current::name(name);
            }
            op::OPEN => {
                op::skip_to_claim(bytes)?;
                if let Some(name) = claimed(bytes)? {
                    deeds(Deed::Names(name));
                    current = Current::name(name);
                }
            }
            op::LINK | op::REMOVE => deeds(Deed::Names(xdr::opaque(bytes, LONGEST_NAME)?)),
            op::RENAME => {
                let from = xdr::opaque(bytes, LONGEST_NAME)?;
                deeds(Deed::Renames(from, xdr::opaque(bytes, LONGEST_NAME)?));
            }
            op::GETFH if current.is_name => deeds(Deed::Expects(Expectation {
                at,
                what: Expected::HandleOf(current.file.clone()),
            })),
            op::READ => {
                xdr::skip(bytes, STATE)?;
                let what = Expected::Contents(current.file.clone(), xdr::u64(bytes)?);
                deeds(Deed::Expects(Expectation { at, what }));
                bytes.u32()?;
            }
            op::WRITE => {
                xdr::skip(bytes, STATE)?;
                let offset = xdr::u64(bytes)?;
                bytes.u32()?;
                let (contents, length) = xdr::contents(bytes)?;
                deeds(Deed::Writes(Contents {
                    handle: current.file.clone(),
                    offset,
                    bytes: contents,
                    length,
                    is_end: false,
                }));
            }
            _ => {
                if operation == op::CLOSE {
                    deeds(Deed::Closes(current.file.clone()));
                }
                if !op::skip_arguments(operation, bytes)? {
                    return Some(());
                }
            }
        }
    }
    Some(())
}

/// `None`: it is not made as its operations demand.
pub(super) fn reply<'a>(
    procedure: u32,
    mut results: Bytes<'a>,
    expectations: &[Expectation],
    deeds: &mut dyn FnMut(Deed<'a>),
) -> Option<()> {
    if procedure != COMPOUND {
        return Some(());
    }
    let bytes = &mut results;
    deeds(Deed::Status(bytes.u32()?));
    xdr::opaque(bytes, LONGEST_TAG)?;
    let count = usize::try_from(bytes.u32()?).ok()?;
    for at in 0..count.min(MOST_OPERATIONS) {
        let (operation, status) = (bytes.u32()?, bytes.u32()?);
        if status != 0 {
            // It is the last one (section 15.2.4).
            return Some(());
        }
        match operation {
            op::GETFH => {
                let handle = xdr::opaque(bytes, LONGEST_HANDLE)?;
                let expected = expectations.iter().find(|e| e.at == at);
                if let Some(Expected::HandleOf(name)) = expected.map(|e| &e.what) {
                    deeds(Deed::Gives(handle.into(), name.clone()));
                }
            }
            op::READ => {
                let is_end = xdr::flag(bytes)?;
                let (contents, length) = xdr::contents(bytes)?;
                let (handle, offset) = expected_contents(expectations, at);
                deeds(Deed::Reads(Contents {
                    handle,
                    offset,
                    bytes: contents,
                    length,
                    is_end,
                }));
            }
            _ => {
                if !op::skip_results(operation, bytes)? {
                    return Some(());
                }
            }
        }
    }
    Some(())
}

/// The name that CREATE gives what it makes (section 16.4).
fn created<'a>(bytes: &mut Bytes<'a>) -> Option<&'a [u8]> {
    match bytes.u32()? {
        // Devices have two numbers, links a target.
        3 | 4 => xdr::skip(bytes, 8)?,
        5 => xdr::opaque(bytes, LONGEST_PATH).map(|_| ())?,
        _ => {}
    }
    let name = xdr::opaque(bytes, LONGEST_NAME)?;
    op::attributes(bytes)?;
    Some(name)
}

/// The name that OPEN claims, where it does so by name (section 16.16).
fn claimed<'a>(bytes: &mut Bytes<'a>) -> Option<Option<&'a [u8]>> {
    match bytes.u32()? {
        0 | 3 => {}
        1 => return bytes.u32().map(|_| None),
        2 => xdr::skip(bytes, STATE)?,
        5 => return xdr::skip(bytes, STATE).map(|()| None),
        4 | 6 => return Some(None),
        _ => return None,
    }
    xdr::opaque(bytes, LONGEST_NAME).map(Some)
}
