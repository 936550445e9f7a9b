//! The system calls, each behind a safe function.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Datagrams taken by one system call.
pub const BATCH: usize = 64;

/// Room for one datagram: the longest attribute (64 KiB) and the few hundred
/// bytes of header and other attributes that the kernel puts before it.
pub(super) const SLOT: usize = 65 * 1024;

/// A netlink socket that talks to the kernel's netfilter and to nobody else.
#[derive(Debug)]
pub(super) struct NetlinkSocket {
    fd: OwnedFd,
}

impl NetlinkSocket {
    pub(super) fn open() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                libc::NETLINK_NETFILTER,
            )
        };
        check(fd as isize)?;
        // SAFETY: `fd` was just opened and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = Self { fd };
        socket.connect_to_kernel()?;
        Ok(socket)
    }

    /// A connected netlink socket refuses messages of other processes.
    fn connect_to_kernel(&self) -> io::Result<()> {
        // SAFETY: all-zero is a valid sockaddr_nl: port id 0 is the kernel.
        let mut kernel: libc::sockaddr_nl = unsafe { mem::zeroed() };
        kernel.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        // SAFETY: pointer and length describe `kernel`, which outlives the call.
        let result = unsafe {
            libc::connect(
                self.fd.as_raw_fd(),
                (&raw const kernel).cast(),
                mem::size_of_val(&kernel) as libc::socklen_t,
            )
        };
        check(result as isize).map(drop)
    }

    pub(super) fn set_option(&self, level: i32, option: i32, value: i32) -> io::Result<()> {
        // SAFETY: pointer and length describe `value`, which outlives the call.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                option,
                (&raw const value).cast(),
                mem::size_of_val(&value) as libc::socklen_t,
            )
        };
        check(result as isize).map(drop)
    }

    /// Asks for a receive buffer of this many bytes and tells how many were granted.
    pub(super) fn grow_receive_buffer(&self, bytes: usize) -> io::Result<usize> {
        let wanted = i32::try_from(bytes).unwrap_or(i32::MAX);
        if self
            .set_option(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted)
            .is_err()
        {
            // Without CAP_NET_ADMIN over the host (a container), net.core.rmem_max is the limit.
            self.set_option(libc::SOL_SOCKET, libc::SO_RCVBUF, wanted)?;
        }
        let [doubled] = self.numbers(libc::SO_RCVBUF)?;
        Ok(doubled as usize / 2)
    }

    /// Messages from the kernel that did not fit the receive buffer since the socket was opened.
    pub(super) fn overruns(&self) -> io::Result<u32> {
        const COUNT: usize = libc::SK_MEMINFO_DROPS as usize + 1;
        let memory: [u32; COUNT] = self.numbers(libc::SO_MEMINFO)?;
        Ok(memory[COUNT - 1])
    }

    fn numbers<const N: usize>(&self, option: i32) -> io::Result<[u32; N]> {
        let mut values = [0u32; N];
        let mut length = mem::size_of_val(&values) as libc::socklen_t;
        // SAFETY: `values` has `length` writable bytes, and any bytes make a valid array of u32.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                values.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        check(result as isize)?;
        Ok(values)
    }

    /// Hands messages to the kernel, which has carried all of them out when this returns.
    pub(super) fn send(&self, messages: &[u8]) -> io::Result<()> {
        const ATTEMPTS: usize = 16;
        let mut attempt = 0;
        loop {
            // SAFETY: pointer and length describe `messages`.
            let sent = unsafe {
                libc::send(
                    self.fd.as_raw_fd(),
                    messages.as_ptr().cast(),
                    messages.len(),
                    0,
                )
            };
            let error = match check(sent) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            attempt += 1;
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                // Momentary lack of memory.
                Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) if attempt < ATTEMPTS => {
                    std::thread::yield_now();
                }
                _ => return Err(error),
            }
        }
    }

    /// One datagram, whole or cut at the buffer's end; `WouldBlock` when there is none.
    pub(super) fn receive_one(&self, buffer: &mut [u8], peek: bool) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | if peek { libc::MSG_PEEK } else { 0 };
        // SAFETY: pointer and length describe `buffer`, which is writable.
        let got = unsafe {
            libc::recv(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                flags,
            )
        };
        check(got)
    }

    /// Up to [`BATCH`] datagrams, the n-th at the start of the n-th [`SLOT`] of
    /// `arena`, its length in `lengths`. `WouldBlock` when there is none.
    pub(super) fn receive_many(
        &self,
        arena: &mut [u8],
        lengths: &mut [usize; BATCH],
    ) -> io::Result<usize> {
        // SAFETY: all-zero is a valid mmsghdr: no name, no buffers, no control data.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut vectors = [libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        }; BATCH];
        let mut slots = 0;
        for ((slot, vector), header) in arena
            .chunks_exact_mut(SLOT)
            .zip(&mut vectors)
            .zip(&mut headers)
        {
            vector.iov_base = slot.as_mut_ptr().cast();
            vector.iov_len = slot.len();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            slots += 1;
        }
        // SAFETY: the first `slots` headers point at vectors, and these at distinct
        // parts of `arena`; all of them outlive the call. No timeout is passed.
        let got = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                headers.as_mut_ptr(),
                slots,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let got = check(got as isize)?;
        for (length, header) in lengths.iter_mut().zip(&headers).take(got) {
            *length = header.msg_len as usize;
        }
        Ok(got)
    }

    /// Waits until there is something to receive; whether there is. A signal ends the wait early.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the pointer is to one pollfd, which outlives the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        match check(ready as isize) {
            Ok(ready) => Ok(ready > 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
