//! Connections as packets, made here: the same on every machine.
use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};
pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;
const ISN: [u32; 2] = [1000, 2000];

type Step = PacketBuilderStep<TcpHeader>;

/// A TCP segment over IPv4. Offsets count from the first byte of each stream.
pub fn segment(from: usize, port: u16, offset: u32, acknowledged: u32, payload: &[u8]) -> Vec<u8> {
    let seq = ISN[from] + 1 + offset;
    let ack = ISN[1 - from] + 1 + acknowledged;
    write(from, port, seq, |tcp| tcp.ack(ack), payload)
}

pub fn handshake(port: u16) -> [Vec<u8>; 3] {
    [
        write(CLIENT, port, ISN[CLIENT], Step::syn, b""),
        write(
            SERVER,
            port,
            ISN[SERVER],
            |tcp| tcp.syn().ack(ISN[CLIENT] + 1),
            b"",
        ),
        segment(CLIENT, port, 0, 0, b""),
    ]
}

fn write(
    from: usize,
    port: u16,
    seq: u32,
    set: impl FnOnce(Step) -> Step,
    payload: &[u8],
) -> Vec<u8> {
    let (addresses, ports) = if from == CLIENT {
        ([[10, 0, 0, 1], [10, 0, 0, 2]], [40_000, port])
    } else {
        ([[10, 0, 0, 2], [10, 0, 0, 1]], [port, 40_000])
    };
    let tcp =
        PacketBuilder::ipv4(addresses[0], addresses[1], 64).tcp(ports[0], ports[1], seq, 65_000);
    let mut bytes = Vec::new();
    set(tcp)
        .write(&mut bytes, payload)
        .expect("the packet is well formed");
    bytes
}
