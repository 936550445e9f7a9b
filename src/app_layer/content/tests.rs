use std::io::Write;

use super::layer::{Coding, Layer};
use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

pub(in crate::app_layer) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::app_layer) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::app_layer) fn raw(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::app_layer) fn br(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 5, 22)
        .write_all(data)
        .unwrap();
    out
}

pub(in crate::app_layer) fn zstd(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(data.len())];
    let length = zstd_safe::compress(&mut out[..], data, 3).unwrap();
    out.truncate(length);
    out
}

fn noise(length: u32) -> Vec<u8> {
    (0..length)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn decode(claimed: Coding, wire: &[u8], step: usize) -> Result<(Vec<u8>, bool), Stop> {
    let mut layer = Layer::new(claimed);
    let mut out = Vec::new();
    let mut window = [0; 7];
    for part in wire.chunks(step).chain([&[][..]]) {
        let mut rest = part;
        if rest.is_empty() {
            layer.end();
        }
        loop {
            let (read, written) = layer.decode(rest, &mut window)?;
            out.extend_from_slice(&window[..written]);
            rest = &rest[read..];
            if read == 0 && written == 0 {
                break;
            }
        }
    }
    Ok((out, layer.is_whole()))
}

/// Found by fuzzing: in one piece, what preceded the fault was lost.
#[test]
fn what_precedes_a_fault_is_given_out_however_it_is_cut() {
    let mut member = gzip(b"attack");
    member.extend_from_slice(&[0x1f, 0x8b, 9]);
    for step in 1..=member.len() {
        let mut layer = Layer::new(Coding::Gzip);
        let (mut out, mut window, mut broken) = (Vec::new(), [0; 64], false);
        for mut part in member.chunks(step) {
            loop {
                match layer.decode(part, &mut window) {
                    Ok((0, 0)) => break,
                    Ok((read, written)) => {
                        out.extend_from_slice(&window[..written]);
                        part = &part[read..];
                    }
                    Err(stop) => {
                        assert_eq!(stop, Stop::Broken);
                        broken = true;
                        break;
                    }
                }
            }
        }
        assert_eq!((out.as_slice(), broken), (&b"attack"[..], true), "{step}");
    }
}

#[test]
fn codings_are_undone_in_any_segmentation() {
    let text = b"the quick brown fox jumps over the lazy dog, the quick brown fox";
    let mut two_members = gzip(b"first ");
    two_members.extend(gzip(b"second"));
    let mut two_frames = zstd(b"first ");
    two_frames.extend_from_slice(&[0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);
    two_frames.extend(zstd(b"second"));
    let mut garbage = gzip(b"body");
    garbage.extend_from_slice(b"tail");
    let mut behind_br = br(b"body");
    behind_br.extend_from_slice(b"tail");
    let mut wrong_checksum = gzip(b"body");
    let at = wrong_checksum.len() - 6;
    wrong_checksum[at] ^= 0xff;
    let mut full_header = vec![
        0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 3, 0, b'x', b'y', b'z',
    ];
    full_header.extend_from_slice(b"name\0comment\0\x12\x34");
    full_header.extend_from_slice(&raw(b"body"));
    full_header.extend_from_slice(&[0; 8]);
    // A stored block (RFC 1951 section 3.2.4) whose first bytes would do for zlib.
    let like_zlib = [
        &[0x78, 156, 0, 99, 255][..],
        &[b'e'; 156],
        &[1, 0, 0, 255, 255],
    ]
    .concat();
    for (name, claimed, wire, expected) in [
        ("gzip", Coding::Gzip, gzip(text), &text[..]),
        ("zlib", Coding::Deflate, zlib(text), text),
        ("raw", Coding::Deflate, raw(text), text),
        ("raw like zlib", Coding::Deflate, like_zlib, &[b'e'; 156]),
        ("br", Coding::Brotli, br(text), text),
        ("zstd", Coding::Zstd, zstd(text), text),
        ("gzip called deflate", Coding::Deflate, gzip(text), text),
        ("gzip called br", Coding::Brotli, gzip(text), text),
        ("zlib called gzip", Coding::Gzip, zlib(text), text),
        ("zstd called gzip", Coding::Gzip, zstd(text), text),
        ("plain called gzip", Coding::Gzip, text.to_vec(), text),
        ("plain called deflate", Coding::Deflate, text.to_vec(), text),
        ("plain called br", Coding::Brotli, text.to_vec(), text),
        ("plain called zstd", Coding::Zstd, text.to_vec(), text),
        ("two members", Coding::Gzip, two_members, b"first second"),
        ("two frames", Coding::Zstd, two_frames, b"first second"),
        ("bytes behind", Coding::Gzip, garbage, b"bodytail"),
        ("bytes behind br", Coding::Brotli, behind_br, b"bodytail"),
        ("wrong checksum", Coding::Gzip, wrong_checksum, b"body"),
        ("every header field", Coding::Gzip, full_header, b"body"),
        ("empty", Coding::Gzip, gzip(b""), b""),
        ("one byte", Coding::Gzip, b"\x1f".to_vec(), b"\x1f"),
    ] {
        for step in [1, 2, 5, wire.len()] {
            let (out, whole) = decode(claimed, &wire, step).unwrap();
            assert!(out.ends_with(expected), "{name} by {step}: {out:?}");
            assert!(whole, "{name} by {step}");
        }
    }
}

#[test]
fn what_is_cut_or_broken_is_told() {
    let long = noise(10_000);
    for (claimed, wire) in [
        (Coding::Gzip, gzip(&long)),
        (Coding::Brotli, br(&long)),
        (Coding::Zstd, zstd(b"body of some length")),
    ] {
        let (_, whole) = decode(claimed, &wire[..wire.len() - 10], 3).unwrap();
        assert!(!whole, "{claimed:?}");
    }
    let mut bad = gzip(b"body of some length");
    bad[10] = 0xff;
    assert_eq!(decode(Coding::Gzip, &bad, 4), Err(Stop::Broken));
}

#[test]
fn no_layer_takes_more_than_its_memory_whatever_it_is_fed() {
    let noise = noise(400_000);
    let large = {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 9, 24)
            .write_all(&noise)
            .unwrap();
        out
    };
    for (claimed, wire) in [(Coding::Brotli, large), (Coding::Zstd, zstd(&noise))] {
        let mut layer = Layer::new(claimed);
        let (mut window, mut most, mut made) = ([0; 4096], 0, Vec::new());
        let mut rest = &wire[..];
        let stop = loop {
            match layer.decode(rest, &mut window) {
                Ok((0, 0)) => break None,
                Ok((read, written)) => {
                    made.extend_from_slice(&window[..written]);
                    rest = &rest[read..];
                }
                Err(stop) => break Some(stop),
            }
            most = most.max(layer.held_bytes());
        };
        assert_eq!(stop, Some(Stop::Full), "{claimed:?}");
        assert!(made.len() >= 120 * 1024, "{claimed:?}: {}", made.len());
        assert_eq!(made, noise[..made.len()], "{claimed:?}");
        assert!(most < 900 * 1024, "{claimed:?}: {most}");
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded_whatever_the_cuts(
        data in proptest::collection::vec(any::<u8>(), 0..2000),
        step in 1_usize..500,
    ) {
        for (claimed, wire) in [
            (Coding::Gzip, gzip(&data)),
            (Coding::Deflate, zlib(&data)),
            (Coding::Brotli, br(&data)),
            (Coding::Zstd, zstd(&data)),
        ] {
            let (out, whole) = decode(claimed, &wire, step).unwrap();
            prop_assert_eq!(out, data.clone());
            prop_assert!(whole);
        }
    }

    #[test]
    fn noise_does_no_harm_and_cuts_do_not_matter(
        data in proptest::collection::vec(any::<u8>(), 0..300),
        step in 1_usize..100,
    ) {
        for claimed in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
            let whole = decode(claimed, &data, data.len().max(1));
            prop_assert_eq!(decode(claimed, &data, step), whole);
        }
    }
}

/// Found by fuzzing: with a full window between, what preceded the fault was lost.
#[test]
fn what_precedes_a_fault_in_br_is_given_out_whatever_the_window() {
    let mut wire = br(&noise(3000));
    wire.truncate(wire.len() / 2);
    wire.extend_from_slice(&[0xff; 40]);
    let read = |step: usize, window: usize| {
        let mut brotli = super::br::Brotli::new();
        let (mut out, mut room) = (Vec::new(), vec![0; window]);
        for mut part in wire.chunks(step) {
            loop {
                let (read, written, result) = brotli.decode(part, &mut room);
                out.extend_from_slice(&room[..written]);
                part = &part[read..];
                if result.is_err() {
                    return (out, result);
                }
                if read == 0 && written == 0 {
                    break;
                }
            }
        }
        (out, Ok(()))
    };
    let expected = read(1, 100_000);
    for window in [1, 2, 7, 100, 4096] {
        for step in [1, 2, 50, wire.len()] {
            assert_eq!(read(step, window), expected, "by {step} into {window}");
        }
    }
}
