//! Packets of our own onto the wire, past our own queue.

use std::fmt;
use std::io;
use std::mem;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Of the kernel's `linux/in.h`.
const IP_NODEFRAG: i32 = 22;
const SEND_BUFFER_BYTES: u32 = 8 << 20;

/// Raw sockets, one a family, whose packets carry a mark. The kernel rules let
/// marked packets pass the queue.
#[derive(Debug)]
pub struct Injector {
    v4: OwnedFd,
    /// Absent where the kernel has no IPv6.
    v6: Option<OwnedFd>,
}

/// Why packets cannot be injected.
#[derive(Debug)]
pub struct InjectorError(io::Error);

impl fmt::Display for InjectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.kind() == io::ErrorKind::PermissionDenied {
            f.write_str("cannot open raw sockets for packets of our own: they need CAP_NET_RAW, their mark CAP_NET_ADMIN")
        } else {
            write!(
                f,
                "cannot open raw sockets for packets of our own: {}",
                self.0
            )
        }
    }
}

impl std::error::Error for InjectorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Injector {
    /// # Errors
    /// No privileges, mostly.
    pub fn open(mark: u32) -> Result<Self, InjectorError> {
        let v4 = raw_socket(libc::AF_INET, mark).map_err(InjectorError)?;
        // Our fragments stay as they are, connection tracking or not.
        set_option(&v4, libc::IPPROTO_IP, IP_NODEFRAG, 1).map_err(InjectorError)?;
        let v6 = match raw_socket(libc::AF_INET6, mark) {
            Ok(socket) => {
                set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_HDRINCL, 1)
                    .map_err(InjectorError)?;
                Some(socket)
            }
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => None,
            Err(error) => return Err(InjectorError(error)),
        };
        Ok(Self { v4, v6 })
    }

    /// Sends one whole packet, IP header included, the way the routing table
    /// says. Does not wait.
    ///
    /// # Errors
    /// `InvalidInput` where the bytes are no IP packet; otherwise what the
    /// kernel says: no route, no buffers. A link-local IPv6 destination cannot
    /// be reached, since a packet does not name its interface.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => {
                let Some(destination) = packet.get(16..20).and_then(|b| b.first_chunk()) else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                // SAFETY: all-zero is a valid sockaddr_in.
                let mut to: libc::sockaddr_in = unsafe { mem::zeroed() };
                to.sin_family = libc::AF_INET as libc::sa_family_t;
                to.sin_addr.s_addr = u32::from_ne_bytes(*destination);
                send_to(&self.v4, packet, &to)
            }
            Some(6) => {
                let Some(destination) = packet.get(24..40).and_then(|b| b.first_chunk::<16>())
                else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                let Some(socket) = &self.v6 else {
                    return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
                };
                // SAFETY: all-zero is a valid sockaddr_in6.
                let mut to: libc::sockaddr_in6 = unsafe { mem::zeroed() };
                to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                to.sin6_addr.s6_addr = Ipv6Addr::from(*destination).octets();
                send_to(socket, packet, &to)
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

/// `IPPROTO_RAW` means that packets bring their own IPv4 header, and that
/// nothing is ever received.
fn raw_socket(family: i32, mark: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = unsafe {
        libc::socket(
            family,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            libc::IPPROTO_RAW,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just opened and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    set_option(&socket, libc::SOL_SOCKET, libc::SO_MARK, mark)?;
    // A batch may end with many datagrams in fragments.
    set_option(
        &socket,
        libc::SOL_SOCKET,
        libc::SO_SNDBUFFORCE,
        SEND_BUFFER_BYTES,
    )?;
    Ok(socket)
}

fn set_option(socket: &OwnedFd, level: i32, option: i32, value: u32) -> io::Result<()> {
    // SAFETY: pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `A` is a socket address of the socket's family.
fn send_to<A>(socket: &OwnedFd, packet: &[u8], to: &A) -> io::Result<()> {
    loop {
        // SAFETY: pointers and lengths describe `packet` and `to`, which outlive the call.
        let sent = unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                libc::MSG_DONTWAIT,
                std::ptr::from_ref(to).cast(),
                mem::size_of::<A>() as libc::socklen_t,
            )
        };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
