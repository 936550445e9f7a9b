//! Messages of ONC RPC (RFC 5531 section 9), and how RPCSEC_GSS wraps what they carry (RFC 2203).

use super::xdr;
use crate::app_layer::message::Bytes;

const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
/// RFC 1813 section 2.1.
pub(super) const NFS: u32 = 100_003;
/// Longest credential or verifier (RFC 5531 section 8.2).
const LONGEST_AUTH: u32 = 400;
/// Longest name of a machine (appendix A).
const LONGEST_MACHINE: u32 = 255;

const AUTH_UNIX: u32 = 1;
const RPCSEC_GSS: u32 = 6;

/// A call of whatever program.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub xid: u32,
    pub program: u32,
    pub version: u32,
    pub procedure: u32,
    pub credential: Credential<'a>,
    /// What the procedure is called with, as it came.
    pub arguments: Bytes<'a>,
}

#[derive(Debug)]
pub(super) struct Credential<'a> {
    pub flavor: u32,
    pub unix: Option<Unix<'a>>,
    pub wrapping: Wrapping,
}

/// AUTH_UNIX, or AUTH_SYS (appendix A).
#[derive(Debug)]
pub(super) struct Unix<'a> {
    pub machine: &'a [u8],
    pub user: u32,
    pub group: u32,
}

/// How arguments and results are wrapped (RFC 2203 section 5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    None,
    /// Behind a length and a sequence number, with a checksum.
    Integrity,
    /// Encrypted, or of the security itself.
    Closed,
}

/// A reply.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub xid: u32,
    pub is_accepted: bool,
    /// What a procedure that was run gives back, as it came.
    pub results: Option<Bytes<'a>>,
}

/// Whether a message is a call, by its second word; `None`: it is neither that nor a reply.
pub(super) fn is_call(message: &[u8]) -> Option<bool> {
    let mut bytes = Bytes(message);
    bytes.u32()?;
    match bytes.u32()? {
        CALL => Some(true),
        REPLY => Some(false),
        _ => None,
    }
}

pub(super) fn call(message: &[u8]) -> Option<Call<'_>> {
    let mut bytes = Bytes(message);
    let xid = bytes.u32()?;
    let head = [bytes.u32()?, bytes.u32()?];
    if head != [CALL, RPC_VERSION] {
        return None;
    }
    let (program, version, procedure) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
    let flavor = bytes.u32()?;
    let body = Bytes(xdr::opaque(&mut bytes, LONGEST_AUTH)?);
    let credential = Credential {
        flavor,
        unix: (flavor == AUTH_UNIX).then(|| unix(body)).flatten(),
        wrapping: wrapping(flavor, body),
    };
    verifier(&mut bytes)?;
    Some(Call {
        xid,
        program,
        version,
        procedure,
        credential,
        arguments: bytes,
    })
}

pub(super) fn reply(message: &[u8]) -> Option<Reply<'_>> {
    let mut bytes = Bytes(message);
    let xid = bytes.u32()?;
    let (kind, status) = (bytes.u32()?, bytes.u32()?);
    if kind != REPLY || status > 1 {
        return None;
    }
    let is_accepted = status == 0;
    let mut results = None;
    if is_accepted {
        verifier(&mut bytes)?;
        results = (bytes.u32()? == 0).then_some(bytes);
    }
    Some(Reply {
        xid,
        is_accepted,
        results,
    })
}

impl Wrapping {
    /// What is inside; `None` where it cannot be read.
    pub(super) fn open<'a>(self, wrapped: Bytes<'a>) -> Option<Bytes<'a>> {
        let mut bytes = wrapped;
        match self {
            Self::None => Some(bytes),
            Self::Closed => None,
            Self::Integrity => {
                let (inside, _) = xdr::contents(&mut bytes)?;
                let mut inside = Bytes(inside);
                inside.u32()?;
                Some(inside)
            }
        }
    }
}

fn verifier(bytes: &mut Bytes<'_>) -> Option<()> {
    bytes.u32()?;
    xdr::opaque(bytes, LONGEST_AUTH).map(|_| ())
}

fn unix(mut body: Bytes<'_>) -> Option<Unix<'_>> {
    body.u32()?;
    Some(Unix {
        machine: xdr::opaque(&mut body, LONGEST_MACHINE)?,
        user: body.u32()?,
        group: body.u32()?,
    })
}

fn wrapping(flavor: u32, mut body: Bytes<'_>) -> Wrapping {
    if flavor != RPCSEC_GSS {
        return Wrapping::None;
    }
    // Version, procedure of the security, sequence number, service.
    let words = [body.u32(), body.u32(), body.u32(), body.u32()];
    match words {
        [_, Some(0), _, Some(1)] => Wrapping::None,
        [_, Some(0), _, Some(2)] => Wrapping::Integrity,
        _ => Wrapping::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_replies_have_a_head() {
        let message = b"\0\0\0\x07\0\0\0\0\0\0\0\x02\0\x01\x86\xa3\0\0\0\x03\0\0\0\x01\
            \0\0\0\x01\0\0\0\x18\0\0\0\0\0\0\0\x03box\0\0\0\0\x05\0\0\0\x06\0\0\0\0\0\0\0\0\0\0\0\0rest";
        let call = call(message).unwrap();
        assert_eq!((call.xid, call.program, call.version), (7, NFS, 3));
        let unix = call.credential.unix.unwrap();
        assert_eq!((unix.machine, unix.user, unix.group), (&b"box"[..], 5, 6));
        assert_eq!(call.arguments.0, b"rest");
        let good = reply(b"\0\0\0\x07\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0rest").unwrap();
        assert_eq!(good.results.unwrap().0, b"rest");
        let denied = reply(b"\0\0\0\x07\0\0\0\x01\0\0\0\x01").unwrap();
        assert!(!denied.is_accepted && denied.results.is_none());
        assert!(reply(b"\0\0\0\x07\0\0\0\x02\0\0\0\x01").is_none());
    }

    #[test]
    fn a_checksum_around_arguments_is_taken_off() {
        let body = b"\0\0\0\x01\0\0\0\0\0\0\0\x09\0\0\0\x02\0\0\0\0";
        let wrapping = wrapping(RPCSEC_GSS, Bytes(body));
        assert_eq!(wrapping, Wrapping::Integrity);
        let inside = wrapping.open(Bytes(b"\0\0\0\x08\0\0\0\x09argssum"));
        assert_eq!(inside.unwrap().0, b"args");
        assert!(Wrapping::Closed.open(Bytes(b"\0")).is_none());
    }
}
