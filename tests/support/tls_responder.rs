//! A TLS server with the Heartbleed bug, for use inside a namespace only.
//!
//! A client that offers the heartbeat extension (RFC 6520) meets the bug: the handshake's first
//! flight, and then heartbeats answered with as many bytes as they claim to hold, read on past the
//! request's end into a buffer of canary bytes. Any other client is relayed, byte for byte, to a real
//! TLS server, so that ordinary TLS goes on at the same address and port.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Fallible;
use super::netns::Lab;

/// What the responder's memory is full of. Never seen on the wire unless memory leaks.
pub const CANARY: &[u8] = b"CANARY-private-key-material;";

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const HEARTBEAT: u8 = 24;
const HEARTBEAT_EXTENSION: u16 = 15;
/// The largest record body, RFC 5246 section 6.2.1.
const MAX_RECORD: usize = 1 << 14;
const HEARTBEAT_PADDING: usize = 16;
const IDLE: Duration = Duration::from_secs(20);

/// The responder; dropping it closes the port.
#[derive(Debug)]
pub struct TlsResponder {
    listener: TcpListener,
    accepting: Option<JoinHandle<()>>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    heartbeats: AtomicU64,
    leaked_bytes: AtomicU64,
    relayed: AtomicU64,
}

impl TlsResponder {
    /// Listens in the server namespace on `port`, IPv4 and IPv6; `certificate` is DER; `backend` is the
    /// real TLS server.
    pub fn start(
        lab: &Lab,
        port: u16,
        certificate: Vec<u8>,
        backend: SocketAddr,
    ) -> Fallible<Self> {
        let tally = Arc::new(Tally::default());
        let server = lab.server();
        // The accepting thread is born in the namespace, and so are the threads it starts.
        let (listener, accepting) = lab.inside(&server, || -> io::Result<_> {
            let listener = TcpListener::bind(("::", port))?;
            let accepts = listener.try_clone()?;
            let tally = Arc::clone(&tally);
            let certificate: Arc<[u8]> = certificate.into();
            let accepting = thread::spawn(move || {
                while let Ok((stream, _)) = accepts.accept() {
                    let (certificate, tally) = (Arc::clone(&certificate), Arc::clone(&tally));
                    thread::spawn(move || serve(stream, &certificate, backend, &tally));
                }
            });
            Ok((listener, accepting))
        })??;
        Ok(Self {
            listener,
            accepting: Some(accepting),
            tally,
        })
    }

    /// Heartbeat requests that arrived.
    pub fn heartbeats(&self) -> u64 {
        self.tally.heartbeats.load(Ordering::Relaxed)
    }

    /// Bytes of memory handed to the network, beyond what the requests held.
    pub fn leaked_bytes(&self) -> u64 {
        self.tally.leaked_bytes.load(Ordering::Relaxed)
    }

    /// Connections of ordinary clients.
    pub fn relayed(&self) -> u64 {
        self.tally.relayed.load(Ordering::Relaxed)
    }
}

