//! Segments that no honest stack would send.

use super::host::{Host, State};
use super::random::Random;
use super::segment::{ACK, FIN, Options, PSH, RST, SYN, Segment, Side, URG};

/// From an attacker at `sender`'s place: anything, near what `victim` looks at. Only of a SYN
/// that passed the engine he knows the sequence number.
pub fn any(
    sender: &Host,
    victim: &Host,
    announced: Option<u32>,
    now: u32,
    random: &mut Random,
) -> Segment {
    let mut edges = vec![
        victim.rcv_nxt,
        victim.rcv_nxt,
        victim.rcv_nxt,
        victim.irs,
        victim.irs.wrapping_add(1),
        victim.rcv_limit,
        sender.iss,
        sender.snd_una,
        sender.snd_nxt,
    ];
    edges.extend(victim.queue.edges());
    let seq = random.pick(&edges).wrapping_add(nearby(random));
    let mut segment = Segment::new(sender.side, flags(victim, random), seq, 0);
    segment.ack = match random.below(20) {
        0 => victim.snd_una.wrapping_sub(random.below(100)),
        1 => victim.iss.wrapping_sub(random.below(20)),
        2 => victim.snd_nxt.wrapping_add(1 + random.below(100)),
        3 => random.next() as u32,
        _ => random.pick(&[victim.snd_nxt, victim.snd_nxt, victim.snd_una]),
    };
    if victim.state == State::SynSent && random.chance(80) {
        segment.ack = victim.snd_nxt;
    }
    if announced != Some(victim.iss) {
        segment.ack = sender.rcv_nxt;
    }
    segment.payload = payload(sender, seq, random);
    segment.window = random.pick(&[0, 1, 500, 8_000, 65_535]);
    segment.urgent = random.below(40) as u16;
    segment.options = Options {
        window_scale: (segment.has(SYN) && random.chance(50)).then(|| random.below(15) as u8),
        sack_permitted: segment.has(SYN) && random.chance(50),
        timestamps: timestamps(victim, now, random),
        md5: random.chance(3),
        fast_open: segment.has(SYN) && random.chance(50),
    };
    segment.bad_checksum = random.chance(3);
    if random.chance(8) {
        segment.ttl = 1 + random.below(6) as u8;
    }
    segment.crafted = true;
    segment
}

fn flags(victim: &Host, random: &mut Random) -> u8 {
    if !victim.is_synchronised() && random.chance(50) {
        return match victim.side {
            Side::Server => SYN,
            Side::Client => random.pick(&[SYN, SYN | ACK, SYN | ACK]),
        };
    }
    match random.below(100) {
        0..60 => ACK | PSH,
        60..65 => ACK | FIN,
        65..70 => ACK | URG,
        70..74 => RST,
        74..77 => RST | ACK,
        77..82 => SYN,
        82..86 => SYN | ACK,
        86..88 => PSH,
        88..90 => FIN,
        _ => random.next() as u8 & (FIN | SYN | RST | PSH | ACK | URG),
    }
}

fn nearby(random: &mut Random) -> u32 {
    match random.below(10) {
        0..4 => 0,
        4..7 => random.below(40),
        7..9 => random.below(40).wrapping_neg(),
        _ => random.pick(&[
            100_000,
            1_200_000,
            3_000_000,
            u32::MAX / 2,
            u32::MAX - 100_000,
        ]),
    }
}

/// Noise, or what the honest stack has there with or without one byte changed.
fn payload(sender: &Host, seq: u32, random: &mut Random) -> Vec<u8> {
    if random.chance(15) {
        return Vec::new();
    }
    let length = 1 + random.below(40) as usize;
    let from = seq.wrapping_sub(sender.first()) as usize;
    match sender.data.get(from..from + length) {
        Some(honest) if random.chance(50) => {
            let mut bytes = honest.to_vec();
            if random.chance(70) {
                bytes[random.below(length as u32) as usize] ^= 1;
            }
            bytes
        }
        _ => random.bytes(length),
    }
}

fn timestamps(victim: &Host, now: u32, random: &mut Random) -> Option<(u32, u32)> {
    let value = match random.below(10) {
        0 => victim.ts_recent.wrapping_sub(random.below(4)),
        1 => 0,
        2 => now.wrapping_add(random.below(5)),
        _ => now,
    };
    random
        .chance(if victim.ts_ok { 80 } else { 10 })
        .then_some((value, 0))
}

