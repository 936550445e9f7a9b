//! Calls and replies of version 2 (RFC 1094 section 2.2).

use super::deed::{Contents, Deed, Expectation, expected_contents, expected_name};
use super::xdr;
use crate::app_layer::message::Bytes;

const HANDLE: usize = 32;
const LONGEST_NAME: u32 = 255;
const LONGEST_PATH: u32 = 1024;
/// Attributes of a file, and where its size stands in them.
const ATTRIBUTES: usize = 68;
const SIZE_AT: usize = 20;

const LOOKUP: u32 = 4;
const READ: u32 = 6;
const CREATE: u32 = 9;
const REMOVE: u32 = 10;
const RENAME: u32 = 11;
const LINK: u32 = 12;
const SYMLINK: u32 = 13;
const MKDIR: u32 = 14;
const RMDIR: u32 = 15;

pub(super) const PROCEDURES: &[&str] = &[
    "NULL",
    "GETATTR",
    "SETATTR",
    "ROOT",
    "LOOKUP",
    "READLINK",
    "READ",
    "WRITECACHE",
    "WRITE",
    "CREATE",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "MKDIR",
    "RMDIR",
    "READDIR",
    "STATFS",
];

/// `None`: it is not made as its procedure demands.
pub(super) fn call<'a>(
    procedure: u32,
    mut arguments: Bytes<'a>,
    deeds: &mut dyn FnMut(Deed<'a>),
) -> Option<()> {
    let bytes = &mut arguments;
    match procedure {
        LOOKUP | CREATE | MKDIR => {
            xdr::skip(bytes, HANDLE)?;
            let name = xdr::opaque(bytes, LONGEST_NAME)?;
            deeds(Deed::Names(name));
            deeds(Deed::expects_handle(name));
        }
        REMOVE | RMDIR => {
            xdr::skip(bytes, HANDLE)?;
            deeds(Deed::Names(xdr::opaque(bytes, LONGEST_NAME)?));
        }
        RENAME => {
            xdr::skip(bytes, HANDLE)?;
            let from = xdr::opaque(bytes, LONGEST_NAME)?;
            xdr::skip(bytes, HANDLE)?;
            deeds(Deed::Renames(from, xdr::opaque(bytes, LONGEST_NAME)?));
        }
        LINK => {
            xdr::skip(bytes, 2 * HANDLE)?;
            deeds(Deed::Names(xdr::opaque(bytes, LONGEST_NAME)?));
        }
        SYMLINK => {
            xdr::skip(bytes, HANDLE)?;
            deeds(Deed::Names(xdr::opaque(bytes, LONGEST_NAME)?));
            xdr::opaque(bytes, LONGEST_PATH)?;
        }
        READ => {
            let handle = bytes.take(HANDLE)?;
            deeds(Deed::expects_contents(handle, u64::from(bytes.u32()?)));
        }
        _ => {}
    }
    Some(())
}

/// `None`: it is not made as its procedure demands.
pub(super) fn reply<'a>(
    procedure: u32,
    mut results: Bytes<'a>,
    expectations: &[Expectation],
    deeds: &mut dyn FnMut(Deed<'a>),
) -> Option<()> {
    let bytes = &mut results;
    if bytes.is_empty() {
        return Some(());
    }
    let status = bytes.u32()?;
    deeds(Deed::Status(status));
    if status != 0 {
        return Some(());
    }
    match procedure {
        LOOKUP | CREATE | MKDIR => {
            let handle = bytes.take(HANDLE)?;
            if let Some(name) = expected_name(expectations) {
                deeds(Deed::Gives(handle.into(), name.clone()));
            }
        }
        READ => {
            let mut attributes = Bytes(bytes.take(ATTRIBUTES)?.get(SIZE_AT..)?);
            let size = u64::from(attributes.u32()?);
            let (contents, length) = xdr::contents(bytes)?;
            let (handle, offset) = expected_contents(expectations, 0);
            deeds(Deed::Reads(Contents {
                handle,
                offset,
                bytes: contents,
                length,
                is_end: offset.saturating_add(length) >= size,
            }));
        }
        _ => {}
    }
    Some(())
}
