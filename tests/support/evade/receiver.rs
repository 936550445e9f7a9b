//! The real ends: ordinary sockets of the kernel's. What `read` gave is the only witness.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::Fallible;
use super::super::netns::{enter, ip_batch};

pub const PORT: u16 = 7000;
/// Takes data in the SYN.
pub const FAST_OPEN_PORT: u16 = 7001;

/// The application closes when this is what it read last.
const LAST_WORD: u8 = b'~';

/// What a peer's application got, by the peer's address: each run has its own.
type Records = Arc<Mutex<HashMap<IpAddr, Vec<u8>>>>;

enum Order {
    Connect(SocketAddr),
    /// Forget all; answered when done.
    Clear(Sender<()>),
}

/// The programs of one namespace.
pub struct Programs {
    records: Records,
    orders: Sender<Order>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Programs {
    /// Listeners, a UDP socket and the ends of tunnels.
    pub fn listening(namespace: &str) -> Fallible<Self> {
        Self::start(namespace, true)
    }

    /// Programs that connect when they are told.
    pub fn connecting(namespace: &str) -> Fallible<Self> {
        Self::start(namespace, false)
    }

    fn start(namespace: &str, listening: bool) -> Fallible<Self> {
        let records = Records::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (orders, received) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let (kept, stopped) = (Arc::clone(&records), Arc::clone(&stop));
        let namespace = namespace.to_owned();
        let thread = thread::spawn(move || {
            let made =
                enter(&namespace).and_then(|()| Loop::new(kept, received, &namespace, listening));
            match made {
                Ok(mut programs) => {
                    let _ = ready.send(Ok(()));
                    while !stopped.load(Ordering::Relaxed) {
                        programs.turn();
                    }
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
        is_ready.recv()??;
        Ok(Self {
            records,
            orders,
            stop,
            thread: Some(thread),
        })
    }

    pub fn connect(&self, to: SocketAddr) {
        let _ = self.orders.send(Order::Connect(to));
    }

    /// Ends every connection and forgets what was read.
    pub fn clear(&self) {
        let (done, is_done) = mpsc::channel();
        let _ = self.orders.send(Order::Clear(done));
        let _ = is_done.recv_timeout(Duration::from_secs(10));
    }

    /// What the application that talked to this address got.
    pub fn got(&self, peer: IpAddr) -> Vec<u8> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(&peer).cloned().unwrap_or_default()
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

enum Socket {
    Listener(TcpListener),
    Datagrams(UdpSocket),
    Connection(TcpStream, IpAddr),
    /// Packets come with so many bytes of headers before the inner packet; of IPv4's own, when raw.
    Tunnel {
        socket: OwnedFd,
        raw: bool,
        header: usize,
    },
}

struct Loop {
    epoll: OwnedFd,
    sockets: HashMap<RawFd, Socket>,
    records: Records,
    orders: Receiver<Order>,
    tun: Option<File>,
    buffer: Vec<u8>,
}

impl Loop {
    fn new(
        records: Records,
        orders: Receiver<Order>,
        namespace: &str,
        listening: bool,
    ) -> Fallible<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error().into());
        }
        let mut programs = Self {
            // SAFETY: a fresh descriptor that nothing else owns.
            epoll: unsafe { OwnedFd::from_raw_fd(epoll) },
            sockets: HashMap::new(),
            records,
            orders,
            tun: None,
            buffer: vec![0; 1 << 17],
        };
        if listening {
            programs.listen(namespace)?;
        }
        Ok(programs)
    }

    fn listen(&mut self, namespace: &str) -> Fallible<()> {
        for (port, fast_open) in [(PORT, false), (FAST_OPEN_PORT, true)] {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))?;
            listener.set_nonblocking(true)?;
            let fd = listener.as_raw_fd();
            // The backlog that the library asks for is too short for a thousand runs at once.
            // SAFETY: the descriptor is a listening socket.
            unsafe { libc::listen(fd, 65_535) };
            if fast_open {
                set_option(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 65_535)?;
            }
            self.add(fd, Socket::Listener(listener))?;
        }
        let datagrams = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT))?;
        datagrams.set_nonblocking(true)?;
        let fd = datagrams.as_raw_fd();
        set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20)?;
        self.add(fd, Socket::Datagrams(datagrams))?;

        self.tun = Some(open_tun(namespace)?);
        // A frame of Ethernet stands inside VXLAN and GENEVE, behind eight bytes of their own.
        for (protocol, header) in [(47, 4), (4, 0), (41, 0)] {
            self.tunnel_end(libc::SOCK_RAW, protocol, true, header)?;
        }
        for (port, header) in [(4789u16, 22), (6081, 22), (3544, 0)] {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
            let fd = socket.as_raw_fd();
            let socket = OwnedFd::from(socket);
            self.add(
                fd,
                Socket::Tunnel {
                    socket,
                    raw: false,
                    header,
                },
            )?;
        }
        Ok(())
    }

    fn tunnel_end(&mut self, kind: i32, protocol: i32, raw: bool, header: usize) -> Fallible<()> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, protocol) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: a fresh descriptor that nothing else owns.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        self.add(
            fd,
            Socket::Tunnel {
                socket,
                raw,
                header,
            },
        )
    }

    fn add(&mut self, fd: RawFd, socket: Socket) -> Fallible<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: fd as u64,
        };
        // SAFETY: both descriptors are open, and `event` lives through the call.
        let added =
            unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
        if added != 0 {
            return Err(io::Error::last_os_error().into());
        }
        self.sockets.insert(fd, socket);
        Ok(())
    }

    fn turn(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Connect(to) => {
                    if let Err(error) = self.connect(to) {
                        eprintln!("a client cannot connect to {to}: {error}");
                    }
                }
                Order::Clear(done) => {
                    self.clear();
                    let _ = done.send(());
                }
            }
        }
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        // SAFETY: the array is writable for as many events as are asked for.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as i32,
                2,
            )
        };
        for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
            self.serve(event.u64 as RawFd);
        }
    }

    fn connect(&mut self, to: SocketAddr) -> Fallible<()> {
        let domain = if to.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::socket(domain, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: a fresh descriptor that nothing else owns.
        let stream = unsafe { TcpStream::from_raw_fd(fd) };
        // SAFETY: the address is alive and of the length given.
        unsafe {
            match to {
                SocketAddr::V4(to) => {
                    let address = libc::sockaddr_in {
                        sin_family: libc::AF_INET as u16,
                        sin_port: to.port().to_be(),
                        sin_addr: libc::in_addr {
                            s_addr: u32::from(*to.ip()).to_be(),
                        },
                        sin_zero: [0; 8],
                    };
                    libc::connect(
                        fd,
                        (&raw const address).cast(),
                        size_of_val(&address) as u32,
                    );
                }
                SocketAddr::V6(to) => {
                    let address = libc::sockaddr_in6 {
                        sin6_family: libc::AF_INET6 as u16,
                        sin6_port: to.port().to_be(),
                        sin6_flowinfo: 0,
                        sin6_addr: libc::in6_addr {
                            s6_addr: to.ip().octets(),
                        },
                        sin6_scope_id: 0,
                    };
                    libc::connect(
                        fd,
                        (&raw const address).cast(),
                        size_of_val(&address) as u32,
                    );
                }
            }
        }
        self.add(fd, Socket::Connection(stream, to.ip()))
    }

    /// Connections end by a reset, so that nothing of them lingers.
    fn clear(&mut self) {
        self.sockets.retain(|fd, socket| {
            let connection = matches!(socket, Socket::Connection(..));
            if connection {
                let linger = libc::linger {
                    l_onoff: 1,
                    l_linger: 0,
                };
                // SAFETY: the option's value is alive and of the length given.
                unsafe {
                    libc::setsockopt(
                        *fd,
                        libc::SOL_SOCKET,
                        libc::SO_LINGER,
                        (&raw const linger).cast(),
                        size_of_val(&linger) as u32,
                    );
                }
            }
            !connection
        });
        // Datagrams that nobody has read yet belong to the past too.
        let fds: Vec<_> = self.sockets.keys().copied().collect();
        fds.into_iter().for_each(|fd| self.serve(fd));
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn serve(&mut self, fd: RawFd) {
        let mut accepted = Vec::new();
        let mut over = false;
        match self.sockets.get_mut(&fd) {
            None => {}
            Some(Socket::Listener(listener)) => {
                while let Ok((stream, peer)) = listener.accept() {
                    accepted.push((stream, peer.ip().to_canonical()));
                }
            }
            Some(Socket::Datagrams(socket)) => {
                while let Ok((length, peer)) = socket.recv_from(&mut self.buffer) {
                    note(
                        &self.records,
                        peer.ip().to_canonical(),
                        &self.buffer[..length],
                    );
                }
            }
            Some(Socket::Connection(stream, peer)) => loop {
                match stream.read(&mut self.buffer) {
                    Ok(0) => {
                        over = true;
                        break;
                    }
                    Ok(length) => {
                        note(&self.records, *peer, &self.buffer[..length]);
                        if self.buffer[length - 1] == LAST_WORD {
                            over = true;
                            break;
                        }
                    }
                    Err(error) => {
                        over = error.kind() != ErrorKind::WouldBlock;
                        break;
                    }
                }
            },
            Some(Socket::Tunnel {
                socket,
                raw,
                header,
            }) => {
                while let Some(length) = receive(socket, &mut self.buffer) {
                    let outer = match *raw {
                        true => usize::from(self.buffer[0] & 15) * 4,
                        false => 0,
                    };
                    let inner = self.buffer.get(outer + *header..length);
                    if let (Some(inner), Some(tun)) = (inner, &mut self.tun) {
                        let _ = tun.write(inner);
                    }
                }
            }
        }
        if over {
            self.sockets.remove(&fd);
        }
        for (stream, peer) in accepted {
            let fd = stream.as_raw_fd();
            let _ = stream.set_nonblocking(true);
            if self.add(fd, Socket::Connection(stream, peer)).is_ok() {
                self.serve(fd);
            }
        }
    }
}

fn note(records: &Records, peer: IpAddr, bytes: &[u8]) {
    let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
    records.entry(peer).or_default().extend(bytes);
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<usize> {
    // SAFETY: the buffer is writable for its whole length.
    let length = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(length).ok()
}

fn set_option(fd: RawFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the value is alive and of the length given.
    let set = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as u32,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What is written to it, the namespace's kernel has received.
fn open_tun(namespace: &str) -> Fallible<File> {
    const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
    const IFF_TUN_WITHOUT_HEADER: i16 = 0x1001;
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: i16,
        rest: [u8; 22],
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let mut request = Request {
        name: *b"tun0\0\0\0\0\0\0\0\0\0\0\0\0",
        flags: IFF_TUN_WITHOUT_HEADER,
        rest: [0; 22],
    };
    // SAFETY: the request is alive, and as large as the kernel's `struct ifreq`.
    if unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    ip_batch(Some(namespace), "link set tun0 up\n")?;
    Ok(file)
}