/// From a stranger, in `sender`'s name: what `receiver` ignores as it stands, by something that
/// is known between the two. Where the engine cannot know yet what the receiver got, it takes
/// the segment as sent, and that is no fault.
pub fn ignored(sender: &Host, receiver: &Host, now: u32, random: &mut Random) -> Segment {
    let seq = receiver
        .rcv_nxt
        .wrapping_add(random.below(60))
        .wrapping_sub(random.below(20));
    let mut segment = Segment::new(sender.side, ACK | PSH, seq, receiver.snd_nxt);
    segment.options.timestamps = receiver.ts_ok.then_some((now + 1_000, 0));
    let length = 1 + random.below(40) as usize;
    segment.payload = random.bytes(length);
    segment.crafted = true;
    let kind = if receiver.is_synchronised() {
        random.below(14)
    } else {
        random.pick(&[0, 1, 2, 10, 11])
    };
    match kind {
        // E15, D12, C04.
        0 => segment.flags = random.pick(&[0, PSH, FIN, FIN | PSH, URG]),
        // E26, D05, C08.
        1 => {
            segment.options.md5 = true;
            segment.flags = random.pick(&[ACK, ACK | FIN, RST, SYN, SYN | ACK]);
        }
        // E14, D04.
        2 => {
            segment.bad_checksum = true;
            segment.flags = random.pick(&[ACK, ACK | FIN, RST, SYN]);
        }
        // E17, E19.
        3 if sender.ts_echoed.is_some() => {
            let old = random.pick(&[2, 3, 1_000, 1_000_000]);
            let echoed = sender.ts_echoed.unwrap_or(0);
            segment.options.timestamps = Some((echoed.wrapping_sub(old), 0));
            segment.flags |= random.pick(&[0, FIN]);
        }
        // E23, D13.
        4 => {
            let ahead = random.pick(&[1, 40, 5_000, 1 << 30]);
            segment.ack = receiver.snd_nxt.wrapping_add(ahead);
            segment.flags |= random.pick(&[0, FIN]);
        }
        // E24.
        5 => {
            segment.ack = receiver
                .iss
                .wrapping_sub(random.pick(&[10, 1_000, 1 << 30]))
        }
        // E25.
        6 => {
            let ahead = random.pick(&[1, 500, 50_000, 1_000_000, 3_000_000, 1 << 30]);
            segment.seq = receiver.rcv_limit.wrapping_add(ahead);
            segment.flags |= random.pick(&[0, FIN]);
        }
        // E03, E36, D14.
        7 => {
            let length = segment.payload.len() as u32;
            let behind = random.pick(&[1, 2, 30, 1 << 30]);
            segment.seq = sender.snd_una.wrapping_sub(length + behind);
        }
        // E16, C11, C22.
        8 => {
            segment.flags = random.pick(&[SYN, SYN | ACK, SYN | PSH | ACK, SYN | FIN]);
            // Not a pair of SYN and SYN-ACK that fit together: forged in both directions, they
            // make a connection as true as any.
            segment.seq = random.pick(&[receiver.irs, random.clone().next() as u32]);
            if random.chance(70) {
                segment.payload.clear();
            }
        }
        // D02, D03, D09.
        9 => {
            segment.flags = random.pick(&[RST, RST | ACK]);
            let off = random.pick(&[1, 2, 100, 3_000_000, u32::MAX, u32::MAX - 5]);
            segment.seq = receiver.rcv_nxt.wrapping_add(off);
        }
        // C05.
        10 => segment.flags = random.pick(&[SYN | FIN, SYN | RST, SYN | FIN | RST | ACK]),
        // C19, C20.
        11 => {
            segment.flags = random.pick(&[RST, RST | ACK, FIN | ACK]);
            segment.ack = receiver.snd_una.wrapping_sub(random.below(3));
            segment.seq = random.next() as u32;
        }
        // An ACK of nothing new.
        12 => {
            segment.payload.clear();
            segment.ack = receiver.snd_una.wrapping_sub(random.below(5));
            segment.seq = sender.snd_una.wrapping_sub(1 + random.below(5));
        }
        // D17, E43: dies behind the engine. A forged acknowledgement of what is under way is no matter for this test.
        _ => {
            segment.ttl = 1 + random.below(4) as u8;
            segment.ack = receiver.snd_una;
        }
    }
    segment
}
