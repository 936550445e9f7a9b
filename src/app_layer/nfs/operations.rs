//! How long the operations of version 4 are (RFC 7530 section 16, RFC 8881 section 18): what has to be passed over to
//! come to the next one.

use super::xdr;
use crate::app_layer::message::Bytes;

pub(super) const CLOSE: u32 = 4;
pub(super) const COMMIT: u32 = 5;
pub(super) const CREATE: u32 = 6;
pub(super) const GETFH: u32 = 10;
pub(super) const LINK: u32 = 11;
pub(super) const LOOKUP: u32 = 15;
pub(super) const LOOKUPP: u32 = 16;
pub(super) const OPEN: u32 = 18;
pub(super) const PUTFH: u32 = 22;
pub(super) const PUTPUBFH: u32 = 23;
pub(super) const PUTROOTFH: u32 = 24;
pub(super) const READ: u32 = 25;
pub(super) const REMOVE: u32 = 28;
pub(super) const RENAME: u32 = 29;
pub(super) const RESTOREFH: u32 = 31;
pub(super) const SAVEFH: u32 = 32;
pub(super) const WRITE: u32 = 38;

const ACCESS: u32 = 3;
const DELEGPURGE: u32 = 7;
const DELEGRETURN: u32 = 8;
const GETATTR: u32 = 9;
const LOCK: u32 = 12;
const LOCKT: u32 = 13;
const LOCKU: u32 = 14;
const NVERIFY: u32 = 17;
const OPENATTR: u32 = 19;
const OPEN_CONFIRM: u32 = 20;
const OPEN_DOWNGRADE: u32 = 21;
const READDIR: u32 = 26;
const READLINK: u32 = 27;
const RENEW: u32 = 30;
const SECINFO: u32 = 33;
const SETATTR: u32 = 34;
const SETCLIENTID: u32 = 35;
const SETCLIENTID_CONFIRM: u32 = 36;
const VERIFY: u32 = 37;
const RELEASE_LOCKOWNER: u32 = 39;
const DESTROY_SESSION: u32 = 44;
const FREE_STATEID: u32 = 45;
const SECINFO_NO_NAME: u32 = 52;
const SEQUENCE: u32 = 53;
const DESTROY_CLIENTID: u32 = 57;
const RECLAIM_COMPLETE: u32 = 58;

/// Sequence number and twelve more bytes.
pub(super) const STATE: usize = 16;
/// Before and after of a directory, and whether nothing came between.
const CHANGE: usize = 20;
/// The standard sets no bound for names; file systems set one that is lower.
pub(super) const LONGEST_NAME: u32 = 1024;
/// Of what a link names.
pub(super) const LONGEST_PATH: u32 = 4096;
const LONGEST_OWNER: u32 = 1024;
const LONGEST_ATTRIBUTES: u32 = 65_536;
const MOST_MASK_WORDS: u32 = 16;

/// Takes an operation's arguments. `Some(false)`: how long they are is not known. `None`: it is not made so.
pub(super) fn skip_arguments(operation: u32, bytes: &mut Bytes<'_>) -> Option<bool> {
    match operation {
        GETFH | LOOKUPP | PUTPUBFH | PUTROOTFH | READLINK | RESTOREFH | SAVEFH => {}
        ACCESS | OPENATTR | SECINFO_NO_NAME | RECLAIM_COMPLETE => xdr::skip(bytes, 4)?,
        DELEGPURGE | RENEW | DESTROY_CLIENTID => xdr::skip(bytes, 8)?,
        COMMIT => xdr::skip(bytes, 12)?,
        DELEGRETURN | FREE_STATEID | DESTROY_SESSION | SETCLIENTID_CONFIRM => {
            xdr::skip(bytes, STATE)?;
        }
        CLOSE | OPEN_CONFIRM => xdr::skip(bytes, STATE + 4)?,
        OPEN_DOWNGRADE => xdr::skip(bytes, STATE + 12)?,
        SEQUENCE => xdr::skip(bytes, 32)?,
        GETATTR => mask(bytes)?,
        READDIR => {
            xdr::skip(bytes, 24)?;
            mask(bytes)?;
        }
        VERIFY | NVERIFY => attributes(bytes)?,
        SETATTR => {
            xdr::skip(bytes, STATE)?;
            attributes(bytes)?;
        }
        SECINFO => xdr::opaque(bytes, LONGEST_NAME).map(|_| ())?,
        LOCK => {
            xdr::skip(bytes, 24)?;
            if xdr::flag(bytes)? {
                xdr::skip(bytes, 4 + STATE + 4)?;
                owner(bytes)?;
            } else {
                xdr::skip(bytes, STATE + 4)?;
            }
        }
        LOCKT => {
            xdr::skip(bytes, 20)?;
            owner(bytes)?;
        }
        LOCKU => xdr::skip(bytes, 8 + STATE + 16)?,
        RELEASE_LOCKOWNER => owner(bytes)?,
        SETCLIENTID => {
            xdr::skip(bytes, 8)?;
            xdr::opaque(bytes, LONGEST_OWNER)?;
            xdr::skip(bytes, 4)?;
            xdr::opaque(bytes, LONGEST_NAME)?;
            xdr::opaque(bytes, LONGEST_NAME)?;
            xdr::skip(bytes, 4)?;
        }
        _ => return Some(false),
    }
    Some(true)
}

