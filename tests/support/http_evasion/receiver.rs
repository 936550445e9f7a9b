//! A server that takes CONNECT and any upgrade, and keeps all that it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::Fallible;
use crate::support::netns::Lab;

pub const PORT: u16 = 8082;

/// Lives as long as the test: its thread ends with the process.
#[derive(Debug)]
pub struct Switching {
    told: Arc<Mutex<Vec<u8>>>,
}

impl Switching {
    pub fn start(lab: &Lab) -> Fallible<Self> {
        let address = SocketAddr::from(([0, 0, 0, 0], PORT));
        let listener = lab.inside(&lab.server(), || TcpListener::bind(address))??;
        let told = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Ok(Self { told })
    }

    pub fn was_told(&self, text: &str) -> bool {
        let told = self.told.lock().map(|t| t.clone()).unwrap_or_default();
        told.windows(text.len()).any(|w| w == text.as_bytes())
    }
}

fn serve(mut stream: TcpStream, told: &Mutex<Vec<u8>>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let got = &buffer[..length];
        if let Ok(mut told) = told.lock() {
            told.extend_from_slice(got);
        }
        let answer: &[u8] = if got.starts_with(b"CONNECT ") {
            b"HTTP/1.1 200 OK\r\n\r\n"
        } else if got.windows(9).any(|w| w == b"Upgrade: ") {
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        };
        let closes = answer.windows(5).any(|w| w == b"close");
        if stream.write_all(answer).is_err() || closes {
            return;
        }
    }
}