impl Drop for TlsResponder {
    fn drop(&mut self) {
        // Shutting a listening socket down wakes its accept; only a stream type offers the call.
        if let Ok(clone) = self.listener.try_clone() {
            let _ = TcpStream::from(OwnedFd::from(clone)).shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut client: TcpStream, certificate: &[u8], backend: SocketAddr, tally: &Tally) {
    let _ = client.set_read_timeout(Some(IDLE));
    let _ = client.set_nodelay(true);
    // A client that goes away ends its own thread and nothing else.
    let _ = converse(&mut client, certificate, backend, tally);
}

fn converse(
    client: &mut TcpStream,
    certificate: &[u8],
    backend: SocketAddr,
    tally: &Tally,
) -> io::Result<()> {
    let hello = Record::read(client)?;
    if hello.kind != HANDSHAKE || !offers_heartbeat(&hello.body) {
        tally.relayed.fetch_add(1, Ordering::Relaxed);
        return relay(client, &hello, backend);
    }
    let version = hello_version(&hello.body);
    client.write_all(&first_flight(version, certificate))?;
    loop {
        let record = Record::read(client)?;
        match record.kind {
            HEARTBEAT => {
                tally.heartbeats.fetch_add(1, Ordering::Relaxed);
                if let Some(answer) = vulnerable_answer(&record.body) {
                    let honest = record.body.len() + HEARTBEAT_PADDING;
                    let leaked = answer.len().saturating_sub(honest) as u64;
                    tally.leaked_bytes.fetch_add(leaked, Ordering::Relaxed);
                    for piece in answer.chunks(MAX_RECORD) {
                        client.write_all(&record_bytes(HEARTBEAT, version, piece))?;
                    }
                }
            }
            // This personality has no key: a handshake that goes on fails here.
            HANDSHAKE | CHANGE_CIPHER_SPEC => {
                let handshake_failure = [2, 40];
                return client.write_all(&record_bytes(ALERT, version, &handshake_failure));
            }
            _ => return Ok(()),
        }
    }
}

/// The bug itself: the answer is as long as the request claims, whatever the request held.
fn vulnerable_answer(request: &[u8]) -> Option<Vec<u8>> {
    let (&[kind, high, low], held) = request.split_first_chunk::<3>()?;
    if kind != 1 {
        return None;
    }
    let claimed = usize::from(u16::from_be_bytes([high, low]));
    let memory = held.iter().chain(CANARY.iter().cycle());
    let mut answer = vec![2, high, low];
    answer.extend(memory.take(claimed));
    answer.extend([0u8; HEARTBEAT_PADDING]);
    Some(answer)
}

fn relay(client: &mut TcpStream, hello: &Record, backend: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(backend)?;
    server.set_nodelay(true)?;
    server.set_read_timeout(Some(IDLE))?;
    server.write_all(&hello.header)?;
    server.write_all(&hello.body)?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
    let _ = io::copy(client, &mut server);
    let _ = server.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}

struct Record {
    header: [u8; 5],
    kind: u8,
    body: Vec<u8>,
}

impl Record {
    fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut header = [0u8; 5];
        stream.read_exact(&mut header)?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        stream.read_exact(&mut body)?;
        Ok(Self {
            header,
            kind: header[0],
            body,
        })
    }
}

/// TLS 1.0 to 1.2 as asked for, RFC 5246 section 7.4.1.2.
fn hello_version(hello: &[u8]) -> u16 {
    let asked = hello
        .get(4..6)
        .map_or(0x0303, |b| u16::from_be_bytes([b[0], b[1]]));
    asked.clamp(0x0301, 0x0303)
}

fn offers_heartbeat(hello: &[u8]) -> bool {
    extension_types(hello).is_some_and(|types| types.contains(&HEARTBEAT_EXTENSION))
}

/// Types of a ClientHello's extensions; the handshake header (4), version (2) and random (32) come first.
fn extension_types(hello: &[u8]) -> Option<Vec<u16>> {
    let rest = hello.get(38..)?;
    let (&session, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(session)..)?;
    let (ciphers, rest) = rest.split_first_chunk::<2>()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*ciphers))..)?;
    let (&compressions, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(compressions)..)?;
    let mut rest = rest.get(2..)?;
    let mut types = Vec::new();
    while let Some((&[a, b, c, d], after)) = rest.split_first_chunk::<4>() {
        types.push(u16::from_be_bytes([a, b]));
        rest = after.get(usize::from(u16::from_be_bytes([c, d]))..)?;
    }
    Some(types)
}

/// ServerHello, Certificate and ServerHelloDone, each in a record of its own.
fn first_flight(version: u16, certificate: &[u8]) -> Vec<u8> {
    let mut hello = version.to_be_bytes().to_vec();
    hello.extend([0x5a; 32]);
    hello.push(0);
    // TLS_RSA_WITH_AES_128_CBC_SHA, no compression; extensions: renegotiation_info and
    // heartbeat(peer_allowed_to_send).
    hello.extend([0x00, 0x2f, 0x00]);
    hello.extend([
        0x00, 0x0a, 0xff, 0x01, 0x00, 0x01, 0x00, 0x00, 0x0f, 0x00, 0x01, 0x01,
    ]);

    let mut chain = length24(certificate.len() + 3);
    chain.extend(length24(certificate.len()));
    chain.extend(certificate);

    let mut flight = Vec::new();
    for (kind, body) in [(2, hello), (11, chain), (14, Vec::new())] {
        let mut message = vec![kind];
        message.extend(length24(body.len()));
        message.extend(body);
        flight.extend(record_bytes(HANDSHAKE, version, &message));
    }
    flight
}

fn length24(length: usize) -> Vec<u8> {
    (length as u32).to_be_bytes()[1..].to_vec()
}

/// One record; `body` is at most 2^14 bytes.
pub fn record_bytes(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind];
    record.extend(version.to_be_bytes());
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

/// A self-signed certificate made for this run.
#[derive(Debug)]
pub struct Certificate {
    pub key: PathBuf,
    pub pem: PathBuf,
    pub der: Vec<u8>,
}

impl Certificate {
    pub fn make(folder: &Path) -> Fallible<Self> {
        let (key, pem, der) = (
            folder.join("key.pem"),
            folder.join("cert.pem"),
            folder.join("cert.der"),
        );
        openssl(
            Command::new("openssl")
                .args([
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                ])
                .args(["-subj", "/CN=server.test", "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(&pem),
        )?;
        openssl(
            Command::new("openssl")
                .args(["x509", "-outform", "DER", "-in"])
                .arg(&pem)
                .arg("-out")
                .arg(&der),
        )?;
        Ok(Self {
            key,
            pem,
            der: std::fs::read(der)?,
        })
    }
}

fn openssl(command: &mut Command) -> Fallible<()> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("openssl: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(())
}
