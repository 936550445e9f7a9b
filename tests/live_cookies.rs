//! Where a stream begins for a Linux server under SYN cookies is told by the first segment with a valid
//! cookie: a client can let it begin beside the first byte. What the server's program then reads must be
//! what was inspected.

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::netns::{Family, Lab, RAW_INTERFACE};
use support::rawtcp::frame::{self, ACK, Ends, PSH, SYN};
use support::requirements::live_with_daemon;
use support::tap::PacketSocket;

const PORT: u16 = 8100;
const DISTANCES: std::ops::RangeInclusive<i32> = -4..=4;

/// What a program behind the server's TCP read of connections whose first segment stood so far beside
/// the first byte.
fn what_is_read(lab: &Lab) -> Fallible<BTreeMap<i32, Vec<u8>>> {
    lab.inside(&lab.server(), || {
        std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2")
    })??;
    let listener = lab.inside(&lab.server(), || {
        TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], PORT)))
    })??;
    listener.set_nonblocking(true)?;
    let socket = lab.inside(&lab.client(), || PacketSocket::open(RAW_INTERFACE))??;
    let mut buffer = vec![0; 1 << 17];
    for distance in DISTANCES {
        let ends = Ends {
            local: (lab.raw_address(Family::V4), port_of(distance)),
            remote: (lab.server_address(Family::V4), PORT),
        };
        let isn: u32 = 0x1000_0000;
        socket.send(&frame::build(&ends, SYN, isn, 0, b""))?;
        let answer = support::wait_for(Duration::from_secs(2), || {
            let length = socket
                .receive(&mut buffer, Duration::from_millis(100))
                .ok()??;
            let segment = frame::parse(&ends, &buffer[..length])?;
            (segment.flags & SYN != 0).then_some(segment.sequence)
        });
        let wanted = answer.ok_or("no SYN-ACK")?.wrapping_add(1);
        let first = isn.wrapping_add(1).wrapping_add_signed(distance);
        let text = format!("{distance:+} evil");
        socket.send(&frame::build(
            &ends,
            ACK | PSH,
            first,
            wanted,
            text.as_bytes(),
        ))?;
    }
    let mut read = BTreeMap::new();
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        if let Ok((mut stream, from)) = listener.accept() {
            stream.set_read_timeout(Some(Duration::from_millis(300)))?;
            let mut bytes = [0; 64];
            let length = stream.read(&mut bytes).unwrap_or(0);
            read.insert(i32::from(from.port()) - 30_000, bytes[..length].to_vec());
        } else {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(read)
}

fn port_of(distance: i32) -> u16 {
    (30_000 + distance) as u16
}

#[test]
fn a_stream_that_a_syn_cookie_lets_begin_beside_its_first_byte() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a SYN cookie's first byte", &[]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let alone = what_is_read(&lab)?;
    let landed: Vec<_> = alone
        .iter()
        .filter(|(_, b)| !b.is_empty())
        .map(|(d, _)| *d)
        .collect();
    println!("without Stopgap, streams begin at {landed:?}");
    assert!(landed.len() > 1 && landed.contains(&0), "{alone:?}");

    let lab = Lab::new()?;
    let daemon = Daemon::start(&lab, &Setup::default())?;
    let read = what_is_read(&lab)?;
    println!("with Stopgap: {read:?}");
    assert_eq!(read.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(read[&0], b"+0 evil");
    daemon.stop()?;
    Ok(())
}
