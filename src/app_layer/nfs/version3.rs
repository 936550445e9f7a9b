//! Calls and replies of version 3 (RFC 1813 section 3.3).

use super::deed::{Contents, Deed, Expectation, expected_contents, expected_name};
use super::xdr;
use crate::app_layer::message::Bytes;

const LONGEST_HANDLE: u32 = 64;
/// The standard sets no bound for names; file systems set one that is lower.
const LONGEST_NAME: u32 = 1024;
const ATTRIBUTES: usize = 84;
/// Names of a directory that are kept.
const MOST_ENTRIES: usize = 256;

const LOOKUP: u32 = 3;
const READ: u32 = 6;
pub(super) const WRITE: u32 = 7;
const CREATE: u32 = 8;
const MKDIR: u32 = 9;
const SYMLINK: u32 = 10;
const MKNOD: u32 = 11;
const REMOVE: u32 = 12;
const RMDIR: u32 = 13;
const RENAME: u32 = 14;
const LINK: u32 = 15;
const READDIRPLUS: u32 = 17;
const COMMIT: u32 = 21;

pub(super) const PROCEDURES: &[&str] = &[
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYMLINK",
    "MKNOD",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHCONF",
    "COMMIT",
];

/// `None`: it is not made as its procedure demands.
pub(super) fn call<'a>(
    procedure: u32,
    mut arguments: Bytes<'a>,
    deeds: &mut dyn FnMut(Deed<'a>),
) -> Option<()> {
    let bytes = &mut arguments;
    match procedure {
        LOOKUP | CREATE | MKDIR | SYMLINK | MKNOD => {
            let name = name_in_directory(bytes)?;
            deeds(Deed::Names(name));
            deeds(Deed::expects_handle(name));
        }
        REMOVE | RMDIR => deeds(Deed::Names(name_in_directory(bytes)?)),
        RENAME => {
            let from = name_in_directory(bytes)?;
            deeds(Deed::Renames(from, name_in_directory(bytes)?));
        }
        LINK => {
            handle(bytes)?;
            deeds(Deed::Names(name_in_directory(bytes)?));
        }
        READ => {
            let handle = handle(bytes)?;
            deeds(Deed::expects_contents(handle, xdr::u64(bytes)?));
        }
        WRITE => {
            let handle = handle(bytes)?.into();
            let offset = xdr::u64(bytes)?;
            // How many bytes, and how safely.
            xdr::skip(bytes, 8)?;
            let (contents, length) = xdr::contents(bytes)?;
            deeds(Deed::Writes(Contents {
                handle,
                offset,
                bytes: contents,
                length,
                is_end: false,
            }));
        }
        COMMIT => deeds(Deed::Closes(handle(bytes)?.into())),
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
        LOOKUP => give(handle(bytes)?, expectations, deeds),
        CREATE | MKDIR | SYMLINK | MKNOD if xdr::flag(bytes)? => {
            give(handle(bytes)?, expectations, deeds);
        }
        READ => {
            attributes(bytes)?;
            bytes.u32()?;
            let is_end = xdr::flag(bytes)?;
            let (contents, length) = xdr::contents(bytes)?;
            let (handle, offset) = expected_contents(expectations, 0);
            deeds(Deed::Reads(Contents {
                handle,
                offset,
                bytes: contents,
                length,
                is_end,
            }));
        }
        READDIRPLUS => {
            attributes(bytes)?;
            xdr::skip(bytes, 8)?;
            for _ in 0..MOST_ENTRIES {
                if !xdr::flag(bytes)? {
                    break;
                }
                entry(bytes, deeds)?;
            }
        }
        _ => {}
    }
    Some(())
}

fn give<'a>(handle: &[u8], expectations: &[Expectation], deeds: &mut dyn FnMut(Deed<'a>)) {
    if let Some(name) = expected_name(expectations) {
        deeds(Deed::Gives(handle.into(), name.clone()));
    }
}

/// Of a directory: number, name, cookie, perhaps attributes and a handle.
fn entry<'a>(bytes: &mut Bytes<'a>, deeds: &mut dyn FnMut(Deed<'a>)) -> Option<()> {
    xdr::skip(bytes, 8)?;
    let name = xdr::opaque(bytes, LONGEST_NAME)?;
    xdr::skip(bytes, 8)?;
    attributes(bytes)?;
    if xdr::flag(bytes)? {
        let handle = handle(bytes)?;
        deeds(Deed::Gives(handle.into(), name.into()));
    }
    Some(())
}

fn handle<'a>(bytes: &mut Bytes<'a>) -> Option<&'a [u8]> {
    xdr::opaque(bytes, LONGEST_HANDLE)
}

fn name_in_directory<'a>(bytes: &mut Bytes<'a>) -> Option<&'a [u8]> {
    handle(bytes)?;
    xdr::opaque(bytes, LONGEST_NAME)
}

/// Attributes that may be left out.
fn attributes(bytes: &mut Bytes<'_>) -> Option<()> {
    if xdr::flag(bytes)? {
        xdr::skip(bytes, ATTRIBUTES)?;
    }
    Some(())
}
