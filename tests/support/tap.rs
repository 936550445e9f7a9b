//! Sees every frame on an interface, to tell what truly reached a client.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Fallible;
use super::netns::Lab;

/// A packet socket on one interface.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens it in the calling thread's namespace; it sees IPv4 and IPv6, in both directions.
    pub fn open(interface: &str) -> io::Result<Self> {
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                protocol.into(),
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nothing else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let name = CString::new(interface)?;
        // SAFETY: `name` is a terminated string.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol,
            sll_ifindex: index as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let large: libc::c_int = 64 << 20;
        // SAFETY: both pointers are to live values of the lengths given.
        let bound = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const large).cast(),
                size_of::<libc::c_int>() as u32,
            );
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        if bound != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(fd))
    }

    /// One frame into `buffer`, or nothing when none comes in time.
    pub fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<Option<usize>> {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one live pollfd; the buffer is writable for its whole length.
        let length = unsafe {
            if libc::poll(&mut poll, 1, within.as_millis() as i32) <= 0 {
                return Ok(None);
            }
            libc::recv(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
                e => Err(e),
            },
        }
    }

    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the buffer is readable for its whole length.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// Keeps all frames of an interface until it is asked for them.
#[derive(Debug)]
pub struct Tap {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

impl Tap {
    pub fn start(lab: &Lab, namespace: &str, interface: &str) -> Fallible<Self> {
        let socket = lab.inside(namespace, || PacketSocket::open(interface))??;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut frames = Vec::new();
            let mut buffer = vec![0u8; 1 << 17];
            loop {
                match socket.receive(&mut buffer, Duration::from_millis(20)) {
                    Ok(Some(length)) => frames.push(buffer[..length].to_vec()),
                    // What had come before the stop has been read by now.
                    _ if stopped.load(Ordering::Relaxed) => return frames,
                    _ => {}
                }
            }
        });
        Ok(Self { stop, thread })
    }

    /// Ends the recording and gives the frames.
    pub fn finish(self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// How many of the frames hold `bytes`.
pub fn frames_with(frames: &[Vec<u8>], bytes: &[u8]) -> usize {
    frames
        .iter()
        .filter(|frame| frame.windows(bytes.len()).any(|w| w == bytes))
        .count()
}