/// As [`skip_arguments`], of the result of one that went well.
pub(super) fn skip_results(operation: u32, bytes: &mut Bytes<'_>) -> Option<bool> {
    match operation {
        DELEGPURGE | DELEGRETURN | LOCKT | LOOKUP | LOOKUPP | NVERIFY | OPENATTR | PUTFH
        | PUTPUBFH | PUTROOTFH | RENEW | RESTOREFH | SAVEFH | SETCLIENTID_CONFIRM | VERIFY
        | RELEASE_LOCKOWNER | DESTROY_SESSION | FREE_STATEID | DESTROY_CLIENTID
        | RECLAIM_COMPLETE => {}
        ACCESS | COMMIT => xdr::skip(bytes, 8)?,
        CLOSE | LOCK | LOCKU | OPEN_CONFIRM | OPEN_DOWNGRADE | SETCLIENTID | WRITE => {
            xdr::skip(bytes, STATE)?;
        }
        LINK | REMOVE => xdr::skip(bytes, CHANGE)?,
        RENAME => xdr::skip(bytes, 2 * CHANGE)?,
        SEQUENCE => xdr::skip(bytes, 36)?,
        CREATE => {
            xdr::skip(bytes, CHANGE)?;
            mask(bytes)?;
        }
        SETATTR => mask(bytes)?,
        GETATTR => attributes(bytes)?,
        READLINK => xdr::opaque(bytes, LONGEST_PATH).map(|_| ())?,
        OPEN => {
            xdr::skip(bytes, STATE + CHANGE + 4)?;
            mask(bytes)?;
            delegation(bytes)?;
        }
        _ => return Some(false),
    }
    Some(true)
}

/// Of OPEN up to its claim, which names the file.
pub(super) fn skip_to_claim(bytes: &mut Bytes<'_>) -> Option<()> {
    xdr::skip(bytes, 12)?;
    owner(bytes)?;
    let creates = xdr::flag(bytes)?;
    if !creates {
        return Some(());
    }
    match bytes.u32()? {
        0 | 1 => attributes(bytes),
        2 => xdr::skip(bytes, 8),
        3 => {
            xdr::skip(bytes, 8)?;
            attributes(bytes)
        }
        _ => None,
    }
}

pub(super) fn attributes(bytes: &mut Bytes<'_>) -> Option<()> {
    mask(bytes)?;
    xdr::opaque(bytes, LONGEST_ATTRIBUTES).map(|_| ())
}

/// Words of bits behind their count.
fn mask(bytes: &mut Bytes<'_>) -> Option<()> {
    let words = bytes.u32().filter(|words| *words <= MOST_MASK_WORDS)?;
    xdr::skip(bytes, 4 * words as usize)
}

/// A client's number, and what it calls the owner.
fn owner(bytes: &mut Bytes<'_>) -> Option<()> {
    xdr::skip(bytes, 8)?;
    xdr::opaque(bytes, LONGEST_OWNER).map(|_| ())
}

fn delegation(bytes: &mut Bytes<'_>) -> Option<()> {
    match bytes.u32()? {
        0 => return Some(()),
        1 => xdr::skip(bytes, STATE + 4)?,
        2 => {
            xdr::skip(bytes, STATE + 4)?;
            // A limit in bytes, or in blocks and their size: eight bytes in both cases.
            xdr::skip(bytes, 12)?;
        }
        3 => {
            // Contention and resources have a flag besides.
            if matches!(bytes.u32()?, 1 | 2) {
                xdr::flag(bytes)?;
            }
            return Some(());
        }
        _ => return None,
    }
    xdr::skip(bytes, 12)?;
    xdr::opaque(bytes, LONGEST_NAME).map(|_| ())
}
